//! The text format of Prometheus (node_exporter's textfile collector): one sample a line, unknown
//! values left out, labels escaped.

use super::SourceRow;
use super::SourcesReport;
use std::fmt::Write as _;

type Gauge<T> = (&'static str, &'static str, fn(&T) -> Option<f64>);

const SOURCE_GAUGES: &[Gauge<SourceRow>] = &[
    (
        "clockbox_source_offset_seconds",
        "Offset of the source; positive: the local clock is behind.",
        |s| s.offset_s,
    ),
    (
        "clockbox_source_error_seconds",
        "Bound of the error of the offset.",
        |s| s.error_s,
    ),
    (
        "clockbox_source_delay_seconds",
        "Round trip to the source.",
        |s| s.delay_s,
    ),
    (
        "clockbox_source_jitter_seconds",
        "How much the measurements vary.",
        |s| s.jitter_s,
    ),
    ("clockbox_source_stratum", "Stratum of the source.", |s| {
        s.stratum.map(f64::from)
    }),
    (
        "clockbox_source_poll_interval_seconds",
        "How often the source is asked.",
        |s| s.poll_interval_s,
    ),
    (
        "clockbox_source_reach_ratio",
        "Part of the last eight polls that was answered.",
        |s| s.reach_ok_of_8.map(|n| f64::from(n) / 8.0),
    ),
    (
        "clockbox_source_last_sample_age_seconds",
        "Seconds since the last measurement.",
        |s| s.last_sample_age_s,
    ),
    (
        "clockbox_source_selected",
        "1 when the clock follows the source.",
        |s| Some(f64::from(u8::from(s.state == super::State::Selected))),
    ),
    (
        "clockbox_source_good",
        "1 when the source agrees with the majority and may be used.",
        |s| Some(f64::from(u8::from(s.state.is_good()))),
    ),
];

const DAEMON_GAUGES: &[Gauge<super::DaemonRow>] = &[
    (
        "clockbox_daemon_synchronised",
        "1 when the daemon follows a source.",
        |d| d.synchronised.map(|yes| f64::from(u8::from(yes))),
    ),
    (
        "clockbox_daemon_offset_seconds",
        "How far the clock is off as the daemon sees it; positive: it is behind.",
        |d| d.offset_s,
    ),
    (
        "clockbox_daemon_max_error_seconds",
        "How far the clock can be off, if the sources tell the truth.",
        |d| d.max_error_s,
    ),
    (
        "clockbox_daemon_frequency_ppm",
        "Frequency correction; positive makes the clock run faster.",
        |d| d.frequency_ppm,
    ),
    ("clockbox_daemon_stratum", "Stratum of the daemon.", |d| {
        d.stratum.map(f64::from)
    }),
    (
        "clockbox_daemon_last_update_age_seconds",
        "Seconds since the clock was last updated.",
        |d| d.last_update_age_s,
    ),
];

/// All samples.
#[must_use]
pub fn render(report: &SourcesReport) -> String {
    let mut out = String::new();
    for (name, help, value) in DAEMON_GAUGES {
        let samples: Vec<String> = report
            .daemons
            .iter()
            .filter_map(|d| {
                let value = value(d)?;
                let whose = whose(report, &d.name, d.pid);
                Some(format!("{name}{{{whose}}} {value}"))
            })
            .collect();
        family(&mut out, name, help, &samples);
    }
    for (name, help, value) in SOURCE_GAUGES {
        let samples: Vec<String> = report
            .sources
            .iter()
            .filter_map(|s| {
                let value = value(s)?;
                let address = s.address.as_deref().unwrap_or_default();
                Some(format!(
                    "{name}{{{},source=\"{}\",address=\"{}\"}} {value}",
                    whose(report, &s.daemon, s.daemon_pid),
                    escape(s.title()),
                    escape(address)
                ))
            })
            .collect();
        family(&mut out, name, help, &samples);
    }
    out
}

/// The labels that say whose a sample is: the process too, where several daemons have one name and
/// their series would be one. Elsewhere it would only make a new series of every start.
fn whose(report: &SourcesReport, name: &str, pid: Option<u32>) -> String {
    let label = format!("daemon=\"{}\"", escape(name));
    match pid.filter(|_| super::namesakes(&report.daemons, name)) {
        Some(pid) => format!("{label},pid=\"{pid}\""),
        None => label,
    }
}

fn family(out: &mut String, name: &str, help: &str, samples: &[String]) {
    if samples.is_empty() {
        return;
    }
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge");
    let mut seen = Vec::new();
    for sample in samples {
        // The same series twice would spoil the whole file.
        let series = sample.rsplit_once(' ').map_or("", |(series, _)| series);
        if !seen.contains(&series) {
            seen.push(series);
            let _ = writeln!(out, "{sample}");
        }
    }
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::super::DaemonRow;
    use super::super::SourceKind;
    use super::super::State;
    use super::*;
    use crate::exit::ExitStatus;

    #[test]
    fn samples_have_help_type_and_escaped_labels_and_are_there_once() {
        let mut source = SourceRow::new("chronyd", SourceKind::Server, State::Selected);
        source.name = Some("a\"b".to_owned());
        source.offset_s = Some(-0.5);
        let report = SourcesReport {
            daemons: vec![DaemonRow::new("chronyd")],
            sources: vec![source.clone(), source],
            clock_bound: None,
            findings: vec![],
            max_error_limit_s: None,
            max_error_s: None,
            synchronised: None,
            text: String::new(),
            prometheus: true,
            status: ExitStatus::Done,
            watch: false,
        };
        let text = render(&report);
        let line = "clockbox_source_offset_seconds{daemon=\"chronyd\",source=\"a\\\"b\",address=\"\"} -0.5\n";
        assert_eq!(text.matches(line).count(), 1, "{text}");
        assert!(text.contains("# TYPE clockbox_source_offset_seconds gauge\n"));
        // What is unknown is left out.
        assert!(!text.contains("delay"));
    }
}
