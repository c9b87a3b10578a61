//! The kernel's clock discipline (adjtimex(2), linux/timex.h): an unsafe leaf. Frequencies are in
//! ppm, positive runs faster, as the kernel has it.
#![allow(unsafe_code, reason = "adjtimex has no safe wrapper")]

use super::error::Error;
use crate::engine::correction::ClockState;
use crate::engine::correction::SetClock;
use crate::time::NtpDuration;
use nix::libc;

/// The kernel's scale of frequencies: 2^16 is one ppm.
const PPM: f64 = 65_536.0;
/// `ADJ_OFFSET_SS_READ`: what is left of a slew.
const ADJ_OFFSET_SS_READ: u32 = 0xa001;
/// `ADJ_OFFSET_SINGLESHOT`: slew like adjtime(3).
const ADJ_OFFSET_SINGLESHOT: u32 = 0x8001;

/// One call of adjtimex(2).
///
/// # Errors
/// When the kernel (or a seccomp filter) refuses.
pub(super) fn call(request: &mut libc::timex, operation: &'static str) -> Result<i32, Error> {
    // SAFETY: the structure is fully initialised and lives for the call; the kernel writes only
    // into it.
    let state = unsafe { libc::adjtimex(request) };
    if state < 0 {
        return Err(Error::new(
            operation,
            "the system clock",
            std::io::Error::last_os_error(),
        ));
    }
    Ok(state)
}

/// The request that only reads.
pub(super) fn empty() -> libc::timex {
    // SAFETY: timex is plain numbers; all zeroes is the request that only reads.
    unsafe { std::mem::zeroed() }
}

/// TAI - UTC in seconds, as somebody told the kernel; none when nobody did.
#[must_use]
pub fn tai_offset() -> Option<i32> {
    let mut request = empty();
    call(&mut request, "read").ok()?;
    (request.tai != 0).then_some(request.tai)
}

/// What the kernel says of its clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kernel {
    /// `TIME_OK` and so on: 5 is `TIME_ERROR`.
    pub state: i32,
    /// `STA_…` bits.
    pub status: i32,
    /// Maximum error, seconds. Grows by 500 ppm while nobody updates it.
    pub max_error: f64,
    /// Estimated error, seconds.
    pub estimated_error: f64,
    /// Frequency correction, ppm.
    pub frequency_ppm: f64,
    /// What the phase-locked loop has still to correct, seconds.
    pub offset: f64,
    /// What a slew of adjtime(3) has still to do, seconds.
    pub slew_left: f64,
    /// Length of a tick, microseconds; 10,000 when nobody changed it.
    pub tick: i64,
    /// TAI minus UTC, seconds; 0 when nobody has told the kernel.
    pub tai_offset: i32,
}

impl Kernel {
    /// The kernel's own word: `STA_UNSYNC` is not set.
    #[must_use]
    pub const fn synchronised(&self) -> bool {
        self.status & libc::STA_UNSYNC == 0
    }

    /// The bits of the status that are set, by the kernel's names without `STA_`.
    #[must_use]
    pub fn flags(&self) -> Vec<&'static str> {
        [
            (libc::STA_PLL, "PLL"),
            (libc::STA_PPSFREQ, "PPSFREQ"),
            (libc::STA_PPSTIME, "PPSTIME"),
            (libc::STA_FLL, "FLL"),
            (libc::STA_INS, "INS"),
            (libc::STA_DEL, "DEL"),
            (libc::STA_UNSYNC, "UNSYNC"),
            (libc::STA_FREQHOLD, "FREQHOLD"),
            (libc::STA_PPSSIGNAL, "PPSSIGNAL"),
            (libc::STA_CLOCKERR, "CLOCKERR"),
            (libc::STA_NANO, "NANO"),
        ]
        .iter()
        .filter(|(bit, _)| self.status & bit != 0)
        .map(|(_, name)| *name)
        .collect()
    }

    /// True when the phase-locked loop is on: a daemon of ntpd's kind steers.
    #[must_use]
    pub const fn pll(&self) -> bool {
        self.status & libc::STA_PLL != 0
    }
}

/// Reads the kernel's discipline; needs no privilege.
///
/// # Errors
/// When the kernel (or a seccomp filter) refuses.
pub fn read() -> Result<Kernel, Error> {
    let mut t = empty();
    let state = call(&mut t, "read")?;
    let mut left = empty();
    left.modes = ADJ_OFFSET_SS_READ;
    let slew_left = call(&mut left, "read").map_or(0, |_| left.offset);
    let offset_unit = if t.status & libc::STA_NANO != 0 {
        1e-9
    } else {
        1e-6
    };
    Ok(Kernel {
        state,
        status: t.status,
        max_error: t.maxerror as f64 * 1e-6,
        estimated_error: t.esterror as f64 * 1e-6,
        frequency_ppm: t.freq as f64 / PPM,
        offset: t.offset as f64 * offset_unit,
        slew_left: slew_left as f64 * 1e-6,
        tick: t.tick,
        tai_offset: t.tai,
    })
}

/// Ends a slew of adjtime(3).
///
/// # Errors
/// When the kernel refuses, mostly for want of `CAP_SYS_TIME`.
pub(super) fn end_slew() -> Result<(), Error> {
    let mut t = empty();
    t.modes = ADJ_OFFSET_SINGLESHOT;
    call(&mut t, "end a slew of").map(|_| ())
}

/// This machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl SetClock for SystemClock {
    type Error = Error;

    fn state(&mut self) -> Result<ClockState, Error> {
        let kernel = read()?;
        Ok(ClockState {
            unix: super::clock::unix(),
            synchronised: kernel.synchronised(),
            max_error: kernel.max_error,
            estimated_error: kernel.estimated_error,
            frequency_ppm: kernel.frequency_ppm,
            slew_left: kernel.slew_left,
        })
    }

    fn step(&mut self, offset: NtpDuration) -> Result<(), Error> {
        let nanos = offset.nanos();
        let mut t = empty();
        t.modes = libc::ADJ_SETOFFSET | libc::ADJ_NANO;
        t.time.tv_sec = nanos.div_euclid(1_000_000_000);
        // With ADJ_NANO this field has nanoseconds, and it must not be negative.
        t.time.tv_usec = nanos.rem_euclid(1_000_000_000);
        call(&mut t, "set").map(|_| ())
    }

    fn slew(&mut self, offset: NtpDuration) -> Result<(), Error> {
        let mut t = empty();
        t.modes = ADJ_OFFSET_SINGLESHOT;
        t.offset = offset.nanos() / 1000;
        call(&mut t, "slew").map(|_| ())
    }

    fn publish(&mut self, max_error: f64, estimated_error: f64) -> Result<(), Error> {
        let mut t = empty();
        call(&mut t, "read")?;
        let status = t.status;
        let mut t = empty();
        t.modes = libc::ADJ_STATUS | libc::ADJ_MAXERROR | libc::ADJ_ESTERROR;
        // A phase-locked loop that a daemon left behind must not go on pulling.
        t.status = status & !(libc::STA_UNSYNC | libc::STA_PLL | libc::STA_FLL);
        t.maxerror = microseconds(max_error);
        t.esterror = microseconds(estimated_error);
        call(&mut t, "set the status of").map(|_| ())
    }
}

/// Rounded up: a bound never shrinks.
fn microseconds(seconds: f64) -> libc::c_long {
    (seconds * 1e6).ceil().clamp(0.0, 16e6) as libc::c_long
}
