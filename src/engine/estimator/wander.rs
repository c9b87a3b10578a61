//! How restless the local oscillator is: the variance that its frequency gains in a second,
//! learnt from how well the filter predicts under each of a row of guesses. It belongs to the
//! clock, not to a source.

use super::filter::Observation;
use super::run;

/// The guesses, in 1/s: from an oven to a board beside a fan.
const GUESSES: [f64; 10] = [
    1e-21, 1e-20, 1e-19, 1e-18, 1e-17, 1e-16, 1e-15, 1e-14, 1e-13, 1e-12,
];
/// What an ordinary machine has, and the guess that nothing learnt yet starts from.
const ORDINARY: f64 = 1e-17;
/// Standard deviation of the decimal logarithm among machines.
const DECADES: f64 = 1.5;
/// New evidence is weighed whenever it makes up this part of what there is.
const FRESH: usize = 16;

/// What is known of the wander.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Wander {
    /// The best value now.
    now: f64,
    /// Natural logarithm of the value, averaged over hours: for decisions that should not jump.
    smooth: f64,
    since: usize,
}

impl Default for Wander {
    fn default() -> Self {
        Self {
            now: ORDINARY,
            smooth: ORDINARY.ln(),
            since: 0,
        }
    }
}

impl Wander {
    /// Variance that the frequency gains in a second, in 1/s.
    pub(crate) const fn now(&self) -> f64 {
        self.now
    }

    /// The same, averaged over many observations.
    pub(crate) fn smooth(&self) -> f64 {
        self.smooth.exp()
    }

    /// The best value, and the logarithm of the smooth one.
    pub(crate) const fn parts(&self) -> (f64, f64) {
        (self.now, self.smooth)
    }

    /// From [`Self::parts`].
    pub(crate) const fn of(now: f64, smooth: f64) -> Self {
        Self {
            now,
            smooth,
            since: 0,
        }
    }

    /// Weighs the guesses by what they make of these observations (ordered by time).
    pub(crate) fn learn(&mut self, seen: &[Observation], prior: (f64, f64)) {
        self.since += 1;
        if seen.len() < 6 || self.since < seen.len() / FRESH {
            return;
        }
        self.since = 0;
        let mut weighed = [(0.0, 0.0); GUESSES.len()];
        for (slot, guess) in weighed.iter_mut().zip(GUESSES) {
            let decades = (guess / ORDINARY).log10() / DECADES;
            let evidence = run(seen, guess, prior, |_, _, _| ()).map_or(0.0, |r| r.1);
            *slot = (evidence - 0.5 * decades * decades, guess.ln());
        }
        let top = weighed.iter().map(|w| w.0).fold(f64::MIN, f64::max);
        let (mut sum, mut total) = (0.0, 0.0);
        for (evidence, logarithm) in weighed {
            let weight = (evidence - top).exp();
            sum += weight * logarithm;
            total += weight;
        }
        let logarithm = sum / total;
        if logarithm.is_finite() {
            self.now = logarithm.exp();
            self.smooth += 0.1 * (logarithm - self.smooth);
        }
    }
}
