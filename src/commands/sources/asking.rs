//! Asking one daemon that runs on this machine, in its own way, and seeing where it hangs: it holds
//! its socket, and answers nobody.

use super::chronyd;
use super::configured::Configured;
use super::hang;
use super::ntpd;
use super::ntpd_rs;
use super::observed::Observed;
use super::openntpd;
use super::timesyncd;
use crate::proto::cmdmon::PORT;
use crate::report::sources::DaemonRow;
use crate::sys;
use crate::sys::cmdmon;
use crate::sys::daemons::Kind;
use crate::sys::daemons::Running;
use crate::sys::mode6;
use crate::sys::sock_diag;
use crate::sys::sock_diag::Protocol;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;

/// Whether what answers on a daemon's UDP port, 323 most often, is this daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CommandPort {
    /// Nobody else here speaks that protocol, or the port is seen to be its own.
    Own,
    /// Another one has it.
    Others,
    /// Whose it is only root can see.
    Unseen,
}

pub(super) const fn speaks_cmdmon(daemon: &Running) -> bool {
    matches!(daemon.kind, Kind::Chronyd | Kind::Clockbox) && !daemon.container
}

/// chronyd and clockbox's daemon speak the same, on the same port if no file says otherwise: where
/// several share one, the rows of one must not be shown as the other's.
pub(super) fn command_port(daemon: &Running, sharing: usize, number: u16) -> CommandPort {
    if sharing < 2 {
        return CommandPort::Own;
    }
    let sockets = sock_diag::listeners(Protocol::Udp).unwrap_or_default();
    let inodes: BTreeSet<u64> = sockets
        .iter()
        .filter(|socket| socket.port == number)
        .map(|socket| socket.inode)
        .collect();
    let holders = sys::processes::holders(&inodes).by_inode;
    let mut pids = holders.values().flatten().map(|process| process.pid);
    match pids.next() {
        None => CommandPort::Unseen,
        Some(first) if first == daemon.pid || pids.any(|pid| pid == daemon.pid) => CommandPort::Own,
        Some(_) => CommandPort::Others,
    }
}

/// Asks it; `limit_s` is the time for each question.
pub(super) fn ask(
    daemon: &Running,
    conf: Option<&Configured>,
    port: CommandPort,
    limit_s: f64,
) -> Observed {
    let name = daemon.kind.word();
    if daemon.container {
        return Observed::silent(
            name,
            "it runs in a container or another network, where its control channel is: ask it there",
        );
    }
    if !daemon.stopped.is_empty() {
        // Nothing is lost by not asking: it cannot answer.
        return hang::seen(name, hang::STOPPED);
    }
    let unix = sys::clock::unix();
    match daemon.kind {
        // It has no sources: what it tells its clients it asks the others, as is done here.
        Kind::Clockbox if is_beside(daemon, conf) => Observed::only(DaemonRow {
            follows: Some("whoever keeps this clock".to_owned()),
            ..DaemonRow::new(name)
        }),
        Kind::Chronyd | Kind::Clockbox => ask_cmdmon(daemon, conf, port, limit_s),
        Kind::Ntpd | Kind::Ntpsec => {
            let loopback = [
                IpAddr::V4(Ipv4Addr::LOCALHOST),
                IpAddr::V6(Ipv6Addr::LOCALHOST),
            ];
            ask_mode6(daemon, &loopback, limit_s)
        }
        Kind::Timesyncd => timesyncd::observe(limit_s, unix),
        Kind::NtpdRs => ntpd_rs::observe(limit_s, sys::clock::now()),
        Kind::Openntpd => openntpd::observe(limit_s),
        Kind::BusyboxNtpd => Observed::silent(
            name,
            "busybox ntpd has no control channel: what it follows, it does not tell",
        ),
        Kind::Ptp4l | Kind::Phc2sys | Kind::Ts2phc | Kind::Timemaster => {
            Observed::only(ptp_daemon(daemon))
        }
    }
}

/// What linuxptp's programs do stands on their command lines.
fn ptp_daemon(daemon: &Running) -> DaemonRow {
    let mut row = DaemonRow::new(daemon.kind.word());
    let value = |option: &str| {
        let at = daemon.arguments.iter().position(|word| word == option)?;
        daemon.arguments.get(at + 1).cloned()
    };
    row.follows = match daemon.kind {
        Kind::Phc2sys => value("-s").or_else(|| {
            let automatic = daemon.arguments.iter().any(|w| w.starts_with("-a"));
            automatic.then(|| "what ptp4l follows".to_owned())
        }),
        Kind::Ptp4l => value("-i").map(|interface| format!("PTP on {interface}")),
        Kind::Ts2phc => value("-s"),
        _ => None,
    };
    row
}

