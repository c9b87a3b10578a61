//! Many quick readings to one measurement: those near the median are averaged. A device that is
//! read often and now and then badly (an interrupt in between, a busy host) gives a good
//! measurement that way.

use crate::time::Monotonic;
use std::collections::VecDeque;

/// One reading on the undisciplined clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Reading {
    /// When.
    pub(crate) at: Monotonic,
    /// True minus undisciplined time, in seconds from the engine's origin.
    pub(crate) offset: f64,
    /// Bound of the reading's own error, in seconds.
    pub(crate) error: f64,
}

/// What the readings come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Filtered {
    /// The measurement.
    pub(crate) reading: Reading,
    /// Its standard deviation, in seconds.
    pub(crate) sd: f64,
}

/// Readings that wait for the next measurement.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    waiting: VecDeque<Reading>,
    most: usize,
    last: Option<Reading>,
    /// Variance of one reading among those of its measurement, averaged, and over how many.
    variance: Option<(f64, f64)>,
    /// The same among its neighbours, where a measurement has too few readings; and those.
    among_neighbours: Option<(f64, f64)>,
    neighbours: [Option<Reading>; 2],
}

/// Share of the readings that is averaged.
const MIDDLE: f64 = 0.6;
/// Readings whose error is larger than the least one's times this are left out if enough are left.
const WORSE: f64 = 1.5;
/// Enough to be choosy, and to say something of the spread.
const ENOUGH: usize = 4;
/// The variance is an average over about so many readings.
const MEMORY: f64 = 200.0;
/// Over longer than this the oscillator's own unrest is seen, in seconds.
const LONG: f64 = 40.0;
/// From so many deviations on the spread is known.
const FEW: f64 = 4.0;
/// What a reading may be off while it is not, in seconds.
const UNKNOWN: f64 = 1e-5;
/// A single deviation counts at most as so many times the variance.
const WILD: f64 = 9.0;
/// Standard deviation of a normal law by its median deviation.
const BY_MEDIAN: f64 = 1.4826;
/// The mean of the middle is this much less exact than that of all, for a normal law.
const TRIMMED: f64 = 1.15;

impl Filter {
    /// Keeps at most so many readings.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            most: most.clamp(1, 256),
            last: None,
            variance: None,
            among_neighbours: None,
            neighbours: [None; 2],
        }
    }

    /// Takes in a reading; false when it is not later than the last.
    pub(crate) fn push(&mut self, reading: Reading) -> bool {
        if self
            .waiting
            .back()
            .is_some_and(|last| last.at >= reading.at)
        {
            return false;
        }
        if self.waiting.len() >= self.most {
            self.waiting.pop_front();
        }
        self.waiting.push_back(reading);
        self.last = Some(reading);
        self.compare(reading);
        true
    }

    /// The last reading, measured or not.
    pub(crate) const fn last(&self) -> Option<&Reading> {
        self.last.as_ref()
    }

    /// Standard deviation of one reading, in seconds, as far as it is known.
    pub(crate) fn spread(&self) -> f64 {
        let known = self.variance.or(self.among_neighbours);
        known.map_or(0.0, |(variance, _)| variance.sqrt())
    }

    /// Readings that wait.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Forgets the readings.
    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
        self.last = None;
        self.neighbours = [None; 2];
    }

    /// The measurement that the readings make; they are used up. `frequency` is how fast true time
    /// moves against the undisciplined clock, in seconds per second.
    pub(crate) fn take(&mut self, frequency: f64) -> Option<Filtered> {
        let end = self.waiting.back()?.at;
        let mut chosen: Vec<(f64, Reading)> = self
            .good()
            .into_iter()
            .map(|r| (r.offset - frequency * r.at.seconds_since(end), r))
            .collect();
        self.waiting.clear();
        chosen.sort_by(|a, b| a.0.total_cmp(&b.0));
        let count = chosen.len();
        let middle = chosen.get(count / 2)?.0;
        self.learn(&chosen, middle);
        let outside = if count > 2 {
            (((count as f64) * (1.0 - MIDDLE) / 2.0) as usize).clamp(1, (count - 1) / 2)
        } else {
            0
        };
        let kept = chosen.get(outside..count - outside)?;
        let share = 1.0 / kept.len() as f64;
        let ago: f64 = kept
            .iter()
            .map(|(_, r)| r.at.seconds_since(end))
            .sum::<f64>()
            * share;
        let level: f64 = kept.iter().map(|(v, _)| v - middle).sum::<f64>() * share + middle;
        let error = kept.iter().map(|(_, r)| r.error).sum::<f64>() * share;
        let spread = if self.variance.is_some() || self.among_neighbours.is_some_and(|n| n.1 >= FEW)
        {
            self.spread()
        } else {
            UNKNOWN
        };
        let sd = spread / (count as f64).sqrt() * if count > 2 { TRIMMED } else { 1.0 };
        Some(Filtered {
            reading: Reading {
                at: end.plus_seconds(ago),
                offset: level + frequency * ago,
                error,
            },
            sd,
        })
    }

    /// Those that were read well, if there are enough.
    fn good(&self) -> Vec<Reading> {
        let all: Vec<Reading> = self.waiting.iter().copied().collect();
        if all.len() <= ENOUGH {
            return all;
        }
        let least = all.iter().map(|r| r.error).fold(f64::MAX, f64::min);
        let good: Vec<Reading> = all
            .iter()
            .copied()
            .filter(|r| r.error <= WORSE * least)
            .collect();
        if good.len() < ENOUGH { all } else { good }
    }

    /// Learns the spread of single readings.
    fn learn(&mut self, sorted: &[(f64, Reading)], middle: f64) {
        if sorted.len() < ENOUGH {
            return;
        }
        let mut away: Vec<f64> = sorted.iter().map(|(v, _)| (v - middle).abs()).collect();
        away.sort_by(f64::total_cmp);
        let median = away.get(away.len() / 2).copied().unwrap_or(0.0);
        let now = (BY_MEDIAN * median).powi(2);
        self.variance = Some(averaged(self.variance, now, sorted.len() as f64));
    }

    /// Learns the same from how far a reading is from the line between those before and after it:
    /// the clock's rate is not in that.
    fn compare(&mut self, reading: Reading) {
        let [first, middle] = self.neighbours;
        self.neighbours = [middle, Some(reading)];
        let (Some(first), Some(middle)) = (first, middle) else {
            return;
        };
        let span = reading.at.seconds_since(first.at);
        if span > LONG {
            return;
        }
        let part = middle.at.seconds_since(first.at) / span;
        let line = first.offset + part * (reading.offset - first.offset);
        let share = 1.0 + part * part + (1.0 - part) * (1.0 - part);
        let now = (middle.offset - line).powi(2) / share;
        // One wild reading is no measure of the others.
        let now = match self.among_neighbours {
            Some((old, count)) if count >= FEW => now.min(WILD * old),
            _ => now,
        };
        self.among_neighbours = Some(averaged(self.among_neighbours, now, 1.0));
    }
}

