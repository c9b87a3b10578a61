//! What the engine does beside measuring: leap seconds, the frequency of a long silence, time
//! typed in by a person, the smooth time of clients.

use super::clock::Reading;
use super::core::Engine;
use super::discipline::Command;
use super::discipline::within;
use super::estimator::State;
use super::leap::LeapMode;
use super::leap::LeapNews;
use super::manual::Entry;
use super::manual::Outcome;
use super::note::Note;
use super::smooth::Smoothing;
use super::source_id::SourceId;
use crate::proto::packet::Leap;
use crate::time::Monotonic;
use std::net::IpAddr;

const SECOND_NS: i64 = 1_000_000_000;
/// Clients get smooth time once this part of the frequency's uncertainty is below the bound of
/// the rate's change.
const SMOOTH_WHEN: f64 = 1e-4;

/// The kernel cannot run faster or slower than this, in seconds per second.
const FASTEST: f64 = 0.1;
/// No clock is moved by hand further than this, in seconds: a day.
const FARTHEST: f64 = 86_400.0;

impl Engine {
    /// Leap seconds. False while one is near: no time is to be trusted.
    pub(super) fn pass_leap(&mut self, now: Reading) -> bool {
        let rate = self.discipline.rate();
        match self.leap_watch.look(now.raw, now.unix_ns, rate) {
            LeapNews::Nothing => true,
            LeapNews::Near => false,
            LeapNews::Now(sign) => {
                self.leap(now, sign);
                false
            }
            LeapNews::Over => {
                self.after_leap(now);
                true
            }
        }
    }

    /// UTC falls back (or skips) by a second now.
    fn leap(&mut self, now: Reading, sign: i8) {
        let shift = i64::from(sign) * SECOND_NS;
        self.origin_ns = self.origin_ns.saturating_sub(shift);
        self.tai_grew(i32::from(sign));
        self.discipline.forget();
        self.uncorrected.restart(now.raw);
        if self.config.leap.mode == LeapMode::Step {
            self.command(now, Command::Step(-shift));
        }
        if let Some(smooth) = &mut self.smoothing {
            smooth.active |= smooth.leap_only();
            if smooth.active {
                smooth.absorb(now.raw, -f64::from(sign));
            }
        }
        self.note(Note::Leap(sign));
    }

    fn after_leap(&mut self, now: Reading) {
        let Some(state) = self.state else {
            return;
        };
        self.leap = Leap::None;
        let ahead = state.moved_to(now.raw, self.wander());
        if self.config.leap.mode == LeapMode::Slew {
            let offset = ahead.phase - self.phase(now);
            let command = self.discipline.slew(now.raw, offset, &self.config);
            self.command(now, command);
        }
        self.publish(now, &ahead);
    }

    /// True when it matters which of this machine's addresses a source sees, or it is not known
    /// yet.
    pub(super) fn wants_home(&self, id: SourceId) -> bool {
        self.config.local.is_some_and(|l| l.orphan)
            || self.source(id).is_some_and(|s| s.home.is_none())
    }

    /// A request of this source was sent from this address.
    pub(super) fn at_home(&mut self, source: SourceId, home: Option<IpAddr>) {
        if let Some(index) = self.index(source)
            && let Some(source) = self.sources.get_mut(index)
        {
            source.home = home;
        }
    }

    /// Looks for a leap second at the end of today.
    pub(super) fn expect_leap(&mut self, now: Reading) {
        let unix = now.unix_ns.div_euclid(SECOND_NS);
        let sign = self.config.leap.today(unix, self.leap);
        self.leap_today = sign;
        if self.config.leap.mode != LeapMode::Ignore {
            self.leap_watch.expect(unix, sign);
        }
    }

    /// TAI minus UTC now, where it is known.
    pub(super) fn tai(&self, now: Reading) -> Option<i32> {
        let table = self.config.leap.table.as_ref()?;
        table.tai(now.unix_ns.div_euclid(SECOND_NS))
    }

    /// True when no source that may be followed has answered lately.
    fn silent(&self) -> bool {
        let mut may = self.sources.iter().filter(|s| !s.select.no_select);
        may.all(|s| s.reach == 0)
    }

    /// After a long silence the clock runs on a longer average of its frequency.
    pub(super) fn fall_back(&mut self, now: Reading) {
        if !self.silent() {
            return;
        }
        let Some(frequency) = self.fallback.as_mut().and_then(|f| f.take(now.raw)) else {
            return;
        };
        let frequency = within(frequency, &self.config);
        self.discipline.frequency = frequency;
        if let Some(state) = self.state {
            let mut ahead = state.moved_to(now.raw, self.wander());
            ahead.frequency = frequency;
            self.state = Some(ahead);
        }
        let command = self.discipline.resume();
        self.command(now, command);
        self.note(Note::FallBack(frequency * 1e6));
    }

