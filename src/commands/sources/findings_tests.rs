//! Tests of the findings over made-up daemons.

use super::super::made_up::row;
use super::super::made_up::seen;
use super::super::made_up::texts;
use super::*;
use crate::report::finding::Severity;
use crate::sys::ptp::PtpClock;

fn running(kind: Kind, holds: bool) -> Running {
    Running {
        kind,
        pid: 7,
        holds_clock: Some(holds),
        container: false,
        arguments: vec![],
        age_s: Some(100.0),
        stopped: vec![],
    }
}

fn configured(text: &str) -> Configured {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(root.path().join("etc")).unwrap();
    std::fs::write(root.path().join("etc/chrony.conf"), text).unwrap();
    super::super::configured::read(Kind::Chronyd, &["chronyd".to_owned()], root.path()).unwrap()
}

#[test]
fn two_daemons_that_set_the_clock_are_a_conflict() {
    let both = [running(Kind::Chronyd, true), running(Kind::Ntpd, true)];
    let found = conflicts(&both);
    assert_eq!(found[0].severity, Severity::Error);
    assert!(found[0].text.contains("chronyd") && found[0].text.contains("ntpd"));
    let one = [running(Kind::Chronyd, true), running(Kind::Ntpd, false)];
    assert!(conflicts(&one).is_empty());
    let ptp = [running(Kind::Chronyd, true), running(Kind::Ptp4l, true)];
    assert!(conflicts(&ptp).is_empty());
}

#[test]
fn a_clock_that_two_of_three_sources_doubt_is_an_error() {
    let mut phc = row("PHC0", State::Selected);
    phc.kind = SourceKind::Refclock;
    phc.offset_s = Some(1e-6);
    let mut others = vec![phc];
    for name in ["ntp1.example", "ntp2.example"] {
        let mut far = row(name, State::Jittery);
        far.offset_s = Some(350.1);
        far.error_s = Some(0.06);
        others.push(far);
    }
    let finding = doubt(&seen(others)).unwrap();
    assert_eq!(finding.severity, Severity::Error);
    assert!(
        finding.text.contains("2 of 3") && finding.text.contains("350 s behind"),
        "{}",
        finding.text
    );
}

#[test]
fn the_file_and_the_daemon_are_compared() {
    let conf = configured(
        "#pool ntp.ubuntu.example iburst\nserver ntp1.example iburst\nserver ntp2.example iburst\n",
    );
    let old = seen(vec![
        row("ntp.ubuntu.example", State::Selected),
        row("ntp1.example", State::Combined),
    ]);
    let found = texts(&differences(&old, &conf, 2_000_000_000, Some(1e9)));
    assert!(
        found.contains(
            "does not use ntp2.example (/etc/chrony.conf:3): the file was changed after it started"
        ),
        "{found}"
    );
    assert!(
        found.contains(
            "still uses ntp.ubuntu.example, which is commented out in /etc/chrony.conf:1"
        ),
        "{found}"
    );
    assert!(!found.contains("ntp1.example ("), "{found}");
}

fn of_lines(text: &str, rows: Vec<SourceRow>, cloud: Option<Cloud>) -> String {
    texts(&lines(&seen(rows), &configured(text), cloud))
}

#[test]
fn a_pool_on_a_name_with_one_address_is_told() {
    let text = "pool ntp1.example iburst\n";
    let one = vec![row("ntp1.example", State::Selected)];
    assert!(of_lines(text, one.clone(), None).contains("ntp1.example has one address"));
    // Two addresses, or one on purpose, are as they should be.
    let two = vec![one[0].clone(), row("ntp1.example", State::Combined)];
    assert_eq!(of_lines(text, two, None), "");
    assert_eq!(
        of_lines("pool ntp1.example iburst maxsources 1\n", one, None),
        ""
    );
}

#[test]
fn a_server_line_on_a_pools_name_is_told() {
    let rows = vec![row("0.pool.ntp.org", State::Selected)];
    let found = of_lines("server 0.pool.ntp.org iburst\n", rows.clone(), None);
    assert!(
        found.contains("/etc/chrony.conf:1: server 0.pool.ntp.org uses one"),
        "{found}"
    );
    let found = of_lines("pool 0.pool.ntp.org iburst maxsources 1\n", rows, None);
    assert_eq!(found, "");
}

