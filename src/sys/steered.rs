//! The system clock as the engine steers it: frequency and tick by adjtimex(2), steps, the
//! kernel's status. No phase-locked loop of the kernel's is used.

use super::error::Error;
use super::pairing::Look;
use super::pairing::Pairing;
use super::timex;
use super::timex::Kernel;
use crate::engine::clock::Clock;
use crate::engine::clock::ClockError;
use crate::engine::clock::Reading;
use crate::engine::clock::Status;
use crate::time::Monotonic;
use nix::libc;
use nix::time::ClockId;
use nix::time::clock_gettime;

/// Ticks beyond what `freq` can do: the kernel's limit of it, in ppm.
const FREQUENCY_LIMIT: f64 = 500.0;
/// The kernel's scale of frequencies: 2^16 is one ppm.
const PPM: f64 = 65_536.0;

/// Both clocks are read together at most so many times.
const TRIES: usize = 3;
/// A reading of both that took no longer than this is good enough, in nanoseconds.
const QUICK_NS: i64 = 150;

/// The system clock.
#[derive(Debug)]
pub struct SteeredClock {
    /// Length of a nominal tick in microseconds, and what one of them is worth in ppm.
    tick_us: i64,
    /// The tick in force.
    tick: i64,
    /// False: reads only.
    control: bool,
    frequency: f64,
    pairing: Pairing,
    status: i32,
    /// TAI minus UTC as the kernel has it.
    tai: i32,
}

impl SteeredClock {
    /// Takes the clock over. Without `control` it is only read.
    ///
    /// # Errors
    /// When the kernel refuses, mostly for want of `CAP_SYS_TIME`.
    pub fn new(control: bool) -> Result<Self, Error> {
        let kernel = timex::read()?;
        // USER_HZ is 100 on every Linux: sysconf(3) says so, and the tick is 10 ms.
        let mut clock = Self {
            tick_us: 10_000,
            tick: kernel.tick,
            control,
            frequency: 0.0,
            pairing: Pairing::default(),
            status: libc::STA_UNSYNC,
            tai: kernel.tai_offset,
        };
        clock.frequency = clock.total(&kernel);
        if control {
            clock.release(&kernel)?;
        }
        Ok(clock)
    }

    /// Ends what others left going: the kernel's loop and a slew of adjtime(3).
    fn release(&self, kernel: &Kernel) -> Result<(), Error> {
        let mut request = timex::empty();
        request.modes = libc::ADJ_STATUS | libc::ADJ_NANO;
        if kernel.pll() {
            request.modes |= libc::ADJ_OFFSET;
        }
        request.status = libc::STA_UNSYNC | libc::STA_PLL;
        timex::call(&mut request, "take over")?;
        let mut request = timex::empty();
        request.modes = libc::ADJ_STATUS;
        request.status = libc::STA_UNSYNC;
        timex::call(&mut request, "take over")?;
        timex::end_slew()
    }

    /// `CLOCK_TAI` is the system clock plus this.
    fn tell_tai(&mut self, tai: i32) -> Result<(), Error> {
        let mut request = timex::empty();
        request.modes = libc::ADJ_TAI;
        request.constant = libc::c_long::from(tai);
        timex::call(&mut request, "set the TAI offset of")?;
        self.tai = tai;
        Ok(())
    }

    fn total(&self, kernel: &Kernel) -> f64 {
        let ticks = (self.tick - self.tick_us) as f64;
        kernel.frequency_ppm + ticks / self.tick_us as f64 * 1e6
    }

    fn write(&mut self, ppm: f64) -> Result<f64, Error> {
        let worth = 1e6 / self.tick_us as f64;
        let most = (self.tick_us / 10) as f64 * worth;
        let ppm = ppm.clamp(-most, most);
        let ticks = if ppm.abs() > FREQUENCY_LIMIT {
            (ppm / worth).round()
        } else {
            0.0
        };
        let rest = ((ppm - ticks * worth) * PPM).round();
        // The old frequency was in force up to now.
        self.pairing.smooth(&look(), self.frequency * 1e-6);
        let mut request = timex::empty();
        request.modes = libc::ADJ_FREQUENCY;
        request.freq = rest as libc::c_long;
        let tick = self.tick_us + ticks as i64;
        if tick != self.tick {
            request.modes |= libc::ADJ_TICK;
            request.tick = tick;
        }
        timex::call(&mut request, "set the frequency of")?;
        self.tick = tick;
        self.frequency = ticks * worth + rest / PPM;
        Ok(self.frequency)
    }
}

