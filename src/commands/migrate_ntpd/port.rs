//! UDP 123 on this machine, before a daemon is started that is to answer clients there.

use super::next;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::sys::processes;
use crate::sys::sock_diag;
use crate::sys::sock_diag::Protocol;
use std::collections::BTreeSet;

const NTP: u16 = 123;

/// Nobody else may hold the port: chronyd would end without a word that names the holder, or answer
/// over one address family only. What listens on loopback alone does not matter.
pub(super) fn free() -> Result<(), Failure> {
    // Where it cannot be seen, the daemon's own start tells.
    let sockets = sock_diag::listeners(Protocol::Udp).unwrap_or_default();
    let held = |socket: &&sock_diag::Listener| socket.port == NTP && !socket.address.is_loopback();
    let Some(socket) = sockets.iter().find(held) else {
        return Ok(());
    };
    let holders = processes::holders(&BTreeSet::from([socket.inode])).by_inode;
    let who = match holders.get(&socket.inode).and_then(|list| list.first()) {
        Some(process) => format!("{} (process {})", process.name, process.pid),
        None => "a program of another namespace".to_owned(),
    };
    let text = format!(
        "{who} holds UDP port {NTP} on {}, where clients are to be answered: stop it, or answer nobody",
        socket.address
    );
    Err(Failure::new(ExitStatus::Unavailable, text).hint(next::again("--no-serve")))
}
