//! What systemd-timesyncd says: its bus properties, asked so that nothing is started, else its
//! files.

use super::observed::Observed;
use crate::proto::bus::NtpMessage;
use crate::proto::bus::Property;
use crate::proto::packet::Leap;
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
use std::path::Path;

const NAME: &str = "systemd-timesyncd";
const BUS_NAME: &str = "org.freedesktop.timesync1";
const BUS_PATH: &str = "/org/freedesktop/timesync1";
const INTERFACE: &str = "org.freedesktop.timesync1.Manager";
/// Touched at each synchronisation.
const SYNCHRONISED: &str = "/run/systemd/timesync/synchronized";

/// The properties that are asked for, in this order.
pub const PROPERTIES: &[&str] = &[
    "ServerName",
    "ServerAddress",
    "PollIntervalUSec",
    "RootDistanceMaxUSec",
    "NTPMessage",
    "Frequency",
];

/// Asks the bus, else reads the files.
#[must_use]
pub fn observe(limit_s: f64, now: (i64, u32)) -> Observed {
    let mut arguments = vec![
        "--system",
        "--auto-start=no",
        "--no-pager",
        "get-property",
        BUS_NAME,
        BUS_PATH,
        INTERFACE,
    ];
    arguments.extend(PROPERTIES);
    match sys::process::read("busctl", &arguments, limit_s, 64 << 10) {
        Ok(said) if said.status == Some(0) => from_properties(&said.stdout, now),
        Ok(said) => from_files(&format!("its bus does not answer ({})", said.reason()), now),
        Err(error) => from_files(&error.to_string(), now),
    }
}

/// The view from the properties' lines, in the order of [`PROPERTIES`].
#[must_use]
pub fn from_properties(text: &str, now: (i64, u32)) -> Observed {
    let values: Vec<Option<Property>> = text.lines().map(Property::parse).collect();
    let get = |index: usize| values.get(index).and_then(Option::as_ref);
    let mut daemon = DaemonRow::new(NAME);
    daemon.via = Some("dbus".to_owned());
    let message = get(4).and_then(NtpMessage::read);
    daemon.synchronised = Some(message.is_some_and(|m| !m.ignored && m.leap != 3));
    // Kernel units, 2^16 a ppm.
    daemon.frequency_ppm = get(5)
        .and_then(|p| p.number(0))
        .map(|f| f as f64 / 65_536.0);
    let name = get(0).and_then(Property::text).map(str::to_owned);
    let address = get(1).and_then(Property::address).map(|ip| ip.to_string());
    let Some(title) = name.clone().or_else(|| address.clone()) else {
        daemon.problem = Some("it has no server: none is configured, or none answers".to_owned());
        return Observed::only(daemon);
    };
    let mut row = SourceRow::new(NAME, SourceKind::Server, State::Unreachable);
    row.name = name;
    row.address = address;
    row.poll_interval_s = get(2)
        .and_then(|p| p.number(0))
        .map(|us| us as f64 * 1e-6)
        .filter(|s| *s > 0.0);
    row.authentication = Some(Authentication::None);
    let mut limits = Limits::CHRONY;
    if let Some(limit) = get(3).and_then(|p| p.number(0)) {
        limits.max_distance_s = limit as f64 * 1e-6;
    }
    let mut stats = StatsRow {
        daemon: NAME.to_owned(),
        name: row.name.clone(),
        address: row.address.clone(),
        ..StatsRow::default()
    };
    if let Some(message) = &message {
        measured(&mut row, &mut daemon, message, now);
        daemon.follows = (daemon.synchronised == Some(true)).then_some(title);
        stats.offset_s = row.offset_s;
        stats.std_dev_s = row.jitter_s;
        stats.delay_s = row.delay_s;
        stats.packets_received = Some(message.packets);
    }
    Observed {
        daemon,
        sources: vec![row],
        stats: vec![stats],
        limits,
    }
}

