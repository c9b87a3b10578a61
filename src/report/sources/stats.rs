//! The report of `clockbox sources stats`: what the daemon has learnt of each source.

use super::DaemonRow;
use super::owner;
use crate::exit::ExitStatus;
use crate::report::Page;
use crate::report::Report;
use crate::report::finding;
use crate::report::finding::Finding;
use crate::report::format::age;
use crate::report::format::or_dash;
use crate::report::format::seconds;
use crate::report::format::signed_seconds;
use crate::report::format::wrap;
use crate::report::table::Align;
use crate::report::table::table;
use schemars::JsonSchema;
use serde::Serialize;

/// What was learnt of one source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct StatsRow {
    /// Whose source it is.
    pub daemon: String,
    /// Its process, which tells daemons of one name apart; `null` on another machine.
    pub daemon_pid: Option<u32>,
    /// Its name as configured.
    pub name: Option<String>,
    /// Its address, or a reference clock's identifier.
    pub address: Option<String>,
    /// Measurements that are kept.
    pub samples: Option<u32>,
    /// Runs of residuals of one sign.
    pub runs: Option<u32>,
    /// From the oldest measurement to the newest.
    pub span_s: Option<f64>,
    /// How fast the local clock has to be to stay with it, beyond what it is; positive: faster.
    pub residual_frequency_ppm: Option<f64>,
    /// Error bound of that.
    pub skew_ppm: Option<f64>,
    /// Estimated offset; positive: the local clock is behind.
    pub offset_s: Option<f64>,
    /// Error bound of that.
    pub offset_error_s: Option<f64>,
    /// Standard deviation of the measurements.
    pub std_dev_s: Option<f64>,
    /// Round trip.
    pub delay_s: Option<f64>,
    /// Dispersion of the last measurement.
    pub dispersion_s: Option<f64>,
    /// Packets sent to it.
    pub packets_sent: Option<u64>,
    /// Packets received from it.
    pub packets_received: Option<u64>,
    /// Packets that passed all tests.
    pub packets_good: Option<u64>,
    /// NTS cookies that are left.
    pub nts_cookies: Option<u32>,
}

/// The whole report.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct StatsReport {
    /// The daemons that were asked.
    pub daemons: Vec<DaemonRow>,
    /// One a source.
    pub sources: Vec<StatsRow>,
    /// Things noticed.
    pub findings: Vec<Finding>,
    /// What the exit status says.
    #[serde(skip)]
    pub status: ExitStatus,
}

/// From this width on all columns have room beside the daemon's.
const ROOMY: u16 = 100;

/// What every column means, with the names that chronyc has for it.
const LEGEND: &[(&str, &str)] = &[
    (
        "N",
        "measurements that are kept of it. chronyc sourcestats' NP; ntpd keeps eight and does not say.",
    ),
    (
        "Span",
        "from the oldest of them to the newest. chronyc's Span.",
    ),
    (
        "Frequency",
        "how much faster this clock would have to run to stay with the source, and after ± how wrong that can be. chronyc's Frequency with the opposite sign, and Freq Skew.",
    ),
    (
        "Offset",
        "what must be added to this clock by all of them together, and after ± how wrong that can be. chronyc's Offset with the opposite sign; ntpq's offset.",
    ),
    (
        "Std dev",
        "how much the measurements vary around that line. chronyc's Std Dev, ntpq's jitter.",
    ),
    (
        "Delay",
        "the round trip of the last measurement. ntpq's delay.",
    ),
];

impl Report for StatsReport {
    const COMMAND: &'static str = "sources stats";

    fn status(&self) -> ExitStatus {
        self.status
    }

    fn render(&self, page: &Page) -> String {
        let several = self.daemons.len() > 1;
        // What is least missed makes room for the daemon.
        let all = !several || page.width.is_none_or(|width| width >= ROOMY);
        let mut columns = vec![("Source", Align::Left), ("N", Align::Right)];
        columns.extend(all.then_some(("Span", Align::Right)));
        columns.extend([
            ("Frequency", Align::Right),
            ("±", Align::Right),
            ("Offset", Align::Right),
            ("±", Align::Right),
            ("Std dev", Align::Right),
        ]);
        columns.extend(all.then_some(("Delay", Align::Right)));
        if several {
            columns.push(("Daemon", Align::Left));
        }
        let ppm = |value: f64| {
            if value.abs() < 100.0 {
                format!("{value:.3}")
            } else {
                format!("{value:.0}")
            }
        };
        let rows: Vec<Vec<String>> = self
            .sources
            .iter()
            .map(|s| {
                let title = s.name.as_deref().or(s.address.as_deref());
                let mut row = vec![
                    title.unwrap_or("(no name)").to_owned(),
                    or_dash(s.samples, |n| n.to_string()),
                ];
                row.extend(all.then(|| or_dash(s.span_s, age)));
                row.extend([
                    or_dash(s.residual_frequency_ppm, |v| format!("{} ppm", ppm(v))),
                    or_dash(s.skew_ppm, ppm),
                    or_dash(s.offset_s, signed_seconds),
                    or_dash(s.offset_error_s, seconds),
                    or_dash(s.std_dev_s, seconds),
                ]);
                row.extend(all.then(|| or_dash(s.delay_s, seconds)));
                row.extend(several.then(|| owner(&self.daemons, &s.daemon, s.daemon_pid)));
                row
            })
            .collect();
        let mut out = table(&columns, &rows, page);
        for daemon in &self.daemons {
            if let Some(problem) = &daemon.problem {
                let line = format!("{}: {problem}", daemon.called(&self.daemons));
                out.push_str(&format!("{}\n", wrap(&line, page.width, 0)));
            }
        }
        if page.verbose > 0 {
            out.push_str("\nWhat the columns mean:\n");
            for (name, text) in LEGEND {
                out.push_str(&format!("  {name:<9}  {}\n", wrap(text, page.width, 13)));
            }
        }
        if !self.findings.is_empty() {
            out.push('\n');
            out.push_str(&finding::render(&self.findings, page));
        }
        out
    }
}
