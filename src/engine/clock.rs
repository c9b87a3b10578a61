//! The seam to the clock that is disciplined: read it, set its frequency, step it, publish what is
//! known. Production, simulation and "measure only" are three implementations.

use crate::time::Monotonic;
use std::fmt;

/// The clocks of this machine at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The oscillator itself, steered by nobody: the time scale of the engine.
    pub raw: Monotonic,
    /// The system clock, in nanoseconds since 1970.
    pub unix_ns: i64,
    /// Time that the machine has slept since it booted, in nanoseconds, where that is known.
    pub slept_ns: Option<i64>,
}

impl Reading {
    /// A system-clock time of a moment ago on the undisciplined clock.
    pub(crate) fn raw_at(self, unix_ns: i64) -> Monotonic {
        let ago = self.unix_ns.saturating_sub(unix_ns);
        let raw = i128::from(self.raw.nanos()) - i128::from(ago);
        Monotonic::from_nanos(u64::try_from(raw).unwrap_or(0))
    }
}

/// What the kernel and its readers should believe.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Status {
    /// The clock follows a source.
    pub synchronised: bool,
    /// Bound of the error now, in seconds.
    pub max_error: f64,
    /// Likely error, in seconds.
    pub estimated_error: f64,
    /// A leap second at the end of this UTC day: +1 inserted, -1 deleted.
    pub leap: i8,
    /// TAI minus UTC, in seconds, where it is known.
    pub tai: Option<i32>,
    /// The kernel may copy the time to the RTC.
    pub rtc_sync: bool,
}

impl Status {
    /// Nothing is known of the time.
    pub const UNKNOWN: Self = Self {
        synchronised: false,
        max_error: 16.0,
        estimated_error: 16.0,
        leap: 0,
        tai: None,
        rtc_sync: false,
    };
}

/// The clock refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockError(pub String);

impl fmt::Display for ClockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ClockError {}

/// A clock that can be steered.
pub trait Clock {
    /// Reads it.
    fn read(&mut self) -> Reading;

    /// When it wants to be read at the latest, on the undisciplined clock.
    fn deadline(&self) -> Option<Monotonic> {
        None
    }

    /// The frequency in force, in ppm: positive makes the clock run faster.
    ///
    /// # Errors
    /// When the clock refuses.
    fn frequency(&mut self) -> Result<f64, ClockError>;

    /// Makes the clock run `ppm` faster than its oscillator from now on. Gives the frequency in
    /// force, which may be limited or rounded.
    ///
    /// # Errors
    /// When the clock refuses.
    fn set_frequency(&mut self, ppm: f64) -> Result<f64, ClockError>;

    /// Adds nanoseconds at once.
    ///
    /// # Errors
    /// When the clock refuses.
    fn step(&mut self, nanos: i64) -> Result<(), ClockError>;

    /// Tells the kernel's readers how good the time is.
    ///
    /// # Errors
    /// When the clock refuses.
    fn publish(&mut self, status: &Status) -> Result<(), ClockError>;
}
