//! A card's clock against this machine's oscillator: pairs of readings, and along the line through
//! them the moment of a timestamp. Slews of the system clock do not bend it.

use crate::time::Monotonic;
use std::collections::VecDeque;

/// A pair of readings: the oscillator's clock, and the card's in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The oscillator's.
    pub raw: Monotonic,
    /// The card's.
    pub card: i64,
}

/// The line.
#[derive(Clone, Debug)]
pub struct Line {
    pairs: VecDeque<Pair>,
    least: usize,
    most: usize,
    /// So far from the last pair, in seconds, the line is not believed.
    far: f64,
}

/// Pairs further apart say little of the rate now, in seconds.
const OLD: f64 = 4000.0;
/// Clocks whose rates differ by more are no clocks: one was set in between.
const APART: f64 = 1e-3;
/// A line is believed at least so far from its last pair, in seconds.
const FAR: f64 = 8.0;

impl Line {
    /// Without a pair yet: it says nothing before it has `least`, and keeps `most` at most; pairs come
    /// so many seconds apart.
    #[must_use]
    pub fn new(least: usize, most: usize, interval: f64) -> Self {
        Self {
            pairs: VecDeque::new(),
            least: least.max(2),
            most: most.clamp(2, 256),
            far: FAR.max(2.0 * interval),
        }
    }

    /// Takes in a pair. A clock that was set starts a new line.
    pub fn push(&mut self, pair: Pair) {
        if let Some(last) = self.pairs.back() {
            let passed = pair.raw.seconds_since(last.raw);
            let rate = pair.card.saturating_sub(last.card) as f64 * 1e-9 / passed;
            let usual = passed > 0.0 && (rate - 1.0).abs() < APART + 1e-6 / passed;
            if !usual {
                self.pairs.clear();
            }
        }
        self.pairs.push_back(pair);
        let oldest = |pairs: &VecDeque<Pair>| {
            let first = pairs.front();
            first.is_some_and(|first| pair.raw.seconds_since(first.raw) > OLD)
        };
        while self.pairs.len() > self.most || (self.pairs.len() > self.least && oldest(&self.pairs))
        {
            self.pairs.pop_front();
        }
    }

    /// When the last pair was read.
    #[must_use]
    pub fn last(&self) -> Option<Monotonic> {
        self.pairs.back().map(|pair| pair.raw)
    }

    /// The moment of a card's timestamp.
    #[must_use]
    pub fn at(&self, card: i64) -> Option<Monotonic> {
        if self.pairs.len() < self.least {
            return None;
        }
        let (first, last) = (self.pairs.front()?, self.pairs.back()?);
        let counted = last.card.saturating_sub(first.card) as f64 * 1e-9;
        let rate = last.raw.seconds_since(first.raw) / counted;
        let since = card.saturating_sub(last.card) as f64 * 1e-9;
        (since.abs() < self.far && rate.is_finite()).then(|| last.raw.plus_seconds(since * rate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_800_000_000_000_000_000;

    /// A card whose clock is 20 ppm fast.
    fn card(seconds: f64) -> i64 {
        START + (seconds * 1.000_02 * 1e9).round() as i64
    }

    fn pair(seconds: f64) -> Pair {
        Pair {
            raw: Monotonic::from_nanos(7_000_000_000).plus_seconds(seconds),
            card: card(seconds),
        }
    }

    #[test]
    fn a_stamp_is_placed_by_a_card_of_another_rate() {
        let mut line = Line::new(2, 16, 1.0);
        line.push(pair(0.0));
        assert_eq!(line.at(card(0.1)), None);
        line.push(pair(64.0));
        for seconds in [63.5, 64.0, 65.0] {
            let off = line
                .at(card(seconds))
                .unwrap()
                .seconds_since(pair(seconds).raw);
            assert!(off.abs() < 2e-9, "{seconds}: {off}");
        }
        // A clock that is seldom read is believed for as long.
        let mut seldom = Line::new(2, 16, 64.0);
        seldom.push(pair(0.0));
        seldom.push(pair(64.0));
        assert!(seldom.at(card(120.0)).is_some() && seldom.at(card(200.0)).is_none());
        // Nothing is said of what is far away.
        assert_eq!(line.at(card(128.0)), None);
        assert_eq!(line.at(i64::MIN), None);
    }

    #[test]
    fn a_card_that_was_set_starts_anew() {
        let mut line = Line::new(2, 16, 1.0);
        line.push(pair(0.0));
        line.push(pair(1.0));
        let set = |seconds: f64| Pair {
            card: card(seconds) + 37_000_000_000,
            ..pair(seconds)
        };
        line.push(set(2.0));
        assert_eq!(line.at(set(2.0).card), None);
        line.push(set(3.0));
        let off = line.at(set(3.0).card).unwrap().seconds_since(pair(3.0).raw);
        assert!(off.abs() < 2e-9, "{off}");
    }

    #[test]
    fn a_line_is_as_long_as_it_may_be() {
        let mut line = Line::new(2, 4, 1.0);
        for n in 0..100 {
            line.push(pair(f64::from(n)));
        }
        assert_eq!(line.pairs.len(), 4);
        // Pairs from long ago are forgotten, but for as many as are needed.
        line.push(pair(10_000.0));
        assert_eq!(line.pairs.len(), 2);
    }
}
