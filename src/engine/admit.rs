//! Which measurements of a source are kept: its limits on the round trip, and `filter`, which makes
//! one of several.

use super::measurement::Sample;
use super::reply::Rejection;
use super::source::Source;
use std::collections::VecDeque;

/// Round trips that a quantile is taken of.
const REMEMBERED: usize = 256;
/// So many must be known before the quantile means anything.
const ENOUGH: usize = 16;
/// Measurements that a standard deviation is taken of, at least.
const SPREAD: usize = 6;

/// What the limits remember.
#[derive(Clone, Debug, Default)]
pub(crate) struct Admission {
    /// Round trips, kept or not, oldest first, in seconds.
    delays: VecDeque<f64>,
    /// Measurements that wait until there are as many as `filter` wants.
    batch: Vec<Sample>,
}

impl Admission {
    /// Forgets the measurements that wait.
    pub(crate) fn clear(&mut self) {
        self.batch.clear();
    }

    /// The server added so many seconds to its clock: those that wait are of before.
    pub(crate) fn shift(&mut self, by: f64) {
        for sample in &mut self.batch {
            sample.offset += by;
        }
    }
}

impl Source {
    /// Gives the measurement to keep: this one, or the middle of as many as `filter` wants.
    ///
    /// # Errors
    /// It is too long under way, or the filter waits for more.
    pub(crate) fn admit(&mut self, sample: Sample) -> Result<Sample, Rejection> {
        let quantile = self.below_quantile(sample.delay);
        if !quantile || !self.within_limits(&sample) {
            return Err(Rejection::Delay);
        }
        let wanted = self.config.filter.unwrap_or(1);
        if wanted <= 1 {
            return Ok(sample);
        }
        self.admission.batch.push(sample);
        if self.admission.batch.len() < wanted {
            return Err(Rejection::Held);
        }
        let rate = self.track.map_or(0.0, |t| t.frequency);
        let batch = std::mem::take(&mut self.admission.batch);
        middle(batch, rate).ok_or(Rejection::Held)
    }

    /// The source's own limits on a round trip.
    fn within_limits(&self, sample: &Sample) -> bool {
        if sample.delay > self.config.max_delay {
            return false;
        }
        let Some(base) = self.shortest_delay() else {
            return true;
        };
        let base = self.config.min_delay.unwrap_or(base);
        let ratio = self
            .config
            .max_delay_ratio
            .is_none_or(|ratio| sample.delay <= base * ratio);
        let deviation = self.config.max_delay_dev_ratio.is_none_or(|most| {
            self.deviation()
                .is_none_or(|deviation| sample.delay - base <= most * deviation)
        });
        ratio && deviation
    }

    /// Standard deviation of the offsets around their line, in seconds.
    fn deviation(&self) -> Option<f64> {
        let line = self.track?;
        if self.samples.len() < SPREAD {
            return None;
        }
        let squares: f64 = self
            .samples
            .iter()
            .map(|s| s.offset - line.phase - line.frequency * s.at.seconds_since(line.at))
            .map(|residual| residual * residual)
            .sum();
        let variance = squares / self.samples.len() as f64;
        Some(variance.sqrt().max(self.precision()))
    }

    /// Whether a round trip is within the quantile of `maxdelayquant`.
    fn below_quantile(&mut self, delay: f64) -> bool {
        let Some(share) = self.config.max_delay_quant else {
            return true;
        };
        let seen = &mut self.admission.delays;
        let mut sorted: Vec<f64> = seen.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        seen.push_back(delay);
        if seen.len() > REMEMBERED {
            seen.pop_front();
        }
        let place = (share.clamp(0.0, 1.0) * sorted.len() as f64) as usize;
        sorted.len() < ENOUGH || sorted.get(place).is_none_or(|&limit| delay <= limit)
    }
}

/// The measurement in the middle of these by its offset, the drift at this rate taken off.
fn middle(mut batch: Vec<Sample>, rate: f64) -> Option<Sample> {
    let first = batch.first()?.at;
    let level = |s: &Sample| s.offset - rate * s.at.seconds_since(first);
    batch.sort_by(|a, b| level(a).total_cmp(&level(b)));
    batch.get(batch.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Monotonic;

    #[test]
    fn the_middle_is_by_offset_without_the_drift() {
        let sample = |second: u64, offset: f64| Sample {
            at: Monotonic::from_nanos(second * 1_000_000_000),
            offset,
            delay: 0.0,
            precision: 0.0,
            epoch: 0,
        };
        let batch = vec![sample(1, 1.0), sample(2, 2.5), sample(3, 2.9)];
        assert_eq!(middle(batch.clone(), 0.0).map(|s| s.offset), Some(2.5));
        assert_eq!(middle(batch, 1.0).map(|s| s.offset), Some(1.0));
        assert_eq!(middle(Vec::new(), 0.0), None);
    }
}
