//! The clock as replies tell it. One thread publishes it; every batch of replies takes the header
//! of that moment from it.

use crate::proto::packet::Leap;
use crate::proto::packet::MAX_STRATUM;
use crate::proto::refid::RefId;
use crate::time::NtpDuration;
use crate::time::NtpTimestamp;

/// What is known of the clock at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct State {
    /// Leap second announced, or not synchronised.
    pub leap: Leap,
    /// 1 to 15; 16 when not synchronised.
    pub stratum: u8,
    /// Whom the clock follows.
    pub refid: RefId,
    /// When it was last corrected, by the system clock.
    pub reference: NtpTimestamp,
    /// Root delay in seconds.
    pub root_delay: f64,
    /// Root dispersion at `raw_ns`, in seconds.
    pub root_dispersion: f64,
    /// How fast it grows, seconds per second.
    pub growth: f64,
    /// Precision, log2 seconds.
    pub precision: i8,
    /// The undisciplined clock when this was said, nanoseconds.
    pub raw_ns: u64,
    /// The system clock minus the undisciplined one then, nanoseconds: when the difference jumps,
    /// somebody set the clock and this state says nothing of it.
    pub clock_ns: i64,
    /// Past this value of the undisciplined clock the state is no longer true.
    pub until_ns: u64,
    /// Added to all times in replies, in nanoseconds, at `raw_ns`: what is still smoothed.
    pub smoothing_ns: i64,
    /// How fast that changes, seconds per second.
    pub smoothing_rate: f64,
    /// The clock without its corrections in phase, where it is known.
    pub uncorrected: Option<Uncorrected>,
}

/// A clock that runs at the rate of the served one and is never corrected in phase.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Uncorrected {
    /// Which one: another one begins when its phase cannot be kept.
    pub epoch: u32,
    /// How far the system clock is ahead of it at `raw_ns`, in seconds.
    pub ahead: f64,
    /// How fast that grows, seconds per second.
    pub rate: f64,
}

/// A jump of the clock that is not taken for slewing, in nanoseconds.
const JUMP_NS: u64 = 1_000_000;
/// The fastest slew of any daemon, part: a tenth (adjtimex(2), tick).
const FASTEST_SLEW: u64 = 10;

impl State {
    /// Nothing is known.
    #[must_use]
    pub const fn unsynchronised() -> Self {
        Self {
            leap: Leap::Unsynchronised,
            stratum: MAX_STRATUM,
            refid: RefId([0; 4]),
            reference: NtpTimestamp::ZERO,
            root_delay: 0.0,
            root_dispersion: 0.0,
            growth: 0.0,
            precision: -20,
            raw_ns: 0,
            clock_ns: 0,
            until_ns: u64::MAX,
            smoothing_ns: 0,
            smoothing_rate: 0.0,
            uncorrected: None,
        }
    }

    /// True when the clock was set since, or the machine slept: the system clock minus the
    /// undisciplined one is no longer what slewing could have made of it.
    #[must_use]
    pub const fn overtaken(&self, raw_ns: u64, clock_ns: i64) -> bool {
        let moved = clock_ns.abs_diff(self.clock_ns);
        let age = raw_ns.saturating_sub(self.raw_ns);
        moved > JUMP_NS + age / FASTEST_SLEW
    }

    /// The first 24 octets of replies at this moment, but for version and mode.
    #[must_use]
    pub fn header(&self, raw_ns: u64) -> Header {
        let age = raw_ns.saturating_sub(self.raw_ns) as f64 * 1e-9;
        let dispersion = self.root_dispersion + age * self.growth;
        let over = raw_ns > self.until_ns
            || dispersion >= MOST_DISPERSION
            || self.stratum >= MAX_STRATUM
            || matches!(self.leap, Leap::Unsynchronised);
        let (leap, stratum) = if over {
            (Leap::Unsynchronised, 0)
        } else {
            (self.leap, self.stratum)
        };
        let mut fixed = [0; 24];
        let root_delay = NtpDuration::from_seconds(self.root_delay);
        let root_dispersion = NtpDuration::from_seconds(dispersion);
        let parts: [&[u8]; 5] = [
            &[leap.to_bits() << 6, stratum, 0, self.precision as u8],
            &root_delay.to_short().to_be_bytes(),
            &root_dispersion.to_short().to_be_bytes(),
            &self.refid.0,
            &self.reference.to_bits().to_be_bytes(),
        ];
        for (to, from) in fixed.iter_mut().zip(parts.into_iter().flatten()) {
            *to = *from;
        }
        let smoothing = self.smoothing_ns as f64 * 1e-9 + age * self.smoothing_rate;
        // Smooth time has not the clock's rate.
        let uncorrected = self.uncorrected.filter(|_| smoothing == 0.0);
        Header {
            fixed,
            synchronised: !over,
            smoothing: NtpDuration::from_seconds(smoothing),
            root_delay,
            root_dispersion,
            uncorrected: uncorrected.map(|u| {
                let ahead = NtpDuration::from_seconds(u.ahead + age * u.rate);
                (u.epoch, ahead)
            }),
        }
    }
}

/// A root dispersion that no client would use, in seconds (RFC 5905 §7.2, MAXDISP).
const MOST_DISPERSION: f64 = 16.0;

/// The part of a reply that is the same for everybody at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Octets 0 to 23: leap, stratum, precision, root delay and dispersion, reference.
    pub fixed: [u8; 24],
    /// False when they say "not synchronised".
    pub synchronised: bool,
    /// Added to the times of replies.
    pub smoothing: NtpDuration,
    /// What octets 4 to 11 say, as it is.
    pub root_delay: NtpDuration,
    /// See there.
    pub root_dispersion: NtpDuration,
    /// The number of the clock that is never corrected in phase, and how far the system clock is
    /// ahead of it.
    pub uncorrected: Option<(u32, NtpDuration)>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::packet::Packet;

    fn state() -> State {
        State {
            leap: Leap::None,
            stratum: 3,
            root_delay: 0.01,
            root_dispersion: 0.001,
            growth: 1e-3,
            raw_ns: 1_000_000_000,
            until_ns: 100_000_000_000,
            ..State::unsynchronised()
        }
    }

    fn decoded(header: &Header) -> Packet {
        let mut wire = header.fixed.to_vec();
        wire.extend([0; 24]);
        Packet::decode(&wire).unwrap()
    }

    #[test]
    fn dispersion_grows_and_past_the_limit_nothing_is_claimed() {
        let fresh = decoded(&state().header(1_000_000_000));
        assert!((fresh.root_dispersion.seconds() - 0.001).abs() < 2e-5);
        assert_eq!(fresh.stratum, 3);
        let later = decoded(&state().header(11_000_000_000));
        assert!((later.root_dispersion.seconds() - 0.011).abs() < 2e-5);
        let lost = decoded(&state().header(101_000_000_000));
        assert_eq!((lost.stratum, lost.leap), (0, Leap::Unsynchronised));
    }

    #[test]
    fn a_clock_that_was_set_is_noticed_and_a_slew_is_not() {
        let state = state();
        assert!(!state.overtaken(2_000_000_000, 90_000_000));
        assert!(state.overtaken(2_000_000_000, 102_000_000));
        assert!(state.overtaken(1_000_000_000, -1_000_000_001));
    }
}