/// A server beside whoever keeps the clock, by its command line and the file that it reads without one.
fn is_beside(daemon: &Running, conf: Option<&Configured>) -> bool {
    let has = |word: &str| {
        let mut arguments = daemon.arguments.iter();
        arguments.any(|argument| argument.split('=').next() == Some(word))
    };
    let follows = has("--upstream") || has("--config") || has("--local");
    let own = conf.is_some_and(|conf| !conf.sources.is_empty() || !conf.refclocks.is_empty());
    has("serve") && has("--no-clock-control") && !follows && !own
}

fn ask_cmdmon(
    daemon: &Running,
    conf: Option<&Configured>,
    port: CommandPort,
    limit_s: f64,
) -> Observed {
    let kind = daemon.kind;
    let name = kind.word();
    let named = conf.and_then(|conf| conf.control_socket.as_deref());
    let sockets: Vec<&str> = match (named, kind) {
        (Some("/"), _) => Vec::new(),
        (Some(path), _) => vec![path],
        (None, Kind::Clockbox) => vec![cmdmon::CLOCKBOX_SOCKET],
        (None, _) => cmdmon::CHRONY_SOCKETS.to_vec(),
    };
    let number = conf.map_or(PORT, |conf| conf.command_port);
    if sockets.is_empty() && number == 0 {
        return Observed::silent(
            name,
            "its configuration switches its control socket off (bindcmdaddress /, cmdport 0)",
        );
    }
    let opened = if port == CommandPort::Own {
        cmdmon::Client::local(&sockets, number, limit_s)
    } else {
        let unix = sockets
            .iter()
            .map(|path| cmdmon::Endpoint::Unix(path.into()));
        cmdmon::Client::first(unix, limit_s)
    };
    let asked = opened.and_then(|mut client| {
        let via = client.endpoint().word();
        let mut seen = chronyd::observe(&mut client, name, sys::clock::unix())?;
        seen.daemon.via = Some(via.to_owned());
        Ok(seen)
    });
    asked.unwrap_or_else(|error| {
        if matches!(error, cmdmon::AskError::Silent) {
            let held = sockets.iter().any(|path| cmdmon::is_held(path));
            if held || (port == CommandPort::Own && hang::unread(number)) {
                return hang::seen(name, &hang::silence(daemon, limit_s));
            }
        }
        let mut text = error.to_string();
        match port {
            CommandPort::Own => {}
            CommandPort::Others => {
                text.push_str(&format!("; UDP port {number} is another daemon's"));
            }
            CommandPort::Unseen => text.push_str(&format!(
                "; several daemons here may answer on UDP port {number}, and only root can see which one has it"
            )),
        }
        if !sys::host::is_root() {
            text.push_str("; root and the daemon's own user may ask it through its socket");
        }
        Observed::silent(name, text)
    })
}

fn ask_mode6(daemon: &Running, addresses: &[IpAddr], limit_s: f64) -> Observed {
    let name = daemon.kind.word();
    let start = sys::clock::monotonic();
    let mut problem = String::new();
    let mut silent = false;
    for ip in addresses {
        let address = SocketAddr::new(*ip, MODE6_PORT);
        // The first may be forbidden by the file; the limit is for both.
        let left = limit_s - sys::clock::monotonic().seconds_since(start);
        let asked = mode6::Client::open(address, left.max(0.0) * FIRST_PART)
            .and_then(|mut client| ntpd::observe(&mut client, name, sys::clock::now()));
        match asked {
            Ok(mut seen) => {
                seen.daemon.via = Some("mode6".to_owned());
                return seen;
            }
            // What the first door said is what its configuration means.
            Err(error) => {
                silent |= matches!(error, mode6::AskError::Silent | mode6::AskError::Refused(_));
                if problem.is_empty() {
                    problem = error.to_string();
                }
            }
        }
    }
    if silent && hang::unread(MODE6_PORT) {
        return hang::seen(name, &hang::silence(daemon, limit_s));
    }
    if silent {
        problem.push_str(NOQUERY);
    }
    Observed::silent(name, problem)
}

/// What silence of an ntpd that reads its socket means, most often.
pub(super) const NOQUERY: &str = "; its file may forbid questions (noquery)";

/// The port of NTP, where ntpd is asked too.
const MODE6_PORT: u16 = 123;
/// Part of what is left of the limit that one address waits.
const FIRST_PART: f64 = 0.6;