fn measured(row: &mut SourceRow, daemon: &mut DaemonRow, m: &NtpMessage, now: (i64, u32)) {
    let root_delay = m.root_delay_us as f64 * 1e-6;
    let root_dispersion = m.root_dispersion_us as f64 * 1e-6;
    row.state = if m.ignored {
        State::Jittery
    } else {
        State::Selected
    };
    row.stratum = Some(m.stratum);
    row.refid = Some(RefId(m.refid).display(m.stratum));
    row.offset_s = Some(m.offset_s());
    row.measured_offset_s = row.offset_s;
    row.delay_s = Some(m.delay_s());
    row.jitter_s = Some(m.jitter_us as f64 * 1e-6);
    let distance = (m.delay_s() + root_delay) / 2.0 + root_dispersion;
    row.root_distance_s = Some(distance);
    row.error_s = Some(distance);
    let [_, _, _, destination] = m.times_us;
    let (seconds, micros) = (
        destination.div_euclid(1_000_000),
        destination.rem_euclid(1_000_000),
    );
    let age = (now.0 - seconds) as f64 + f64::from(now.1) * 1e-9 - micros as f64 * 1e-6;
    row.last_sample_age_s = Some(age.max(0.0));
    row.samples = u32::try_from(m.packets).ok();
    row.leap = Some(Leap::from_bits(m.leap).word().to_owned());
    daemon.leap.clone_from(&row.leap);
    daemon.stratum = Some(m.stratum.saturating_add(1));
    daemon.refid = row.address.clone();
    daemon.root_delay_s = Some(root_delay + m.delay_s());
    daemon.root_dispersion_s = Some(root_dispersion);
    if !m.ignored {
        // It slews what it measured; what is left of that, it does not say.
        daemon.last_offset_s = row.offset_s;
        daemon.offset_s = row.offset_s;
        daemon.max_error_s = Some(m.offset_s().abs() + distance);
        daemon.last_update = Some(rfc3339(seconds, micros as u32 * 1000));
        daemon.last_update_age_s = row.last_sample_age_s;
    }
}

fn from_files(why: &str, now: (i64, u32)) -> Observed {
    let mut daemon = DaemonRow::new(NAME);
    daemon.via = Some("files".to_owned());
    let touched = sys::files::modified(Path::new(SYNCHRONISED));
    daemon.synchronised = Some(touched.is_some());
    if let Some(at) = touched {
        daemon.last_update = Some(rfc3339(at, 0));
        daemon.last_update_age_s = Some((now.0 - at).max(0) as f64);
    }
    daemon.problem = Some(format!(
        "{why}: its files tell only when it last synchronised"
    ));
    Observed::only(daemon)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `busctl get-property` of systemd 252, a line a property.
    const SYNCHRONISED: &str = "s \"ntp1.example\"\n(iay) 2 4 192 0 2 1\nt 64000000\nt 5000000\n\
        (uuuuittayttttbtt) 0 4 4 2 -25 10000 2000 4 192 0 2 9 1700000000000000 1700000000011000 \
        1700000000011100 1700000000002100 false 7 350\nx 65536\n";

    #[test]
    fn the_bus_properties_become_a_row() {
        let seen = from_properties(SYNCHRONISED, (1_700_000_010, 0));
        assert_eq!(seen.daemon.synchronised, Some(true));
        assert_eq!(seen.daemon.follows.as_deref(), Some("ntp1.example"));
        assert_eq!(seen.daemon.frequency_ppm, Some(1.0));
        let row = &seen.sources[0];
        // timedatectl shows +10 ms and 2 ms for these times.
        assert!((row.offset_s.unwrap() - 0.010).abs() < 1e-6, "{row:?}");
        assert!((row.delay_s.unwrap() - 0.002).abs() < 1e-6);
        assert_eq!(row.address.as_deref(), Some("192.0.2.1"));
        assert_eq!(
            (row.state, row.poll_interval_s),
            (State::Selected, Some(64.0))
        );
        assert!((row.last_sample_age_s.unwrap() - 10.0).abs() < 0.01);
        assert_eq!(seen.limits.max_distance_s, 5.0);
    }

    #[test]
    fn a_server_that_never_answered_and_no_server_at_all_are_told_apart() {
        let silent = SYNCHRONISED.replace("false 7 350", "false 0 0");
        let seen = from_properties(&silent, (1_700_000_010, 0));
        assert_eq!(seen.sources[0].state, State::Unreachable);
        assert_eq!(seen.daemon.synchronised, Some(false));
        let none = from_properties("s \"\"\n(iay) 0 0\nt 0\nt 5000000\n", (0, 0));
        assert!(none.daemon.problem.unwrap().contains("no server"));
        assert!(from_properties("", (0, 0)).sources.is_empty());
    }
}
