//! The clock before the start. `initstepslew`: some servers are measured once before anything else,
//! and the clock is stepped if they agree that it is off by more than a threshold; a smaller offset is
//! left to be slewed.

use super::Options;
use super::rtc;
use super::settings::Files;
use crate::commands::Context;
use crate::commands::sync::choose::Asked;
use crate::commands::sync::choose::Plan;
use crate::commands::sync::judge;
use crate::commands::sync::measure;
use crate::commands::sync::measure::Terms;
use crate::conf::chrony::Settings;
use crate::engine::correction;
use crate::engine::correction::Correction;
use crate::exit::Failure;
use crate::report::sync::Origin;
use crate::report::sync::OriginKind;
use crate::sys;
use crate::sys::clock;
use crate::sys::log::Level;
use crate::sys::timex::SystemClock;

/// Servers that do not answer hold the start up so long, in seconds.
const PATIENCE: f64 = 10.0;
/// Samples from each server.
const SAMPLES: u32 = 4;

/// Puts the clock right before anything else: by the battery-backed clock where the command line says
/// so, then by `initstepslew`. Gives the seconds that are left to be slewed. Where the clock is not
/// to be touched, says what is passed over.
///
/// # Errors
/// When the clock cannot be set.
pub(super) fn put_right(
    options: &Options,
    files: &Files,
    settings: &Settings,
    control: bool,
) -> Result<Option<f64>, Failure> {
    if options.set_from_rtc && control {
        rtc::set_system(files)?;
    }
    match &settings.init_step_slew {
        Some((_, hosts)) if hosts.is_empty() => Ok(None),
        Some((threshold, hosts)) if control => measure(*threshold, hosts),
        Some(_) => {
            let text = "initstepslew: passed over, as the clock is not touched";
            sys::log::say(Level::Warning, text);
            Ok(None)
        }
        None => Ok(None),
    }
}

/// Measures and steps, or gives the seconds that are left to be slewed, positive when the clock is
/// behind. That nobody answers, or that they do not agree, is said, and the daemon starts all the
/// same.
///
/// # Errors
/// When the clock cannot be set, or nothing can be sent at all.
fn measure(threshold: f64, hosts: &[String]) -> Result<Option<f64>, Failure> {
    let asked = |host: &String| Asked {
        name: host.clone(),
        hosts: vec![host.clone()],
        port: 123,
        pool: None,
        ipv6: None,
    };
    let plan = Plan {
        asked: hosts.iter().map(asked).collect(),
        clocks: Vec::new(),
        origin: Origin {
            kind: OriginKind::Config,
            path: None,
            reason: "named by initstepslew".to_owned(),
        },
        findings: Vec::new(),
        patience: None,
    };
    let terms = Terms {
        samples: SAMPLES,
        source_port: 0,
        deadline: clock::monotonic().plus_seconds(PATIENCE),
        ipv6: None,
    };
    let measured = measure::measure(&plan.asked, terms, &Context::default())?;
    let report = judge::report(&plan, &measured);
    let Some(result) = report.result else {
        let text = format!("initstepslew: {}; starting without it", report.text);
        sys::log::say(Level::Warning, &text);
        return Ok(None);
    };
    let offset = result.offset_s;
    let found = format!(
        "initstepslew: {} of {} servers say that this clock is off by {offset:+.6} s (positive: behind)",
        result.truechimers, result.voters
    );
    if offset.abs() <= threshold {
        sys::log::say(Level::Info, &format!("{found}: it is slewed"));
        return Ok(Some(offset));
    }
    let (bound, jitter) = (result.error_bound_s, result.jitter_s.unwrap_or(0.0));
    correction::apply(&mut SystemClock, Correction::Step, offset, bound, jitter)?;
    sys::log::say(Level::Notice, &format!("{found}: it was stepped"));
    Ok(None)
}
