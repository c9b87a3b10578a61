//! `clockbox sync --wait`: until whichever daemon runs has put the clock right, by the daemon's own
//! word and an error bound; never by the kernel's synchronised flag alone, which stays set long
//! after the servers are gone.

use super::daemon;
use crate::commands::Context;
use crate::commands::sources::gather;
use crate::commands::sources::hang;
use crate::commands::sources::list::lost;
use crate::commands::sources::observed::Observed;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::report::finding::Finding;
use crate::report::format::age;
use crate::report::format::seconds;
use crate::report::sync::Action;
use crate::report::sync::DaemonRow;
use crate::report::sync::Origin;
use crate::report::sync::OriginKind;
use crate::report::sync::Result as Outcome;
use crate::report::sync::SyncReport;
use crate::sys;
use crate::time::Monotonic;

/// Seconds between two looks.
const PAUSE: f64 = 0.2;

/// Seconds in which a daemon that can be asked has answered; see `daemon::patience`.
const ENOUGH: f64 = 1.0;

/// What a look at the daemons said.
#[derive(Clone, Debug, Default)]
struct Look {
    daemon: Option<DaemonRow>,
    /// What is still to be corrected, where the daemon tells.
    offset: f64,
    /// The error bound, when the daemon says that it is synchronised.
    error: Option<f64>,
    /// Whether a daemon tells anything at all.
    told: bool,
    /// What is in the way, in words.
    why: String,
    /// The daemons that answer nobody, with the command that helps.
    hangs: Vec<Finding>,
}

/// Waits until the error is at most `max_error` seconds, or the deadline.
///
/// # Errors
/// None so far: what cannot be seen is said in the report.
pub fn wait(max_error: f64, deadline: Monotonic, context: &Context) -> Result<SyncReport, Failure> {
    let start = sys::clock::monotonic();
    let mut before: Option<Look> = None;
    loop {
        let patience = daemon::patience(deadline);
        let look = believed(look(patience), patience, before.take());
        let right = look.error.is_some_and(|error| error <= max_error);
        let now = sys::clock::monotonic();
        if right || now >= deadline {
            context.progress_done();
            return Ok(report(&look, right, max_error, now.seconds_since(start)));
        }
        context.progress(&format!("waiting: {}", look.why));
        sys::clock::sleep(PAUSE.min(deadline.seconds_since(now)));
        before = Some(look);
    }
}

/// What counts: this look, or the one before it. Shortly before the deadline a daemon that is merely
/// slow has no time to answer: what it said last is the truth about it then.
fn believed(look: Look, patience: f64, before: Option<Look>) -> Look {
    let hurried = !look.told && patience < ENOUGH;
    match before {
        Some(earlier) if hurried && earlier.told => earlier,
        _ => look,
    }
}

/// Asks every daemon in its own way. Those that may set the clock count; where none may, whoever
/// tells something of it does (chronyd with -x follows without correcting).
fn look(patience: f64) -> Look {
    let gathered = gather::local(patience);
    let steers = |o: &&Observed| o.daemon.holds_clock != Some(false);
    let rows: Vec<&Observed> = match gathered.observed.iter().any(|o| steers(&o)) {
        true => gathered.observed.iter().filter(steers).collect(),
        false => gathered.observed.iter().collect(),
    };
    let bound = |o: &&Observed| {
        let d = &o.daemon;
        let follows = d.synchronised == Some(true) && d.leap.as_deref() != Some("unsynchronised");
        follows.then_some(d.max_error_s?)
    };
    let best = rows.iter().copied().min_by(|a, b| {
        let worth = |o: &&Observed| bound(o).unwrap_or(f64::INFINITY);
        let known = |o: &Observed| o.daemon.synchronised.is_none();
        worth(a).total_cmp(&worth(b)).then(known(a).cmp(&known(b)))
    });
    let Some(best) = best else {
        return Look {
            why: "no time daemon runs".to_owned(),
            ..Look::default()
        };
    };
    let daemon = &best.daemon;
    let (name, error) = (daemon.name.as_str(), bound(&best));
    let why = match (error, &daemon.problem) {
        (Some(error), _) => format!(
            "{name} is synchronised, its error is within {}",
            seconds(error)
        ),
        (None, Some(problem)) if daemon.synchronised.is_none() => {
            format!("{name} runs but cannot be asked: {problem}")
        }
        (None, _) if daemon.synchronised == Some(true) => {
            format!("{name} is synchronised, but does not tell how far off it may be")
        }
        (None, _) => match daemon.coasts_s() {
            Some(since) => format!(
                "{}, and the clock has run on alone for {}",
                lost(name, daemon, &best.sources),
                age(since)
            ),
            None => format!("{name} is not synchronised to any source yet"),
        },
    };
    Look {
        daemon: daemon.pid.map(|pid| DaemonRow {
            name: daemon.name.clone(),
            pid,
        }),
        offset: daemon.offset_s.unwrap_or(0.0),
        error,
        told: daemon.synchronised.is_some(),
        why,
        hangs: hang::findings(&gathered),
    }
}

