//! What a timestamp, an offset and a frequency mean here.
//!
//! One sign: an offset is positive when the local clock is behind (add it to the local time); a
//! frequency is positive when the local clock runs faster, as in the kernel's `timex`. A point in
//! time is never an `f64`; intervals become `f64` seconds once, by `seconds()`, for statistics.
#![forbid(unsafe_code)]

mod duration;
mod monotonic;
mod timestamp;

pub use duration::NtpDuration;
pub use monotonic::Monotonic;
pub use timestamp::NtpTimestamp;
pub use timestamp::UNIX_TO_NTP;

/// Frequency tolerance Φ, seconds per second: how fast an unsteered clock may err (RFC 5905 §7.2).
pub const PHI: f64 = 15e-6;
