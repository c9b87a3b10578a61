//! What others do to the clock or the machine: the clock set by somebody else, a sleep, a leap
//! second near.

use super::Engine;
use super::UNKNOWN_FREQUENCY;
use crate::engine::clock::Reading;
use crate::engine::discipline::Discipline;
use crate::engine::estimator::memory::Memory;
use crate::engine::note::Note;
use crate::time::Monotonic;

/// A sleep longer than this makes old phases worthless, in nanoseconds.
pub(in crate::engine) const SLEEP_NS: i64 = 50_000_000;

impl Engine {
    /// Notices that the machine slept, or that somebody else set the clock. False while no time is
    /// to be trusted.
    pub(in crate::engine) fn look(&mut self, now: Reading) -> bool {
        self.looked = now.raw;
        if !self.pass_leap(now) {
            return false;
        }
        if let (Some(before), Some(slept)) = (self.slept_ns, now.slept_ns)
            && slept - before > SLEEP_NS
        {
            self.slept_ns = now.slept_ns;
            self.note(Note::Slept((slept - before) as f64 * 1e-9));
            self.start_over(now);
            return true;
        }
        let phase = self.phase(now);
        if self.config.clock_control && self.discipline.look(now.raw, phase) {
            self.note(Note::SetByOthers);
            self.leap_watch.forget();
            self.uncorrected.restart(now.raw);
            self.undo(now);
        }
        true
    }

    /// Puts back what somebody else did to the clock: what the sources said still holds, for it is
    /// about the oscillator.
    pub(super) fn undo(&mut self, now: Reading) {
        let Some(state) = self.state else {
            self.hurry(now.raw);
            return;
        };
        let ahead = state.moved_to(now.raw, self.wander.now());
        let offset = ahead.phase - self.phase(now);
        let commands = self.discipline.undo(now, offset, &self.config);
        for command in commands {
            self.command(now, command);
        }
        self.publish(now, &ahead);
    }

    /// The undisciplined clock lost time: no phase is worth anything, the frequency still is.
    pub(super) fn start_over(&mut self, now: Reading) {
        self.state = None;
        self.updates.lose();
        self.leap_watch.forget();
        self.uncorrected.restart(now.raw);
        for source in &mut self.sources {
            source.forget_phase();
        }
        self.memory.restart(self.discipline.frequency);
        let command = self.discipline.release();
        self.command(now, command);
        self.discipline = Discipline::new(self.discipline.frequency);
        self.hurry(now.raw);
    }

    /// The machine was moved to another host: its oscillator is another one, and was read at another
    /// moment. Neither phase nor frequency is known as it was.
    pub fn migrated(&mut self, now: Reading) {
        self.note(Note::Migrated);
        self.start_over(now);
        self.memory = Memory::new(self.discipline.frequency, UNKNOWN_FREQUENCY);
    }

    pub(super) fn hurry(&mut self, now: Monotonic) {
        for source in &mut self.sources {
            source.hurry(now);
        }
    }
}
