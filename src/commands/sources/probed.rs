//! When no daemon tells its sources: the configured servers are asked directly, once each, and the
//! rows say so.

use super::configured;
use super::gather::Gathered;
use super::observed::Observed;
use super::reference;
use crate::commands::Context;
use crate::commands::sync::choose;
use crate::commands::sync::judge;
use crate::commands::sync::measure;
use crate::commands::sync::measure::Terms;
use crate::exit::Failure;
use crate::report::finding::Finding;
use crate::report::sources::DaemonRow;
use crate::report::sources::SourceKind;
use crate::report::sources::SourceRow;
use crate::report::sources::State;
use crate::report::sources::explain::Limits;
use crate::report::sync;
use crate::report::sync::Verdict;
use crate::sys;
use crate::time::Monotonic;
use std::path::Path;

/// The name that stands in `daemon`.
pub const NAME: &str = "probe";

/// Asks the servers that the running daemon is told to follow, else those of this
/// machine's configuration; `None` when it names none.
///
/// # Errors
/// When the configuration is broken or cannot be read.
pub fn observe(
    gathered: &Gathered,
    limit_s: f64,
    context: &Context,
) -> Result<Option<Observed>, Failure> {
    let root = Path::new("/");
    let in_use = configured::in_use(&gathered.running, root);
    let Some(plan) = choose::configured(in_use.as_ref(), root)? else {
        return Ok(None);
    };
    let terms = Terms {
        samples: 1,
        source_port: 0,
        deadline: sys::clock::monotonic().plus_seconds(limit_s),
        ipv6: None,
    };
    let measured = measure::measure(&plan.asked, terms, context)?;
    let report = judge::report(&plan, &measured);
    let mut daemon = DaemonRow::new(NAME);
    daemon.via = Some("probe".to_owned());
    let from = report.origin.path.as_deref().unwrap_or("the configuration");
    let why = if gathered.observed.is_empty() {
        "no time daemon runs"
    } else {
        "no daemon told its sources"
    };
    daemon.problem = Some(format!(
        "{why}, so the servers of {from} were asked directly"
    ));
    if let Some(result) = &report.result {
        daemon.offset_s = Some(result.offset_s);
        daemon.max_error_s = Some(result.offset_s.abs() + result.error_bound_s);
    }
    Ok(Some(Observed {
        daemon,
        sources: report.sources.iter().map(row).collect(),
        stats: Vec::new(),
        limits: Limits::CHRONY,
    }))
}

/// Seconds that the servers have to answer, when the daemons have been asked since `start`: what is
/// left of the limit, and some of it in any case.
#[must_use]
pub fn time_left(limit_s: f64, start: Monotonic) -> f64 {
    let spent = sys::clock::monotonic().seconds_since(start);
    (limit_s - spent).max(limit_s / 4.0)
}

/// What is wrong with servers that were asked and did not agree on anything.
pub fn unanimous<'a>(mut asked: impl Iterator<Item = &'a SourceRow>) -> &'static str {
    if asked.any(SourceRow::answers) {
        "no majority of them agrees"
    } else {
        "none of them answered"
    }
}

/// Why they could not be asked, as a finding; `None` where those that are there say it already.
#[must_use]
pub fn finding(failure: &Failure, others: &[Finding]) -> Option<Finding> {
    let place = failure.target.as_ref().map(|file| format!("{file}:"));
    let said = |other: &Finding| place.as_ref().is_some_and(|p| other.text.starts_with(p));
    if others.iter().any(said) {
        return None;
    }
    // Below the first line stands each fault with its place, and a caret that no sentence has.
    let mut lines = failure.message.lines().skip(1).map(str::trim);
    let text = match lines.next() {
        Some(fault) => {
            let help = lines
                .take_while(|line| !line.is_empty())
                .find_map(|line| line.strip_prefix("help: "))
                .map_or_else(String::new, |help| format!("; {help}"));
            fault.replacen(": error: ", ": ", 1) + &help
        }
        None => failure.message.clone(),
    };
    let hint = failure.hint.clone();
    Some(Finding::error(text).next(hint.unwrap_or_else(|| "clockbox sync --dry-run".to_owned())))
}

fn row(source: &sync::SourceRow) -> SourceRow {
    let state = match source.verdict {
        // Nothing follows it: it only agrees.
        Verdict::Selected | Verdict::Combined | Verdict::Outlier => State::Candidate,
        Verdict::Falseticker => State::Falseticker,
        Verdict::TooVariable => State::Jittery,
        Verdict::Unusable => State::Unusable,
        Verdict::Kiss => State::Kiss,
        Verdict::Unresolved => State::Unresolved,
        Verdict::Silent | Verdict::Refused | Verdict::Unreachable => State::Unreachable,
        Verdict::NotAwaited => State::Unknown,
        Verdict::Disputed | Verdict::TooDistant | Verdict::Unsynchronised | Verdict::Invalid => {
            State::Unusable
        }
    };
    let mut row = SourceRow::new(NAME, SourceKind::Server, state);
    row.name = Some(source.name.clone());
    row.address.clone_from(&source.address);
    row.stratum = source.stratum;
    row.refid.clone_from(&source.refid);
    row.offset_s = source.offset_s;
    row.measured_offset_s = source.offset_s;
    row.error_s = source.root_distance_s;
    row.root_distance_s = source.root_distance_s;
    row.delay_s = source.delay_s;
    row.jitter_s = source.jitter_s;
    row.samples = Some(source.samples);
    row.last_sample_age_s = source.offset_s.map(|_| 0.0);
    row.reference = source
        .refid
        .as_deref()
        .and_then(|refid| reference::upstream(refid, source.stratum));
    let name = source.address.as_deref().unwrap_or(&source.name);
    row.next = match state {
        State::Unreachable => Some(format!("clockbox check-port {name}")),
        State::Unresolved => Some(format!("getent ahosts {}", source.name)),
        State::Kiss => Some("clockbox sources set HOST...".to_owned()),
        _ => None,
    };
    row.text = Some(match &source.text {
        Some(text) => format!("asked directly: {text}"),
        None => "asked directly: it answers and agrees".to_owned(),
    });
    row
}
