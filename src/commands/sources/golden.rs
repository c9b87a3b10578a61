//! Captured conversations with real daemons (tests/data/daemons), replayed: our rows against what
//! the daemons' own tools printed at the same time, field by field.

use super::chronyd;
use super::ntpd;
use super::observed::Observed;
use super::openntpd;
use crate::proto::cmdmon::REPLY_HEADER_LEN;
use crate::proto::cmdmon::REQUEST_HEADER_LEN;
use crate::proto::cmdmon::reply::Reply;
use crate::proto::cmdmon::request::Request;
use crate::proto::mode6::packet::Fragment;
use crate::proto::mode6::packet::Opcode;
use crate::proto::mode6::reassembly::Message;
use crate::proto::ntpctl;
use crate::report::format::rfc3339;
use crate::report::sources::Authentication;
use crate::report::sources::SourceKind;
use crate::report::sources::SourceRow;
use crate::report::sources::State;
use crate::sys::cmdmon;
use crate::sys::mode6;
use crate::time::NtpTimestamp;
use std::collections::BTreeMap;
use std::path::PathBuf;

fn data(name: &str) -> String {
    let tree = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(tree.join("tests/data/daemons").join(name)).unwrap()
}

fn octets(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2)
        .map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
        .collect()
}

/// A captured chronyd: the reply to a command and its body.
struct Chronyd(BTreeMap<String, Vec<u8>>);

impl Chronyd {
    fn new(release: &str) -> Self {
        let text = data(&format!("chrony-{release}/conversation.txt"));
        let pairs = text.lines().filter_map(|line| line.split_once(' '));
        Self(
            pairs
                .map(|(asked, reply)| (asked.to_owned(), octets(reply)))
                .collect(),
        )
    }
}

impl chronyd::Ask for Chronyd {
    fn ask(&mut self, request: &Request) -> Result<Option<Reply>, cmdmon::AskError> {
        let packet = request.encode(0, 0);
        let body: String = packet[REQUEST_HEADER_LEN..]
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        let asked = format!("{:04x}{body}", request.code());
        // What was captured has no padding.
        let found = self
            .0
            .iter()
            .filter(|(known, _)| known.starts_with(&asked[..4]))
            .find(|(known, _)| {
                asked.starts_with(known.as_str()) && asked[known.len()..].bytes().all(|b| b == b'0')
            });
        let (_, reply) = found.unwrap_or_else(|| panic!("{request:?} was not captured"));
        assert!(reply.len() >= REPLY_HEADER_LEN, "{request:?}");
        let (header, reply) =
            Reply::decode(reply).map_err(|e| cmdmon::AskError::Malformed(e.to_string()))?;
        Ok(header.status.is_success().then_some(reply))
    }
}

fn observed(release: &str) -> Observed {
    chronyd::observe(&mut Chronyd::new(release), "chronyd", (2_000_000_000, 0)).unwrap()
}

fn csv(release: &str, what: &str) -> Vec<Vec<String>> {
    data(&format!("chrony-{release}/{what}.csv"))
        .lines()
        .map(|line| line.split(',').map(str::to_owned).collect())
        .collect()
}

/// A number as chronyc prints it, with the other sign: 9 digits after the point.
fn turned(value: Option<f64>) -> String {
    format!("{:.9}", 0.0 - value.unwrap_or(0.0)).replace("-0.000000000", "0.000000000")
}

const RELEASES: [&str; 3] = ["3.5", "4.3", "4.8"];

#[test]
fn our_rows_are_chronyc_sources_field_by_field() {
    for release in RELEASES {
        let seen = observed(release);
        let expected = csv(release, "sources");
        let rows: Vec<&SourceRow> = seen
            .sources
            .iter()
            .filter(|row| row.state != State::Unresolved)
            .collect();
        assert_eq!(rows.len(), expected.len(), "{release}");
        for (row, line) in rows.iter().zip(&expected) {
            let native = row.native_state.clone().unwrap();
            let poll = row.poll_interval_s.unwrap().log2();
            let ours = [
                native.chars().next().unwrap().to_string(),
                native.chars().nth(1).unwrap().to_string(),
                row.address.clone().unwrap(),
                row.stratum.unwrap_or(0).to_string(),
                format!("{poll:.0}"),
                format!("{:o}", row.reach.unwrap()),
                row.last_sample_age_s
                    .map_or("4294967295".to_owned(), |age| format!("{age:.0}")),
                turned(row.offset_s),
                turned(row.measured_offset_s),
                format!("{:.9}", row.error_s.unwrap_or(0.0)),
            ];
            assert_eq!(&ours[..], &line[..], "{release}");
        }
    }
}

