//! What is told of the sources: how they stand, what their measurements add up to.

use crate::proto::cmdmon::Address;
use crate::proto::cmdmon::field::Addr;
use crate::proto::cmdmon::field::Ago;
use crate::proto::cmdmon::field::Float;
use crate::proto::cmdmon::field::I8;
use crate::proto::cmdmon::field::I16;
use crate::proto::cmdmon::field::Id;
use crate::proto::cmdmon::field::Negated;
use crate::proto::cmdmon::field::Padded;
use crate::proto::cmdmon::field::Time;
use crate::proto::cmdmon::field::U8;
use crate::proto::cmdmon::field::U16;
use crate::proto::cmdmon::field::U32;
use crate::proto::cmdmon::field::record;
use crate::proto::refid::RefId;

/// What [`Source::state`] means. chrony 4 has other names for the last two; the marks stayed.
pub const STATES: [char; 6] = ['*', '?', 'x', '~', '+', '-'];

/// `noselect`.
pub const OPTION_NOSELECT: u16 = 0x1;
/// `prefer`.
pub const OPTION_PREFER: u16 = 0x2;
/// `trust`.
pub const OPTION_TRUST: u16 = 0x4;
/// `require`.
pub const OPTION_REQUIRE: u16 = 0x8;

record! {
    /// A line of `chronyc sources`.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct Source {
        /// Its address; of a reference clock, its identifier's letters.
        address: Address as Addr,
        /// Poll interval, log2 seconds.
        poll: i16 as I16,
        /// Its stratum.
        stratum: u16 as U16,
        /// `STATE_…`.
        state: u16 as U16,
        /// 0 client, 1 peer, 2 reference clock.
        mode: u16 as U16,
        /// `OPTION_…` bits of releases before 4.0.
        flags: u16 as U16,
        /// The last eight polls as bits.
        reach: u16 as U16,
        /// Seconds since the last sample.
        since_sample: Option<u32> as Ago,
        /// The last offset as measured, seconds; positive: the local clock is behind.
        measured_offset_s: f64 as Negated,
        /// The same with what has been corrected since.
        offset_s: f64 as Negated,
        /// Bound of its error, seconds.
        error_s: f64 as Float,
    }
}

impl Source {
    /// chronyc's mark: `*`, `?`, `x`, `~`, `+`, `-`.
    #[must_use]
    pub fn mark(&self) -> char {
        STATES.get(usize::from(self.state)).copied().unwrap_or(' ')
    }
}

record! {
    /// A line of `chronyc sourcestats`.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct SourceStats {
        /// Its identifier.
        refid: RefId as Id,
        /// Its address; unspecified for a reference clock.
        address: Address as Addr,
        /// Samples in the regression.
        samples: u32 as U32,
        /// Runs of residuals of one sign.
        runs: u32 as U32,
        /// Seconds from the oldest sample to the newest.
        span_s: u32 as U32,
        /// Standard deviation of the samples, seconds.
        std_dev_s: f64 as Float,
        /// Residual frequency, ppm; positive: the local clock should be faster.
        residual_frequency_ppm: f64 as Negated,
        /// Its error bound, ppm.
        skew_ppm: f64 as Float,
        /// Estimated offset, seconds; positive: the local clock is behind.
        offset_s: f64 as Negated,
        /// Its error bound, seconds.
        offset_error_s: f64 as Float,
    }
}

record! {
    /// `chronyc activity`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Activity {
        /// Sources that are asked.
        online: u32 as U32,
        /// Sources that are not.
        offline: u32 as U32,
        /// In a burst, then online.
        burst_online: u32 as U32,
        /// In a burst, then offline.
        burst_offline: u32 as U32,
        /// Names without an address yet.
        unresolved: u32 as U32,
    }
}

record! {
    /// A line of `chronyc selectdata`.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct SelectData {
        /// Its identifier.
        refid: RefId as Id,
        /// Its address; unspecified for a reference clock.
        address: Address as Addr,
        /// Why it is used or not: a letter of chronyc's manual, `selectdata`.
        state: u8 as U8,
        /// 1 when it is authenticated.
        authentication: u8 as U8,
        /// Its leap status.
        leap: u8 as Padded<U8, 1>,
        /// Options as configured, `OPTION_…`.
        configured: u16 as U16,
        /// Options as they work now.
        effective: u16 as U16,
        /// Seconds since the last sample that counts.
        last_sample: Option<u32> as Ago,
        /// Score against the selected source.
        score: f64 as Float,
        /// Lower end of its interval, seconds (chrony's sign).
        low_s: f64 as Float,
        /// Upper end of its interval.
        high_s: f64 as Float,
    }
}

record! {
    /// A line of `chronyc authdata`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct AuthData {
        /// 0 none, 1 symmetric key, 2 NTS.
        mode: u16 as U16,
        /// Number of the algorithm.
        key_type: u16 as U16,
        /// Number of the key.
        key_id: u32 as U32,
        /// Bits of the key.
        key_length: u16 as U16,
        /// Key exchanges without success.
        ke_attempts: u16 as U16,
        /// Seconds since the last successful one.
        last_ke: Option<u32> as Ago,
        /// Cookies left.
        cookies: u16 as U16,
        /// Octets of one.
        cookie_length: u16 as U16,
        /// NTS negative acknowledgements.
        nak: u16 as Padded<U16, 2>,
    }
}

record! {
    /// `chronyc ntpdata`: the last valid packet of a source.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct NtpData {
        /// Its address.
        remote: Address as Addr,
        /// The local address.
        local: Address as Addr,
        /// Its port.
        remote_port: u16 as U16,
        /// Its leap indicator.
        leap: u8 as U8,
        /// Its version.
        version: u8 as U8,
        /// Its mode.
        mode: u8 as U8,
        /// Its stratum.
        stratum: u8 as U8,
        /// Its poll, log2 seconds.
        poll: i8 as I8,
        /// Its precision, log2 seconds.
        precision: i8 as I8,
        /// Its root delay, seconds.
        root_delay_s: f64 as Float,
        /// Its root dispersion, seconds.
        root_dispersion_s: f64 as Float,
        /// Its reference identifier.
        refid: RefId as Id,
        /// Its reference time.
        ref_time: (i64, u32) as Time,
        /// Offset, seconds; positive: the local clock is behind.
        offset_s: f64 as Float,
        /// Round trip, seconds.
        delay_s: f64 as Float,
        /// Dispersion, seconds.
        dispersion_s: f64 as Float,
        /// How long it took to answer, seconds.
        response_s: f64 as Float,
        /// Asymmetry of the jitter, -0.5 to 0.5.
        asymmetry: f64 as Float,
        /// Tests passed (10 bits), 0x4000 interleaved, 0x8000 authenticated.
        flags: u16 as U16,
        /// Who stamped what was sent: D daemon, K kernel, H hardware.
        tx_stamp: u8 as U8,
        /// Who stamped what came.
        rx_stamp: u8 as U8,
        /// Packets sent.
        sent: u32 as U32,
        /// Packets received.
        received: u32 as U32,
        /// Packets that were valid.
        valid: u32 as U32,
        /// Packets whose measurement was used; 0 from the oldest releases.
        good: u32 as U32,
    }
}

record! {
    /// Counters that `chronyc ntpdata` has since 4.6.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct NtpDataCounters {
        /// Sent with a kernel timestamp.
        kernel_sent: u32 as U32,
        /// Received with a kernel timestamp.
        kernel_received: u32 as U32,
        /// Sent with a hardware timestamp.
        hardware_sent: u32 as U32,
        /// Received with a hardware timestamp.
        hardware_received: u32 as Padded<U32, 16>,
    }
}
