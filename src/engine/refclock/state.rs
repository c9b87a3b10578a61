//! A reference clock at work: its readings, and the measurement that they make.

use super::Device;
use super::RefclockConfig;
use super::Said;
use super::Tick;
use super::filter::Filter;
use super::filter::Reading;
use super::pulse;
use super::pulse::Seconds;
use crate::proto::packet::Leap;
use crate::proto::packet::Mode;
use crate::proto::packet::Packet;
use crate::time::Monotonic;
use crate::time::NtpDuration;
use crate::time::NtpTimestamp;

/// Why a tick is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// It is from the future, or too old.
    Stale,
    /// It is not later than the one before.
    Repeated,
    /// The clock says itself that it is not right.
    Unsynchronised,
    /// Nothing says which second the pulse begins.
    NoSeconds,
    /// It is too far from where a pulse may be: the other edge, or noise.
    Edge,
}

/// A reference clock at work.
#[derive(Clone, Debug)]
pub struct Refclock {
    /// What it was configured with.
    pub config: RefclockConfig,
    /// The clock seems to keep TAI although nothing says so: so many seconds off. It is not used.
    pub suspect: Option<i32>,
    /// Measurements so far.
    measured: u32,
    filter: Filter,
    /// Readings since the last measurement.
    pub(crate) readings: u32,
    leap: Leap,
    /// When the next measurement is due.
    due: Option<Monotonic>,
    /// Something came since the last measurement.
    pub(crate) reached: bool,
    /// Reading failed the last time: it is said once.
    pub(crate) failing: bool,
}

/// A measurement of a reference clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Measured {
    /// When, on the undisciplined clock.
    pub(crate) at: Monotonic,
    /// True minus undisciplined time, in seconds from the engine's origin.
    pub(crate) offset: f64,
    /// Standard deviation, in seconds.
    pub(crate) sd: f64,
    /// Bound of what the readings may be off, in seconds.
    pub(crate) error: f64,
}

/// The first measurements come after these seconds, so that the clock is known soon.
const QUICK: [f64; 4] = [1.0, 1.0, 2.0, 4.0];
/// A reading farther off than this is nonsense, in seconds: 2^31.
const SANE: f64 = 2_147_483_648.0;
/// A measurement is never more exact than this, whatever its readings show: the local clocks are read
/// one after the other, in seconds.
pub(crate) const LOCAL_PRECISION: f64 = 5e-9;

impl Refclock {
    /// One that was not read yet.
    #[must_use]
    pub fn new(config: RefclockConfig) -> Self {
        Self {
            filter: Filter::new(config.filter),
            suspect: None,
            readings: 0,
            measured: 0,
            leap: Leap::None,
            due: None,
            reached: false,
            failing: false,
            config,
        }
    }

    /// The leap second that it announces.
    pub(crate) const fn leap(&self) -> Leap {
        self.leap
    }

    /// The last reading that was taken.
    pub(crate) const fn last(&self) -> Option<&Reading> {
        self.filter.last()
    }

    /// Seconds to the next reading of the device.
    pub(crate) fn reading_interval(&self) -> f64 {
        let poll = self.config.driver_poll.min(self.config.poll);
        f64::from(poll).exp2().min(self.measuring_interval())
    }

    fn measuring_interval(&self) -> f64 {
        let regular = f64::from(self.config.poll).exp2();
        let quick = usize::try_from(self.measured)
            .ok()
            .and_then(|n| QUICK.get(n));
        quick.map_or(regular, |quick| regular.min(*quick))
    }

