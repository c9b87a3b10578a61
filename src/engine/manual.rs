//! Time typed in by a person (`manual` of chrony.conf, `settime` of its client): each entry is a
//! measurement of about a second's worth of accuracy; with several of them hours apart the
//! oscillator's frequency is known too, by least squares.

use super::estimator::State;
use crate::time::Monotonic;

/// One entry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry {
    /// When it was typed, on the undisciplined clock.
    pub at: Monotonic,
    /// The time typed in, in nanoseconds since 1970.
    pub unix_ns: i64,
    /// True minus undisciplined time, in seconds from the engine's origin.
    pub phase: f64,
    /// What the entry says that the clock was off then, in seconds; positive when it was behind.
    pub offset: f64,
    /// Distance of the entry from the line through all, in seconds.
    pub residual: f64,
}

/// What an entry came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// What is now added to the clock, in seconds.
    pub offset: f64,
    /// The oscillator's frequency correction, ppm.
    pub frequency_ppm: f64,
    /// Change of the frequency against what was in force, ppm.
    pub residual_ppm: f64,
}

/// The entries.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Manual {
    /// Whether entries are taken.
    pub enabled: bool,
    entries: Vec<Entry>,
}

/// Entries kept; the oldest makes room.
const MOST: usize = 16;
/// Standard deviation of an entry, in seconds: a person's reaction.
const REACTION: f64 = 0.3;

impl Manual {
    /// No entry yet.
    #[must_use]
    pub const fn new(enabled: bool) -> Self {
        Self {
            enabled,
            entries: Vec::new(),
        }
    }

    /// The entries, oldest first.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Forgets them.
    pub fn reset(&mut self) {
        self.entries.clear();
    }

    /// Forgets one. False when there is none of that number.
    pub fn remove(&mut self, index: usize) -> bool {
        let there = index < self.entries.len();
        if there {
            self.entries.remove(index);
            self.settle();
        }
        there
    }

    pub(super) fn push(&mut self, entry: Entry) {
        if self.entries.len() == MOST {
            self.entries.remove(0);
        }
        self.entries.push(entry);
        self.settle();
    }

    /// Phase now and frequency by all entries. Without two of them the frequency is `known`, with
    /// its standard deviation.
    pub(super) fn state(&self, now: Monotonic, known: (f64, f64)) -> Option<State> {
        let count = self.entries.len() as f64;
        let last = self.entries.last()?;
        let (slope, mean_age, mean_phase, spread) = self.line(now)?;
        let (frequency, var_frequency) = if spread > 0.0 {
            // The line's own frequency, weighed against what was known before.
            let (line, before) = (REACTION * REACTION / spread, known.1 * known.1);
            let share = before / (before + line);
            (known.0 + share * (slope - known.0), share * line)
        } else {
            (known.0, known.1 * known.1)
        };
        // A single entry is believed as it is; with several, the line at the last one's time is.
        let lever = mean_age;
        let phase = if spread > 0.0 {
            mean_phase + frequency * lever
        } else {
            last.phase + frequency * now.seconds_since(last.at)
        };
        Some(State {
            at: now,
            phase,
            frequency,
            var_phase: REACTION * REACTION / count + lever * lever * var_frequency,
            covariance: 0.0,
            var_frequency,
        })
    }

    /// Slope, mean age, mean phase, and the sum of squares of the ages around their mean.
    fn line(&self, now: Monotonic) -> Option<(f64, f64, f64, f64)> {
        let count = self.entries.len() as f64;
        if self.entries.is_empty() {
            return None;
        }
        let age = |e: &Entry| now.seconds_since(e.at);
        let mean_age = self.entries.iter().map(age).sum::<f64>() / count;
        let mean_phase = self.entries.iter().map(|e| e.phase).sum::<f64>() / count;
        let (mut across, mut spread) = (0.0, 0.0);
        for entry in &self.entries {
            let away = mean_age - age(entry);
            across += away * (entry.phase - mean_phase);
            spread += away * away;
        }
        let slope = if spread > 0.0 { across / spread } else { 0.0 };
        Some((slope, mean_age, mean_phase, spread))
    }

    fn settle(&mut self) {
        let Some(now) = self.entries.last().map(|e| e.at) else {
            return;
        };
        let Some((slope, mean_age, mean_phase, _)) = self.line(now) else {
            return;
        };
        for entry in &mut self.entries {
            let away = mean_age - now.seconds_since(entry.at);
            entry.residual = entry.phase - (mean_phase + slope * away);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_entries_a_day_apart_tell_the_frequency() {
        let at = |second: u64| Monotonic::from_nanos(second * 1_000_000_000);
        let entry = |second: u64, phase: f64| Entry {
            at: at(second),
            unix_ns: 0,
            phase,
            offset: 0.0,
            residual: 0.0,
        };
        let mut manual = Manual::default();
        assert_eq!(manual.state(at(1), (0.0, 25e-6)), None);
        manual.push(entry(0, 5.0));
        let one = manual.state(at(10), (1e-5, 25e-6)).expect("is there");
        assert_eq!((one.phase, one.frequency), (5.0 + 1e-4, 1e-5));
        manual.push(entry(86_400, 5.0 + 86_400.0 * 40e-6));
        let two = manual.state(at(86_400), (0.0, 25e-6)).expect("is there");
        assert!((two.frequency - 39e-6).abs() < 2e-6, "{two:?}");
        assert!((two.phase - 5.0 - 86_400.0 * 40e-6).abs() < 0.1, "{two:?}");
        assert!(manual.remove(0) && !manual.remove(1));
        assert_eq!(manual.entries().len(), 1);
    }
}
