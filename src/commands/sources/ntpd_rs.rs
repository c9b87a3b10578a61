//! What ntpd-rs says on its observation socket, turned into rows.

use super::observed::Observed;
use crate::commands::host_files::HostFiles;
use crate::conf::files::Files;
use crate::proto::ntpd_rs;
use crate::proto::ntpd_rs::Observation;
use crate::proto::refid::RefId;
use crate::report::format::rfc3339;
use crate::report::sources::Authentication;
use crate::report::sources::DaemonRow;
use crate::report::sources::SourceKind;
use crate::report::sources::SourceRow;
use crate::report::sources::State;
use crate::report::sources::explain::Limits;
use crate::report::sources::stats::StatsRow;
use crate::sys;
use crate::time::NtpTimestamp;
use std::path::Path;

const NAME: &str = "ntpd-rs";
/// Where packages put the socket.
const SOCKETS: &[&str] = &["/run/ntpd-rs/observe", "/var/run/ntpd-rs/observe"];
const CONFIGURATIONS: &[&str] = &["/etc/ntpd-rs/ntp.toml", "/etc/ntp.toml"];

/// Asks the daemon.
#[must_use]
pub fn observe(limit_s: f64, now: NtpTimestamp) -> Observed {
    let configured = configured_socket();
    let paths = configured
        .iter()
        .map(String::as_str)
        .chain(SOCKETS.iter().copied());
    let mut problem = None;
    for path in paths {
        match sys::stream::read_message(Path::new(path), ntpd_rs::MAX_LEN, limit_s) {
            Ok(bytes) => {
                return match ntpd_rs::parse(&bytes) {
                    Ok(seen) => view(&seen, now),
                    Err(why) => Observed::silent(NAME, format!("its reply is malformed: {why}")),
                };
            }
            Err(error) if error.is_missing() => {}
            Err(error) => problem = Some(error.to_string()),
        }
    }
    Observed::silent(
        NAME,
        problem.unwrap_or_else(|| {
            "it has no observation socket: add observation-path = \"/var/run/ntpd-rs/observe\" under [observability] in ntp.toml"
                .to_owned()
        }),
    )
}

/// `observation-path` of its TOML: a line, as everybody writes it.
fn configured_socket() -> Option<String> {
    let files = HostFiles::new(Path::new("/"));
    CONFIGURATIONS.iter().find_map(|path| {
        let text = String::from_utf8(files.read(path).ok()?).ok()?;
        let value = text
            .lines()
            .find_map(|line| line.trim().strip_prefix("observation-path"))?;
        let value = value.trim().strip_prefix('=')?.trim();
        let quoted = value.strip_prefix('"')?.split('"').next()?;
        Some(quoted.to_owned())
    })
}

/// The view of an observation.
#[must_use]
pub fn view(seen: &Observation, now: NtpTimestamp) -> Observed {
    let now = seen.now.unwrap_or(now);
    let synchronised = seen.stratum.is_some_and(|s| s < 16);
    let reference = seen
        .refid
        .map(|id| RefId(id).display(seen.stratum.unwrap_or(16)));
    let mut daemon = DaemonRow::new(NAME);
    daemon.via = Some("observe".to_owned());
    daemon.version.clone_from(&seen.version);
    daemon.synchronised = Some(synchronised);
    daemon.stratum = seen.stratum;
    daemon.refid.clone_from(&reference);
    daemon.leap = seen.leap.as_deref().map(leap_word);
    daemon.root_delay_s = seen.root_delay_s;
    daemon.root_dispersion_s = seen.root_dispersion_s;
    let mut sources = Vec::new();
    let mut stats = Vec::new();
    for source in &seen.sources {
        let Some(title) = source.name.clone().or_else(|| source.address.clone()) else {
            continue;
        };
        let row = row(source, title, reference.as_deref(), synchronised, now);
        stats.push(StatsRow {
            daemon: NAME.to_owned(),
            name: row.name.clone(),
            address: row.address.clone(),
            offset_s: row.offset_s,
            offset_error_s: source.uncertainty_s,
            delay_s: row.delay_s,
            nts_cookies: source.nts_cookies,
            ..StatsRow::default()
        });
        sources.push(row);
    }
    if synchronised {
        let best = sources
            .iter()
            .filter(|row| row.state == State::Selected)
            .chain(sources.iter().filter(|row| row.state == State::Unknown))
            .find(|row| row.offset_s.is_some());
        daemon.follows = best.map(|row| row.title().to_owned()).or(reference);
        daemon.offset_s = best.and_then(|row| row.offset_s);
        if let (Some(offset), Some(delay), Some(dispersion)) =
            (daemon.offset_s, seen.root_delay_s, seen.root_dispersion_s)
        {
            daemon.max_error_s = Some(offset.abs() + delay / 2.0 + dispersion);
        }
        let last = seen.sources.iter().filter_map(|s| s.last_update);
        let last = last.max_by(|a, b| a.since(*b).seconds().total_cmp(&0.0));
        if let Some(at) = last {
            let (seconds, nanos) = at.to_unix(sys::clock::unix().0);
            daemon.last_update = Some(rfc3339(seconds, nanos));
            daemon.last_update_age_s = Some(now.since(at).seconds().max(0.0));
        }
    }
    Observed {
        daemon,
        sources,
        stats,
        limits: Limits::CHRONY,
    }
}

