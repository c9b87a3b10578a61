//! A reading of a monotonic clock: what `now` is in the engine. It can be made from a number, so
//! simulations and tests need no machine.

/// Nanoseconds from an arbitrary start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Monotonic(u64);

impl Monotonic {
    /// From nanoseconds since the arbitrary start.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the arbitrary start.
    #[must_use]
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// Seconds since `earlier`; negative when this is before it.
    #[must_use]
    pub fn seconds_since(self, earlier: Self) -> f64 {
        if self >= earlier {
            (self.0 - earlier.0) as f64 * 1e-9
        } else {
            -((earlier.0 - self.0) as f64 * 1e-9)
        }
    }

    /// This plus seconds (negative: earlier); saturates at both ends.
    #[must_use]
    pub fn plus_seconds(self, seconds: f64) -> Self {
        let nanos = (seconds * 1e9).round();
        if nanos >= 0.0 {
            Self(self.0.saturating_add(nanos as u64))
        } else {
            Self(self.0.saturating_sub(-nanos as u64))
        }
    }

    /// Whole milliseconds from `now` until this, rounded up; zero when it has passed.
    #[must_use]
    pub const fn millis_from(self, now: Self) -> u64 {
        self.0.saturating_sub(now.0).div_ceil(1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_never_ends_too_early() {
        let now = Monotonic::from_nanos(10);
        assert_eq!(now.plus_seconds(0.001).millis_from(now), 1);
        assert_eq!(Monotonic::from_nanos(11).millis_from(now), 1);
        assert_eq!(now.millis_from(now.plus_seconds(1.0)), 0);
    }

    #[test]
    fn differences_have_a_sign() {
        let a = Monotonic::from_nanos(1_000_000_000);
        assert_eq!(a.seconds_since(a.plus_seconds(0.5)), -0.5);
    }
}
