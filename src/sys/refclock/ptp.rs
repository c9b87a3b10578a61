//! A PTP hardware clock, ptp(4) and linux/ptp_clock.h: an unsafe leaf. Its time is read together
//! with the system's: by the hardware at one instant (`PTP_SYS_OFFSET_PRECISE`), between two
//! readings of the system clock (`_EXTENDED`), or in a row of both (`PTP_SYS_OFFSET`), whatever the
//! device offers first.
#![allow(unsafe_code, reason = "ioctl has no safe wrapper")]

use crate::sys::error::Error;
use crate::time::Monotonic;
use nix::errno::Errno;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::OpenOptionsExt;

/// `struct ptp_clock_time`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct ClockTime {
    sec: i64,
    nsec: u32,
    reserved: u32,
}

/// `struct ptp_clock_caps`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct Caps {
    max_adj: i32,
    n_alarm: i32,
    n_ext_ts: i32,
    n_per_out: i32,
    pps: i32,
    n_pins: i32,
    cross_timestamping: i32,
    adjust_phase: i32,
    rsv: [i32; 12],
}

/// `PTP_MAX_SAMPLES`.
const SAMPLES: usize = 25;

/// `struct ptp_sys_offset`: system and device in turn, the system first and last.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Basic {
    n_samples: u32,
    rsv: [u32; 3],
    ts: [ClockTime; 2 * SAMPLES + 1],
}

/// `struct ptp_sys_offset_extended`: system, device, system.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Extended {
    n_samples: u32,
    rsv: [u32; 3],
    ts: [[ClockTime; 3]; SAMPLES],
}

/// `struct ptp_sys_offset_precise`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct Precise {
    device: ClockTime,
    sys_realtime: ClockTime,
    sys_monoraw: ClockTime,
    rsv: [u32; 4],
}

/// `struct ptp_extts_request`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct PulsesRequest {
    index: u32,
    flags: u32,
    rsv: [u32; 2],
}

/// `struct ptp_pin_desc`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Pin {
    name: [u8; 64],
    index: u32,
    func: u32,
    chan: u32,
    rsv: [u32; 5],
}

/// `PTP_PF_EXTTS`.
const PIN_STAMPS: u32 = 1;
/// `PTP_ENABLE_FEATURE`, `PTP_RISING_EDGE`, `PTP_FALLING_EDGE`, `PTP_STRICT_FLAGS`.
const ENABLE: u32 = 1;
const RISING: u32 = 2;
const FALLING: u32 = 4;
const STRICT: u32 = 8;
/// Octets of `struct ptp_extts_event`.
const EVENT: usize = 32;

mod request {
    #![allow(
        missing_docs,
        reason = "the macros write functions without documentation"
    )]
    use super::Basic;
    use super::Caps;
    use super::Extended;
    use super::Pin;
    use super::Precise;
    use super::PulsesRequest;

    nix::ioctl_read!(getcaps, b'=', 1, Caps);
    nix::ioctl_write_ptr!(extts, b'=', 2, PulsesRequest);
    nix::ioctl_write_ptr!(extts2, b'=', 11, PulsesRequest);
    nix::ioctl_write_ptr!(pin_setfunc, b'=', 7, Pin);
    // The number says "write", but the kernel fills it.
    nix::ioctl_readwrite_bad!(
        sys_offset,
        nix::request_code_write!(b'=', 5, size_of::<Basic>()),
        Basic
    );
    nix::ioctl_readwrite!(sys_offset_precise, b'=', 8, Precise);
    nix::ioctl_readwrite!(sys_offset_extended, b'=', 9, Extended);
}

/// How the device is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `PTP_SYS_OFFSET_PRECISE`.
    Precise,
    /// `PTP_SYS_OFFSET_EXTENDED`.
    Extended,
    /// `PTP_SYS_OFFSET`.
    Basic,
}

impl Method {
    /// The name of the request.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Precise => "PTP_SYS_OFFSET_PRECISE",
            Self::Extended => "PTP_SYS_OFFSET_EXTENDED",
            Self::Basic => "PTP_SYS_OFFSET",
        }
    }

    /// What is tried first, by whether the device offers cross timestamps and they are wanted.
    const fn first(precise: bool) -> Self {
        if precise {
            Self::Precise
        } else {
            Self::Extended
        }
    }

    const fn next(self) -> Option<Self> {
        match self {
            Self::Precise => Some(Self::Extended),
            Self::Extended => Some(Self::Basic),
            Self::Basic => None,
        }
    }
}