fn leap_word(word: &str) -> String {
    match word {
        "NoWarning" => "none",
        "Leap61" => "insert",
        "Leap59" => "delete",
        _ => "unsynchronised",
    }
    .to_owned()
}

/// The daemon does not say which sources it uses: the one that its reference identifier names is
/// the selected one, of the others nothing is claimed.
fn row(
    source: &ntpd_rs::Source,
    title: String,
    reference: Option<&str>,
    synchronised: bool,
    now: NtpTimestamp,
) -> SourceRow {
    let address = source.address.as_deref().map(without_port);
    let silent = source.unanswered.is_some_and(|n| n >= 8);
    let state = match &address {
        _ if silent || source.offset_s.is_none() => State::Unreachable,
        Some(address) if synchronised && reference == Some(address.as_str()) => State::Selected,
        _ => State::Unknown,
    };
    let mut row = SourceRow::new(NAME, SourceKind::Server, state);
    row.name = Some(without_port(&title));
    row.address = address;
    row.poll_interval_s = source.poll.map(|p| 2f64.powi(i32::from(p.clamp(-10, 24))));
    // It tells how many polls have had no answer since the last one, not how many of eight had.
    if silent {
        row.reach_ok_of_8 = Some(0);
    }
    if let Some(unanswered) = source.unanswered.filter(|n| (1..8).contains(n))
        && state != State::Unreachable
    {
        row.text = Some(match unanswered {
            1 => "its last poll had no answer (yet)".to_owned(),
            n => format!("its last {n} polls had no answer; after eight it counts as unreachable"),
        });
    }
    row.offset_s = source.offset_s;
    row.measured_offset_s = source.offset_s;
    row.delay_s = source.delay_s;
    row.jitter_s = source.uncertainty_s;
    let distance = source.uncertainty_s.zip(source.delay_s).map(|(u, d)| {
        let remote =
            source.remote_delay_s.unwrap_or(0.0) / 2.0 + source.remote_uncertainty_s.unwrap_or(0.0);
        u + d / 2.0 + remote
    });
    row.root_distance_s = distance;
    row.error_s = distance;
    row.last_sample_age_s = source
        .last_update
        .map(|at| now.since(at).seconds().max(0.0));
    row.authentication = Some(if source.nts_cookies.is_some() {
        Authentication::Nts
    } else {
        Authentication::None
    });
    row
}

fn without_port(text: &str) -> String {
    match text.parse::<std::net::SocketAddr>() {
        Ok(address) => address.ip().to_string(),
        Err(_) => match text.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') && port.parse::<u16>().is_ok() => {
                host.to_owned()
            }
            _ => text.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(name: &str, address: &str, offset: f64) -> ntpd_rs::Source {
        ntpd_rs::Source {
            name: Some(name.to_owned()),
            address: Some(address.to_owned()),
            offset_s: Some(offset),
            uncertainty_s: Some(1e-4),
            delay_s: Some(0.02),
            poll: Some(4),
            unanswered: Some(3),
            ..ntpd_rs::Source::default()
        }
    }

    #[test]
    fn the_source_that_the_reference_names_is_selected_and_of_others_nothing_is_claimed() {
        let seen = Observation {
            stratum: Some(2),
            refid: Some([192, 0, 2, 1]),
            leap: Some("NoWarning".to_owned()),
            root_delay_s: Some(0.02),
            root_dispersion_s: Some(0.001),
            sources: vec![
                source("ntp1.example:123", "192.0.2.1:123", -0.002),
                source("ntp2.example:123", "[2001:db8::1]:123", 0.001),
            ],
            ..Observation::default()
        };
        let view = view(&seen, NtpTimestamp::ZERO);
        let [first, second] = &view.sources[..] else {
            panic!("{view:?}");
        };
        assert_eq!(
            (first.state, second.state),
            (State::Selected, State::Unknown)
        );
        assert_eq!(second.address.as_deref(), Some("2001:db8::1"));
        assert_eq!(view.daemon.follows.as_deref(), Some("ntp1.example"));
        assert!((view.daemon.max_error_s.unwrap() - 0.013).abs() < 1e-9);
        assert!(first.text.as_deref().unwrap().contains("3 polls"));
        assert_eq!(
            (first.reach_ok_of_8, first.poll_interval_s),
            (None, Some(16.0))
        );
    }

    #[test]
    fn stratum_16_is_not_synchronised() {
        let seen = Observation {
            stratum: Some(16),
            ..Observation::default()
        };
        let view = view(&seen, NtpTimestamp::ZERO);
        assert_eq!(view.daemon.synchronised, Some(false));
        assert_eq!(view.daemon.follows, None);
    }
}
