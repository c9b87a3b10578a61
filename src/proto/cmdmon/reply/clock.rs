//! What is told of the clocks: the system's and what it follows, the battery-backed one, the time
//! that a person typed in.

use crate::proto::cmdmon::Address;
use crate::proto::cmdmon::field::Addr;
use crate::proto::cmdmon::field::Float;
use crate::proto::cmdmon::field::Id;
use crate::proto::cmdmon::field::Negated;
use crate::proto::cmdmon::field::Time;
use crate::proto::cmdmon::field::U16;
use crate::proto::cmdmon::field::U32;
use crate::proto::cmdmon::field::record;
use crate::proto::refid::RefId;

record! {
    /// `chronyc tracking`.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct Tracking {
        /// The reference's identifier.
        refid: RefId as Id,
        /// Its address; unspecified for reference clocks and the local reference.
        address: Address as Addr,
        /// Our stratum.
        stratum: u16 as U16,
        /// Leap status: 3 is not synchronised.
        leap: u16 as U16,
        /// When it was last updated.
        ref_time: (i64, u32) as Time,
        /// What is still to be slewed, seconds; positive: the local clock is behind.
        correction_s: f64 as Float,
        /// Offset at the last update, seconds; positive: the local clock was behind.
        last_offset_s: f64 as Negated,
        /// Long-term RMS of the offset, seconds.
        rms_offset_s: f64 as Float,
        /// Frequency correction, ppm; positive makes the local clock faster.
        frequency_ppm: f64 as Negated,
        /// What the reference says it lacks, ppm, same sign.
        residual_frequency_ppm: f64 as Negated,
        /// Error bound of the frequency, ppm.
        skew_ppm: f64 as Float,
        /// Delay to the primary reference, seconds.
        root_delay_s: f64 as Float,
        /// Dispersion to the primary reference, seconds.
        root_dispersion_s: f64 as Float,
        /// Seconds between the last two updates.
        update_interval_s: f64 as Float,
    }
}

impl Tracking {
    /// True when the clock follows something: neither unsynchronised nor on the local reference.
    #[must_use]
    pub fn synchronised(&self) -> bool {
        let local =
            matches!(self.refid.0, [0, 0, 0, 0] | [127, 127, 1, 1]) && self.address.ip().is_none();
        self.leap != 3 && !local
    }

    /// True when it serves its own clock for want of a source (`local`).
    #[must_use]
    pub fn local_reference(&self) -> bool {
        self.refid.0 == [127, 127, 1, 1] && self.address.ip().is_none()
    }

    /// How far the clock can be off at most, seconds: the formula of chrony's manual.
    #[must_use]
    pub fn max_error_s(&self) -> f64 {
        self.correction_s.abs() + self.root_dispersion_s + self.root_delay_s / 2.0
    }
}

record! {
    /// `chronyc rtcdata`.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct Rtc {
        /// When it was last read.
        ref_time: (i64, u32) as Time,
        /// Samples in the regression.
        samples: u16 as U16,
        /// Runs of residuals.
        runs: u16 as U16,
        /// Seconds from the oldest sample to the newest.
        span_s: u32 as U32,
        /// How far the RTC is ahead, seconds.
        ahead_s: f64 as Float,
        /// How fast it gains, ppm.
        gain_ppm: f64 as Float,
    }
}

record! {
    /// `chronyc smoothing`.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct Smoothing {
        /// 1 active, 2 leap seconds only.
        flags: u32 as U32,
        /// Offset of what is served, seconds.
        offset_s: f64 as Float,
        /// Its frequency, ppm.
        frequency_ppm: f64 as Float,
        /// Its wander, ppm per second.
        wander_ppm: f64 as Float,
        /// Seconds since the last update.
        last_update_s: f64 as Float,
        /// Seconds until it is over.
        remaining_s: f64 as Float,
    }
}

/// Manual samples that a reply has room for.
pub const MAX_MANUAL_SAMPLES: usize = 16;

record! {
    /// One sample of `chronyc manual list`.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct ManualSample {
        /// When it was entered.
        when: (i64, u32) as Time,
        /// Offset with what has been slewed since, seconds; positive: the clock is behind.
        slewed_offset_s: f64 as Negated,
        /// Offset as entered; positive: the clock was behind.
        original_offset_s: f64 as Negated,
        /// What the regression leaves; positive: the clock was behind.
        residual_s: f64 as Negated,
    }
}

record! {
    /// What came of `chronyc settime`.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct ManualTimestamp {
        /// How far the clock was off, seconds; positive: behind.
        offset_s: f64 as Negated,
        /// By how much the frequency changed, ppm; positive: faster.
        residual_ppm: f64 as Negated,
        /// The frequency, ppm; positive: the clock is made to run faster.
        frequency_ppm: f64 as Negated,
    }
}
