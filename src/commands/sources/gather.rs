//! Asks every daemon that runs, each in its own way, and puts the sentences in. Nothing is started,
//! stopped or changed.

use super::asking;
use super::chronyd;
use super::configured;
use super::configured::Configured;
use super::lookup;
use super::ntpd;
use super::observed::Observed;
use super::reference;
use crate::conf::cloud;
use crate::conf::cloud::Cloud;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::proto::cmdmon::PORT;
use crate::report::sources::SourceKind;
use crate::report::sources::SourceRow;
use crate::report::sources::State;
use crate::report::sources::explain::contradictions;
use crate::report::sources::explain::explain;
use crate::sys;
use crate::sys::cmdmon;
use crate::sys::daemons;
use crate::sys::daemons::Kind;
use crate::sys::daemons::Running;
use crate::sys::mode6;
use crate::sys::ptp::PtpClock;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::path::Path;

/// Everything that was seen.
#[derive(Clone, Debug, Default)]
pub struct Gathered {
    /// One a daemon.
    pub observed: Vec<Observed>,
    /// The processes.
    pub running: Vec<Running>,
    /// Their configurations, by process.
    pub configured: Vec<(u32, Configured)>,
    /// The PTP clocks of this machine.
    pub clocks: Vec<PtpClock>,
    /// The cloud.
    pub cloud: Option<Cloud>,
    /// What could not be seen, and why.
    pub blind: Vec<String>,
}

/// Asks the daemons of this machine; `limit_s` is the time for each question.
#[must_use]
pub fn local(limit_s: f64) -> Gathered {
    let root = Path::new("/");
    let mut gathered = Gathered {
        clocks: sys::ptp::clocks(root),
        cloud: cloud::classify(&sys::cloud::read(root)).cloud,
        ..Gathered::default()
    };
    match daemons::running() {
        Ok(mut running) => {
            // A server beside another daemon asks about that one, not about itself.
            running.retain(|daemon| daemon.pid != std::process::id());
            gathered.running = running;
        }
        Err(error) => {
            gathered.blind.push(format!(
                "which daemons run cannot be seen ({error}): their sockets are tried"
            ));
            // Without /proc the doors are still there.
            gathered.running = [Kind::Chronyd, Kind::Ntpd]
                .into_iter()
                .map(unseen)
                .collect();
        }
    }
    let blind = !gathered.blind.is_empty();
    let read = |daemon: Running| {
        let conf = match daemon.container {
            true => None,
            false => configured::read(daemon.kind, &daemon.arguments, root),
        };
        (daemon, conf)
    };
    let all: Vec<(Running, Option<Configured>)> =
        gathered.running.iter().cloned().map(read).collect();
    let ports: Vec<u16> = all
        .iter()
        .filter(|(daemon, _)| asking::speaks_cmdmon(daemon))
        .map(|(_, conf)| conf.as_ref().map_or(PORT, |conf| conf.command_port))
        .collect();
    for (daemon, conf) in all {
        let number = conf.as_ref().map_or(PORT, |conf| conf.command_port);
        let sharing = ports.iter().filter(|port| **port == number).count();
        let port = asking::command_port(&daemon, sharing, number);
        let mut seen = asking::ask(&daemon, conf.as_ref(), port, limit_s);
        if blind && seen.daemon.via.is_none() {
            continue;
        }
        seen.of_process((!blind).then_some(daemon.pid));
        seen.daemon.holds_clock = daemon.holds_clock;
        seen.daemon.container = daemon.container;
        if let Some(limits) = conf.as_ref().and_then(|conf| conf.limits) {
            seen.limits = limits;
        }
        seen.limits.running_s = daemon.age_s;
        annotate(&mut seen, conf.as_ref(), &gathered.clocks, gathered.cloud);
        gathered.observed.push(seen);
        gathered
            .configured
            .extend(conf.map(|conf| (daemon.pid, conf)));
    }
    if blind {
        gathered.running.clear();
    }
    gathered
}

fn unseen(kind: Kind) -> Running {
    Running {
        kind,
        pid: 0,
        holds_clock: None,
        container: false,
        arguments: Vec::new(),
        age_s: None,
        stopped: Vec::new(),
    }
}

