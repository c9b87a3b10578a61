//! The 64-bit NTP timestamp (RFC 5905 §6): 32 bits of seconds since 1900, 32 bits of fraction.
//! It wraps every 136 years; the era is resolved near a pivot, never assumed.

use super::NtpDuration;

/// Seconds from 1900-01-01 to 1970-01-01.
pub const UNIX_TO_NTP: i64 = 2_208_988_800;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// A point in time as NTP writes it. Comparing two makes sense only by their difference.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct NtpTimestamp(u64);

impl NtpTimestamp {
    /// "Unknown" on the wire (RFC 5905 §6).
    pub const ZERO: Self = Self(0);

    /// From the 64 bits on the wire.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The 64 bits for the wire.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// From Unix time: seconds since 1970 and nanoseconds (0 to 999,999,999; larger values carry).
    #[must_use]
    pub const fn from_unix(seconds: i64, nanos: u32) -> Self {
        let carry = nanos as u64 / NANOS_PER_SECOND;
        let nanos = nanos as u64 % NANOS_PER_SECOND;
        // Round to nearest, so that a round trip through `to_unix` is exact.
        let fraction = ((nanos << 32) + NANOS_PER_SECOND / 2) / NANOS_PER_SECOND;
        let whole = (seconds.wrapping_add(UNIX_TO_NTP) as u64).wrapping_add(carry);
        Self((whole << 32).wrapping_add(fraction))
    }

    /// Unix seconds and nanoseconds, in the era that puts it within 68 years of `pivot` (Unix
    /// seconds).
    #[must_use]
    pub const fn to_unix(self, pivot: i64) -> (i64, u32) {
        let nanos = ((self.0 & 0xffff_ffff) * NANOS_PER_SECOND + (1 << 31)) >> 32;
        let (carry, nanos) = if nanos >= NANOS_PER_SECOND {
            (1, 0)
        } else {
            (0, nanos)
        };
        let low = (self.0 >> 32) as u32;
        let base = (pivot.wrapping_add(UNIX_TO_NTP)) as u32;
        let delta = low.wrapping_sub(base) as i32;
        (pivot + delta as i64 + carry, nanos as u32)
    }

    /// True for the all-zero timestamp, which means "unknown".
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// This minus `earlier`; wraps, so that a change of era between them is invisible.
    #[must_use]
    pub const fn since(self, earlier: Self) -> NtpDuration {
        NtpDuration::from_bits(self.0.wrapping_sub(earlier.0) as i64)
    }

    /// This plus a duration; wraps.
    #[must_use]
    pub const fn plus(self, duration: NtpDuration) -> Self {
        Self(self.0.wrapping_add(duration.to_bits() as u64))
    }
}

impl std::fmt::Debug for NtpTimestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "NtpTimestamp({:08x}.{:08x})",
            self.0 >> 32,
            self.0 & 0xffff_ffff
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn unix_epoch_is_where_rfc_5905_puts_it() {
        assert_eq!(NtpTimestamp::from_unix(0, 0).to_bits() >> 32, 2_208_988_800);
    }

    #[test]
    fn era_one_begins_in_2036() {
        // 2036-02-07T06:28:16Z
        assert_eq!(NtpTimestamp::from_unix(2_085_978_496, 0).to_bits(), 0);
        assert_eq!(
            NtpTimestamp::ZERO.to_unix(2_085_000_000),
            (2_085_978_496, 0)
        );
    }

    proptest! {
        #[test]
        fn unix_round_trip(seconds in 0i64..8_000_000_000, nanos in 0u32..1_000_000_000, off in -2_000_000_000i64..2_000_000_000) {
            prop_assert_eq!(NtpTimestamp::from_unix(seconds, nanos).to_unix(seconds + off), (seconds, nanos));
        }

        #[test]
        fn difference_survives_an_era(seconds in 0i64..8_000_000_000, ahead in -1_000_000i64..1_000_000) {
            let a = NtpTimestamp::from_unix(seconds, 0);
            let b = NtpTimestamp::from_unix(seconds + ahead, 0);
            prop_assert_eq!(b.since(a).to_bits(), ahead << 32);
            prop_assert_eq!(a.plus(b.since(a)), b);
        }
    }
}
