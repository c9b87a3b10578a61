//! Tests of what is said of the sources' number and kind.

use super::super::made_up::row;
use super::super::made_up::seen;
use super::super::made_up::texts;
use super::*;
use crate::report::finding::Severity;

#[test]
fn fewer_than_four_sources_are_told_by_what_they_cannot_do() {
    let count = |n: usize| {
        let names = [
            "ntp1.a.example",
            "ntp1.b.test",
            "ntp1.c.invalid",
            "ntp1.d.org",
        ];
        let rows = names.iter().take(n).map(|name| row(name, State::Combined));
        few(&seen(rows.collect()), &Gathered::default())
    };
    assert!(texts(&count(1)).contains("one source only"));
    assert!(texts(&count(2)).contains("nothing tells which one lies"));
    let three = count(3);
    assert!(three[0].text.contains("four do"), "{three:?}");
    assert_eq!(three[0].severity, Severity::Info);
    assert!(count(4).is_empty());
    assert!(count(0).is_empty());
}

#[test]
fn a_source_that_is_configured_not_to_be_used_is_no_witness() {
    let mut measured = row("ntp2.example", State::Unusable);
    measured.options.push("noselect".to_owned());
    let found = few(
        &seen(vec![row("ntp1.example", State::Selected), measured]),
        &Gathered::default(),
    );
    assert!(texts(&found).contains("one source only"), "{found:?}");
}

#[test]
fn a_daemon_that_has_just_started_is_not_blamed_for_sources_that_are_not_good_yet() {
    let rows = vec![row("a.example", State::Unusable); 3];
    let mut new = seen(rows.clone());
    new.limits.running_s = Some(5.0);
    assert!(!texts(&few(&new, &Gathered::default())).contains("good now"));
    let mut old = seen(rows);
    old.limits.running_s = Some(500.0);
    let found = few(&old, &Gathered::default());
    assert!(found[0].text.contains("good now: 0 of 3"), "{found:?}");
    assert_eq!(found[0].severity, Severity::Warning);
}

#[test]
fn sources_of_one_operator_are_told() {
    let gathered = Gathered::default();
    let one = seen(vec![
        row("ntp1.jst.mfeed.ad.jp", State::Selected),
        row("ntp2.jst.mfeed.ad.jp", State::Combined),
    ]);
    assert!(texts(&few(&one, &gathered)).contains("all sources are mfeed.ad.jp's"));
    let two = seen(vec![
        row("ntp1.jst.mfeed.ad.jp", State::Selected),
        row("ntp.nict.jp", State::Combined),
    ]);
    assert!(!texts(&few(&two, &gathered)).contains("all sources are"));
    let pool = seen(vec![row("pool.ntp.org", State::Selected); 4]);
    assert!(few(&pool, &gathered).is_empty());
}

#[test]
fn smeared_sources_beside_plain_ones_are_told() {
    let mixed = [
        row("time.google.com", State::Selected),
        row("ntp1.example", State::Combined),
    ];
    let told = smeared(&mixed).unwrap();
    assert!(told.text.contains("time.google.com"));
    assert_eq!(
        told.next.as_deref(),
        Some("clockbox sources unset time.google.com")
    );
    let mut more = mixed.to_vec();
    more.push(row("time2.google.com", State::Combined));
    assert_eq!(
        smeared(&more).unwrap().next.as_deref(),
        Some("clockbox sources unset ntp1.example")
    );
    assert_eq!(smeared(&mixed[..1]), None);
    assert_eq!(smeared(&mixed[1..]), None);
    // Amazon's, by its address, beside Google's: both smear.
    let mut amazon = row("ignored.example", State::Selected);
    amazon.name = Some("169.254.169.123".to_owned());
    amazon.address = amazon.name.clone();
    assert_eq!(smeared(&[mixed[0].clone(), amazon]), None);
}

#[test]
fn servers_that_serve_their_own_clock_are_told() {
    let mut own = row("ntp1.example", State::Selected);
    own.reference = reference::upstream("127.127.1.1", Some(10));
    let found = own_clocks(&[own, row("ntp2.example", State::Combined)]).unwrap();
    assert!(
        found.text.starts_with("ntp1.example serves its own clock"),
        "{found:?}"
    );
    assert_eq!(own_clocks(&[row("ntp2.example", State::Combined)]), None);
}

#[test]
fn a_smearing_server_that_is_only_watched_is_not_mixed_and_a_clock_beside_one_is() {
    // One that is only watched is not mixed; a clock of the machine's own is.
    let mixed = [
        row("time.google.com", State::Selected),
        row("ntp1.example", State::Combined),
    ];
    let mut watched = mixed.clone();
    for row in &mut watched {
        if row.name.as_deref() == Some("time.google.com") {
            row.options.push("noselect".to_owned());
        }
    }
    assert_eq!(smeared(&watched), None);
    let mut clock = row("PHC0", State::Selected);
    clock.kind = SourceKind::Refclock;
    let google = row("time.google.com", State::Combined);
    let beside = smeared(&[clock, google]).unwrap();
    assert!(beside.text.contains("PHC0"), "{}", beside.text);
}

#[test]
fn operators_are_told_by_their_domain() {
    assert_eq!(operator("ntp1.jst.mfeed.ad.jp"), "mfeed.ad.jp");
    assert_eq!(operator("time1.google.com"), "google.com");
    assert_eq!(operator("localhost"), "localhost");
}