/// The device's time and the system's at one moment, in nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// The system clock.
    pub system_ns: i64,
    /// The device.
    pub device_ns: i64,
    /// The undisciplined clock, where the hardware stamps it too.
    pub raw: Option<Monotonic>,
    /// Time that the reading took, in nanoseconds: the device was read somewhere within. Zero when
    /// the hardware did it at one instant.
    pub took_ns: i64,
}

/// A PTP hardware clock, opened.
#[derive(Debug)]
pub struct PtpDevice {
    file: File,
    path: String,
    method: Method,
}

impl PtpDevice {
    /// Opens it. `precise` uses cross timestamps by the hardware if there are any; `write` is
    /// needed for pulses.
    ///
    /// # Errors
    /// When it is not there, is no PTP clock, or may not be opened.
    pub fn open(path: &str, precise: bool, write: bool) -> Result<Self, Error> {
        let file = OpenOptions::new()
            .read(true)
            .write(write)
            .custom_flags(nix::libc::O_NONBLOCK)
            .open(path)
            .map_err(|e| Error::new("open", path, e))?;
        let mut caps = Caps::default();
        // SAFETY: the descriptor is open, and `caps` is the structure that the kernel fills.
        unsafe { request::getcaps(file.as_raw_fd(), &raw mut caps) }.map_err(|e| {
            let reason = if e == Errno::ENOTTY || e == Errno::EINVAL {
                io::Error::other("it is no PTP clock")
            } else {
                e.into()
            };
            Error::new("open", path, reason)
        })?;
        Ok(Self {
            file,
            path: path.to_owned(),
            method: Method::first(precise && caps.cross_timestamping != 0),
        })
    }

    /// How it is read: what worked the last time.
    #[must_use]
    pub const fn method(&self) -> Method {
        self.method
    }

    /// Its time and the system's, several times in a row.
    ///
    /// # Errors
    /// When it cannot be read in any way.
    pub fn compare(&mut self) -> Result<Vec<Comparison>, Error> {
        let mut method = self.method;
        let found = first_that_works(&mut method, |method| match method {
            Method::Precise => self.precise(),
            Method::Extended => self.extended(),
            Method::Basic => self.basic(),
        });
        self.method = method;
        found.map_err(|errno| Error::new("read", &self.path, errno.into()))
    }

    fn precise(&self) -> Result<Vec<Comparison>, Errno> {
        let mut offset = Precise::default();
        // SAFETY: the descriptor is open, and `offset` is the structure that the kernel fills.
        unsafe { request::sys_offset_precise(self.file.as_raw_fd(), &raw mut offset) }?;
        Ok(offset.comparisons())
    }

    fn extended(&self) -> Result<Vec<Comparison>, Errno> {
        let mut offset = Extended {
            n_samples: SAMPLES as u32,
            rsv: [0; 3],
            ts: [[ClockTime::default(); 3]; SAMPLES],
        };
        // SAFETY: the descriptor is open, and `offset` is the structure that the kernel fills.
        unsafe { request::sys_offset_extended(self.file.as_raw_fd(), &raw mut offset) }?;
        Ok(offset.comparisons())
    }

    fn basic(&self) -> Result<Vec<Comparison>, Errno> {
        let mut offset = Basic {
            n_samples: SAMPLES as u32,
            rsv: [0; 3],
            ts: [ClockTime::default(); 2 * SAMPLES + 1],
        };
        // SAFETY: the descriptor is open, and `offset` is the structure that the kernel fills.
        unsafe { request::sys_offset(self.file.as_raw_fd(), &raw mut offset) }?;
        Ok(offset.comparisons())
    }

    /// Makes the clock stamp pulses of a channel; a pin, if given, is set up for it first.
    ///
    /// # Errors
    /// When the device cannot.
    pub fn stamp_pulses(&self, pin: Option<u32>, channel: u32, falling: bool) -> Result<(), Error> {
        let failed = |e: Errno| Error::new("stamp pulses with", &self.path, e.into());
        if let Some(index) = pin {
            let pin = Pin {
                name: [0; 64],
                index,
                func: PIN_STAMPS,
                chan: channel,
                rsv: [0; 5],
            };
            // SAFETY: the descriptor is open, and the kernel only reads `pin`.
            unsafe { request::pin_setfunc(self.file.as_raw_fd(), &raw const pin) }
                .map_err(failed)?;
        }
        let edge = if falling { FALLING } else { RISING };
        let mut wanted = PulsesRequest {
            index: channel,
            flags: ENABLE | edge | STRICT,
            rsv: [0; 2],
        };
        // SAFETY: the descriptor is open, and the kernel only reads `wanted`.
        let strict = unsafe { request::extts2(self.file.as_raw_fd(), &raw const wanted) };
        if strict.is_ok() {
            return Ok(());
        }
        wanted.flags = ENABLE | edge;
        // SAFETY: as above.
        unsafe { request::extts(self.file.as_raw_fd(), &raw const wanted) }
            .map(|_| ())
            .map_err(failed)
    }

