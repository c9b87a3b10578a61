//! Making a running daemon follow its changed file: chronyd live through its control socket, the
//! others by a restart of their service; and waiting until the new sources answer.

use super::gather;
use crate::conf::chrony::value::Family;
use crate::conf::sources::Kind as SourceKind;
use crate::conf::sources::TimeSource;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::proto::cmdmon::Address;
use crate::proto::cmdmon::PORT;
use crate::proto::cmdmon::new_source;
use crate::proto::cmdmon::new_source::NewSource;
use crate::proto::cmdmon::reply::Reply;
use crate::proto::cmdmon::request::Request;
use crate::report::sources::State;
use crate::sys;
use crate::sys::cmdmon;
use crate::sys::cmdmon::AskError;
use crate::sys::daemons::Kind;
use crate::sys::daemons::Running;
use crate::sys::service;
use crate::sys::service::Manager;
use std::collections::BTreeSet;
use std::path::Path;

/// Seconds that a restart may take.
const RESTART_LIMIT_S: f64 = 60.0;
/// How often the daemon is asked whether the new sources answer.
const POLL_MS: u64 = 500;

/// Tells chronyd (or clockbox's daemon) the difference between two lists of sources.
///
/// # Errors
/// When it cannot be asked, or refuses.
pub fn live(
    sockets: &[&str],
    old: &[TimeSource],
    new: &[TimeSource],
    limit_s: f64,
) -> Result<(), Failure> {
    let failed = |error: AskError| {
        Failure::new(
            ExitStatus::Unavailable,
            format!("the daemon was not told: {error}"),
        )
    };
    let mut client = cmdmon::Client::local(sockets, PORT, limit_s).map_err(failed)?;
    if client.endpoint().word() != "unix" {
        return Err(Failure::new(
            ExitStatus::NoPermission,
            "its control socket is for root and the daemon's own user",
        ));
    }
    let same = |a: &TimeSource, b: &TimeSource| a.name == b.name && as_new(a) == as_new(b);
    let gone: BTreeSet<&str> = old
        .iter()
        .filter(|o| !new.iter().any(|n| same(o, n)))
        .map(|o| o.name.as_str())
        .collect();
    for address in addresses(&mut client, &gone).map_err(failed)? {
        match client.ask(&Request::DeleteSource(address)) {
            // A pool's unresolved places go with it.
            Ok(_) | Err(AskError::Refused(_)) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    let added: Vec<&TimeSource> = new
        .iter()
        .filter(|n| !old.iter().any(|o| same(o, n)))
        .collect();
    if added.iter().any(|source| source.key.is_some()) {
        // The key may have come to its file after the daemon read it.
        client.ask_if_allowed(&Request::Rekey).map_err(failed)?;
    }
    for source in added {
        if source.kind == SourceKind::Refclock {
            continue;
        }
        client
            .ask(&Request::AddSource(Box::new(as_new(source))))
            .map_err(|error| {
                Failure::new(
                    ExitStatus::Unavailable,
                    format!("the daemon does not take {}: {error}", source.name),
                )
            })?;
    }
    Ok(())
}

/// The addresses of the sources with these names.
fn addresses(
    client: &mut cmdmon::Client,
    names: &BTreeSet<&str>,
) -> Result<Vec<Address>, AskError> {
    let mut found = Vec::new();
    let Some(Reply::SourceCount(count)) = client.ask_if_allowed(&Request::SourceCount)? else {
        return Ok(found);
    };
    for index in 0..count.min(1024) {
        let Some(Reply::Source(source)) = client.ask_if_allowed(&Request::Source(index))? else {
            continue;
        };
        if source.mode == 2 {
            continue;
        }
        let name = match client.ask_if_allowed(&Request::SourceName(source.address))? {
            Some(Reply::SourceName(name)) => name,
            _ => source.address.to_string(),
        };
        if names.contains(name.as_str()) {
            found.push(source.address);
        }
    }
    Ok(found)
}

fn as_new(source: &TimeSource) -> NewSource {
    let kind = match source.kind {
        SourceKind::Pool => new_source::POOL,
        SourceKind::Peer => new_source::PEER,
        SourceKind::Server | SourceKind::Refclock => new_source::SERVER,
    };
    let mut new = NewSource::new(kind, source.name.clone());
    new.port = u32::from(source.port);
    new.minpoll = source.minpoll.map_or(new.minpoll, i32::from);
    new.maxpoll = source
        .maxpoll
        .map_or(new.maxpoll.max(new.minpoll), i32::from);
    new.version = source.version.map_or(new.version, u32::from);
    new.max_sources = source.max_sources.unwrap_or(new.max_sources);
    new.auth_key = source.key.unwrap_or(0);
    new.nts_port = source.nts_port.map_or(new.nts_port, u32::from);
    new.offset_s = source.offset_s;
    for (on, flag) in [
        (source.iburst, new_source::FLAG_IBURST),
        (source.burst, new_source::FLAG_BURST),
        (source.prefer, new_source::FLAG_PREFER),
        (source.noselect, new_source::FLAG_NOSELECT),
        (source.trust, new_source::FLAG_TRUST),
        (source.xleave, new_source::FLAG_INTERLEAVED),
        (source.nts, new_source::FLAG_NTS),
        (source.family == Some(Family::V4), new_source::FLAG_IPV4),
        (source.family == Some(Family::V6), new_source::FLAG_IPV6),
    ] {
        if on {
            new.flags |= flag;
        }
    }
    new
}

/// Restarts the daemon's service; gives the command that did it.
///
/// # Errors
/// When there is no service manager, no service, or the restart fails.
pub fn restart(kind: Kind) -> Result<String, Failure> {
    let root = Path::new("/");
    let services = service::find_all(root, kind.services());
    let name = services
        .iter()
        .find(|s| s.enabled)
        .or_else(|| services.first())
        .map(|s| s.name.clone());
    let Some(name) = name else {
        return Err(no_manager(kind));
    };
    let (program, arguments): (&str, Vec<&str>) = match service::manager(root) {
        Manager::Systemd => ("systemctl", vec!["restart", &name]),
        Manager::OpenRc => ("rc-service", vec![&name, "restart"]),
        Manager::SysV => ("service", vec![&name, "restart"]),
        Manager::None => return Err(no_manager(kind)),
    };
    let command = format!("{program} {}", arguments.join(" "));
    match sys::process::read(program, &arguments, RESTART_LIMIT_S, 64 << 10) {
        Ok(said) if said.status == Some(0) => Ok(command),
        Ok(said) => {
            // systemctl only points to the log.
            let words = service::last_words(&name);
            let (why, hint) = match words.is_empty() {
                true => (said.reason(), format!("{program} status {name}")),
                false => (words, format!("journalctl -u {name}")),
            };
            let text = format!("{command} failed: {why}");
            Err(Failure::new(ExitStatus::Unavailable, text).hint(hint))
        }
        Err(error) => Err(Failure::new(ExitStatus::Unavailable, error.to_string())),
    }
}

fn no_manager(kind: Kind) -> Failure {
    Failure::new(
        ExitStatus::Unavailable,
        format!(
            "there is no service manager here that could restart {}",
            kind.word()
        ),
    )
}

/// What came of the sources that a daemon was told.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// The names that it has a measurement of.
    pub answered: BTreeSet<String>,
    /// Whether it follows one of them.
    pub followed: bool,
}

/// Waits until the daemon has a measurement of all of the sources and, where `follow` says so,
/// follows one of them; at most so many seconds.
#[must_use]
pub fn wait(kind: Kind, names: &[String], follow: bool, limit_s: f64) -> Heard {
    let deadline = sys::clock::monotonic().plus_seconds(limit_s);
    let mut answered = BTreeSet::new();
    let mut followed = false;
    loop {
        let gathered = gather::local(2.0);
        for seen in gathered
            .observed
            .iter()
            .filter(|o| o.daemon.name == kind.word())
        {
            for row in seen.sources.iter().filter(|row| row.offset_s.is_some()) {
                let known = names.iter().find(|name| {
                    row.name.as_ref() == Some(*name) || row.address.as_ref() == Some(*name)
                });
                answered.extend(known.cloned());
                let used = matches!(row.state, State::Selected | State::Combined);
                followed |= used && known.is_some();
            }
        }
        let now = sys::clock::monotonic();
        let one_is_enough = kind == Kind::Timesyncd && !answered.is_empty();
        let settled = answered.len() == names.len() && (followed || !follow);
        if settled || one_is_enough || deadline <= now {
            return Heard { answered, followed };
        }
        let _ = sys::udp::wait(&[], POLL_MS.min(deadline.millis_from(now)));
    }
}

/// The daemon whose sources are to be set: the one that runs and steers, else the enabled one.
#[must_use]
pub fn running(daemons: &[Running]) -> Option<&Running> {
    let settable = |d: &&Running| super::set::form(d.kind).is_some() && !d.container;
    daemons
        .iter()
        .filter(settable)
        .find(|d| d.holds_clock == Some(true))
        .or_else(|| daemons.iter().find(settable))
}