/// A variance averaged over so many readings more.
fn averaged(known: Option<(f64, f64)>, now: f64, fresh: f64) -> (f64, f64) {
    match known {
        None => (now, fresh),
        Some((old, count)) => {
            let total = count + fresh;
            (old + (now - old) * fresh / total, total.min(MEMORY))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(ms: u64, offset: f64) -> Reading {
        Reading {
            at: Monotonic::from_nanos(ms * 1_000_000),
            offset,
            error: 1e-6,
        }
    }

    #[test]
    fn a_wild_reading_does_not_count() {
        let mut filter = Filter::new(64);
        for i in 0..8 {
            filter.push(reading(
                i * 250,
                if i == 5 { 0.3 } else { 1.0 + 1e-9 * i as f64 },
            ));
        }
        let found = filter.take(0.0).unwrap();
        assert!((found.reading.offset - 1.0).abs() < 1e-8, "{found:?}");
        assert_eq!(filter.take(0.0), None);
        assert!(filter.last().is_some());
    }

    #[test]
    fn a_clock_that_drifts_is_followed_at_its_rate() {
        let mut filter = Filter::new(64);
        for i in 0..16u64 {
            filter.push(reading(i * 1000, 5.0 + 1e-4 * i as f64));
        }
        let found = filter.take(1e-4).unwrap();
        let at = found.reading.at.nanos() as f64 * 1e-9;
        assert!(
            (found.reading.offset - (5.0 + 1e-4 * at)).abs() < 1e-9,
            "{found:?}"
        );
        assert!(found.sd < 1e-9);
    }

    #[test]
    fn readings_that_took_long_are_left_out() {
        let mut filter = Filter::new(64);
        for i in 0..10 {
            let late = i % 2 == 1;
            filter.push(Reading {
                error: if late { 1e-3 } else { 1e-6 },
                ..reading(i * 100, if late { 2.0 } else { 1.0 })
            });
        }
        let found = filter.take(0.0).unwrap();
        assert!((found.reading.offset - 1.0).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn one_reading_a_measurement_shows_its_noise_beside_its_neighbours() {
        let mut filter = Filter::new(64);
        for i in 0..400u64 {
            // 20 ppm, and now and then a wild one.
            let noise = if i % 2 == 0 { 1e-6 } else { -1e-6 };
            let wild = if i % 50 == 7 { 1e-2 } else { 0.0 };
            filter.push(reading(i * 1000, 2e-5 * i as f64 + noise + wild));
            let found = filter.take(2e-5).unwrap();
            if i > 100 {
                assert!((1e-6..6e-6).contains(&found.sd), "{i}: {found:?}");
            }
        }
    }

    #[test]
    fn readings_go_forward_only_and_the_oldest_are_dropped() {
        let mut filter = Filter::new(2);
        assert!(filter.push(reading(1, 1.0)));
        assert!(!filter.push(reading(1, 1.0)));
        assert!(filter.push(reading(2, 1.0)) && filter.push(reading(3, 1.0)));
        assert_eq!(filter.len(), 2);
    }
}
