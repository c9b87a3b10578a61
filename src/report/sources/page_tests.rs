//! The tables at 80 columns, with what is widest in practice: long names, IPv6, seconds of offset.

use super::*;
use crate::exit::ExitStatus;
use crate::report::Report;
use crate::report::finding::Finding;
use crate::report::sources::SourceKind;
use crate::report::sources::State;
use crate::report::sources::set::ChangedFile;
use crate::report::sources::set::SetReport;
use crate::report::sources::stats::StatsReport;
use crate::report::sources::stats::StatsRow;

const PAGE: Page = Page {
    width: Some(80),
    color: false,
    verbose: 1,
};
const NAMES: [&str; 3] = [
    "a-name-that-is-longer-than-most.time.department.example.org",
    "2001:db8:1234:5678:9abc:def0:1234:5678",
    "ntp1",
];

fn widest(daemons: usize) -> SourcesReport {
    let names = ["systemd-timesyncd", "chronyd"];
    let mut report = SourcesReport {
        daemons: Vec::new(),
        sources: Vec::new(),
        clock_bound: None,
        findings: vec![Finding::warning("word ".repeat(60)).next("clockbox sources")],
        max_error_limit_s: None,
        max_error_s: Some(1.0),
        synchronised: Some(true),
        text: "word ".repeat(40),
        prometheus: false,
        status: ExitStatus::Done,
        watch: false,
    };
    for name in names.iter().take(daemons) {
        let mut daemon = DaemonRow::new(name);
        daemon.pid = Some(4_194_304);
        daemon.holds_clock = Some(false);
        daemon.follows = Some(NAMES[0].to_owned());
        daemon.problem = Some("reason ".repeat(30));
        report.daemons.push(daemon);
        for title in NAMES {
            let mut row = SourceRow::new(name, SourceKind::Server, State::Falseticker);
            row.name = Some(title.to_owned());
            row.address = Some(NAMES[1].to_owned());
            row.stratum = Some(15);
            row.poll_interval_s = Some(131_072.0);
            row.set_reach(0o377);
            row.last_sample_age_s = Some(119.0);
            row.offset_s = Some(-350.1);
            row.error_s = Some(123e-6);
            row.delay_s = Some(0.123);
            row.jitter_s = Some(123e-9);
            row.text = Some("why ".repeat(50));
            row.next = Some("clockbox sources --watch".to_owned());
            report.sources.push(row);
        }
    }
    report
}

fn fits(page: &str) {
    for line in page.lines() {
        assert!(
            line.chars().count() <= 80,
            "{} columns: {line}",
            line.chars().count()
        );
    }
}

#[test]
fn the_table_of_sources_fits_80_columns_for_one_daemon_and_for_two() {
    for daemons in [1, 2] {
        let page = widest(daemons).render(&PAGE);
        fits(&page);
        // Nothing was lost to make it fit.
        for words in ["-350 s", "377 8/8", "123 µs", "36 h", "falseticker", "ntp1"] {
            assert!(page.contains(words), "{words}: {page}");
        }
    }
}

#[test]
fn a_sentence_that_is_true_of_several_rows_names_each_once() {
    let page = widest(2).render(&PAGE);
    let line = page.lines().find(|line| line.contains("ntp1:")).unwrap();
    assert_eq!(line.matches("ntp1").count(), 1, "{page}");
}

#[test]
fn the_problem_of_a_lone_daemon_is_not_said_twice() {
    let mut report = widest(1);
    report.daemons[0].problem = Some("no time daemon runs".to_owned());
    report.text = "not synchronised: no time daemon runs".to_owned();
    let page = report.render(&PAGE);
    assert_eq!(page.matches("no time daemon runs").count(), 1, "{page}");
}

#[test]
fn the_table_of_statistics_fits_80_columns_and_says_whose_rows_they_are() {
    let sources = widest(2);
    let rows = sources.sources.iter().map(|row| StatsRow {
        daemon: row.daemon.clone(),
        name: row.name.clone(),
        samples: Some(64),
        span_s: Some(86_000.0),
        residual_frequency_ppm: Some(-12.345),
        skew_ppm: Some(123_456.0),
        offset_s: Some(-0.123),
        offset_error_s: Some(123e-6),
        std_dev_s: Some(123e-6),
        delay_s: Some(0.123),
        ..StatsRow::default()
    });
    let report = StatsReport {
        sources: rows.collect(),
        daemons: sources.daemons,
        findings: Vec::new(),
        status: ExitStatus::Done,
    };
    let page = report.render(&PAGE);
    fits(&page);
    assert!(
        page.contains("Daemon") && page.contains("chronyd"),
        "{page}"
    );
}

#[test]
fn what_set_says_fits_80_columns() {
    let report = SetReport {
        daemon: "chronyd".to_owned(),
        sources: Vec::new(),
        files: vec![ChangedFile {
            path: "/etc/chrony/chrony.conf".to_owned(),
            backup: Some("/etc/chrony/chrony.conf.clockbox-old".to_owned()),
            diff: String::new(),
        }],
        applied: None,
        put_back: false,
        text: "follows ".repeat(30),
        findings: vec![Finding::error("none of them ".repeat(20))],
        dry_run: false,
        show_diff: false,
        changed: true,
        status: ExitStatus::Done,
    };
    fits(&report.render(&PAGE));
}
