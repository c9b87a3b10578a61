//! A pulse per second that the kernel stamps, linux/pps.h (RFC 2783): an unsafe leaf.
#![allow(unsafe_code, reason = "ioctl has no safe wrapper")]

use crate::sys::error::Error;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::AsRawFd;

/// `struct pps_ktime`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct Time {
    sec: i64,
    nsec: i32,
    flags: u32,
}

/// `struct pps_kinfo`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct Info {
    assert_sequence: u32,
    clear_sequence: u32,
    assert_time: Time,
    clear_time: Time,
    current_mode: i32,
}

/// `struct pps_fdata`; a time-out of zero does not wait.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct Fetch {
    info: Info,
    timeout: Time,
}

/// `struct pps_kparams`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct Params {
    api_version: i32,
    mode: i32,
    assert_offset: Time,
    clear_offset: Time,
}

/// `PPS_CAPTUREASSERT`, `PPS_CAPTURECLEAR`.
const ASSERT: i32 = 1;
const CLEAR: i32 = 2;

mod request {
    #![allow(
        missing_docs,
        reason = "the macros write functions without documentation"
    )]
    use super::Fetch;
    use super::Params;

    /// The numbers are made with the size of a pointer.
    const POINTER: usize = size_of::<usize>();
    nix::ioctl_read_bad!(
        getparams,
        nix::request_code_read!(b'p', 0xa1, POINTER),
        Params
    );
    nix::ioctl_write_ptr_bad!(
        setparams,
        nix::request_code_write!(b'p', 0xa2, POINTER),
        Params
    );
    nix::ioctl_read_bad!(getcap, nix::request_code_read!(b'p', 0xa3, POINTER), i32);
    nix::ioctl_readwrite_bad!(
        fetch,
        nix::request_code_readwrite!(b'p', 0xa4, POINTER),
        Fetch
    );
}

/// A device, opened.
#[derive(Debug)]
pub struct PpsDevice {
    file: File,
    path: String,
    falling: bool,
    last: Option<u32>,
}

impl PpsDevice {
    /// Opens it and asks for one edge.
    ///
    /// # Errors
    /// When it is not there, may not be opened or has not that edge.
    pub fn open(path: &str, falling: bool) -> Result<Self, Error> {
        let failed = |operation, reason: io::Error| Error::new(operation, path, reason);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map_err(|e| failed("open", e))?;
        let fd = file.as_raw_fd();
        let mut can = 0;
        // SAFETY: the descriptor is open, and the kernel writes one integer.
        unsafe { request::getcap(fd, &raw mut can) }
            .map_err(|_| failed("open", io::Error::other("it is no PPS device")))?;
        let edge = if falling { CLEAR } else { ASSERT };
        if can & edge == 0 {
            let which = if falling { "falling" } else { "rising" };
            let reason = format!("it does not stamp the {which} edge");
            return Err(failed("open", io::Error::other(reason)));
        }
        let mut params = Params::default();
        // SAFETY: the descriptor is open, and `params` is the structure that the kernel fills.
        unsafe { request::getparams(fd, &raw mut params) }
            .map_err(|e| failed("read the settings of", e.into()))?;
        params.mode = (params.mode | edge) & !((ASSERT | CLEAR) ^ edge);
        // SAFETY: the descriptor is open, and the kernel only reads `params`.
        unsafe { request::setparams(fd, &raw const params) }
            .map_err(|e| failed("set the edge of", e.into()))?;
        Ok(Self {
            file,
            path: path.to_owned(),
            falling,
            last: None,
        })
    }

    /// The last pulse by the system clock, in nanoseconds since 1970; nothing when it was given
    /// already.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn fetch(&mut self) -> Result<Option<i64>, Error> {
        let mut fetch = Fetch::default();
        // SAFETY: the descriptor is open, and `fetch` is the structure that the kernel fills.
        unsafe { request::fetch(self.file.as_raw_fd(), &raw mut fetch) }
            .map_err(|e| Error::new("read", &self.path, e.into()))?;
        let (number, time) = if self.falling {
            (fetch.info.clear_sequence, fetch.info.clear_time)
        } else {
            (fetch.info.assert_sequence, fetch.info.assert_time)
        };
        // What was there before the start may be old.
        let fresh = self.last.replace(number).is_some_and(|last| last != number);
        let at = time
            .sec
            .saturating_mul(1_000_000_000)
            .saturating_add(i64::from(time.nsec));
        Ok((fresh && at != 0).then_some(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_have_the_kernels_sizes() {
        assert_eq!(size_of::<Info>(), 48);
        assert_eq!(size_of::<Fetch>(), 64);
        assert_eq!(size_of::<Params>(), 40);
    }

    #[test]
    fn a_file_that_is_no_pps_device_is_called_so() {
        let error = PpsDevice::open("/dev/null", false).unwrap_err();
        assert!(error.to_string().contains("no PPS device"), "{error}");
    }
}