#[test]
fn our_statistics_are_chronyc_sourcestats() {
    for release in RELEASES {
        let seen = observed(release);
        for line in csv(release, "sourcestats") {
            let row = seen
                .stats
                .iter()
                .find(|row| row.address.as_deref() == Some(&line[0]))
                .unwrap_or_else(|| panic!("{release} {line:?}"));
            let ours = [
                row.samples.unwrap().to_string(),
                row.runs.unwrap().to_string(),
                format!("{:.0}", row.span_s.unwrap()),
            ];
            assert_eq!(&ours[..], &line[1..4], "{release} {line:?}");
            if row.samples == Some(0) {
                continue;
            }
            let frequency: f64 = line[4].parse().unwrap();
            let skew: f64 = line[5].parse().unwrap();
            let deviation: f64 = line[7].parse().unwrap();
            assert!((row.residual_frequency_ppm.unwrap() + frequency).abs() < 1e-3);
            assert!((row.skew_ppm.unwrap() - skew).abs() < 1e-3);
            assert!((row.std_dev_s.unwrap() - deviation).abs() < 1e-9);
            let offset: f64 = line[6].parse().unwrap();
            assert!((row.offset_s.unwrap() + offset).abs() < 1e-7, "{line:?}");
        }
    }
}

#[test]
fn our_summary_is_chronyc_tracking() {
    for release in RELEASES {
        let daemon = observed(release).daemon;
        let line = csv(release, "tracking").remove(0);
        let number = |i: usize| line[i].parse::<f64>().unwrap();
        assert_eq!(daemon.follows.as_deref(), Some(line[1].as_str()));
        assert_eq!(daemon.stratum.unwrap().to_string(), line[2]);
        let close = |ours: Option<f64>, theirs: f64| (ours.unwrap() - theirs).abs() < 2e-6;
        assert!(close(daemon.offset_s, number(4)), "{release} {line:?}");
        assert!(
            close(daemon.last_offset_s.map(|v| -v), number(5)),
            "{release}"
        );
        assert!((daemon.frequency_ppm.unwrap() + number(7)).abs() < 1e-3);
        assert!((daemon.skew_ppm.unwrap() - number(9)).abs() < 1e-3);
        assert!(close(daemon.root_delay_s, number(10)));
        assert!(close(daemon.root_dispersion_s, number(11)));
        assert!(close(daemon.rms_offset_s, number(6)));
        assert!((daemon.residual_frequency_ppm.unwrap() + number(8)).abs() < 1e-3);
        assert!((daemon.update_interval_s.unwrap() - number(12)).abs() < 0.1);
        let octets: Vec<u8> = octets(&line[0]);
        let refid: Vec<String> = octets.iter().map(ToString::to_string).collect();
        assert_eq!(daemon.refid, Some(refid.join(".")));
        let (seconds, fraction) = line[3].split_once('.').unwrap();
        let updated = rfc3339(seconds.parse().unwrap(), fraction.parse().unwrap());
        assert_eq!(daemon.last_update, Some(updated));
        assert_eq!(
            (daemon.leap.as_deref(), line[13].as_str()),
            (Some("none"), "Normal")
        );
        assert_eq!(daemon.synchronised, Some(true));
    }
}

