//! A local standard (`local` on a refclock line): a clock of this machine that nobody sets, but
//! that runs more evenly than the system's oscillator. What it shows is worth nothing, how fast it
//! runs is: the engine's undisciplined clock is made to run as evenly as the standard, and
//! everything that is measured, is measured against that.
//!
//! The frequency by which the two differ at first is left out, so that the corrected clock stays
//! near the oscillator's own and a frequency that was learnt with the one holds for the other.

use super::clock::Clock;
use super::clock::ClockError;
use super::clock::Reading;
use super::clock::Status;
use super::refclock::RefclockConfig;
use super::refclock::Said;
use super::refclock::Tick;
use super::refclock::filter;
use super::refclock::filter::Filter;
use crate::time::Monotonic;
use std::cell::RefCell;
use std::rc::Rc;

/// What was read of the standard: a copy is a handle on the same readings, one for whoever reads
/// the device, one for the clock that follows.
#[derive(Clone, Debug, Default)]
pub struct Readings(Rc<RefCell<Vec<Tick>>>);

/// Readings that wait at most: the clock takes them many times a second.
const MOST: usize = 256;

impl Readings {
    /// The standard said this.
    pub fn push(&self, ticks: &[Tick]) {
        let mut waiting = self.0.borrow_mut();
        let room = MOST.saturating_sub(waiting.len());
        waiting.extend(ticks.iter().take(room).copied());
    }
}

/// How the standard moves against the oscillator, in seconds and seconds per second.
#[derive(Clone, Copy, Debug)]
struct Model {
    /// The last measurement, on the oscillator's clock.
    at: Monotonic,
    /// What the standard had gained on the oscillator by then, in seconds.
    gained: f64,
    /// The corrected clock's lead on the oscillator's when the model began, less the gain then.
    base: f64,
    /// The frequency, once two measurements were made.
    frequency: Option<f64>,
    /// The frequency that is left out: the first one there was.
    left_out: Option<f64>,
    /// When the model began.
    from: Monotonic,
}

/// Share of a new frequency that is taken in: the standard is read with some noise.
const FREQUENCY_GAIN: f64 = 0.2;
/// Share of a phase that is off that the next interval makes good.
const PHASE_GAIN: f64 = 0.5;
/// A standard that leaves the model by this, in seconds, or this in a second was set by somebody.
const JUMP: (f64, f64) = (1e-3, 5e-4);
/// After so many intervals without a measurement nobody knows what became of the phase.
const GAP: f64 = 8.0;
/// The rate is never corrected by more, in seconds per second.
const LARGEST: f64 = 2e-3;

/// A clock whose oscillator is held to a standard; without one it is as it was.
#[derive(Debug)]
pub struct Standardised<C> {
    inner: C,
    standard: Option<(Readings, RefclockConfig)>,
    filter: Filter,
    model: Option<Model>,
    /// What the corrected clock leads the oscillator's by, in nanoseconds, and how that grows, in
    /// seconds per second.
    ahead: f64,
    rate: f64,
    last: Option<Monotonic>,
    /// When the next measurement is made.
    due: Option<Monotonic>,
    /// What the standard showed beyond the oscillator at its first reading, in nanoseconds.
    origin: Option<i128>,
    /// The frequency that was asked for, ppm.
    asked: Option<f64>,
}

impl<C: Clock> Standardised<C> {
    /// Over a clock.
    pub fn new(inner: C, standard: Option<(Readings, RefclockConfig)>) -> Self {
        let most = standard.as_ref().map_or(1, |(_, config)| config.filter);
        Self {
            inner,
            standard,
            filter: Filter::new(most),
            model: None,
            ahead: 0.0,
            rate: 0.0,
            last: None,
            due: None,
            origin: None,
            asked: None,
        }
    }

    /// Takes in what was read since the last look, at these clocks.
    fn learn(&mut self, now: Reading) {
        let Some((readings, config)) = &self.standard else {
            return;
        };
        let interval = f64::from(config.poll).exp2();
        let slot = config
            .gives_pulses()
            .then_some(1.0 / f64::from(config.rate.max(1)));
        let ticks = std::mem::take(&mut *readings.0.borrow_mut());
        for tick in ticks {
            self.take(&tick, now, interval, slot);
        }
        let due = *self
            .due
            .get_or_insert_with(|| now.raw.plus_seconds(interval));
        if now.raw.plus_seconds(1e-3) >= due {
            self.due = Some(now.raw.plus_seconds(interval));
            let frequency = self.model.and_then(|m| m.frequency).unwrap_or(0.0);
            if let Some(found) = self.filter.take(frequency) {
                self.measured(now.raw, found.reading.at, found.reading.offset, interval);
            }
        }
    }

    fn take(&mut self, tick: &Tick, now: Reading, interval: f64, slot: Option<f64>) {
        // The system clock runs at the oscillator's rate and what was asked for.
        let told = self.asked.unwrap_or(0.0) * 1e-6 + self.rate;
        let age = now.unix_ns.saturating_sub(tick.system_ns) as f64 * 1e-9 / (1.0 + told);
        if !(-1e-3..=2.0 * interval + 1.0).contains(&age) {
            return;
        }
        let at = tick.raw.unwrap_or_else(|| now.raw.plus_seconds(-age));
        let shown = match tick.said {
            Said::Time(time) => i128::from(time),
            // Only the part of the second is told; which second it is does not matter.
            Said::Pulse(beyond) => i128::from(tick.system_ns) - i128::from(beyond),
        };
        let apart = shown - i128::from(at.nanos());
        let origin = *self.origin.get_or_insert(apart);
        let mut offset = (apart - origin) as f64 * 1e-9;
        if let (Some(slot), Some(model)) = (slot, &self.model) {
            let expected = model.at(at);
            offset += ((expected - offset) / slot).round() * slot;
        }
        self.filter.push(filter::Reading {
            at,
            offset,
            error: tick.error,
        });
    }

