//! `clockbox sources`: the sources of every daemon in one table, once or again and again.

use super::findings;
use super::gather;
use super::gather::Gathered;
use super::hang;
use super::observed::Observed;
use super::probed;
use crate::commands::Context;
use crate::commands::shared_page;
use crate::commands::status::installed;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::report::finding::Finding;
use crate::report::format::age;
use crate::report::format::seconds;
use crate::report::sources::DaemonRow;
use crate::report::sources::SourceKind;
use crate::report::sources::SourceRow;
use crate::report::sources::SourcesReport;
use crate::report::sources::State;
use crate::report::sources::explain::direction;
use crate::sys;
use std::path::Path;

/// What is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Another machine.
    pub host: Option<&'a str>,
    /// Seconds for each question.
    pub timeout: f64,
    /// The clock may be off by so much.
    pub max_error: Option<f64>,
    /// Prometheus's text.
    pub prometheus: bool,
}

/// Looks once.
///
/// # Errors
/// When the other machine tells nothing, or nothing at all could be found out here.
pub fn look(wanted: &Wanted<'_>, context: &Context) -> Result<SourcesReport, Failure> {
    let start = sys::clock::monotonic();
    let mut gathered = match wanted.host {
        Some(host) => gather::remote(host, wanted.timeout)?,
        None => gather::local(wanted.timeout),
    };
    let silent = gathered.observed.iter().all(|seen| seen.sources.is_empty());
    let mut probe_problem = None;
    if silent && wanted.host.is_none() {
        let limit = probed::time_left(wanted.timeout, start);
        match probed::observe(&gathered, limit, context) {
            Ok(probe) => gathered.observed.extend(probe),
            Err(failure) => probe_problem = Some(failure),
        }
    }
    if gathered.observed.is_empty() {
        return Err(probe_problem.unwrap_or_else(nothing));
    }
    Ok(report(gathered, wanted, probe_problem.as_ref(), context))
}

fn nothing() -> Failure {
    Failure::new(
        ExitStatus::Unknown,
        "no time daemon runs here, and no configuration names a server; how wrong the clock is can be measured",
    )
    .hint("clockbox sync --dry-run")
}

fn report(
    mut gathered: Gathered,
    wanted: &Wanted<'_>,
    problem: Option<&Failure>,
    context: &Context,
) -> SourcesReport {
    let mut found = findings::all(&gathered, sys::clock::unix().0);
    if wanted.host.is_none() {
        let root = Path::new("/");
        found.extend(installed::started_together(root, &gathered.running));
    }
    if let Some(failure) = problem {
        let told = probed::finding(failure, &found);
        found.extend(told);
    }
    found.extend(for_root(&gathered));
    found.extend(hang::findings(&gathered));
    found.sort_by_key(|finding| finding.severity);
    if context.output.numeric {
        gathered.observed.iter_mut().for_each(by_address);
    }
    let (mut daemons, mut sources) = (Vec::new(), Vec::new());
    for seen in gathered.observed {
        daemons.push(seen.daemon);
        sources.extend(seen.sources);
    }
    let best = best(&daemons);
    let max_error_s = best.and_then(|daemon| daemon.max_error_s);
    let synchronised = synchronised(&daemons);
    let mut text = verdict(&daemons, best, &sources);
    if let Some(limit) = wanted.max_error {
        text.push_str(&missed(limit, max_error_s, synchronised));
    }
    let status = match (wanted.max_error, max_error_s, synchronised) {
        (None, _, None) if sources.is_empty() => ExitStatus::Unknown,
        (None, _, _) => ExitStatus::Done,
        (Some(_), _, Some(false)) => ExitStatus::NotHeld,
        (Some(limit), Some(error), Some(true)) if error <= limit => ExitStatus::Done,
        (Some(_), Some(_), Some(true)) => ExitStatus::NotHeld,
        (Some(_), _, _) => ExitStatus::Unknown,
    };
    SourcesReport {
        daemons,
        sources,
        clock_bound: match wanted.host {
            Some(_) => None,
            None => shared_page::clock_bound(Path::new("/")),
        },
        findings: found,
        max_error_limit_s: wanted.max_error,
        max_error_s,
        synchronised,
        text,
        prometheus: wanted.prometheus,
        status,
        watch: false,
    }
}

