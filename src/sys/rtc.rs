//! The battery-backed clock, rtc(4): an unsafe leaf. It keeps broken-down time, in UTC or (where
//! /etc/adjtime says so) in local time.
#![allow(unsafe_code, reason = "ioctl has no safe wrapper")]

use super::clock;
use super::error::Error;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::thread;
use std::time::Duration;

/// The devices that are looked for, in order.
const DEVICES: &[&str] = &["/dev/rtc", "/dev/rtc0", "/dev/misc/rtc"];

/// `struct rtc_time` of linux/rtc.h.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct RtcTime {
    sec: i32,
    min: i32,
    hour: i32,
    mday: i32,
    mon: i32,
    year: i32,
    wday: i32,
    yday: i32,
    isdst: i32,
}

mod request {
    #![allow(
        missing_docs,
        reason = "the macros write functions without documentation"
    )]
    nix::ioctl_read!(rtc_rd_time, b'p', 0x09, super::RtcTime);
    nix::ioctl_write_ptr!(rtc_set_time, b'p', 0x0a, super::RtcTime);
}

/// The device, opened.
#[derive(Debug)]
pub struct Rtc {
    file: File,
    /// Its path.
    pub path: &'static str,
}

impl Rtc {
    /// The first device there is.
    ///
    /// # Errors
    /// When there is none, or it may not be opened (root opens it; another program may hold it).
    pub fn open() -> Result<Self, Error> {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for path in DEVICES {
            match File::open(path) {
                Ok(file) => return Ok(Self { file, path }),
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => last = e,
            }
        }
        Err(Error::new("open", DEVICES[0], last))
    }

    /// What it shows, as seconds since 1970 by its own reckoning (UTC or local).
    ///
    /// # Errors
    /// When it cannot be read or shows no valid date.
    pub fn read(&self) -> Result<i64, Error> {
        let mut time = RtcTime::default();
        // SAFETY: the descriptor is open, and `time` is the structure that the kernel fills.
        unsafe { request::rtc_rd_time(self.file.as_raw_fd(), &raw mut time) }
            .map_err(|e| Error::new("read", self.path, e.into()))?;
        let part = |n: i32| u32::try_from(n).ok();
        let date = || {
            chrono::NaiveDate::from_ymd_opt(
                time.year + 1900,
                part(time.mon)? + 1,
                part(time.mday)?,
            )?
            .and_hms_opt(part(time.hour)?, part(time.min)?, part(time.sec)?)
        };
        date()
            .map(|date| date.and_utc().timestamp())
            .ok_or_else(|| {
                Error::new(
                    "read",
                    self.path,
                    io::Error::other("it shows no valid date"),
                )
            })
    }

    /// Sets it to the system clock plus `shift` seconds (the zone's offset where it keeps local
    /// time). Waits up to a second: a PC's chip begins its next second half a second after it is
    /// set.
    ///
    /// # Errors
    /// When it cannot be set.
    pub fn set_from_system(&self, shift: i64) -> Result<(), Error> {
        let (_, nanos) = clock::unix();
        thread::sleep(Duration::from_nanos(u64::from(
            (1_500_000_000 - nanos) % 1_000_000_000,
        )));
        let (seconds, _) = clock::unix();
        let date = chrono::DateTime::from_timestamp(seconds + shift, 0)
            .ok_or_else(|| Error::new("set", self.path, io::Error::other("no such date")))?
            .naive_utc();
        use chrono::Datelike;
        use chrono::Timelike;
        let part = |n: u32| i32::try_from(n).unwrap_or_default();
        let time = RtcTime {
            sec: part(date.second()),
            min: part(date.minute()),
            hour: part(date.hour()),
            mday: part(date.day()),
            mon: part(date.month0()),
            year: date.year() - 1900,
            ..RtcTime::default()
        };
        // SAFETY: the descriptor is open, and the kernel only reads `time`.
        unsafe { request::rtc_set_time(self.file.as_raw_fd(), &raw const time) }
            .map(|_| ())
            .map_err(|e| Error::new("set", self.path, e.into()))
    }
}
