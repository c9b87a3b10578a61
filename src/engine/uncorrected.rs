//! The system clock without its corrections in phase: it runs at the disciplined rate, and whatever
//! slews add to the system clock it has not. Clients that ask for it (extension field F323) see the
//! frequency alone. What it cannot follow (a step, a sleep, somebody else's hand) begins another one.

use crate::time::Monotonic;

/// By how much the system clock is ahead of it, as it was added.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Uncorrected {
    /// Which one this is.
    pub number: u32,
    ahead: f64,
    /// Seconds per second that a slew adds since then.
    rate: f64,
    at: Monotonic,
}

impl Uncorrected {
    /// How far the system clock is ahead, in seconds.
    #[must_use]
    pub fn ahead_at(&self, now: Monotonic) -> f64 {
        self.ahead + self.rate * now.seconds_since(self.at)
    }

    /// How fast that grows, in seconds per second.
    #[must_use]
    pub const fn rate(&self) -> f64 {
        self.rate
    }

    /// From now on a slew adds so many seconds per second.
    pub(super) fn slewed(&mut self, now: Monotonic, rate: f64) {
        self.ahead = self.ahead_at(now);
        self.at = now;
        self.rate = rate;
    }

    /// The clock moved in a way that is not known exactly: another one begins where it is.
    pub(super) const fn restart(&mut self, now: Monotonic) {
        self.number = self.number.wrapping_add(1);
        self.ahead = 0.0;
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slews_add_up_and_a_step_begins_another_one() {
        let at = |seconds: f64| Monotonic::from_nanos(5_000_000_000).plus_seconds(seconds);
        let mut it = Uncorrected::default();
        it.slewed(at(0.0), 0.0);
        it.slewed(at(10.0), 1e-4);
        it.slewed(at(20.0), -5e-5);
        assert!((it.ahead_at(at(20.0)) - 1e-3).abs() < 1e-12);
        assert!((it.ahead_at(at(30.0)) - 0.5e-3).abs() < 1e-12);
        it.restart(at(30.0));
        assert_eq!((it.number, it.ahead_at(at(30.0))), (1, 0.0));
        // The slew goes on.
        assert!((it.ahead_at(at(40.0)) + 0.5e-3).abs() < 1e-12);
    }
}