/// What is told to root alone.
fn for_root(gathered: &Gathered) -> Option<Finding> {
    let untold: Vec<&str> = gathered
        .observed
        .iter()
        .filter(|seen| matches!(seen.daemon.name.as_str(), "chronyd" | "clockbox"))
        .filter(|seen| seen.daemon.via.is_none() && !seen.daemon.container && !seen.daemon.hangs)
        .map(|seen| seen.daemon.name.as_str())
        .collect();
    (!untold.is_empty() && !sys::host::is_root()).then(|| {
        Finding::warning(format!(
            "{} did not tell an ordinary user what it follows; root may ask through the control socket",
            untold.join(" and ")
        ))
        .next("sudo clockbox sources")
    })
}

/// Names make way for addresses. Of a name that did not resolve, the name is all there is.
fn by_address(seen: &mut Observed) {
    let followed = seen
        .sources
        .iter()
        .find(|row| seen.daemon.follows.as_deref() == Some(row.title()))
        .and_then(|row| row.address.clone());
    seen.daemon.follows = followed.or_else(|| seen.daemon.follows.take());
    for row in &mut seen.sources {
        if row.address.is_some() {
            row.name.clone_from(&row.address);
        }
    }
}

/// The daemon whose word counts: one that holds the clock before one that does not.
fn best(daemons: &[DaemonRow]) -> Option<&DaemonRow> {
    let synchronised = || daemons.iter().filter(|d| d.synchronised == Some(true));
    synchronised()
        .find(|daemon| daemon.may_steer())
        .or_else(|| synchronised().next())
}

fn synchronised(daemons: &[DaemonRow]) -> Option<bool> {
    let words: Vec<bool> = daemons.iter().filter_map(|d| d.synchronised).collect();
    if words.is_empty() {
        return None;
    }
    Some(words.contains(&true))
}

/// Which limit was missed, in words; nothing where it was held.
fn missed(limit: f64, error: Option<f64>, synchronised: Option<bool>) -> String {
    let limit_s = seconds(limit);
    match (error, synchronised) {
        (Some(error), Some(true)) if error <= limit => String::new(),
        (Some(_), Some(true)) => format!(". That is over the limit of {limit_s} (--max-error)"),
        (_, Some(false)) => format!(". The limit of {limit_s} (--max-error) is missed"),
        _ => format!(". Whether the limit of {limit_s} (--max-error) is held cannot be told"),
    }
}

/// A daemon's sources; ntpd's line of a pool is none itself.
fn own<'a>(daemon: &'a DaemonRow, sources: &'a [SourceRow]) -> impl Iterator<Item = &'a SourceRow> {
    sources
        .iter()
        .filter(|row| daemon.owns(row) && row.kind != SourceKind::Pool)
}

/// What a daemon that has followed a source follows no more; `name` is what it is called.
#[must_use]
pub fn lost(name: &str, daemon: &DaemonRow, sources: &[SourceRow]) -> String {
    let own = || own(daemon, sources);
    let false_ones = own().filter(|row| row.state == State::Falseticker).count();
    let answering = own().filter(|row| row.answers()).count();
    let why = match (own().count(), answering, false_ones) {
        (0, ..) => return format!("{name} is not synchronised any more: it has no source left"),
        (_, 0, _) => " (none of them answers)".to_owned(),
        (.., 0) => String::new(),
        (2, _, 2) => " (they contradict each other)".to_owned(),
        (.., n) => format!(" ({n} of them contradict each other)"),
    };
    match own().count() {
        1 => format!("{name} is not synchronised any more: it does not follow its one source"),
        n => {
            format!("{name} is not synchronised any more: it follows none of its {n} sources{why}")
        }
    }
}

