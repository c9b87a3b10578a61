//! `clockbox sync --wait`: until whichever daemon runs has put the clock right, by the daemon's own
//! word and an error bound; never by the kernel's synchronised flag alone, which stays set long
//! after the servers are gone.

use super::daemon;
use crate::commands::Context;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::proto::cmdmon::reply::Reply;
use crate::proto::cmdmon::request::Request;
use crate::report::finding::Finding;
use crate::report::format::seconds;
use crate::report::sync::Action;
use crate::report::sync::Origin;
use crate::report::sync::OriginKind;
use crate::report::sync::Result as Outcome;
use crate::report::sync::SyncReport;
use crate::sys;
use crate::sys::cmdmon::CHRONY_SOCKETS;
use crate::sys::cmdmon::CLOCKBOX_SOCKET;
use crate::sys::cmdmon::Client;
use crate::sys::daemons;
use crate::sys::daemons::Kind;
use crate::sys::daemons::Running;
use crate::sys::timex;
use crate::time::Monotonic;
use std::path::Path;

/// Seconds between two looks.
const PAUSE: f64 = 0.2;

/// What a look at the daemon said.
#[derive(Clone, Debug)]
struct Look {
    daemon: Option<Running>,
    /// What is still to be corrected, where the daemon tells.
    offset: f64,
    /// The error bound, when the daemon says that it is synchronised.
    error: Option<f64>,
    /// What is in the way, in words.
    why: String,
}

/// Waits until the error is at most `max_error` seconds, or the deadline.
///
/// # Errors
/// When the kernel does not tell its clock's state.
pub fn wait(max_error: f64, deadline: Monotonic, context: &Context) -> Result<SyncReport, Failure> {
    let start = sys::clock::monotonic();
    loop {
        let look = look(daemon::patience(deadline))?;
        let right = look.error.is_some_and(|error| error <= max_error);
        let now = sys::clock::monotonic();
        if right || now >= deadline {
            context.progress_done();
            return Ok(report(&look, right, max_error, now.seconds_since(start)));
        }
        context.progress(&format!("waiting: {}", look.why));
        sys::clock::sleep(PAUSE.min(deadline.seconds_since(now)));
    }
}

fn look(patience: f64) -> Result<Look, Failure> {
    let running = daemons::running().unwrap_or_default();
    let steering = |d: &&Running| d.kind.disciplines();
    let holder = daemons::holding_clock(&running).first().copied();
    let Some(daemon) = holder.or_else(|| running.iter().find(steering)) else {
        let why = "no time daemon runs".to_owned();
        return Ok(Look {
            daemon: None,
            offset: 0.0,
            error: None,
            why,
        });
    };
    let look = match daemon.kind {
        Kind::Chronyd => by_socket(daemon, CHRONY_SOCKETS, patience),
        Kind::Clockbox => by_socket(daemon, &[CLOCKBOX_SOCKET], patience),
        _ => by_kernel(daemon)?,
    };
    Ok(Look {
        daemon: Some(daemon.clone()),
        ..look
    })
}

fn by_socket(daemon: &Running, sockets: &[&str], patience: f64) -> Look {
    let name = daemon.kind.word();
    let silent = |why: String| Look {
        daemon: None,
        offset: 0.0,
        error: None,
        why,
    };
    let mut client = match Client::local(sockets, patience) {
        Ok(client) => client,
        Err(e) => return silent(format!("{name} runs but cannot be asked: {e}")),
    };
    match client.ask(&Request::Tracking) {
        Ok(Reply::Tracking(t)) if t.synchronised() => {
            let error = t.correction_s.abs() + t.root_dispersion_s + t.root_delay_s / 2.0;
            let why = format!(
                "{name} is synchronised, its error is within {}",
                seconds(error)
            );
            Look {
                daemon: None,
                offset: t.correction_s,
                error: Some(error),
                why,
            }
        }
        Ok(_) => silent(format!("{name} is not synchronised to any source yet")),
        Err(e) => silent(format!("{name} runs but does not answer: {e}")),
    }
}

/// Daemons without a socket that is read here: the kernel's error bound, which grows while nobody
/// updates it, together with what the daemon leaves behind when it has set the clock.
fn by_kernel(daemon: &Running) -> Result<Look, Failure> {
    let kernel = timex::read()?;
    let name = daemon.kind.word();
    let offset = kernel.offset + kernel.slew_left;
    // timesyncd publishes an error of zero: its word is the file, its bound is not known better
    // than what it accepts of a server (RootDistanceMaxSec=, 5 s).
    if daemon.kind == Kind::Timesyncd {
        let set = sys::files::exists(Path::new("/run/systemd/timesync/synchronized"));
        let error = (set && kernel.synchronised()).then(|| kernel.max_error + offset.abs());
        let why = if set {
            "has set the clock"
        } else {
            "has not set the clock yet"
        };
        return Ok(Look {
            daemon: None,
            offset,
            error,
            why: format!("{name} {why}"),
        });
    }
    let error = kernel
        .synchronised()
        .then(|| kernel.max_error + offset.abs());
    let why = match error {
        Some(error) => format!(
            "{name} is synchronised, its error is within {}",
            seconds(error)
        ),
        None => format!("{name} has not told the kernel yet that it is synchronised"),
    };
    Ok(Look {
        daemon: None,
        offset,
        error,
        why,
    })
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
                d.kind.word(),
                seconds(error)
            ),
        ),
        (Some(d), Some(error)) => (
            ExitStatus::NotHeld,
            format!(
                "{} is synchronised, but after {} only within {} (wanted: {limit}).",
                d.kind.word(),
                seconds(took),
                seconds(error)
            ),
        ),
        (Some(_), None) => (
            ExitStatus::NotHeld,
            format!("Not synchronised after {}: {}.", seconds(took), look.why),
        ),
    };
    let mut findings = Vec::new();
    if look.daemon.is_none() {
        findings.push(
            Finding::error("nobody keeps this clock right")
                .next("clockbox sync   (once), or start a time daemon"),
        );
    } else if !right {
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
                |d| format!("those of {} (process {})", d.kind.word(), d.pid),
            ),
        },
        sources: Vec::new(),
        result: look.error.map(|error| Outcome {
            offset_s: look.offset,
            error_bound_s: error,
            jitter_s: 0.0,
            truechimers: 0,
            voters: 0,
        }),
        action: Action::None,
        text,
        daemon: look.daemon.as_ref().map(daemon::row),
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
