//! A signed interval in NTP's 32.32 fixed point, and the unsigned 16.16 short form of packets.
//! Arithmetic saturates: two huge values never cancel into a small one.

use std::ops::Add;
use std::ops::Neg;
use std::ops::Sub;

/// One second in 32.32 fixed point.
const ONE: f64 = 4_294_967_296.0;

/// A signed interval; about ±68 years at 0.23 ns.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct NtpDuration(i64);

impl NtpDuration {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// The longest.
    pub const MAX: Self = Self(i64::MAX);

    /// From 32.32 bits.
    #[must_use]
    pub const fn from_bits(bits: i64) -> Self {
        Self(bits)
    }

    /// The 32.32 bits.
    #[must_use]
    pub const fn to_bits(self) -> i64 {
        self.0
    }

    /// From seconds; saturates, and NaN is zero.
    #[must_use]
    pub fn from_seconds(seconds: f64) -> Self {
        // `as` saturates and turns NaN into zero.
        Self((seconds * ONE).round() as i64)
    }

    /// From whole nanoseconds; saturates.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        let bits = ((nanos as i128) << 32) / 1_000_000_000;
        if bits > i64::MAX as i128 {
            Self(i64::MAX)
        } else if bits < i64::MIN as i128 {
            Self(i64::MIN)
        } else {
            Self(bits as i64)
        }
    }

    /// From the unsigned 16.16 short form of root delay and root dispersion (RFC 5905 §6).
    #[must_use]
    pub const fn from_short(bits: u32) -> Self {
        Self((bits as i64) << 16)
    }

    /// The 16.16 short form, rounded up (a bound never shrinks on the wire); negative is zero.
    #[must_use]
    pub const fn to_short(self) -> u32 {
        if self.0 <= 0 {
            return 0;
        }
        let rounded = self.0.saturating_add(0xffff) >> 16;
        if rounded > u32::MAX as i64 {
            u32::MAX
        } else {
            rounded as u32
        }
    }

    /// Seconds, for statistics.
    #[must_use]
    pub fn seconds(self) -> f64 {
        self.0 as f64 / ONE
    }

    /// Whole nanoseconds, rounded to nearest; saturates.
    #[must_use]
    pub const fn nanos(self) -> i64 {
        ((self.0 as i128 * 1_000_000_000 + (1 << 31)) >> 32) as i64
    }

    /// Without its sign; saturates.
    #[must_use]
    pub const fn abs(self) -> Self {
        Self(self.0.saturating_abs())
    }
}

impl Add for NtpDuration {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for NtpDuration {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Neg for NtpDuration {
    type Output = Self;
    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

impl std::fmt::Debug for NtpDuration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.9}s", self.seconds())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn huge_values_never_cancel() {
        assert_eq!(NtpDuration::MAX + NtpDuration::MAX, NtpDuration::MAX);
    }

    #[test]
    fn short_form_is_sixteen_sixteen_and_rounds_up() {
        assert_eq!(NtpDuration::from_short(0x0001_8000).seconds(), 1.5);
        assert_eq!(NtpDuration::from_bits(1).to_short(), 1);
        assert_eq!(NtpDuration::from_seconds(-1.0).to_short(), 0);
    }

    proptest! {
        #[test]
        fn nanos_round_trip(nanos in -2_000_000_000_000_000_000i64..2_000_000_000_000_000_000) {
            prop_assert!((NtpDuration::from_nanos(nanos).nanos() - nanos).abs() <= 1);
        }

        #[test]
        fn seconds_scale_is_exact(bits in -(1i64 << 52)..(1i64 << 52)) {
            prop_assert_eq!(NtpDuration::from_seconds(NtpDuration::from_bits(bits).seconds()).to_bits(), bits);
        }
    }
}
