//! Tests of the findings over made-up daemons.

use super::*;
use crate::report::finding::Severity;
use crate::report::sources::DaemonRow;
use crate::report::sources::explain::Limits;

fn row(name: &str, state: State) -> SourceRow {
    let mut row = SourceRow::new("chronyd", SourceKind::Server, state);
    row.name = Some(name.to_owned());
    row.address = Some("192.0.2.1".to_owned());
    row
}

fn seen(sources: Vec<SourceRow>) -> Observed {
    let mut daemon = DaemonRow::new("chronyd");
    daemon.synchronised = Some(true);
    daemon.via = Some("unix".to_owned());
    Observed {
        daemon,
        sources,
        stats: vec![],
        limits: Limits::CHRONY,
    }
}

fn running(kind: Kind, holds: bool) -> Running {
    Running {
        kind,
        pid: 7,
        holds_clock: Some(holds),
        container: false,
        arguments: vec![],
        age_s: Some(100.0),
    }
}

fn configured(text: &str) -> Configured {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(root.path().join("etc")).unwrap();
    std::fs::write(root.path().join("etc/chrony.conf"), text).unwrap();
    super::super::configured::read(Kind::Chronyd, &["chronyd".to_owned()], root.path()).unwrap()
}

fn texts(findings: &[Finding]) -> String {
    findings.iter().map(|f| f.text.clone() + "\n").collect()
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

#[test]
fn lines_that_mislead_are_named() {
    let conf = configured(
        "server 0.pool.ntp.org\npool ntp1.example iburst\nserver time.windows.com iburst\n",
    );
    let seen = seen(vec![row("ntp1.example", State::Selected)]);
    let found = texts(&lines(&seen, &conf, Some(Cloud::Azure)));
    for words in [
        "server 0.pool.ntp.org uses one",
        "ntp1.example has one address",
        "time.windows.com",
        "without iburst",
    ] {
        assert!(found.contains(words), "{words}: {found}");
    }
}

#[test]
fn too_few_one_operator_and_smears_are_told() {
    let gathered = Gathered::default();
    let two = seen(vec![
        row("ntp1.jst.mfeed.ad.jp", State::Selected),
        row("ntp2.jst.mfeed.ad.jp", State::Combined),
    ]);
    let found = texts(&few(&two, &gathered));
    assert!(
        found.contains("2 of 2 sources are good") && found.contains("mfeed.ad.jp's"),
        "{found}"
    );
    let four = seen(vec![row("a.example", State::Selected); 4]);
    assert!(!texts(&few(&four, &gathered)).contains("a majority needs"));
    let mixed = [
        row("time.google.com", State::Selected),
        row("ntp1.example", State::Combined),
    ];
    assert!(smeared(&mixed).unwrap().text.contains("time.google.com"));
    assert_eq!(smeared(&mixed[..1]), None);
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
fn operators_are_told_by_their_domain() {
    assert_eq!(operator("ntp1.jst.mfeed.ad.jp"), "mfeed.ad.jp");
    assert_eq!(operator("time1.google.com"), "google.com");
    assert_eq!(operator("localhost"), "localhost");
}