    /// Takes in a tick that happened at this moment of the undisciplined clock. `at_origin` is what
    /// the undisciplined clock, set to start at the engine's origin, showed then, in nanoseconds
    /// since 1970; `seconds` says which second a pulse begins.
    pub(crate) fn take(
        &mut self,
        tick: &Tick,
        at: Monotonic,
        at_origin: i64,
        now: Monotonic,
        seconds: Option<Seconds>,
        user_offset: f64,
    ) -> Result<(), Ignored> {
        self.reached = true;
        let age = now.seconds_since(at);
        if !(-1e-3..=f64::from(self.config.poll).exp2() * 2.0 + 1.0).contains(&age) {
            return Err(Ignored::Stale);
        }
        if tick.leap == Leap::Unsynchronised {
            return Err(Ignored::Unsynchronised);
        }
        let shift = user_offset - f64::from(self.config.tai.unwrap_or(0));
        let offset = match tick.said {
            Said::Time(time) if !self.config.gives_pulses() => {
                let apart = i128::from(time) - i128::from(at_origin);
                apart as f64 * 1e-9 + shift
            }
            said => {
                // What the system clock showed beyond the pulse's second, and what it was off.
                let (beyond, system) = match said {
                    Said::Time(time) => (
                        tick.system_ns
                            .saturating_sub(time)
                            .rem_euclid(1_000_000_000),
                        tick.system_ns,
                    ),
                    Said::Pulse(beyond) => (beyond, tick.system_ns),
                };
                let phase = system.saturating_sub(at_origin) as f64 * 1e-9;
                let within = phase - beyond as f64 * 1e-9 + user_offset;
                let seconds = seconds.ok_or(Ignored::NoSeconds)?;
                pulse::complete(within, &seconds, &self.config)?
            }
        };
        if offset.is_nan() || offset.abs() > SANE {
            return Err(Ignored::Stale);
        }
        let error = tick.error + self.config.precision;
        if !self.filter.push(Reading { at, offset, error }) {
            return Err(Ignored::Repeated);
        }
        self.leap = tick.leap;
        Ok(())
    }

    /// The last reading, as what says which second another clock's pulses begin, for a pulse at
    /// this moment. `frequency` is how fast true time moves against the undisciplined clock.
    pub(crate) fn seconds_for(
        &self,
        at: Monotonic,
        frequency: f64,
        pulses: &RefclockConfig,
    ) -> Option<Seconds> {
        let last = self.filter.last()?;
        let apart = at.seconds_since(last.at);
        let most = f64::from(pulses.max_lock_age) / f64::from(pulses.rate.max(1));
        (apart.abs() < most).then(|| Seconds {
            offset: last.offset + frequency * apart,
            distance: last.error + self.filter.spread(),
        })
    }

    /// The pulses that are remembered are worth nothing.
    pub(crate) fn forget(&mut self) {
        self.filter.clear();
        self.measured = 0;
        self.due = None;
    }

    /// Whether a measurement is to be made now; says when the next is.
    pub(crate) fn is_due(&mut self, now: Monotonic) -> bool {
        let first = now.plus_seconds(self.measuring_interval());
        let due = *self.due.get_or_insert(first);
        // A timer may wake a little early.
        if now.plus_seconds(1e-3) < due {
            return false;
        }
        self.due = Some(now.plus_seconds(self.measuring_interval()));
        true
    }

    /// The measurement that the readings since the last one make.
    pub(crate) fn measure(&mut self, frequency: f64) -> Option<Measured> {
        let found = self.filter.take(frequency)?;
        self.measured = self.measured.saturating_add(1);
        if self
            .config
            .max_dispersion
            .is_some_and(|most| found.sd > most)
        {
            return None;
        }
        Some(Measured {
            at: found.reading.at,
            offset: found.reading.offset,
            sd: found.sd.hypot(self.config.precision.max(LOCAL_PRECISION)),
            error: found.reading.error,
        })
    }

    /// What a server of this clock would say of itself: stratum, identifier, how far from the truth.
    pub(crate) fn as_remote(&self, measured: &Measured, unix_ns: i64) -> Packet {
        let at = NtpTimestamp::from_unix(
            unix_ns.div_euclid(1_000_000_000),
            u32::try_from(unix_ns.rem_euclid(1_000_000_000)).unwrap_or(0),
        );
        Packet {
            leap: self.leap,
            mode: Mode::Server,
            stratum: self.config.stratum,
            poll: self.config.poll,
            precision: self.config.precision.max(LOCAL_PRECISION).log2().round() as i8,
            root_delay: NtpDuration::from_seconds(0.0),
            root_dispersion: NtpDuration::from_seconds(measured.error),
            refid: self.config.refid,
            reference: at,
            receive: at,
            transmit: at,
            ..Packet::request(4, NtpTimestamp::ZERO)
        }
    }

    /// Notices a clock that keeps TAI although nothing says so. `apart` is how far it is ahead of
    /// what is known of the time, `tai` how far TAI is, in seconds. True when it is noticed just
    /// now.
    pub(crate) fn doubt_scale(&mut self, apart: f64, tai: i32) -> bool {
        let plain = matches!(self.config.device, Device::Phc { pulses: None, .. })
            && !self.config.scale_known
            && self.config.tai.is_none()
            && !self.config.pulse;
        let shows = plain && (apart - f64::from(tai)).abs() < 0.5;
        let fresh = shows && self.suspect.is_none();
        if shows {
            self.suspect = Some(tai);
        }
        fresh
    }
}
