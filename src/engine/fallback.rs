//! Frequencies averaged over longer and longer times (`fallbackdrift` of chrony.conf): the longer
//! nothing was heard, the longer the average that the clock runs on. The last estimate is the best
//! guess for minutes, a day's mean for a day: a room's temperature comes back, an estimate does
//! not know it.

use crate::time::Monotonic;

/// The averages.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Fallback {
    /// Shortest time, log2 seconds.
    shortest: i8,
    /// For each time, doubling: the mean so far, and seconds that it covers.
    means: Vec<(f64, f64)>,
    last: Option<Monotonic>,
    /// The one in force.
    used: Option<usize>,
}

/// A mean must cover this part of its time to be used.
const COVERED: f64 = 0.5;

impl Fallback {
    /// Averages over 2^`from` to 2^`to` seconds.
    pub(super) fn new(from: i8, to: i8) -> Self {
        let count = usize::try_from(i32::from(to) - i32::from(from) + 1).unwrap_or(0);
        Self {
            shortest: from,
            means: vec![(0.0, 0.0); count.min(32)],
            last: None,
            used: None,
        }
    }

    fn time(&self, index: usize) -> f64 {
        (f64::from(self.shortest) + index as f64).exp2()
    }

    /// The frequency in force from the last time to now, in seconds per second.
    pub(super) fn push(&mut self, now: Monotonic, frequency: f64) {
        self.used = None;
        let Some(before) = self.last.replace(now) else {
            return;
        };
        let passed = now.seconds_since(before).max(0.0);
        for index in 0..self.means.len() {
            let time = self.time(index);
            if let Some((mean, covered)) = self.means.get_mut(index) {
                *covered = (*covered + passed).min(time);
                let gain = if *covered > 0.0 {
                    (passed / *covered).min(1.0)
                } else {
                    0.0
                };
                *mean += gain * (frequency - *mean);
            }
        }
    }

    /// The longest average that is worth having after so long a silence.
    fn best(&self, silence: f64) -> Option<usize> {
        (0..self.means.len()).rev().find(|&index| {
            let covered = self.means.get(index).map_or(0.0, |m| m.1);
            silence >= self.time(index) && covered >= COVERED * self.time(index)
        })
    }

    /// The frequency to run on from now, when it is another than before.
    pub(super) fn take(&mut self, now: Monotonic) -> Option<f64> {
        let silence = now.seconds_since(self.last?);
        let best = self.best(silence)?;
        if self.used == Some(best) {
            return None;
        }
        self.used = Some(best);
        self.means.get(best).map(|m| m.0)
    }

    /// When the next longer one is due.
    pub(super) fn deadline(&self) -> Option<Monotonic> {
        let next = self.used.map_or(0, |used| used + 1);
        (next..self.means.len())
            .find(|&i| {
                self.means
                    .get(i)
                    .is_some_and(|m| m.1 >= COVERED * self.time(i))
            })
            .and_then(|index| Some(self.last?.plus_seconds(self.time(index))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_the_silence_the_longer_the_average() {
        let at = |second: u64| Monotonic::from_nanos(second * 1_000_000_000);
        let mut fallback = Fallback::new(6, 12);
        for step in 0..=200u64 {
            // Long at 10 ppm, lately at 20.
            let ppm = if step > 190 { 20e-6 } else { 10e-6 };
            fallback.push(at(step * 60), ppm);
        }
        let last = 200 * 60;
        assert_eq!(fallback.deadline(), Some(at(last + 64)));
        assert_eq!(fallback.take(at(last + 63)), None);
        assert!(fallback.take(at(last + 65)).is_some_and(|f| f > 19e-6));
        assert_eq!(fallback.take(at(last + 66)), None);
        let day = fallback.take(at(last + 5000)).expect("is longer");
        assert!((10e-6..12e-6).contains(&day), "{day}");
        assert_eq!(fallback.deadline(), None);
    }
}
