//! Putting the clock right after the vote: what to do, who else holds the clock, doing it, and the
//! battery-backed clock.

use super::daemon;
use crate::conf::zone::adjtime;
use crate::engine::correction;
use crate::engine::correction::ClockState;
use crate::engine::correction::Correction;
use crate::engine::correction::Policy;
use crate::engine::correction::SetClock;
use crate::exit::ExitStatus;
use crate::exit::Failure;
use crate::report::finding::Finding;
use crate::report::format;
use crate::report::sync::Action;
use crate::report::sync::ClockRow;
use crate::report::sync::RtcRow;
use crate::report::sync::SyncReport;
use crate::report::sync::slew_time;
use crate::sys;
use crate::sys::daemons::Running;
use crate::sys::rtc::Rtc;
use crate::sys::timex::SystemClock;
use std::path::Path;

/// Does what follows from the vote, and says so in the report.
///
/// # Errors
/// When the clock fails for another reason than privilege.
pub fn apply(
    report: &mut SyncReport,
    policy: &Policy,
    rtc: bool,
    holder: Option<&Running>,
) -> Result<(), Failure> {
    let mut clock = SystemClock;
    report.daemon = holder.map(daemon::row);
    report.before = clock.state().ok().map(row);
    if holder.is_none() && sys::timex::read().is_ok_and(|k| k.pll() && k.synchronised()) {
        report.findings.push(Finding::warning(
            "the kernel's own control loop is on and says that it is synchronised, yet no time daemon \
             is to be seen here: one has ended, or runs where this process cannot see it (another \
             container, hidden processes)",
        ));
    }
    let Some(result) = report.result else {
        return Ok(());
    };
    let (offset, bound, jitter) = (
        result.offset_s,
        result.error_bound_s,
        result.jitter_s.unwrap_or(0.0),
    );
    let decision = correction::decide(offset, bound, jitter, policy);
    let measured = report.text.clone();
    say(report, decision, offset, policy);
    if report.dry_run || matches!(decision, Correction::Refuse | Correction::Nothing(_)) {
        if rtc && !report.dry_run && matches!(decision, Correction::Nothing(_)) {
            set_rtc(report);
        }
        return Ok(());
    }
    if let Some(holder) = holder {
        report.action = Action::Held;
        report.status = ExitStatus::NotHeld;
        report.text = format!(
            "{measured} It was not set: {} holds the clock.",
            holder.kind.word()
        );
        report.findings.push(daemon::advice(holder));
        return Ok(());
    }
    match correction::apply(&mut clock, decision, offset, bound, jitter) {
        Ok(()) => {
            report.after = clock.state().ok().map(row);
            if rtc {
                set_rtc(report);
            }
            Ok(())
        }
        Err(error) if error.is_permission() => {
            not_permitted(report, &measured);
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// The decision in words, as done; in a dry run as what would be done.
fn say(report: &mut SyncReport, decision: Correction, offset: f64, policy: &Policy) {
    let would = report.dry_run;
    let (action, sentence) = match decision {
        Correction::Step => (
            Action::Step,
            if would {
                "It would be stepped."
            } else {
                "It was stepped."
            }
            .to_owned(),
        ),
        Correction::Slew => {
            let words = if would {
                "It would be slewed, over"
            } else {
                "It is being slewed, over"
            };
            (Action::Slew, format!("{words} {}.", slew_time(offset)))
        }
        Correction::Nothing(noise) => {
            let size = format::seconds(noise);
            (
                Action::None,
                format!(
                    "That is within the noise of this measurement ({size}): nothing to change."
                ),
            )
        }
        Correction::Refuse => {
            if !would {
                report.status = ExitStatus::NotHeld;
            }
            let left = if would { "would be" } else { "was" };
            let limit = format::seconds(policy.max_offset);
            report.findings.extend(absurd_offset());
            (
                Action::TooLarge,
                format!("That is more than --max-offset ({limit}): the clock {left} left alone."),
            )
        }
    };
    report.action = action;
    report.text = format!("{} {sentence}", report.text);
}

/// What there is to say of an offset over `--max-offset`.
pub(super) fn absurd_offset() -> [Finding; 2] {
    [
        Finding::error(
            "an offset this large is either a clock that was never set or servers that lie; compare \
             with another clock first",
        )
        .next("clockbox sync --dry-run --pool pool.ntp.org"),
        Finding::info("if the servers are right, the clock can be set all the same")
            .next(super::again(&["--force"])),
    ]
}

fn not_permitted(report: &mut SyncReport, measured: &str) {
    report.action = Action::NotPermitted;
    report.status = ExitStatus::NoPermission;
    report.text = format!("{measured} It was not set: this process lacks CAP_SYS_TIME.");
    let root = sys::host::is_root();
    let (text, next) = if root {
        (
            "root without CAP_SYS_TIME: a container, or a unit with a bounding set; the clock is the host's to set",
            format!(
                "on the host: {}; or start the container with --cap-add SYS_TIME",
                super::again(&[])
            ),
        )
    } else {
        (
            "setting the clock needs root, or the capability CAP_SYS_TIME",
            format!("sudo {}", super::again(&[])),
        )
    };
    report.findings.push(Finding::error(text).next(next));
}

/// This machine's clock as it is now, when the kernel tells.
#[must_use]
pub fn clock_row() -> Option<ClockRow> {
    SystemClock.state().ok().map(row)
}

fn row(state: ClockState) -> ClockRow {
    ClockRow {
        time: format::rfc3339(state.unix.0, state.unix.1),
        kernel_synchronised: state.synchronised,
        max_error_s: state.max_error,
        estimated_error_s: state.estimated_error,
        frequency_ppm: state.frequency_ppm,
        slew_left_s: state.slew_left,
    }
}

/// Sets the battery-backed clock; when that fails the system clock is right all the same, and the
/// failure is a finding.
fn set_rtc(report: &mut SyncReport) {
    let local = keeps_local_time(Path::new("/"));
    let done = || -> Result<RtcRow, sys::error::Error> {
        let rtc = Rtc::open()?;
        let show = |seconds: i64| {
            let text = format::rfc3339(seconds, 0);
            let text = text
                .trim_end_matches("Z")
                .trim_end_matches(".000000000")
                .to_owned();
            if local { text } else { format!("{text}Z") }
        };
        let before = rtc.read().ok();
        rtc.set_from_system(if local { sys::clock::local_offset() } else { 0 })?;
        Ok(RtcRow {
            device: rtc.path.to_owned(),
            before: before.map(show),
            after: rtc.read().ok().map(show),
            local,
        })
    };
    match done() {
        Ok(row) => report.rtc = Some(row),
        Err(error) => report.findings.push(Finding::warning(format!(
            "the battery-backed clock was not set: {error}"
        ))),
    }
}

/// Whether the battery-backed clock keeps local time: the third line of /etc/adjtime (hwclock(8)).
#[must_use]
pub fn keeps_local_time(root: &Path) -> bool {
    let path = sys::files::under(root, Path::new("/etc/adjtime"));
    sys::files::read_text(&path, 4096)
        .is_ok_and(|text| adjtime::mode(&text) == Some(adjtime::Rtc::Local))
}
