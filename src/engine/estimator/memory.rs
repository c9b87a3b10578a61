//! What the frequency was at earlier times. Samples are forgotten, what they said of the frequency
//! need not be: the filter over the samples that are left starts from what was known before them.

use super::filter::State;
use crate::time::Monotonic;
use std::collections::VecDeque;

/// Entries kept.
const KEPT: usize = 512;
/// Seconds between them at least.
const APART: f64 = 30.0;
/// An old estimate is believed with its standard deviation times this.
const CAUTION: f64 = 3.0;
/// A frequency is never believed to better than this, in seconds per second.
const FLOOR: f64 = 1e-9;

/// Frequencies with their variances at earlier times.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Memory {
    /// Known at the start: frequency and standard deviation.
    start: (f64, f64),
    /// The standard deviation that what was measured since leaves of that.
    start_sd: f64,
    entries: VecDeque<(Monotonic, f64, f64)>,
}

impl Memory {
    /// Nothing but what is known at the start.
    pub(crate) const fn new(frequency: f64, sd: f64) -> Self {
        Self {
            start: (frequency, sd),
            start_sd: sd,
            entries: VecDeque::new(),
        }
    }

    /// What is known of the frequency without any measurement: value and standard deviation.
    pub(crate) const fn start(&self) -> (f64, f64) {
        self.start
    }

    /// What is kept, oldest first: when, frequency, variance.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &(Monotonic, f64, f64)> {
        self.entries.iter()
    }

    /// Adds what was kept elsewhere; false when it is not later than the last one, or too much.
    pub(crate) fn put(&mut self, entry: (Monotonic, f64, f64)) -> bool {
        let fits = self.entries.back().is_none_or(|last| last.0 < entry.0);
        if fits && self.entries.len() < KEPT {
            self.entries.push_back(entry);
            return true;
        }
        false
    }

    /// The clock stood still: the frequency is about what it was.
    pub(crate) fn restart(&mut self, frequency: f64) {
        let sd = self
            .entries
            .back()
            .map_or(self.start.1, |e| CAUTION * e.2.sqrt() + 1e-7);
        *self = Self::new(frequency, sd.min(self.start.1.max(1e-7)));
    }

    /// Keeps what a state says of the frequency.
    pub(crate) fn push(&mut self, state: &State) {
        let due = self
            .entries
            .back()
            .is_none_or(|e| state.at.seconds_since(e.0) >= APART);
        self.reconsider(state.frequency);
        if due {
            self.entries
                .push_back((state.at, state.frequency, state.var_frequency));
            if self.entries.len() > KEPT {
                self.entries.pop_front();
            }
        }
    }

    /// What is known at the start is a guess, or of another machine, that may be far off: it has
    /// the tails of Cauchy's distribution, of which this is the bell with the same pull at the
    /// frequency found (the weights of iteratively reweighted least squares). A bell alone would
    /// hold on to the guess for minutes, and be sure of it.
    fn reconsider(&mut self, frequency: f64) {
        let (guess, sd) = self.start;
        let off = frequency - guess;
        self.start_sd = sd.max((0.5 * (sd * sd + off * off)).sqrt());
    }

    /// Frequency and standard deviation as known from what was before this time.
    pub(crate) fn before(&self, at: Monotonic, wander: f64) -> (f64, f64) {
        let entry = self.entries.iter().rev().find(|e| e.0 < at);
        entry.map_or(
            (self.start.0, self.start_sd),
            |&(when, frequency, variance)| {
                let age = at.seconds_since(when);
                let sd = CAUTION * (variance + wander * age).sqrt() + FLOOR;
                (frequency, sd.min(self.start.1.max(1e-6)))
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guess_holds_near_itself_and_gives_way_far_off() {
        let at = Monotonic::from_nanos(1_000_000_000);
        let found = |frequency: f64| {
            let mut memory = Memory::new(5e-6, 25e-6);
            memory.push(&State {
                at,
                phase: 0.0,
                frequency,
                var_phase: 1e-12,
                covariance: 0.0,
                var_frequency: 1e-12,
            });
            memory.before(at, 0.0)
        };
        assert_eq!(found(20e-6), (5e-6, 25e-6));
        let (guess, sd) = found(105e-6);
        assert_eq!(guess, 5e-6);
        assert!((70e-6..75e-6).contains(&sd), "{sd:e}");
    }
}