/// A daemon that follows nothing, and why as far as its sources show it; `name` is what it is called.
fn idle(name: &str, daemon: &DaemonRow, sources: &[SourceRow]) -> String {
    let own = || own(daemon, sources);
    let answering = own().filter(|row| row.answers()).count();
    if let Some(since) = daemon.coasts_s() {
        return format!(
            "{}: the clock has run on alone for {}",
            lost(name, daemon, sources),
            age(since)
        );
    }
    let nameless = own().filter(|row| row.state == State::Unresolved).count();
    match (own().count(), answering) {
        (1, _) if nameless == 1 => {
            format!("{name} is not synchronised: the name of its one source has no address")
        }
        (n, _) if n > 1 && nameless == n => {
            format!("{name} is not synchronised: the names of its {n} sources have no address")
        }
        (0, _) => format!("{name} is not synchronised: it has no sources"),
        (1, 0) => format!("{name} is not synchronised: its one source does not answer"),
        (1, _) => format!("{name} is not synchronised: it does not follow its one source"),
        (n, 0) => format!("{name} is not synchronised: none of its {n} sources answers"),
        (2, 2) => {
            format!("{name} is not synchronised: it follows none of its 2 sources (both answer)")
        }
        (n, m) if n == m => format!(
            "{name} is not synchronised: it follows none of its {n} sources (all of them answer)"
        ),
        (n, m) => format!(
            "{name} is not synchronised: it follows none of its {n} sources ({m} of them {})",
            if m == 1 { "answers" } else { "answer" }
        ),
    }
}

/// Nobody says anything of it.
fn untold(daemons: &[DaemonRow]) -> String {
    let unknown = "it cannot be told whether the clock is synchronised";
    match daemons.iter().find(|daemon| daemon.hangs) {
        Some(daemon) => format!("{unknown}: {} answers nobody", daemon.called(daemons)),
        None => unknown.to_owned(),
    }
}

/// Synchronised? To whom, how far, how sure, since when.
fn verdict(daemons: &[DaemonRow], best: Option<&DaemonRow>, sources: &[SourceRow]) -> String {
    if let Some(daemon) = best {
        let mut text = format!("{} follows ", daemon.called(daemons));
        text.push_str(daemon.follows.as_deref().unwrap_or("a source"));
        if let Some(offset) = daemon.offset_s {
            text.push_str(&format!(": the clock is {}", direction(offset)));
        }
        if let Some(bound) = daemon.max_error_s {
            text.push_str(&format!(", off by at most {}", seconds(bound)));
        }
        if let Some(since) = daemon.last_update_age_s {
            text.push_str(&format!("; last update {} ago", age(since)));
        }
        if daemon.holds_clock == Some(false) {
            text.push_str(". It only looks: it leaves the clock alone");
        }
        return text;
    }
    if let Some(daemon) = daemons.iter().find(|d| d.local_reference) {
        return format!(
            "{} is not synchronised: it serves this machine's own clock",
            daemon.called(daemons)
        );
    }
    if let Some(daemon) = daemons.iter().find(|d| d.name == probed::NAME) {
        let problem = daemon.problem.as_deref().unwrap_or_default();
        // That they do not tell does not mean that they do not follow.
        let untold: Vec<String> = daemons
            .iter()
            .filter(|d| d.name != probed::NAME && d.synchronised.is_none())
            .map(|d| d.called(daemons))
            .collect();
        if !untold.is_empty() {
            let said = daemon.offset_s.zip(daemon.max_error_s);
            let said = said.map_or(String::new(), |(offset, bound)| {
                format!(
                    ". They say that the clock is {}, off by at most {}",
                    direction(offset),
                    seconds(bound)
                )
            });
            return format!(
                "it cannot be told whether {} {} this clock synchronised: {problem}{said}",
                untold.join(" or "),
                if untold.len() == 1 { "has" } else { "have" }
            );
        }
        return match (daemon.offset_s, daemon.max_error_s) {
            (Some(offset), Some(bound)) => format!(
                "not synchronised: {problem}. They say that the clock is {}, off by at most {}",
                direction(offset),
                seconds(bound)
            ),
            _ => format!(
                "not synchronised: {problem}, and {}",
                probed::unanimous(own(daemon, sources))
            ),
        };
    }
    match daemons.iter().find(|d| d.synchronised == Some(false)) {
        Some(daemon) => idle(&daemon.called(daemons), daemon, sources),
        None => untold(daemons),
    }
}