#[test]
fn a_line_without_iburst_is_told() {
    let rows = vec![row("ntp1.example", State::Selected)];
    let found = of_lines("server ntp1.example\n", rows.clone(), None);
    assert!(
        found.contains("without iburst") && found.contains("chrony.conf:1"),
        "{found}"
    );
    assert_eq!(of_lines("server ntp1.example iburst\n", rows, None), "");
}

#[test]
fn windows_time_servers_are_told_on_azure_and_nowhere_else() {
    let text = "server time.windows.com iburst\n";
    let rows = vec![row("time.windows.com", State::Selected)];
    let found = of_lines(text, rows.clone(), Some(Cloud::Azure));
    assert!(found.contains("Azure gives its host's clock"), "{found}");
    assert_eq!(of_lines(text, rows.clone(), Some(Cloud::Aws)), "");
    assert_eq!(of_lines(text, rows, None), "");
}

fn phc(offset: f64) -> SourceRow {
    let mut clock = row("PHC0", State::Selected);
    clock.kind = SourceKind::Refclock;
    clock.offset_s = Some(offset);
    clock
}

#[test]
fn a_ptp_clock_on_tai_is_told_before_and_after_the_clock_follows_it() {
    let before = measured_tai(&seen(vec![phc(37.0003)])).unwrap();
    assert_eq!(before.severity, Severity::Error);
    assert!(before.text.contains("PHC0 runs on TAI"), "{before:?}");
    let mut server = row("ntp1.example", State::Falseticker);
    server.offset_s = Some(-36.99);
    let after = measured_tai(&seen(vec![phc(1e-6), server.clone()])).unwrap();
    assert!(
        after.text.contains("37 s ahead of every server"),
        "{after:?}"
    );
    server.offset_s = Some(-0.001);
    assert_eq!(measured_tai(&seen(vec![phc(1e-6), server])), None);
    assert_eq!(measured_tai(&seen(vec![phc(1e-6)])), None);
}

#[test]
fn a_cards_clock_that_ptp4l_steers_wants_the_option_tai() {
    let gathered = Gathered::default();
    let of = |text: &str| steered_tai(&configured(text), &gathered);
    let told = of("refclock PHC /dev/ptp0 poll 0\n").unwrap();
    assert_eq!(told.next.as_deref(), Some("sudoedit /etc/chrony.conf"));
    assert!(
        told.text.contains("PHC0 (/dev/ptp0) is read as UTC"),
        "{told:?}"
    );
    assert_eq!(of("refclock PHC /dev/ptp0 poll 0 tai\n"), None);
    assert_eq!(of("refclock PHC /dev/ptp0 poll 0 offset -37\n"), None);
    let host = Gathered {
        clocks: vec![PtpClock {
            device: "/dev/ptp0".to_owned(),
            clock_name: "hyperv".to_owned(),
            links: vec![],
        }],
        ..Gathered::default()
    };
    let conf = configured("refclock PHC /dev/ptp0 poll 0\n");
    assert_eq!(steered_tai(&conf, &host), None);
}

#[test]
fn a_file_that_changed_after_the_start_is_told_and_one_that_did_not_is_not_blamed() {
    let conf = configured("server ntp2.example iburst\n");
    let old = seen(vec![row("ntp1.example", State::Selected)]);
    let long_ago = texts(&differences(&old, &conf, 4_000_000_000, Some(1.0)));
    assert!(
        long_ago.contains("does not use ntp2.example")
            && long_ago.contains("another configuration"),
        "{long_ago}"
    );
    let since = texts(&differences(&old, &conf, 2_000_000_000, Some(1e9)));
    assert!(
        since.contains("the file was changed after it started"),
        "{since}"
    );
    let same = seen(vec![row("ntp2.example", State::Selected)]);
    assert!(differences(&same, &conf, 2_000_000_000, Some(1e9)).is_empty());
}

