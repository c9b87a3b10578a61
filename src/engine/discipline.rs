//! What is done to the clock: its frequency follows the estimate, its offset is removed by running
//! a little faster or slower for a while, or by a step where the user allows one.
//!
//! The error is always the estimated phase minus the clock as it reads now. Nothing is assumed
//! about what an earlier correction really did, so there is nothing to overshoot.

use super::clock::Reading;
use super::config::Config;
use super::estimator::State;
use crate::time::Monotonic;

/// What is to be done to the clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Command {
    /// Run this much faster than the oscillator, in ppm.
    Frequency(f64),
    /// Add this at once, in nanoseconds.
    Step(i64),
    /// The offset is larger than the user allows; the program ends. In seconds.
    GiveUp(f64),
}

/// A correction that is under way.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Slew {
    rate: f64,
    until: Monotonic,
}

/// The control of one clock.
#[derive(Clone, Debug)]
pub struct Discipline {
    /// The oscillator's correction in seconds per second, without slews.
    pub frequency: f64,
    /// Corrections made so far.
    pub updates: u32,
    /// Offset found by the last update, in seconds.
    pub last_offset: f64,
    slew: Option<Slew>,
    /// Times that a change too large was ignored.
    ignored: u32,
    /// What the clock really does beyond what it was told, in seconds per second.
    surplus: f64,
    /// The part of it that the last command took off.
    taken_off: f64,
    /// Phase and time of the last look at the clock, and the rate it was told then.
    seen: Option<(Monotonic, f64, f64)>,
    /// Seconds that were looked at since the surplus was learnt last, and what the clock did in them
    /// beyond what it was told, in seconds.
    watched: (f64, f64),
}

/// A slew takes at least this long, in seconds: shorter ones are at the mercy of the scheduler.
const SHORTEST: f64 = 1.0;
/// Share of the time between measurements that a slew takes.
const SHARE: f64 = 0.12;
/// Longest slew of an offset that needs no limit of rate, in seconds.
const LONGEST: f64 = 60.0;
/// An offset of so many standard deviations is no noise.
const SURPRISING: f64 = 5.0;
/// What the clock gains by itself is looked for in stretches longer than this, in seconds.
const STRETCH: f64 = 8.0;
/// A slew slower than this is as good as none, in seconds per second.
const GENTLE: f64 = 1e-7;
/// A clock that jumps by more than this on its own was set by somebody, in seconds.
const JUMP: f64 = 1e-3;

/// A frequency that the oscillator may have: `maxdrift`.
pub(super) fn within(frequency: f64, config: &Config) -> f64 {
    let most = config.max_drift.max(0.0) * 1e-6;
    frequency.clamp(-most, most)
}

impl Discipline {
    /// Starts with the frequency that the clock has.
    #[must_use]
    pub const fn new(frequency: f64) -> Self {
        Self {
            frequency,
            updates: 0,
            last_offset: 0.0,
            slew: None,
            ignored: 0,
            surplus: 0.0,
            taken_off: 0.0,
            seen: None,
            watched: (0.0, 0.0),
        }
    }

    /// When the next command is due without any new measurement.
    #[must_use]
    pub fn deadline(&self) -> Option<Monotonic> {
        self.slew.map(|s| s.until)
    }