/// Asks a daemon on another machine: chronyd, else ntpd, on their ports or on the one behind the
/// name; or the chronyd behind a control socket, when it is a path.
///
/// # Errors
/// When the name has no address, or nobody answers there.
pub fn remote(host: &str, limit_s: f64) -> Result<Gathered, Failure> {
    if host.starts_with('/') {
        let asked = asked_cmdmon(cmdmon::Endpoint::Unix(host.into()), limit_s);
        return asked.map(alone).map_err(|error| {
            let denied = matches!(&error, cmdmon::AskError::System(e) if e.is_permission());
            let (status, why) = match (denied, &error) {
                (true, _) => (
                    ExitStatus::NoPermission,
                    "; it is for root and the daemon's own user",
                ),
                (_, cmdmon::AskError::Absent(_)) => (
                    ExitStatus::Unknown,
                    "; the daemon's configuration says where its socket is (bindcmdaddress)",
                ),
                _ => (ExitStatus::Unknown, ""),
            };
            let text = format!("{host} tells nothing of its sources: {error}{why}");
            let failure = Failure::new(status, text).target(host);
            if denied && !sys::host::is_root() {
                failure.hint(format!("sudo clockbox sources --host {host}"))
            } else {
                failure.hint("clockbox sources")
            }
        });
    }
    let mut problems = Vec::new();
    let (name, port) = with_port(host)?;
    for ip in &addresses(name, limit_s)? {
        let at = |usual: u16| SocketAddr::new(*ip, port.unwrap_or(usual));
        match asked_cmdmon(cmdmon::Endpoint::Udp(at(PORT)), limit_s / 2.0) {
            Ok(seen) => return Ok(alone(seen)),
            Err(error) => problems.push(format!("chronyd: {error}")),
        }
        let asked = mode6::Client::open(at(123), limit_s / 2.0)
            .and_then(|mut client| ntpd::observe(&mut client, "ntpd", sys::clock::now()));
        match asked {
            Ok(mut seen) => {
                seen.daemon.via = Some("mode6".to_owned());
                return Ok(alone(seen));
            }
            Err(error) => problems.push(format!("ntpd: {error}")),
        }
    }
    problems.dedup();
    Err(Failure::new(
        ExitStatus::Unknown,
        format!(
            "{host} tells nothing of its sources: {}. It has to permit it: chrony.conf there needs cmdallow and bindcmdaddress, ntp.conf a restrict line without noquery. Whether it gives its time can be seen from here",
            problems.join("; ")
        ),
    )
    .hint(format!("clockbox check-port {name}"))
    .target(host))
}

fn asked_cmdmon(endpoint: cmdmon::Endpoint, limit_s: f64) -> Result<Observed, cmdmon::AskError> {
    let via = endpoint.word();
    let own = matches!(&endpoint, cmdmon::Endpoint::Unix(path) if path.starts_with("/run/clockbox") || path.starts_with("/run/clockbox-serve"));
    let name = if own { "clockbox" } else { "chronyd" };
    let mut client = cmdmon::Client::open(endpoint, limit_s)?;
    let mut seen = chronyd::observe(&mut client, name, sys::clock::unix())?;
    seen.daemon.via = Some(via.to_owned());
    Ok(seen)
}

/// `NAME`, `NAME:PORT`, `[V6]:PORT`, or an address of IPv6 as it is.
fn with_port(host: &str) -> Result<(&str, Option<u16>), Failure> {
    let parted = match host.rsplit_once(':') {
        Some((name, port)) if name.ends_with(']') || !name.contains(':') => Some((name, port)),
        _ => None,
    };
    let Some((name, port)) = parted else {
        return Ok((host, None));
    };
    match port.parse::<u16>() {
        Ok(port) if port != 0 => Ok((name, Some(port))),
        _ => Err(Failure::usage(format!("--host {host}: {port} is no port: those are the numbers from 1 to 65535; without one it is 323, then 123"))
            .hint(format!("clockbox sources --host {name}"))
            .target(host)),
    }
}

fn alone(mut seen: Observed) -> Gathered {
    annotate(&mut seen, None, &[], None);
    Gathered {
        observed: vec![seen],
        ..Gathered::default()
    }
}

fn addresses(host: &str, limit_s: f64) -> Result<Vec<IpAddr>, Failure> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Ok(vec![ip]);
    }
    let unresolved = |why: String| {
        Failure::new(ExitStatus::Unknown, format!("{host}: {why}"))
            .hint(format!("getent ahosts {host}"))
            .target(host)
    };
    let mut answers = lookup::all(&[host], limit_s)?;
    answers
        .pop()
        .unwrap_or_else(|| Err("no answer".to_owned()))
        .map_err(unresolved)
}

