//! The battery-backed clock, rtc(4): an unsafe leaf. It keeps broken-down time, in UTC or (where
//! /etc/adjtime says so) in local time.
#![allow(unsafe_code, reason = "ioctl has no safe wrapper")]

use super::clock;
use super::error::Error;
use std::fs::File;
use std::io;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::fd::AsRawFd;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::OpenOptionsExt;
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
    nix::ioctl_none!(rtc_uie_on, b'p', 0x03);
    nix::ioctl_none!(rtc_uie_off, b'p', 0x04);
}

/// The device, opened.
#[derive(Debug)]
pub struct Rtc {
    file: File,
    /// Its path.
    pub path: String,
}

impl Rtc {
    /// The first device there is.
    ///
    /// # Errors
    /// When there is none, or it may not be opened (root opens it; another program may hold it).
    pub fn open() -> Result<Self, Error> {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for path in DEVICES {
            match Self::open_at(path) {
                Ok(rtc) => return Ok(rtc),
                Err(e) if e.is_missing() => {}
                Err(e) => last = e.reason,
            }
        }
        Err(Error::new("open", DEVICES[0], last))
    }

    /// The device with this path.
    ///
    /// # Errors
    /// When it is not there or may not be opened.
    pub fn open_at(path: &str) -> Result<Self, Error> {
        let file = File::options()
            .read(true)
            .custom_flags(nix::libc::O_NONBLOCK)
            .open(path)
            .map_err(|e| Error::new("open", path, e))?;
        let path = path.to_owned();
        Ok(Self { file, path })
    }

    /// Asks for a sign at the start of every second; false when the chip cannot.
    #[must_use]
    pub fn announce_seconds(&self) -> bool {
        // SAFETY: the descriptor is open; the request takes nothing.
        unsafe { request::rtc_uie_on(self.file.as_raw_fd()) }.is_ok()
    }

    /// Ends the signs of [`Self::announce_seconds`].
    pub fn silence(&self) {
        // SAFETY: the descriptor is open; the request takes nothing.
        let _ = unsafe { request::rtc_uie_off(self.file.as_raw_fd()) };
    }

    /// What it shows at the start of one of its seconds, and how many seconds ago that was. Waits
    /// for that start at most this long, in seconds; a chip that gives no sign is read as it is, in
    /// the middle of its second as far as is known.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_at_start(&self, patience: f64) -> Result<(i64, f64), Error> {
        if self.announce_seconds() {
            let begun = clock::monotonic();
            while clock::monotonic().seconds_since(begun) < patience {
                if self.second_began() {
                    let shown = self.read();
                    self.silence();
                    return Ok((shown?, 0.0));
                }
                clock::sleep(1e-3);
            }
            self.silence();
        }
        Ok((self.read()?, 0.5))
    }

    /// Whether a second began since the last call.
    #[must_use]
    pub fn second_began(&self) -> bool {
        (&self.file)
            .read(&mut [0; size_of::<nix::libc::c_ulong>()])
            .is_ok_and(|length| length > 0)
    }

    /// What it shows, as seconds since 1970 by its own reckoning (UTC or local).
    ///
    /// # Errors
    /// When it cannot be read or shows no valid date.
    pub fn read(&self) -> Result<i64, Error> {
        let mut time = RtcTime::default();
        // SAFETY: the descriptor is open, and `time` is the structure that the kernel fills.
        unsafe { request::rtc_rd_time(self.file.as_raw_fd(), &raw mut time) }
            .map_err(|e| Error::new("read", &self.path, e.into()))?;
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
                    &self.path,
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
        self.set(clock::unix().0 + shift)
    }

    /// Has it show this many seconds since 1970, by its own reckoning, at once. A PC's chip begins
    /// its next second half a second later.
    ///
    /// # Errors
    /// When it cannot be set.
    pub fn set(&self, shown: i64) -> Result<(), Error> {
        let date = chrono::DateTime::from_timestamp(shown, 0)
            .ok_or_else(|| Error::new("set", &self.path, io::Error::other("no such date")))?
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
            .map_err(|e| Error::new("set", &self.path, e.into()))
    }
}

impl AsFd for Rtc {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
