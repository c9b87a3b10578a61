//! Daemons that are there and answer nobody: a signal has stopped them, or they do not read what
//! comes to their socket. What is seen of that, and what to type.

use super::gather::Gathered;
use super::observed::Observed;
use crate::commands::own_service;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::report::finding::Finding;
use crate::report::format::age;
use crate::report::format::seconds;
use crate::sys;
use crate::sys::daemons;
use crate::sys::daemons::Running;
use crate::sys::service;
use crate::sys::service::Manager;
use crate::sys::sock_diag;
use crate::sys::sock_diag::Protocol;
use std::path::Path;

/// What is wrong with a daemon that a signal has stopped.
pub(super) const STOPPED: &str = "a signal has stopped it (state T in /proc)";

/// Whether somebody has this port, and leaves what comes unread.
pub(super) fn unread(port: u16) -> bool {
    let sockets = sock_diag::listeners(Protocol::Udp)
        .or_else(|_| sys::proc_net::listeners(Protocol::Udp))
        .unwrap_or_default();
    sockets
        .iter()
        .any(|socket| socket.port == port && socket.unread > 0)
}

/// A daemon that is there and answers nobody.
pub(super) fn seen(name: &str, problem: &str) -> Observed {
    let mut row = Observed::silent(name, problem);
    row.daemon.hangs = true;
    row
}

/// What is known of one that holds its socket and does not answer.
pub(super) fn silence(daemon: &Running, limit_s: f64) -> String {
    let wait = if limit_s < 1.0 {
        seconds(limit_s)
    } else {
        age(limit_s)
    };
    let why = match daemons::state(daemon.pid) {
        Some('T') => format!("; {STOPPED}"),
        Some('D') => ": it waits for a disk or another device (state D in /proc)".to_owned(),
        Some('R') => ": it is busy with something else (state R in /proc)".to_owned(),
        _ => String::new(),
    };
    format!("it holds its socket, but did not answer for {wait}{why}")
}

/// One finding for each daemon that hangs.
#[must_use]
pub fn findings(gathered: &Gathered) -> Vec<Finding> {
    let hung = gathered.observed.iter().filter(|seen| seen.daemon.hangs);
    hung.filter_map(|seen| {
        let daemon = gathered
            .running
            .iter()
            .find(|daemon| seen.daemon.pid == Some(daemon.pid))?;
        let head = format!("{} (process {})", daemon.kind.word(), daemon.pid);
        let problem = seen.daemon.problem.as_deref().unwrap_or_default();
        Some(match daemon.stopped.is_empty() {
            true => {
                let (next, why) = begin_again(daemon);
                Finding::error(format!("{head} hangs: {problem}{why}")).next(next)
            }
            false => Finding::error(format!(
                "{head} does nothing: {problem}. It answers nobody and corrects nothing until it goes on"
            ))
            .next(go_on(&daemon.stopped)),
        })
    })
    .collect()
}

/// A daemon that is stopped takes no orders: nothing is written for it.
///
/// # Errors
/// That it is stopped, and the command that lets it go on.
pub fn refuse_stopped(daemon: Option<&Running>) -> Result<(), Failure> {
    let Some(daemon) = daemon.filter(|daemon| !daemon.stopped.is_empty()) else {
        return Ok(());
    };
    let text = format!(
        "{} (process {}) takes no orders: {STOPPED}; nothing was changed",
        daemon.kind.word(),
        daemon.pid
    );
    Err(Failure::new(ExitStatus::Unavailable, text)
        .hint(go_on(&daemon.stopped))
        .target(daemon.kind.word()))
}

fn go_on(pids: &[u32]) -> String {
    let words: Vec<String> = pids.iter().map(u32::to_string).collect();
    format!("kill -CONT {}", words.join(" "))
}

/// The command that ends it and starts it anew, and what is to be said of that.
fn begin_again(daemon: &Running) -> (String, &'static str) {
    let manager = service::manager(Path::new("/"));
    let name = match manager {
        Manager::Systemd => own_service::of(daemon.pid).map(|unit| format!("{unit}.service")),
        _ => daemon
            .kind
            .services()
            .first()
            .map(|usual| (*usual).to_owned()),
    };
    match name.and_then(|name| manager.restart(&name)) {
        Some(command) => (command, ""),
        None => (
            format!("kill {}", daemon.pid),
            ". No service started it: the command ends it, then start it as before",
        ),
    }
}