impl Clock for SteeredClock {
    fn read(&mut self) -> Reading {
        let look = look();
        // What somebody else steers runs at a rate that is not known here.
        let unix_ns = match self.control {
            true => self.pairing.smooth(&look, self.frequency * 1e-6),
            false => look.unix_ns,
        };
        Reading {
            unix_ns,
            ..at(&look)
        }
    }

    fn frequency(&mut self) -> Result<f64, ClockError> {
        Ok(self.frequency)
    }

    fn set_frequency(&mut self, ppm: f64) -> Result<f64, ClockError> {
        if !self.control {
            return Ok(self.frequency);
        }
        self.write(ppm).map_err(refused)
    }

    fn step(&mut self, nanos: i64) -> Result<(), ClockError> {
        if !self.control {
            return Ok(());
        }
        let mut request = timex::empty();
        request.modes = libc::ADJ_SETOFFSET | libc::ADJ_NANO;
        request.time.tv_sec = nanos.div_euclid(1_000_000_000);
        // With ADJ_NANO this field has nanoseconds, and it must not be negative.
        request.time.tv_usec = nanos.rem_euclid(1_000_000_000);
        self.pairing.forget();
        timex::call(&mut request, "step").map_err(refused)?;
        // The kernel forgets that it was synchronised; say it again with the next status.
        self.status = libc::STA_UNSYNC;
        Ok(())
    }

    fn publish(&mut self, status: &Status) -> Result<(), ClockError> {
        if !self.control {
            return Ok(());
        }
        let mut request = timex::empty();
        request.modes = libc::ADJ_STATUS | libc::ADJ_MAXERROR | libc::ADJ_ESTERROR;
        request.status = match status.leap {
            1 => libc::STA_INS,
            -1 => libc::STA_DEL,
            _ => 0,
        };
        // A kernel that is told "synchronised" copies the time to the RTC every 11 minutes.
        if !status.synchronised || !status.rtc_sync {
            request.status |= libc::STA_UNSYNC;
        }
        request.maxerror = microseconds(status.max_error);
        request.esterror = microseconds(status.estimated_error);
        timex::call(&mut request, "set the status of").map_err(refused)?;
        self.status = request.status;
        match status.tai {
            Some(tai) if tai != self.tai => self.tell_tai(tai).map_err(refused),
            _ => Ok(()),
        }
    }
}

/// The clocks of this machine now.
#[must_use]
pub fn reading() -> Reading {
    at(&look())
}

fn at(look: &Look) -> Reading {
    let boot = nanos(ClockId::CLOCK_BOOTTIME);
    let awake = nanos(ClockId::CLOCK_MONOTONIC);
    Reading {
        raw: look.raw,
        unix_ns: look.unix_ns,
        slept_ns: boot.zip(awake).map(|(b, a)| b - a),
    }
}

/// The raw clock on both sides of the system clock: their middle is the same moment, the better the
/// quicker. The first try after a wait is often slow on one side only, by as much as the error of a
/// PTP clock.
fn look() -> Look {
    let mut best: Option<Look> = None;
    for _ in 0..TRIES {
        let before = nanos(ClockId::CLOCK_MONOTONIC_RAW);
        let unix_ns = nanos(ClockId::CLOCK_REALTIME).unwrap_or(0);
        let after = nanos(ClockId::CLOCK_MONOTONIC_RAW);
        let (Some(before), Some(after)) = (before, after) else {
            // No raw clock at all: one that nobody steps instead.
            return Look {
                raw: Monotonic::from_nanos(
                    nanos(ClockId::CLOCK_MONOTONIC).unwrap_or(0).unsigned_abs(),
                ),
                unix_ns,
                took_ns: 0,
            };
        };
        let took_ns = after - before;
        if best.is_none_or(|best| took_ns < best.took_ns) {
            best = Some(Look {
                raw: Monotonic::from_nanos((before + took_ns / 2).unsigned_abs()),
                unix_ns,
                took_ns,
            });
        }
        if took_ns <= QUICK_NS {
            break;
        }
    }
    best.unwrap_or(Look {
        raw: Monotonic::from_nanos(0),
        unix_ns: 0,
        took_ns: 0,
    })
}

fn refused(error: Error) -> ClockError {
    ClockError(error.to_string())
}

fn nanos(clock: ClockId) -> Option<i64> {
    let time = clock_gettime(clock).ok()?;
    Some(time.tv_sec().saturating_mul(1_000_000_000) + time.tv_nsec())
}

/// Rounded up: a bound never shrinks.
fn microseconds(seconds: f64) -> libc::c_long {
    (seconds * 1e6).ceil().clamp(0.0, 16e6) as libc::c_long
}