    /// A measurement: what the standard has gained on the oscillator at a moment.
    fn measured(&mut self, now: Monotonic, at: Monotonic, gained: f64, interval: f64) {
        let lead = self.ahead * 1e-9;
        let usual = |model: &Model| {
            let apart = at.seconds_since(model.at);
            let near = (gained - model.at(at)).abs() < JUMP.0 + JUMP.1 * apart;
            apart > 0.0 && apart < GAP * interval && near
        };
        let begun = self.model.and_then(|old| match old.frequency {
            Some(_) => usual(&old).then(|| old.next(at, gained)),
            None => old.begin(at, gained),
        });
        // The first one; or it was set, was away, or this machine slept: what the corrected clock
        // did meanwhile stands.
        let model = begun.unwrap_or_else(|| Model {
            left_out: self.model.and_then(|old| old.left_out),
            ..Model::new(at, gained, lead)
        });
        self.model = Some(model);
        let Some(frequency) = model.frequency else {
            return;
        };
        let wanted = model.lead(now);
        let rate =
            frequency - model.left_out.unwrap_or(0.0) + PHASE_GAIN * (wanted - lead) / interval;
        self.rate = rate.clamp(-LARGEST, LARGEST);
        if let Some(asked) = self.asked {
            // A clock that refuses says so at the next regular command.
            let _ = self.inner.set_frequency(self.told(asked));
        }
    }

    /// The frequency against the oscillator, in ppm, that is this one against the corrected clock.
    fn told(&self, ppm: f64) -> f64 {
        ((1.0 + ppm * 1e-6) * (1.0 + self.rate) - 1.0) * 1e6
    }

    fn asked_by(&self, told: f64) -> f64 {
        ((1.0 + told * 1e-6) / (1.0 + self.rate) - 1.0) * 1e6
    }
}

impl Model {
    const fn new(at: Monotonic, gained: f64, lead: f64) -> Self {
        Self {
            at,
            gained,
            base: lead - gained,
            frequency: None,
            left_out: None,
            from: at,
        }
    }

    /// The gain that is expected at a moment.
    fn at(&self, at: Monotonic) -> f64 {
        self.gained + self.frequency.unwrap_or(0.0) * at.seconds_since(self.at)
    }

    /// The lead on the oscillator that the corrected clock is to have at a moment.
    fn lead(&self, at: Monotonic) -> f64 {
        let left_out = self.left_out.unwrap_or(0.0) * at.seconds_since(self.from);
        self.base + self.at(at) - left_out
    }

    /// The second measurement gives the first frequency; none when it is no oscillator's.
    fn begin(&self, at: Monotonic, gained: f64) -> Option<Self> {
        let apart = at.seconds_since(self.at);
        let frequency = (gained - self.gained) / apart;
        (apart > 0.0 && frequency.abs() < LARGEST).then_some(Self {
            at,
            gained,
            frequency: Some(frequency),
            left_out: self.left_out.or(Some(frequency)),
            ..*self
        })
    }

    fn next(&self, at: Monotonic, gained: f64) -> Self {
        let apart = at.seconds_since(self.at);
        let before = self.frequency.unwrap_or(0.0);
        let seen = (gained - self.gained) / apart;
        Self {
            at,
            gained,
            frequency: Some(before + FREQUENCY_GAIN * (seen - before)),
            ..*self
        }
    }
}

impl<C: Clock> Clock for Standardised<C> {
    fn read(&mut self) -> Reading {
        let mut reading = self.inner.read();
        if self.standard.is_none() {
            return reading;
        }
        let passed = self
            .last
            .map_or(0.0, |last| reading.raw.seconds_since(last));
        self.last = Some(reading.raw);
        self.ahead += passed * self.rate * 1e9;
        self.learn(reading);
        reading.raw = reading.raw.plus_seconds(self.ahead * 1e-9);
        reading
    }

    fn deadline(&self) -> Option<Monotonic> {
        self.inner.deadline()
    }

    fn frequency(&mut self) -> Result<f64, ClockError> {
        let told = self.inner.frequency()?;
        Ok(self.asked_by(told))
    }

    fn set_frequency(&mut self, ppm: f64) -> Result<f64, ClockError> {
        self.asked = Some(ppm);
        let told = self.inner.set_frequency(self.told(ppm))?;
        Ok(self.asked_by(told))
    }

    fn step(&mut self, nanos: i64) -> Result<(), ClockError> {
        if let Some((readings, _)) = &self.standard {
            // What was read by the old time cannot be placed any more.
            readings.0.borrow_mut().clear();
        }
        self.inner.step(nanos)
    }

    fn publish(&mut self, status: &Status) -> Result<(), ClockError> {
        self.inner.publish(status)
    }
}
