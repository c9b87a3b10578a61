//! Whether the true phase lies anywhere between the bounds of a measurement, or mostly in the
//! middle. One queue each way leaves it anywhere; many small delays, or noise of the timestamps,
//! put it in the middle, and then the empty path is never seen either. Learnt by trying.

use super::estimator::Observation;
use super::estimator::run;

/// Widths of the bell that are tried, as parts of the median excess of the round trips.
const WIDTHS: [f64; 6] = [f64::INFINITY, 0.7, 0.4, 0.23, 0.13, 0.07];
/// A new width must be this much more probable than the one in use (natural logarithm).
const BETTER: f64 = 3.0;
/// Measurements before anything is tried, and between trials.
const ENOUGH: usize = 16;
const EVERY: u32 = 16;

/// A round trip with more than so many times the usual excess met something else than usual: its
/// bounds are all that is known of it.
const USUAL: f64 = 3.0;

/// The shape of one path's noise.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Shape {
    /// Index into the widths.
    width: usize,
    since: u32,
}

impl Shape {
    /// Which of the widths it is.
    pub(crate) const fn width(&self) -> usize {
        self.width
    }

    /// From [`Self::width`]; none when there is no such width.
    pub(crate) fn of(width: usize) -> Option<Self> {
        (width < WIDTHS.len()).then_some(Self { width, since: 0 })
    }

    /// Standard deviation of the bell of a usual measurement, in seconds, given the median excess
    /// of all; infinite for none.
    pub(crate) fn bell(&self, median_excess: f64) -> f64 {
        let width = WIDTHS.get(self.width).copied().unwrap_or(f64::INFINITY);
        width * median_excess.max(1e-9)
    }

    /// Tries what the measurements say of each width.
    pub(crate) fn learn(
        &mut self,
        seen: &[Observation],
        median_excess: f64,
        wander: f64,
        prior: (f64, f64),
    ) {
        self.since += 1;
        if seen.len() < ENOUGH || self.since < EVERY {
            return;
        }
        self.since = 0;
        let mut trial = seen.to_vec();
        let mut evidence = |width: f64| {
            for observation in &mut trial {
                observation.bell = if usual(observation.excess, median_excess) {
                    width * median_excess.max(1e-9)
                } else {
                    f64::INFINITY
                };
            }
            run(&trial, wander, prior, |_, _, _| ()).map_or(f64::MIN, |r| r.1)
        };
        let mut best = (self.width, f64::MIN);
        for (index, &width) in WIDTHS.iter().enumerate() {
            let mut found = evidence(width);
            if index == self.width {
                found += BETTER;
            }
            if found > best.1 {
                best = (index, found);
            }
        }
        self.width = best.0;
    }
}

/// True for a round trip that met only what is usual on its path.
pub(crate) fn usual(excess: f64, median_excess: f64) -> bool {
    excess <= USUAL * median_excess
}