/// Puts in what the configuration and the machine say, and the sentences.
pub fn annotate(
    seen: &mut Observed,
    conf: Option<&Configured>,
    clocks: &[PtpClock],
    cloud: Option<Cloud>,
) {
    let limits = seen.limits;
    unfollowed(seen);
    empty_pools(&mut seen.sources, conf);
    for row in &mut seen.sources {
        if row.kind == SourceKind::Refclock {
            let refclocks = conf.map_or(&[][..], |conf| &conf.refclocks);
            let letters = row.address.clone().unwrap_or_default();
            row.reference = reference::describe(&letters, refclocks, clocks, cloud);
        }
        if let Some(conf) = conf {
            row.configured_at = origin(row, conf);
            let burst = |s: &&crate::conf::sources::TimeSource| {
                s.iburst && Some(s.name.as_str()) == row.name.as_deref()
            };
            if conf.sources.iter().any(|s| burst(&s)) {
                row.options.push("iburst".to_owned());
            }
        }
        if row.reference.is_none() {
            row.reference = row
                .refid
                .as_deref()
                .and_then(|refid| reference::upstream(refid, row.stratum));
        }
        if row.text.is_none()
            && let Some(advice) = explain(row, &limits)
        {
            row.text = Some(advice.text);
            row.next = advice.next;
        }
    }
    contradictions(&mut seen.sources);
}

/// ntpd marks the survivors of its selection before it follows any of them: what is good and is not
/// followed yet, and why.
fn unfollowed(seen: &mut Observed) {
    let name = seen.daemon.name.as_str();
    let follows = |row: &SourceRow| row.state == State::Selected;
    if !matches!(name, "ntpd" | "ntpsec")
        || seen.daemon.synchronised != Some(false)
        || seen.sources.iter().any(follows)
    {
        return;
    }
    let good = seen
        .sources
        .iter()
        .filter(|row| row.state.is_good())
        .count();
    let least = seen.limits.min_sources;
    for row in seen.sources.iter_mut().filter(|row| row.state.is_good()) {
        row.state = State::Candidate;
        let wanting = usize::try_from(least).is_ok_and(|least| good < least);
        let (text, next) = if wanting {
            let so_far = if good == 1 {
                "it is the only one"
            } else {
                "there are too few"
            };
            (
                format!(
                    "good, but {name} follows none before {least} agree (minsane in its file), and {so_far}"
                ),
                "clockbox sources set --add HOST...",
            )
        } else {
            (
                format!("good; {name} has not chosen one to follow yet"),
                "clockbox sources --watch",
            )
        };
        (row.text, row.next) = (Some(text), Some(next.to_owned()));
    }
}

/// ntpd's line of a pool, when no server stands there that no line names: nothing came of it.
fn empty_pools(sources: &mut [SourceRow], conf: Option<&Configured>) {
    let Some(conf) = conf else { return };
    let named = |row: &SourceRow| {
        conf.sources.iter().any(|source| {
            row.name.as_deref() == Some(&source.name)
                || row.address.as_deref() == Some(&source.name)
        })
    };
    let found = sources
        .iter()
        .any(|row| row.kind == SourceKind::Server && !named(row));
    if found {
        return;
    }
    for row in sources
        .iter_mut()
        .filter(|row| row.kind == SourceKind::Pool)
    {
        row.text = Some(
            "a pool's line, and no server has been found for it: its name has no address, or the daemon has just started"
                .to_owned(),
        );
        row.next = Some(format!("getent ahosts {}", row.title()));
    }
}

/// Where the row's source is configured.
fn origin(row: &SourceRow, conf: &Configured) -> Option<String> {
    if row.kind == SourceKind::Refclock {
        let index = conf
            .refclocks
            .iter()
            .position(|clock| Some(clock.refid.as_str()) == row.address.as_deref())?;
        let clocks = conf
            .sources
            .iter()
            .filter(|source| source.kind == crate::conf::sources::Kind::Refclock);
        return clocks.skip(index).map(|s| s.origin.to_string()).next();
    }
    conf.sources
        .iter()
        .find(|source| Some(source.name.as_str()) == row.name.as_deref())
        .map(|source| source.origin.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_stands_behind_a_name_or_brackets() {
        for (host, name, port) in [
            ("ntp1.example", "ntp1.example", None),
            ("ntp1.example:1323", "ntp1.example", Some(1323)),
            ("192.0.2.1:324", "192.0.2.1", Some(324)),
            ("2001:db8::1", "2001:db8::1", None),
            ("[2001:db8::1]", "[2001:db8::1]", None),
            ("[2001:db8::1]:324", "[2001:db8::1]", Some(324)),
        ] {
            assert_eq!(with_port(host).unwrap(), (name, port), "{host}");
        }
        for host in ["a:", "a:0", "a:70000", "[::1]:x"] {
            let failure = with_port(host).unwrap_err();
            assert!(failure.message.contains("is no port"), "{failure:?}");
        }
    }
}