fn report(look: &Look, right: bool, max_error: f64, took: f64) -> SyncReport {
    let limit = seconds(max_error);
    let (status, text) = match (&look.daemon, look.error) {
        (None, _) => (
            ExitStatus::Unknown,
            format!("No time daemon was running within {}.", seconds(took)),
        ),
        (Some(d), Some(error)) if right => (
            ExitStatus::Done,
            format!(
                "{} has this clock right within {} (wanted: {limit}).",
                d.name,
                seconds(error)
            ),
        ),
        (Some(d), Some(error)) => (
            ExitStatus::NotHeld,
            format!(
                "{} is synchronised, but after {} only within {} (wanted: {limit}).",
                d.name,
                seconds(took),
                seconds(error)
            ),
        ),
        (Some(_), None) => (
            if look.told {
                ExitStatus::NotHeld
            } else {
                ExitStatus::Unknown
            },
            format!("Not synchronised after {}: {}.", seconds(took), look.why),
        ),
    };
    let mut findings = Vec::new();
    if look.daemon.is_none() {
        findings.push(Finding::error("nobody keeps this clock right").next("clockbox sync"));
    } else if !right {
        findings.clone_from(&look.hangs);
        findings.push(
            Finding::error("the clock is not known to be right").next("clockbox sync --dry-run"),
        );
    }
    SyncReport {
        origin: Origin {
            kind: OriginKind::Daemon,
            path: None,
            reason: look.daemon.as_ref().map_or_else(
                || "none: waiting for whichever daemon runs".to_owned(),
                |d| format!("those of {} (process {})", d.name, d.pid),
            ),
        },
        sources: Vec::new(),
        result: look.error.map(|error| Outcome {
            offset_s: look.offset,
            error_bound_s: error,
            jitter_s: None,
            truechimers: 0,
            voters: 0,
        }),
        action: Action::None,
        text,
        daemon: look.daemon.clone(),
        before: None,
        after: None,
        rtc: None,
        took_s: took,
        packets: 0,
        findings,
        dry_run: false,
        status,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(told: bool) -> Look {
        Look {
            told,
            why: if told { "told" } else { "silent" }.to_owned(),
            ..Look::default()
        }
    }

    #[test]
    fn a_look_in_haste_does_not_outweigh_what_was_told() {
        let why = |look, patience, before| believed(look, patience, before).why;
        assert_eq!(why(told(false), 0.02, Some(told(true))), "told");
        // With time enough its silence counts, and so does an answer.
        assert_eq!(why(told(false), 1.0, Some(told(true))), "silent");
        assert_eq!(why(told(false), 0.02, Some(told(false))), "silent");
        assert_eq!(why(told(false), 0.02, None), "silent");
        assert_eq!(why(told(true), 0.02, None), "told");
    }
}