    /// When one of these is due.
    pub(super) fn upkeep_deadline(&self) -> Option<Monotonic> {
        let leap = self.leap_watch.deadline(self.discipline.rate());
        let fallback = self.fallback.as_ref().filter(|_| self.silent());
        let fallback = fallback.and_then(super::fallback::Fallback::deadline);
        leap.into_iter().chain(fallback).min()
    }

    /// From now on this is what is known of the time. Clients whose time is kept smooth stay where
    /// they are for now.
    pub(super) fn believe(&mut self, now: Reading, state: State) {
        let at = |state: &State| state.moved_to(now.raw, 0.0).phase;
        let moved = self.state.as_ref().map(|before| at(&state) - at(before));
        if let (Some(moved), Some(smoothing)) = (moved, &mut self.smoothing)
            && smoothing.active
            && !smoothing.leap_only()
        {
            smoothing.absorb(now.raw, moved);
        }
        self.state = Some(state);
    }

    /// An update was made. The time of clients is kept smooth once the frequency is known well
    /// enough; where the clock was stepped they follow it at once.
    pub(super) fn keep_smooth(&mut self, now: Reading, stepped: bool, skew: f64) {
        let Some(config) = self.config.smooth else {
            return;
        };
        let smoothing = self.smoothing.get_or_insert_with(|| Smoothing::new(config));
        if stepped {
            smoothing.reset(now.raw);
        }
        if !smoothing.leap_only() && !smoothing.active && skew * SMOOTH_WHEN < config.wander {
            smoothing.reset(now.raw);
            smoothing.active = true;
        }
    }

    /// Forgets a typed time; what the others say together holds from now on. False when there is
    /// none of that number.
    pub fn delete_time(&mut self, now: Reading, index: usize) -> bool {
        if !self.manual.remove(index) {
            return false;
        }
        let known = self.known_frequency();
        if let Some(state) = self.manual.state(now.raw, known) {
            self.look(now);
            let offset = state.phase - self.phase(now);
            self.believe(now, state);
            let command = self.discipline.slew(now.raw, offset, &self.config);
            self.command(now, command);
        }
        true
    }

    /// Makes the clock run faster by so many ppm, until the next measurement says otherwise. False
    /// when no kernel can do that. A clock that is not this engine's stays as it is, as with chronyd.
    pub fn speed_up(&mut self, now: Reading, ppm: f64) -> bool {
        let frequency = self.discipline.frequency + ppm * 1e-6;
        if !ppm.is_finite() || frequency.abs() > FASTEST {
            return false;
        }
        if !self.config.clock_control {
            return true;
        }
        // Before it runs in another way: what it did so far is not laid to that.
        self.look(now);
        self.discipline.frequency = within(frequency, &self.config);
        let command = self.discipline.resume();
        self.command(now, command);
        true
    }

    /// Moves the clock by so many seconds, slowly, until the next measurement says otherwise. False
    /// when it is too far. A clock that is not this engine's stays as it is, as with chronyd.
    pub fn slew_by(&mut self, now: Reading, seconds: f64) -> bool {
        if !seconds.is_finite() || seconds.abs() > FARTHEST {
            return false;
        }
        if !self.config.clock_control {
            return true;
        }
        // Before it runs in another way: what it did so far is not laid to that.
        self.look(now);
        let command = self.discipline.slew(now.raw, seconds, &self.config);
        self.command(now, command);
        true
    }

    /// A person says what time it is. Gives what was made of it; nothing while that is not
    /// enabled.
    pub fn set_time(&mut self, now: Reading, unix_ns: i64) -> Option<Outcome> {
        if !self.manual.enabled {
            return None;
        }
        let raw = i64::try_from(now.raw.nanos()).unwrap_or(i64::MAX);
        let since = unix_ns.saturating_sub(raw).saturating_sub(self.origin_ns);
        let phase = since as f64 * 1e-9;
        self.manual.push(Entry {
            at: now.raw,
            unix_ns,
            phase,
            offset: phase - self.phase(now),
            residual: 0.0,
        });
        let before = self.discipline.frequency;
        let recorded = self.before_correction(now);
        let known = self.known_frequency();
        let state = self.manual.state(now.raw, known)?;
        self.look(now);
        let offset = state.phase - self.phase(now);
        let commands = self
            .discipline
            .update(now, &state, offset, 1.0, &self.config);
        if commands.is_empty() {
            self.note(Note::TooLarge(offset));
            return None;
        }
        self.believe(now, state);
        self.note(Note::Corrected {
            offset,
            uncertainty: state.var_phase.sqrt(),
            frequency: (state.frequency * 1e6, state.var_frequency.sqrt() * 1e6),
            stepped: commands.iter().any(|c| matches!(c, Command::Step(_))),
        });
        for command in commands {
            self.command(now, command);
        }
        self.record_correction(now, recorded, offset, state.var_phase.sqrt());
        Some(Outcome {
            offset,
            frequency_ppm: self.discipline.frequency * 1e6,
            residual_ppm: (self.discipline.frequency - before) * 1e6,
        })
    }
}
