//! What the round trips of one path say about its empty length. The shortest seen is close to it,
//! and how close follows from the rest; a route that becomes longer starts a new epoch with a
//! base of its own, one that becomes shorter lowers the base at once.

use std::collections::VecDeque;

/// Round trips remembered.
const REMEMBERED: usize = 512;
/// As many in a row above nine tenths of the old ones are a longer route, not bad luck (0.1^8).
const LONGER_AFTER: usize = 8;
/// A round trip that is this many margins below the shortest is a shorter route.
const SHORTER_MARGINS: f64 = 6.0;

/// The same on a longer route than one that is known: a return is likelier than luck.
const RETURN_MARGINS: f64 = 2.0;
/// Routes remembered.
const ROUTES: usize = 6;

/// A route and the round trips over it.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct Epoch {
    /// What samples remember it by.
    number: usize,
    /// The shortest round trip, in seconds.
    pub(crate) base: f64,
    /// How far the empty path may be below the shortest seen, in seconds.
    pub(crate) margin: f64,
    /// What this route adds to a measured offset against the first route, in seconds.
    pub(crate) bias: f64,
    /// Round trips, oldest first.
    seen: VecDeque<f64>,
}

/// What a new round trip means for the route.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Route {
    /// Nothing new.
    Same,
    /// The path is shorter than all before.
    Shorter,
    /// The last `count` round trips took a longer route; `by` seconds longer.
    Longer {
        /// How many samples belong to the new epoch.
        count: usize,
        /// Difference of the bases.
        by: f64,
    },
}

/// The round trips of one source.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Delays {
    /// Longer routes after shorter ones; never empty once something was seen.
    epochs: Vec<Epoch>,
    /// Index of the route in use.
    current: usize,
    /// Routes seen so far.
    numbers: usize,
}

impl Delays {
    /// All that is known: the routes, the index of the one in use, how many were seen.
    pub(crate) fn parts(&self) -> (&[Epoch], usize, usize) {
        (&self.epochs, self.current, self.numbers)
    }

    /// From [`Self::parts`]; none when they do not fit together.
    pub(crate) fn of(epochs: Vec<Epoch>, current: usize, numbers: usize) -> Option<Self> {
        let known = current < epochs.len() || (epochs.is_empty() && current == 0);
        let counted = epochs.iter().all(|e| e.number < numbers);
        let small = epochs.iter().all(|e| e.seen.len() <= REMEMBERED);
        (known && counted && small && epochs.len() <= ROUTES).then_some(Self {
            epochs,
            current,
            numbers,
        })
    }

    /// The number of the route that new samples belong to.
    pub(crate) fn current(&self) -> usize {
        self.present().map_or(0, |e| e.number)
    }

    /// The route in use.
    pub(crate) fn present(&self) -> Option<&Epoch> {
        self.epochs.get(self.current)
    }

    /// A route by its number; one that was forgotten counts as the one in use.
    pub(crate) fn epoch(&self, number: usize) -> Option<&Epoch> {
        self.epochs
            .iter()
            .find(|e| e.number == number)
            .or_else(|| self.present())
    }

    /// Half of the round trips were at least this much longer than the base, in seconds.
    pub(crate) fn median_excess(&self) -> f64 {
        self.present()
            .map_or(0.0, |e| median(e.seen.iter().map(|d| d - e.base).collect()))
    }

    /// Takes in a round trip, in seconds.
    pub(crate) fn push(&mut self, delay: f64) -> Route {
        let Some(epoch) = self.epochs.get_mut(self.current) else {
            self.begin(delay, VecDeque::from([delay]));
            return Route::Same;
        };
        let mut route = Route::Same;
        let margins = if self.current == 0 {
            SHORTER_MARGINS
        } else {
            RETURN_MARGINS
        };
        if epoch.seen.len() >= LONGER_AFTER && delay < epoch.base - margins * epoch.margin {
            self.shorten(delay);
            route = Route::Shorter;
        }
        let Some(epoch) = self.epochs.get_mut(self.current) else {
            return route;
        };
        epoch.seen.push_back(delay);
        if epoch.seen.len() > REMEMBERED {
            epoch.seen.pop_front();
        }
        if let Some((from, by)) = epoch.longer() {
            let moved = epoch.seen.split_off(from);
            epoch.refresh();
            let base = moved.iter().copied().fold(f64::MAX, f64::min);
            self.begin(base, moved);
            return Route::Longer {
                count: LONGER_AFTER,
                by,
            };
        }
        epoch.refresh();
        route
    }

    /// Sets what the newest route adds to offsets.
    pub(crate) fn set_bias(&mut self, bias: f64) {
        if let Some(epoch) = self.epochs.get_mut(self.current) {
            epoch.bias = bias;
        }
    }

    /// Begins a route after the one in use; those that were longer are forgotten.
    fn begin(&mut self, base: f64, seen: VecDeque<f64>) {
        let number = self.numbers;
        self.numbers += 1;
        let mut epoch = Epoch {
            number,
            base,
            seen,
            ..Epoch::default()
        };
        epoch.refresh();
        self.epochs.retain(|e| e.base < base);
        self.epochs.push(epoch);
        if self.epochs.len() > ROUTES {
            // The first is the reference of the others' biases.
            self.epochs.remove(1);
        }
        self.current = self.epochs.len() - 1;
    }