    /// The pulses that were stamped: channel, and the device's time in nanoseconds since 1970.
    pub fn pulses(&mut self) -> Vec<(u32, i64)> {
        let mut events = [0; EVENT * 16];
        let Ok(length) = self.file.read(&mut events) else {
            return Vec::new();
        };
        let read = events.get(..length).unwrap_or(&[]);
        read.chunks_exact(EVENT).filter_map(event).collect()
    }
}

impl AsFd for PtpDevice {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// `struct ptp_extts_event`: time, channel.
fn event(octets: &[u8]) -> Option<(u32, i64)> {
    let seconds = i64::from_ne_bytes(octets.get(..8)?.try_into().ok()?);
    let part = u32::from_ne_bytes(octets.get(8..12)?.try_into().ok()?);
    let channel = u32::from_ne_bytes(octets.get(16..20)?.try_into().ok()?);
    let time = seconds
        .checked_mul(1_000_000_000)?
        .checked_add(i64::from(part))?;
    Some((channel, time))
}

impl Precise {
    fn comparisons(&self) -> Vec<Comparison> {
        let raw = u64::try_from(nanos(&self.sys_monoraw)).ok();
        vec![Comparison {
            system_ns: nanos(&self.sys_realtime),
            device_ns: nanos(&self.device),
            raw: raw.filter(|&raw| raw > 0).map(Monotonic::from_nanos),
            took_ns: 0,
        }]
    }
}

impl Extended {
    fn comparisons(&self) -> Vec<Comparison> {
        let rows = self.ts.iter();
        rows.map(|[before, device, after]| between(before, device, after))
            .collect()
    }
}

impl Basic {
    fn comparisons(&self) -> Vec<Comparison> {
        let rows = self.ts.windows(3).step_by(2);
        rows.filter_map(|row| match row {
            [before, device, after] => Some(between(before, device, after)),
            _ => None,
        })
        .collect()
    }
}

/// Reads by this request; where the device has it not, by the next one, which is kept.
fn first_that_works(
    method: &mut Method,
    read: impl Fn(Method) -> Result<Vec<Comparison>, Errno>,
) -> Result<Vec<Comparison>, Errno> {
    loop {
        match (read(*method), method.next()) {
            (Err(errno), Some(next)) if lacks(errno) => *method = next,
            (found, _) => return found,
        }
    }
}

/// Whether an error says that the device has not this request.
fn lacks(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::ENOTTY | Errno::EOPNOTSUPP | Errno::EINVAL | Errno::ENOSYS
    )
}

fn nanos(time: &ClockTime) -> i64 {
    time.sec
        .saturating_mul(1_000_000_000)
        .saturating_add(i64::from(time.nsec))
}

fn between(before: &ClockTime, device: &ClockTime, after: &ClockTime) -> Comparison {
    let (before, after) = (nanos(before), nanos(after));
    let took_ns = after.saturating_sub(before);
    Comparison {
        system_ns: before.saturating_add(took_ns / 2),
        device_ns: nanos(device),
        raw: None,
        took_ns,
    }
}

/// The best of several readings: those that took the least time are averaged.
#[must_use]
pub fn best(all: &[Comparison]) -> Option<Comparison> {
    best_within(all, 0)
}

/// The same; those that took no more than so many nanoseconds longer than the quickest are as good.
#[must_use]
pub fn best_within(all: &[Comparison], precision_ns: i64) -> Option<Comparison> {
    let least = all
        .iter()
        .map(|c| c.took_ns)
        .filter(|took| *took >= 0)
        .min()?;
    let limit = least.saturating_add(precision_ns.max(least / 10));
    let near: Vec<&Comparison> = all
        .iter()
        .filter(|c| (0..=limit).contains(&c.took_ns))
        .collect();
    let first = near.first()?;
    let count = i128::try_from(near.len()).ok()?;
    let mean = |value: &dyn Fn(&Comparison) -> i64| {
        let base = i128::from(value(first));
        let sum: i128 = near.iter().map(|c| i128::from(value(c)) - base).sum();
        i64::try_from(base + sum / count).unwrap_or(i64::MAX)
    };
    Some(Comparison {
        system_ns: mean(&|c| c.system_ns),
        device_ns: mean(&|c| c.device_ns),
        raw: first.raw,
        took_ns: least,
    })
}

#[cfg(test)]
#[path = "ptp_tests.rs"]
mod tests;
