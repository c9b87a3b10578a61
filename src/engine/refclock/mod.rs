//! Reference clocks: PTP hardware clocks, pulses, other programs' samples, the battery-backed
//! clock. A device is read every 2^dpoll seconds, the readings are filtered to a measurement every
//! 2^poll seconds, and a measurement goes to the same estimator and the same vote as a server's.
//!
//! Reading is done outside ([`super::Observer::read_refclock`]); what was read comes back as
//! [`Tick`]s.

pub mod config;
pub(crate) mod filter;
mod pulse;
mod state;

pub use config::Device;
pub use config::ExternalPulses;
pub use config::RefclockConfig;
pub(crate) use pulse::Seconds;
pub use state::Ignored;
pub(crate) use state::LOCAL_PRECISION;
pub(crate) use state::Measured;
pub use state::Refclock;

use crate::proto::packet::Leap;
use crate::time::Monotonic;

/// What a device said once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tick {
    /// When, by the system clock, in nanoseconds since 1970.
    pub system_ns: i64,
    /// The same moment on the undisciplined clock, where the device says it itself.
    pub raw: Option<Monotonic>,
    /// What it said.
    pub said: Said,
    /// Leap second that it announces.
    pub leap: Leap,
    /// Bound of the reading's own error, in seconds.
    pub error: f64,
}

/// What a device says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// The time, in nanoseconds since 1970.
    Time(i64),
    /// A second (or a part of it, by the rate) began so many nanoseconds before that moment of the
    /// system clock; which one is not said.
    Pulse(i64),
}

/// TAI - UTC since 2017, in seconds.
pub const TAI_UTC: i32 = 37;