    /// Back to the longest known route that is not longer than this round trip.
    fn shorten(&mut self, delay: f64) {
        let fits = |e: &Epoch| delay >= e.base - SHORTER_MARGINS * e.margin;
        match self.epochs.iter().take(self.current).rposition(fits) {
            Some(index) => self.current = index,
            None => {
                self.current = 0;
                if let Some(epoch) = self.epochs.first_mut() {
                    epoch.seen.clear();
                    epoch.base = delay;
                }
            }
        }
    }
}

impl Epoch {
    /// A route: its number; base, margin and bias, in seconds; its round trips, oldest first.
    pub(crate) fn of(number: usize, (base, margin, bias): (f64, f64, f64), seen: Vec<f64>) -> Self {
        Self {
            number,
            base,
            margin,
            bias,
            seen: seen.into(),
        }
    }

    /// What samples remember it by.
    pub(crate) const fn number(&self) -> usize {
        self.number
    }

    /// Round trips, oldest first, in seconds.
    pub(crate) fn seen(&self) -> impl Iterator<Item = f64> {
        self.seen.iter().copied()
    }

    /// Where a new route begins and how much longer it is, if the latest round trips are all
    /// longer than they should be.
    fn longer(&self) -> Option<(usize, f64)> {
        let old = self.seen.len().checked_sub(LONGER_AFTER)?;
        if old < LONGER_AFTER {
            return None;
        }
        let mut before: Vec<f64> = self.seen.iter().take(old).copied().collect();
        before.sort_by(f64::total_cmp);
        let usual = before.get(before.len() * 9 / 10).copied()?;
        let mut recent: Vec<f64> = self.seen.iter().skip(old).copied().collect();
        recent.sort_by(f64::total_cmp);
        let shortest = recent.first().copied()?;
        let middle = recent.get(LONGER_AFTER / 2).copied()?;
        let by = shortest - self.base;
        // They lie together, above the old ones: not one old one among the new.
        let apart = by >= 4.0 * self.margin && middle - shortest < 0.5 * by;
        (shortest > usual && apart).then_some((old, by))
    }

    fn refresh(&mut self) {
        let mut sorted: Vec<f64> = self.seen.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        if let Some(&shortest) = sorted.first() {
            self.base = self.base.min(shortest);
            self.margin = margin(&sorted, self.base);
        }
    }
}

/// How far the empty path may be below the shortest of these round trips, sorted upwards.
///
/// When both directions queue with an exponential law of mean m, the shortest excess of n is
/// about 1.25 m / √n and the median 1.68 m; the fourth shortest is then about twice the shortest,
/// whatever m is. The mean of both is used: the second sees what the law is like near zero.
fn margin(sorted: &[f64], base: f64) -> f64 {
    let n = sorted.len();
    let (Some(&last), Some(&middle)) = (sorted.last(), sorted.get(n / 2)) else {
        return 0.0;
    };
    let Some(&fourth) = sorted.get(3) else {
        return 0.03 * base.max(0.0) + 0.5 * (last - base);
    };
    let n = n as f64;
    let mean = sorted.iter().map(|d| d - base).sum::<f64>() / n;
    // Few round trips say little of the law itself: the larger guess, and more of it.
    let few = (1.0 + 12.0 / n).sqrt();
    let typical = ((middle - base) / 1.68).max(if n < 16.0 { 0.5 * mean } else { 0.0 });
    let law = 1.25 * typical / n.sqrt();
    few * (0.5 * law + 0.42 * (fourth - base))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noisy(i: u64) -> f64 {
        // A fixed sequence that looks random enough, in 0..1.
        (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f64 / f64::from(1u32 << 24)
    }

    fn filled(from: f64, count: u64) -> Delays {
        let mut delays = Delays::default();
        for i in 0..count {
            delays.push(from + 1e-3 * (noisy(2 * i + 1) + noisy(2 * i + 2)));
        }
        delays
    }

    #[test]
    fn margin_shrinks_with_the_number_of_round_trips() {
        let few = filled(0.02, 16).epoch(0).unwrap().margin;
        let many = filled(0.02, 400).epoch(0).unwrap().margin;
        assert!(many < 0.5 * few && many > 0.0, "{few} {many}");
    }

    #[test]
    fn a_longer_route_is_noticed_and_a_return_to_the_old_one_too() {
        let mut delays = filled(0.02, 100);
        let mut found = None;
        for i in 0..20 {
            let route = delays.push(0.03 + 1e-3 * noisy(i + 500));
            if route != Route::Same {
                found = Some((i, route));
            }
        }
        let (at, route) = found.unwrap();
        assert!((6..=7).contains(&at), "{at}");
        assert!(matches!(route, Route::Longer { count: 8, by } if (by - 0.01).abs() < 1e-3));
        assert_eq!(delays.current(), 1);
        assert_eq!(delays.push(0.0202), Route::Shorter);
        assert_eq!(delays.current(), 0);
        // What was known of it still is.
        assert!(delays.epoch(0).unwrap().seen.len() > 90);
    }

    #[test]
    fn a_shorter_route_takes_effect_at_once() {
        let mut delays = filled(0.02, 100);
        assert_eq!(delays.push(0.012), Route::Shorter);
        assert_eq!(delays.epoch(0).unwrap().base, 0.012);
    }
}
