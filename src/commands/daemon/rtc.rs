//! `rtcfile`: the battery-backed clock, read now and then against the engine's time, its error and
//! rate kept in a file, and the clock set when it is far off (`rtcautotrim`) or when somebody asks.
//! And `--set-from-rtc`: the system clock from it, before anything else is known.

use super::logs::Logs;
use super::settings::Files;
use super::settings::files::RtcFiles;
use crate::engine::Engine;
use crate::engine::clock::Reading;
use crate::engine::correction::SetClock as _;
use crate::engine::rtc::LONGEST;
use crate::engine::rtc::RtcLine;
use crate::engine::rtc::RtcTrack;
use crate::proto::cmdmon::Status;
use crate::proto::cmdmon::reply;
use crate::sys;
use crate::sys::error::Error;
use crate::sys::log::Level;
use crate::sys::requests::Watched;
use crate::sys::rtc::Rtc;
use crate::time::Monotonic;
use crate::time::NtpDuration;
use std::cell::RefCell;
use std::path::Path;
use std::path::PathBuf;
use std::rc::Rc;

/// The token of the device in the loop.
pub const TOKEN: usize = 0x80;
/// The sign of a second that does not come within this time is not waited for, in seconds.
const PATIENCE: f64 = 3.0;
/// The first reading is taken so long after the start, in seconds: the time should be right then.
const FIRST: f64 = 10.0;
/// The clock cannot be set closer than this, in seconds.
const FINEST: f64 = 1.0;
/// Within a second the clock is set at this moment: a PC's begins its next second half a second
/// later.
const MOMENT_NS: i64 = 500_000_000;
/// Differences below this are left alone at the start, in seconds: the clock shows whole seconds,
/// and only its file tells more.
const WORTH: f64 = 1.0;

const SECOND_NS: i64 = 1_000_000_000;

/// The clock, as the daemon keeps it.
#[derive(Debug)]
pub struct RtcKeeper {
    device: Rc<Rtc>,
    local: bool,
    file: PathBuf,
    auto_trim: Option<f64>,
    track: RtcTrack,
    due: Monotonic,
    /// Since when the sign of a second is waited for, and how many came.
    waiting: Option<(Monotonic, u32)>,
    /// When the clock is to be set.
    trim: Option<Monotonic>,
    logs: Rc<RefCell<Logs>>,
}

impl RtcKeeper {
    /// Opens the device that the configuration wants kept, if it does; one that cannot be had is
    /// said, and not kept.
    #[must_use]
    pub fn open(files: &Files, watched: &Watched, logs: Rc<RefCell<Logs>>) -> Option<Self> {
        let wanted = &files.rtc;
        let file = wanted.file.clone()?;
        let device = match open(wanted) {
            Ok(device) => Rc::new(device),
            Err(error) => {
                let text = format!("the battery-backed clock is not followed (rtcfile): {error}");
                sys::log::say(Level::Warning, &text);
                return None;
            }
        };
        watched.add(TOKEN, device.clone());
        Some(Self {
            device,
            local: wanted.local,
            file,
            auto_trim: wanted.auto_trim,
            track: RtcTrack::default(),
            due: sys::clock::monotonic_raw().plus_seconds(FIRST),
            waiting: None,
            trim: None,
            logs,
        })
    }

    /// When [`Self::tick`] has something to do.
    #[must_use]
    pub fn deadline(&self) -> Monotonic {
        let next = match self.waiting {
            Some((since, _)) => since.plus_seconds(PATIENCE),
            None => self.due,
        };
        self.trim.map_or(next, |trim| trim.min(next))
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Reading, engine: &Engine) {
        if let Some((since, _)) = self.waiting {
            if now.raw.seconds_since(since) >= PATIENCE {
                self.rest(now.raw);
                let path = &self.device.path;
                let text = format!("{path} gives no sign of its seconds; tried again later");
                sys::log::say(Level::Warning, &text);
            }
        } else if now.raw >= self.due {
            if engine.reference(now).is_usable() && self.device.announce_seconds() {
                self.waiting = Some((now.raw, 0));
            } else {
                self.due = now.raw.plus_seconds(self.track.interval());
            }
        }
        if self.trim.is_some_and(|at| now.raw >= at) {
            self.trim = None;
            self.set(now, engine);
        }
    }

    /// The device says that a second began.
    pub fn ready(&mut self, now: Reading, engine: &Engine) {
        if !self.device.second_began() {
            return;
        }
        let Some((_, signs)) = &mut self.waiting else {
            return;
        };
        *signs += 1;
        // The first one may be left over from before.
        if *signs < 2 {
            return;
        }
        let shown = self.device.read();
        self.rest(now.raw);
        let reference = engine.reference(now);
        let (Ok(shown), true) = (shown, reference.is_usable()) else {
            return;
        };
        let unix_ns = now.unix_ns as f64 * 1e-9;
        let unix = unix_ns + reference.offset_at(now.raw);
        let ahead = (shown - self.shift()) as f64 - unix;
        let reading = self.track.push(unix, ahead);
        self.logs.borrow_mut().rtc(&reading);
        self.due = now.raw.plus_seconds(self.track.interval());
        let far = |most: f64| self.track.samples() > 2 && ahead.abs() > most.max(FINEST);
        if self.auto_trim.is_some_and(far) && self.trim.is_none() {
            self.ask_to_trim(now);
        }
    }