    /// The rate in force: frequency and slew, in seconds per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.frequency + self.slew.map_or(0.0, |s| s.rate)
    }

    /// The slew that is under way: its rate in seconds per second, and its end.
    #[must_use]
    pub fn slewing(&self) -> Option<(f64, Monotonic)> {
        self.slew.map(|s| (s.rate, s.until))
    }

    /// The clock is about to jump, or has, and that is as it should be.
    pub(super) const fn forget(&mut self) {
        self.seen = None;
    }

    /// Removes an offset by slewing, whatever `makestep` says.
    pub(super) fn slew(&mut self, now: Monotonic, offset: f64, config: &Config) -> Command {
        self.start_slew(now, offset, SHORTEST, config);
        self.command()
    }

    /// The frequency was changed: what the clock is to do now.
    pub(super) fn resume(&mut self) -> Command {
        self.command()
    }

    /// Looks at the clock: `phase` is the system clock minus the undisciplined one. True when it
    /// jumped by itself, which is to say that somebody else set it.
    pub fn look(&mut self, at: Monotonic, phase: f64) -> bool {
        let told = self.rate();
        let Some((before, old, rate)) = self.seen.replace((at, phase, told)) else {
            return false;
        };
        let interval = at.seconds_since(before);
        let surplus = phase - old - (rate - self.taken_off) * interval;
        let off = surplus - self.surplus * interval;
        if off.abs() > JUMP + 2e-4 * interval + 0.01 * rate.abs() * interval {
            return true;
        }
        // A slew begins and ends a little late.
        if self.slew.is_none_or(|slew| slew.rate.abs() < GENTLE) && rate.abs() < 1e-3 {
            self.watched.0 += interval;
            self.watched.1 += surplus;
            self.learn_surplus();
        }
        false
    }

    /// What the clock does beyond what it was told, from stretches long enough to see it.
    fn learn_surplus(&mut self) {
        let (interval, surplus) = self.watched;
        if interval > STRETCH {
            let gain = (interval / 256.0).min(0.2);
            let off = surplus / interval - self.surplus;
            self.surplus = (self.surplus + gain * off).clamp(-2e-6, 2e-6);
            self.watched = (0.0, 0.0);
        }
    }

    /// A new estimate: what to do now. `interval` is the time to the next measurement, `offset`
    /// the estimate's phase minus the clock's.
    pub fn update(
        &mut self,
        now: Reading,
        state: &State,
        offset: f64,
        interval: f64,
        config: &Config,
    ) -> Vec<Command> {
        if let Some(refusal) = self.refuse(offset, config) {
            return refusal;
        }
        self.updates += 1;
        self.last_offset = offset;
        if state.var_frequency.sqrt() * 1e6 < config.max_update_skew {
            self.frequency = within(state.frequency, config);
        }
        let step = config.make_step.filter(|m| {
            offset.abs() > m.threshold && m.limit.is_none_or(|limit| self.updates <= limit)
        });
        if step.is_some() {
            self.slew = None;
            self.seen = None;
            return vec![Command::Step((offset * 1e9).round() as i64), self.command()];
        }
        let share = SHARE * config.corr_time_ratio / 3.0;
        // An error beyond what noise explains is removed at once.
        let duration = if offset.abs() > SURPRISING * state.var_phase.sqrt() {
            SHORTEST
        } else {
            (share * interval).clamp(SHORTEST, LONGEST)
        };
        self.start_slew(now.raw, offset, duration, config);
        vec![self.command()]
    }

    /// The deadline has come: ends the slew, or continues it if the clock is not yet right.
    pub fn finish(
        &mut self,
        now: Monotonic,
        offset: f64,
        uncertainty: f64,
        config: &Config,
    ) -> Option<Command> {
        let slew = self.slew?;
        if now < slew.until {
            return None;
        }
        self.slew = None;
        if offset.abs() > (0.25 * uncertainty).max(1e-7) {
            self.start_slew(now, offset, SHORTEST, config);
        }
        Some(self.command())
    }

    /// Somebody else set the clock: puts it back the way it was set, by a step if steps are
    /// allowed at all and it is worth one.
    pub fn undo(&mut self, now: Reading, offset: f64, config: &Config) -> Vec<Command> {
        let step = config.make_step.filter(|m| offset.abs() > m.threshold);
        self.slew = None;
        if step.is_some() {
            self.seen = None;
            return vec![Command::Step((offset * 1e9).round() as i64), self.command()];
        }
        self.start_slew(now.raw, offset, SHORTEST, config);
        vec![self.command()]
    }

    /// Steps by this offset at once, on somebody's order.
    pub fn step(&mut self, offset: f64) -> Vec<Command> {
        self.slew = None;
        self.seen = None;
        vec![Command::Step((offset * 1e9).round() as i64), self.command()]
    }

    /// The clock is as unknown as at the start: steps are allowed again.
    pub const fn restart(&mut self) {
        self.updates = 0;
    }

    /// Stops where it is.
    pub fn release(&mut self) -> Command {
        self.slew = None;
        self.command()
    }

    fn start_slew(&mut self, now: Monotonic, offset: f64, duration: f64, config: &Config) {
        let fastest = (config.max_slew_rate * 1e-6).max(1e-9);
        let duration = duration.max(offset.abs() / fastest);
        self.slew = Some(Slew {
            rate: offset / duration,
            until: now.plus_seconds(duration),
        });
    }

    fn refuse(&mut self, offset: f64, config: &Config) -> Option<Vec<Command>> {
        let limit = config.max_change?;
        if self.updates < limit.start || offset.abs() <= limit.offset {
            return None;
        }
        self.ignored += 1;
        match limit.ignore {
            Some(allowed) if self.ignored > allowed => Some(vec![Command::GiveUp(offset)]),
            _ => Some(Vec::new()),
        }
    }

    fn command(&mut self) -> Command {
        if let Some((_, _, rate)) = &mut self.seen {
            *rate = self.frequency + self.slew.map_or(0.0, |s| s.rate);
        }
        self.taken_off = self.surplus;
        Command::Frequency((self.rate() - self.surplus) * 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds after the start.
    fn at(seconds: f64) -> Monotonic {
        Monotonic::from_nanos(1_000_000_000).plus_seconds(seconds)
    }

    #[test]
    fn what_the_clock_does_by_itself_is_taken_off_however_often_it_is_looked_at() {
        let config = Config::default();
        for (between, surplus) in [(0.25, 1e-7), (64.0, -4e-7)] {
            let mut discipline = Discipline::new(0.0);
            let (mut seconds, mut phase, mut told) = (0.0, 0.0, 0.0);
            for _ in 0..(8000.0 / between) as u32 {
                assert!(!discipline.look(at(seconds), phase));
                let state = State {
                    at: at(seconds),
                    phase: 0.0,
                    frequency: 0.0,
                    var_phase: 1e-12,
                    covariance: 0.0,
                    var_frequency: 1e-18,
                };
                let now = Reading {
                    raw: at(seconds),
                    unix_ns: 0,
                    slept_ns: None,
                };
                for command in discipline.update(now, &state, 0.0, 8.0, &config) {
                    if let Command::Frequency(ppm) = command {
                        told = ppm * 1e-6;
                    }
                }
                seconds += between;
                phase += (told + surplus) * between;
            }
            // All of it, and no half.
            assert!(
                (told + surplus).abs() < 0.02 * surplus.abs(),
                "{told} {surplus}"
            );
        }
    }

    #[test]
    fn the_frequency_stays_within_maxdrift() {
        let config = Config {
            max_drift: 30.0,
            ..Config::default()
        };
        assert_eq!(within(12e-6, &config), 12e-6);
        assert!((within(-45e-6, &config) + 30e-6).abs() < 1e-12);
        let now = Reading {
            raw: Monotonic::from_nanos(1_000_000_000_000),
            unix_ns: 0,
            slept_ns: None,
        };
        let state = State {
            at: now.raw,
            phase: 0.0,
            frequency: 45e-6,
            var_phase: 1e-12,
            covariance: 0.0,
            var_frequency: 1e-18,
        };
        let mut discipline = Discipline::new(0.0);
        discipline.update(now, &state, 0.0, 64.0, &config);
        assert!((discipline.frequency - 30e-6).abs() < 1e-12);
    }
}