#[test]
fn reasons_are_the_letters_of_chronyc_selectdata() {
    for release in ["4.3", "4.8"] {
        let seen = observed(release);
        for line in csv(release, "selectdata") {
            let row = seen
                .sources
                .iter()
                .find(|row| row.address.as_deref() == Some(&line[1]))
                .unwrap();
            assert_eq!(
                row.selection.as_deref(),
                Some(line[0].as_str()),
                "{release}"
            );
            let prefer = row.options.iter().any(|option| option == "prefer");
            assert_eq!(prefer, line[9] == "P", "{release} {line:?}");
            let key = row
                .authentication
                .is_some_and(|a| a != Authentication::None);
            assert_eq!(key, line[2] == "Y", "{release} {line:?}");
            assert_eq!(format!("{:.1}", row.selection_score.unwrap()), line[14]);
            let near = |ours: Option<f64>, theirs: &str| {
                let theirs: f64 = theirs.parse().unwrap();
                (ours.unwrap_or(0.0) + theirs).abs() < 1e-6
            };
            assert!(near(row.interval_high_s, &line[15]), "{release} {line:?}");
            assert!(near(row.interval_low_s, &line[16]), "{release} {line:?}");
            let leap = match line[17].as_str() {
                "Normal" => "none",
                _ => "unsynchronised",
            };
            assert_eq!(row.leap.as_deref(), Some(leap), "{release} {line:?}");
        }
    }
    // An older release does not tell, and the rows come all the same.
    assert!(
        observed("3.5")
            .sources
            .iter()
            .all(|row| row.selection.is_none())
    );
}

#[test]
fn names_that_did_not_resolve_are_rows_where_the_release_tells_them() {
    for release in ["4.3", "4.8"] {
        let seen = observed(release);
        let row = seen
            .sources
            .iter()
            .find(|row| row.state == State::Unresolved);
        assert_eq!(row.unwrap().title(), "ntp.nowhere.invalid", "{release}");
    }
    let clock = &observed("4.8").sources[0];
    assert_eq!((clock.kind, clock.title()), (SourceKind::Refclock, "PHC0"));
}

/// A captured ntpd.
struct Ntpd(BTreeMap<String, Vec<Vec<u8>>>);

impl ntpd::Ask for Ntpd {
    fn ask(&mut self, opcode: Opcode, association: u16) -> Result<(u16, Vec<u8>), mode6::AskError> {
        let request = Fragment::request(opcode, association, 0).encode();
        let key = format!("{:02x}{association:04x}", request[1]);
        let mut message = Message::default();
        // The last fragment first: order must not matter.
        for bytes in self.0[&key].iter().rev() {
            if let Some(whole) = message.add(&Fragment::decode(bytes).unwrap()).unwrap() {
                return Ok(whole);
            }
        }
        Err(mode6::AskError::Silent)
    }
}

#[test]
fn our_rows_are_ntpq_pn_field_by_field() {
    compare_with_ntpq("ntpsec-1.2.2", "ntpsec", "ntpsec-1.2.2", "10.9.0.1", 4);
}

#[test]
fn our_rows_are_those_of_the_reference_ntpq_too() {
    compare_with_ntpq("ntp-4.2.8p15", "ntpd", "4.2.8p15", "10.77.0.10", 3);
}

/// `digits` is how many this ntpq prints after the point, in milliseconds.
fn compare_with_ntpq(directory: &str, name: &str, version: &str, follows: &str, digits: usize) {
    let mut captured: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    for line in data(&format!("{directory}/conversation.txt")).lines() {
        let (asked, reply) = line.split_once(' ').unwrap();
        captured
            .entry(asked.to_owned())
            .or_default()
            .push(octets(reply));
    }
    let seen = ntpd::observe(&mut Ntpd(captured), name, NtpTimestamp::ZERO).unwrap();
    assert_eq!(seen.daemon.version.as_deref(), Some(version));
    assert_eq!(seen.daemon.follows.as_deref(), Some(follows));
    let billboard = data(&format!("{directory}/ntpq.txt"));
    let lines: Vec<&str> = billboard.lines().skip(2).collect();
    assert_eq!(seen.sources.len(), lines.len());
    for (row, line) in seen.sources.iter().zip(lines) {
        let (mark, rest) = line.split_at(1);
        let words: Vec<&str> = rest.split_whitespace().collect();
        assert_eq!(row.native_state.as_deref(), Some(mark), "{line}");
        assert_eq!(row.address.as_deref(), Some(words[0]), "{line}");
        assert_eq!(row.stratum.unwrap().to_string(), words[2], "{line}");
        assert_eq!(
            format!("{:.0}", row.poll_interval_s.unwrap()),
            words[5],
            "{line}"
        );
        assert_eq!(format!("{:o}", row.reach.unwrap()), words[6], "{line}");
        if row.reach == Some(0) {
            assert_eq!(row.state, State::Unreachable);
            continue;
        }
        for (ours, theirs) in [
            (row.delay_s, words[7]),
            (row.offset_s, words[8]),
            (row.jitter_s, words[9]),
        ] {
            let ours = format!("{:.digits$}", ours.unwrap() * 1e3);
            assert_eq!(ours, theirs.trim_start_matches('+'), "{line}");
        }
    }
}