#[test]
fn a_placeholder_is_named_with_its_line_and_not_taken_for_another_source() {
    let conf = configured("server 53.45.6.700 iburst\nservr ntp2.example\n");
    let old = seen(vec![row("53.45.6.700", State::Unresolved)]);
    let found = differences(&old, &conf, 2_000_000_000, None);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        found[0].text,
        "/etc/chrony.conf:1: \"700\" is not an octet of an IPv4 address; an octet goes from 0 to 255; \
         is this a placeholder for the real address? As it is, chronyd takes it for a name, and one \
         more line is wrong"
    );
    assert_eq!(found[0].next.as_deref(), Some("sudoedit /etc/chrony.conf"));
}

#[test]
fn a_commented_line_that_is_still_in_use_is_told_where_it_stands() {
    let conf = configured("server ntp2.example iburst\n#server ntp1.example iburst\n");
    let old = seen(vec![
        row("ntp1.example", State::Selected),
        row("ntp2.example", State::Combined),
    ]);
    let found = differences(&old, &conf, 2_000_000_000, Some(1e9));
    assert!(
        texts(&found)
            .contains("still uses ntp1.example, which is commented out in /etc/chrony.conf:2"),
        "{found:?}"
    );
    assert_eq!(found[0].next.as_deref(), Some("systemctl restart chronyd"));
}

#[test]
fn a_daemon_without_a_source_is_told_with_the_lines_that_are_commented_out() {
    let mut none = seen(vec![]);
    none.daemon.synchronised = Some(false);
    let conf = configured("#server ntp1.example iburst\n# server ntp2.example\n");
    let found = nothing_to_follow(&none, Some(&conf)).unwrap();
    assert_eq!(found.severity, Severity::Error);
    assert_eq!(found.next.as_deref(), Some("clockbox sources set HOST..."));
    assert!(
        found.text.contains(
            "the lines of ntp1.example (/etc/chrony.conf:1) and 1 more are commented out"
        ),
        "{found:?}"
    );
    let found = nothing_to_follow(&none, None).unwrap();
    assert!(found.text.ends_with("has no source to follow"), "{found:?}");
    none.daemon.synchronised = Some(true);
    assert!(nothing_to_follow(&none, None).is_none());
    let followed = seen(vec![row("ntp1.example", State::Unreachable)]);
    assert!(nothing_to_follow(&followed, None).is_none());
}

#[test]
fn an_editor_that_has_the_file_open_is_told() {
    let mut conf = configured("server ntp1.example iburst\n");
    conf.swap_files.push("/etc/.chrony.conf.swp".to_owned());
    let same = seen(vec![row("ntp1.example", State::Selected)]);
    let found = texts(&differences(&same, &conf, 2_000_000_000, Some(1.0)));
    assert!(found.contains("may not be saved"), "{found}");
}

#[test]
fn a_line_that_the_daemon_will_not_take_at_its_next_start_is_told() {
    let conf = configured("server ntp1.example iburst\nmakestop 1 3\n");
    let same = seen(vec![row("ntp1.example", State::Selected)]);
    let found = differences(&same, &conf, 2_000_000_000, Some(1.0));
    assert_eq!(found[0].severity, Severity::Error, "{found:?}");
    assert!(
        found[0]
            .text
            .contains("chronyd will not take the line at its next start"),
        "{found:?}"
    );
}

#[test]
fn a_local_reference_and_a_stale_clock_are_told() {
    let mut alone = seen(vec![]);
    alone.daemon.local_reference = true;
    assert!(local_reference(&alone).is_some());
    let mut old = seen(vec![row("a", State::Selected)]);
    old.daemon.last_update_age_s = Some(9000.0);
    assert!(stale(&old).unwrap().text.contains("2 h"));
}

#[test]
fn what_is_counted_is_said_of_which_daemon_where_two_run() {
    let mut other = seen(vec![row("ntp2.example", State::Selected)]);
    other.daemon.name = "clockbox".to_owned();
    let gathered = Gathered {
        observed: vec![seen(vec![row("ntp1.example", State::Selected)]), other],
        ..Gathered::default()
    };
    let found = texts(&all(&gathered, 2_000_000_000));
    assert!(found.contains("chronyd: one source only"), "{found}");
    assert!(found.contains("clockbox: one source only"), "{found}");
}
