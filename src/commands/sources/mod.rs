//! `clockbox sources`: one view over every daemon's sources, and changing them.
//!
//! [`gather`] has [`asking`] ask each daemon in its own way ([`chronyd`], [`ntpd`], [`timesyncd`], [`ntpd_rs`],
//! [`openntpd`], else [`probed`]); [`configured`] reads what it was told to do; [`findings`] compares.

pub mod apply;
pub mod asking;
pub mod chronyd;
pub mod configured;
pub mod edit;
pub mod findings;
pub mod gather;
#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests read captures")]
mod golden;
pub mod hang;
pub mod list;
pub mod lookup;
#[cfg(test)]
mod made_up;
pub mod ntpd;
pub mod ntpd_rs;
pub mod observed;
pub mod openntpd;
pub mod page;
pub mod probed;
pub mod reference;
pub mod set;
pub mod stats;
pub mod timesyncd;
pub mod witnesses;
pub mod worse_clock;

use super::Command;
use super::Context;
use super::page::ManPage;
use crate::exit::Failure;
use crate::report::sources::SourcesReport;
use crate::sys;
use list::Wanted;

/// Show the time sources of this machine, whatever daemon runs, and say what is wrong with them
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    list: ListArgs,
    #[command(subcommand)]
    verb: Option<Verb>,
}

/// The verbs.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// The table of sources: the same as without a verb
    #[command(hide = true)]
    List(ListArgs),
    /// Show what the daemon has learnt of each source
    Stats(stats::Args),
    /// Make the daemon in use follow these servers
    Set(set::Args),
    /// Take servers out of the daemon's configuration
    #[command(alias = "remove")]
    Unset(set::UnsetArgs),
}

impl Args {
    /// The table, when that is what is wanted.
    #[must_use]
    pub const fn list(&self) -> &ListArgs {
        match &self.verb {
            Some(Verb::List(list)) => list,
            _ => &self.list,
        }
    }

    /// The verb.
    ///
    /// # Errors
    /// An option of the table before another verb.
    pub fn verb(&self) -> Result<Option<&Verb>, Failure> {
        let verb = match &self.verb {
            Some(Verb::Stats(_)) => "stats",
            Some(Verb::Set(_)) => "set",
            Some(Verb::Unset(_)) => "unset",
            Some(Verb::List(_)) | None => return Ok(self.verb.as_ref()),
        };
        match self.list.given() {
            None => Ok(self.verb.as_ref()),
            Some(option) => Err(Failure::usage(format!(
                "{option} before {verb} is an option of the table of sources; those of {verb} stand behind it"
            ))
            .hint(format!("clockbox sources {verb} --help"))),
        }
    }
}

/// Seconds that a question waits for its answer unless `--timeout` is given.
const TIMEOUT_S: f64 = 3.0;

/// Options of the table.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Ask the daemon there: HOST, HOST:PORT or control socket
    #[arg(
        long_help = "Ask the chronyd or ntpd of another machine, where it permits; or the one behind this port or control socket: HOST, HOST:PORT or SOCKET",
        long,
        value_name = "HOST"
    )]
    host: Option<String>,
    /// Exit with 1 if the clock is off by more: 0.1, 100ms, 50us
    #[arg(long_help = "Exit with 1 unless the clock is synchronised and off by at most this: 0.1, 100ms, 50us", long, value_name = "S", value_parser = duration)]
    max_error: Option<f64>,
    /// Show it again every few seconds
    #[arg(long_help = "Show it again every few seconds: redrawn on a terminal, a JSON object a line in a pipe", long, value_name = "S", num_args = 0..=1, require_equals = true, default_missing_value = "2", value_parser = watch_interval, conflicts_with_all = ["prometheus", "nagios"])]
    watch: Option<f64>,
    /// Stop watching after this many times
    #[arg(long, value_name = "N", requires = "watch", value_parser = clap::value_parser!(u32).range(1..))]
    count: Option<u32>,
    /// Prometheus's text format, for node_exporter
    #[arg(long_help = "Prometheus's text format, for node_exporter's textfile collector", long, conflicts_with_all = ["json", "nagios"])]
    prometheus: bool,
    /// A line and the exit statuses that Nagios reads
    #[arg(long, conflicts_with = "json")]
    nagios: bool,
    /// Seconds to wait for each answer
    #[arg(long_help = "Seconds to wait for an answer to each question", long, value_name = "S", default_value = "3", value_parser = duration)]
    timeout: f64,
}

impl ListArgs {
    /// The first of its options that was given.
    fn given(&self) -> Option<&'static str> {
        let options = [
            (self.host.is_some(), "--host"),
            (self.max_error.is_some(), "--max-error"),
            (self.watch.is_some(), "--watch"),
            (self.count.is_some(), "--count"),
            (self.prometheus, "--prometheus"),
            (self.nagios, "--nagios"),
            ((self.timeout - TIMEOUT_S).abs() > 0.0, "--timeout"),
        ];
        options
            .iter()
            .find(|(given, _)| *given)
            .map(|(_, name)| *name)
    }
}

/// Seconds on the command line, with a unit or without: `0.1`, `100ms`, `50us`.
///
/// # Errors
/// What may be given, when it is none.
pub fn duration(text: &str) -> Result<f64, String> {
    let units = [
        ("ms", 1e-3),
        ("us", 1e-6),
        ("µs", 1e-6),
        ("ns", 1e-9),
        ("s", 1.0),
    ];
    let (number, scale) = units
        .iter()
        .find_map(|(unit, scale)| Some((text.strip_suffix(unit)?, *scale)))
        .unwrap_or((text, 1.0));
    match number.trim().parse::<f64>() {
        Ok(value) if value.is_finite() && value > 0.0 && value * scale <= 86_400.0 => {
            Ok(value * scale)
        }
        _ => Err("give seconds over 0, such as 0.1, 100ms or 50us".to_owned()),
    }
}

fn watch_interval(text: &str) -> Result<f64, String> {
    duration(text).and_then(|s| {
        if s >= 0.2 {
            Ok(s)
        } else {
            Err("at most five times a second: 0.2 and more".to_owned())
        }
    })
}

impl Command for ListArgs {
    type Report = SourcesReport;

    const PAGE: ManPage = page::LIST;

    fn run(&self, context: &mut Context) -> Result<SourcesReport, Failure> {
        context.output.nagios = self.nagios;
        let wanted = Wanted {
            host: self.host.as_deref(),
            timeout: self.timeout,
            max_error: self.max_error,
            prometheus: self.prometheus,
        };
        let Some(interval) = self.watch else {
            return list::look(&wanted, context);
        };
        let redraw = sys::terminal::stdout_is_terminal() && !context.output.json;
        if !redraw {
            // In a pipe it is read by programs.
            context.output.json = true;
        }
        let mut left = self.count;
        loop {
            let report = list::look(&wanted, context)?;
            left = left.map(|n| n - 1);
            if redraw {
                context.clear_screen()?;
            }
            if left == Some(0) {
                return Ok(report);
            }
            context.emit(&report)?;
            if context.closed {
                return Ok(report);
            }
            sys::udp::wait(&[], (interval * 1000.0) as u64)?;
        }
    }
}