#[test]
fn our_rows_are_what_ntpctl_prints() {
    let text = data("openntpd-6.2p3/ntpctl.txt");
    let seen = openntpd::view(&ntpctl::parse(&text).unwrap());
    assert_eq!(seen.sources.len(), 2);
    let [good, silent] = &seen.sources[..] else {
        panic!("{seen:?}");
    };
    assert_eq!(good.address.as_deref(), Some("10.77.0.10"));
    let shown = format!("{:.3}ms", good.offset_s.unwrap() * 1e3);
    assert!(text.contains(&shown), "{shown} in {text}");
    assert!(text.contains(&format!("{:.3}ms", good.delay_s.unwrap() * 1e3)));
    assert!(matches!(good.state, State::Selected | State::Candidate));
    assert_eq!(silent.state, State::Unreachable);
}

/// A value of a captured `ntp-ctl status -f prometheus`.
fn metric(text: &str, name: &str, address: Option<&str>) -> f64 {
    let of = |line: &&str| {
        let named = line
            .strip_prefix(name)
            .is_some_and(|rest| rest.starts_with([' ', '{']));
        named && address.is_none_or(|address| line.contains(&format!("address=\"{address}:123\"")))
    };
    let line = text
        .lines()
        .find(of)
        .unwrap_or_else(|| panic!("no {name} {address:?}"));
    line.rsplit_once(' ').unwrap().1.parse().unwrap()
}

#[test]
fn our_rows_are_what_ntp_ctl_tells() {
    let observation = data("ntpd-rs-1.9.0/observation.json");
    let theirs = data("ntpd-rs-1.9.0/prometheus.txt");
    let parsed = crate::proto::ntpd_rs::parse(observation.trim().as_bytes()).unwrap();
    let seen = super::ntpd_rs::view(&parsed, NtpTimestamp::ZERO);
    assert_eq!(seen.daemon.version.as_deref(), Some("1.9.0"));
    assert_eq!(seen.daemon.synchronised, Some(true));
    assert_eq!(
        f64::from(seen.daemon.stratum.unwrap()),
        metric(&theirs, "ntp_system_stratum", None)
    );
    let close = |ours: Option<f64>, name: &str, address: Option<&str>| {
        let (ours, theirs) = (ours.unwrap(), metric(&theirs, name, address));
        assert!(
            (ours - theirs).abs() < 1e-9,
            "{name} {address:?} {ours} {theirs}"
        );
    };
    close(
        seen.daemon.root_delay_s,
        "ntp_system_root_delay_seconds",
        None,
    );
    // Between the two the dispersion grew by ten seconds a second: the base of its variance is
    // small beside the term of 100 t².
    let later = metric(&theirs, "ntp_uptime_seconds", None) - parsed.uptime_s.unwrap();
    let dispersion = metric(&theirs, "ntp_system_root_dispersion_seconds", None);
    let expected = seen.daemon.root_dispersion_s.unwrap() + 10.0 * later;
    assert!(
        (expected - dispersion).abs() < 0.01,
        "{expected} {dispersion}"
    );
    assert_eq!(seen.sources.len(), 4);
    for row in &seen.sources {
        let address = row.address.as_deref();
        if address == Some("10.77.0.19") {
            // Nobody is there: half the range of its type is no measurement.
            assert_eq!(row.state, State::Unreachable);
            assert_eq!((row.offset_s, row.error_s, row.delay_s), (None, None, None));
            continue;
        }
        close(row.offset_s, "ntp_source_offset_seconds", address);
        close(row.delay_s, "ntp_source_delay_seconds", address);
        close(row.jitter_s, "ntp_source_uncertainty_seconds", address);
        let poll = metric(&theirs, "ntp_source_poll_interval_seconds", address);
        assert!((row.poll_interval_s.unwrap() - poll).abs() < 1e-6);
    }
    assert_eq!(seen.daemon.follows.as_deref(), Some("10.77.0.10"));
    // Its own tool's order.
    let order: Vec<&str> = seen.sources.iter().map(SourceRow::title).collect();
    assert_eq!(
        order,
        ["10.77.0.10", "10.77.0.11", "10.77.0.12", "10.77.0.19"]
    );
}
