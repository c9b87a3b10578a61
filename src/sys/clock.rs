//! Reading the clocks.

use crate::time::Monotonic;
use crate::time::NtpTimestamp;
use nix::time::ClockId;
use nix::time::clock_gettime;

/// The system clock: Unix seconds and nanoseconds.
#[must_use]
pub fn unix() -> (i64, u32) {
    read(ClockId::CLOCK_REALTIME)
}

/// The system clock as an NTP timestamp.
#[must_use]
pub fn now() -> NtpTimestamp {
    let (seconds, nanos) = unix();
    NtpTimestamp::from_unix(seconds, nanos)
}

/// The monotonic clock: steered in rate, never stepped.
#[must_use]
pub fn monotonic() -> Monotonic {
    let (seconds, nanos) = read(ClockId::CLOCK_MONOTONIC);
    Monotonic::from_nanos(seconds.unsigned_abs() * 1_000_000_000 + u64::from(nanos))
}

/// The time since boot, suspension included.
#[must_use]
pub fn since_boot() -> Monotonic {
    let (seconds, nanos) = read(ClockId::CLOCK_BOOTTIME);
    Monotonic::from_nanos(seconds.unsigned_abs() * 1_000_000_000 + u64::from(nanos))
}

/// The monotonic clock that nobody steers, not even in rate.
#[must_use]
pub fn monotonic_raw() -> Monotonic {
    let (seconds, nanos) = read(ClockId::CLOCK_MONOTONIC_RAW);
    Monotonic::from_nanos(seconds.unsigned_abs() * 1_000_000_000 + u64::from(nanos))
}

fn read(clock: ClockId) -> (i64, u32) {
    // These clocks cannot fail to be read (clock_gettime(2)); the epoch is the honest answer else.
    clock_gettime(clock).map_or((0, 0), |t| {
        (t.tv_sec(), u32::try_from(t.tv_nsec()).unwrap_or_default())
    })
}

/// What must be added to UTC for this process's local time, in seconds, now.
#[must_use]
pub fn local_offset() -> i64 {
    super::localtime::offset(unix().0)
}

/// Waits that many seconds; negative is not at all.
pub fn sleep(seconds: f64) {
    if let Ok(duration) = std::time::Duration::try_from_secs_f64(seconds) {
        std::thread::sleep(duration);
    }
}