    /// Waits no longer for the sign of a second.
    fn rest(&mut self, now: Monotonic) {
        self.waiting = None;
        self.device.silence();
        self.due = now.plus_seconds(self.track.interval());
    }

    fn shift(&self) -> i64 {
        if self.local {
            sys::clock::local_offset()
        } else {
            0
        }
    }

    /// The clock is to be set at the next good moment.
    fn ask_to_trim(&mut self, now: Reading) {
        let into = now.unix_ns.rem_euclid(SECOND_NS);
        let wait = (MOMENT_NS - into).rem_euclid(SECOND_NS);
        self.trim = Some(now.raw.plus_seconds(wait as f64 * 1e-9));
    }

    fn set(&mut self, now: Reading, engine: &Engine) {
        let reference = engine.reference(now);
        if !reference.is_usable() {
            return;
        }
        let offset = (reference.offset_at(now.raw) * 1e9) as i64;
        // The second that is half over.
        let unix = now.unix_ns.saturating_add(offset).div_euclid(SECOND_NS);
        match self.device.set(unix + self.shift()) {
            Ok(()) => {
                self.track.reset();
                self.due = now.raw.plus_seconds(PATIENCE);
                let text = format!("{} was set to the system clock", self.device.path);
                sys::log::say(Level::Info, &text);
            }
            Err(error) => sys::log::say(Level::Warning, &error.to_string()),
        }
    }

    /// What `chronyc rtcdata` shows.
    #[must_use]
    pub fn report(&self) -> Option<reply::Rtc> {
        let line = self.track.line()?;
        let count = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        let at = self.track.last()?;
        Some(reply::Rtc {
            ref_time: (at.floor() as i64, (at.fract() * 1e9) as u32),
            samples: count(self.track.samples()),
            runs: count(self.track.runs()),
            span_s: self.track.span() as u32,
            ahead_s: line.ahead,
            gain_ppm: line.gain * 1e6,
        })
    }

    /// `chronyc writertc`, and the daemon's end.
    ///
    /// # Errors
    /// Why the file cannot be written.
    pub fn write(&self) -> Result<(), Error> {
        let Some(line) = self.track.line() else {
            return Ok(());
        };
        sys::files::make_parents(&self.file)?;
        sys::files::replace(&self.file, line.to_string().as_bytes(), 0o644)
    }

    /// `chronyc trimrtc`: the clock is set within a second.
    pub fn trim(&mut self, now: Reading, engine: &Engine) -> Status {
        if !engine.reference(now).is_usable() {
            return Status::Failed;
        }
        self.ask_to_trim(now);
        Status::Success
    }
}

fn open(files: &RtcFiles) -> Result<Rtc, Error> {
    match &files.device {
        Some(path) => Rtc::open_at(path),
        None => Rtc::open(),
    }
}

/// Steps the system clock to the battery-backed one; or to when the drift file was written last, if
/// that is later than both: time does not run backwards over a start. Says what it did.
///
/// # Errors
/// A system clock that cannot be set.
pub fn set_system(files: &Files) -> Result<(), Error> {
    let wanted = &files.rtc;
    let shift = if wanted.local {
        sys::clock::local_offset()
    } else {
        0
    };
    let known = wanted.file.as_deref().and_then(kept);
    let read = open(wanted).and_then(|device| {
        let shown = device.read_at_start(PATIENCE)?;
        Ok((shown.0 - shift, shown.1, device.path.clone()))
    });
    let written = files.drift.as_deref().and_then(sys::files::modified);
    let (seconds, nanos) = sys::clock::unix();
    let now = seconds as f64 + f64::from(nanos) * 1e-9;
    let (target, from) = match &read {
        Ok((shown, age, path)) => {
            let plain = *shown as f64 + age;
            let ahead = known.map_or(0.0, |line| line.ahead_at(plain));
            (plain - ahead, path.clone())
        }
        Err(error) => {
            let text = format!("the battery-backed clock says nothing: {error}");
            sys::log::say(Level::Warning, &text);
            (now, "this clock".to_owned())
        }
    };
    let (target, from) = match written.map(|at| at as f64) {
        Some(at) if at > target && at > now => (at, "the drift file's last change".to_owned()),
        _ => (target, from),
    };
    let offset = target - now;
    if offset.abs() < WORTH {
        return Ok(());
    }
    sys::timex::SystemClock.step(NtpDuration::from_seconds(offset))?;
    let text = format!("the clock was set from {from}: {offset:+.3} s");
    sys::log::say(Level::Notice, &text);
    Ok(())
}

fn kept(file: &Path) -> Option<RtcLine> {
    RtcLine::parse(&sys::files::read_text(file, LONGEST).ok()?)
}
