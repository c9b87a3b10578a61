//! The shared memory segment of ntpd's driver 28, by System V's calls: an unsafe leaf. Another
//! program writes it at any time, so every field is read for itself and nothing is assumed of what
//! it holds.
#![allow(unsafe_code, reason = "System V shared memory has no safe wrapper")]

use crate::proto::ntp_shm::KEY;
use crate::proto::ntp_shm::ShmFields;
use crate::proto::ntp_shm::ShmSample;
use crate::sys::error::Error;
use nix::libc;
use std::io;
use std::ptr::NonNull;
use std::ptr::null;
use std::sync::atomic::Ordering;
use std::sync::atomic::fence;

/// `struct shmTime`.
#[repr(C)]
struct Layout {
    mode: i32,
    count: i32,
    clock_sec: libc::c_long,
    clock_usec: i32,
    receive_sec: libc::c_long,
    receive_usec: i32,
    leap: i32,
    precision: i32,
    nsamples: i32,
    valid: i32,
    clock_nsec: u32,
    receive_nsec: u32,
    dummy: [i32; 8],
}

/// An attached segment.
#[derive(Debug)]
pub struct ShmSegment {
    at: NonNull<Layout>,
    /// Who owns it, and who may write it, when that is neither root nor this program's user alone.
    pub open_to: Option<String>,
}

impl ShmSegment {
    /// Attaches the segment of a unit. If it is not there it is made with these permissions; none
    /// does not make it.
    ///
    /// # Errors
    /// When it cannot be made or attached, or is too short.
    pub fn attach(unit: i32, mode: u32) -> Result<Self, Error> {
        let key = KEY.wrapping_add(unit);
        let name = format!("shared memory segment {unit} (key 0x{key:08x})");
        let failed = |operation| Error::new(operation, name.clone(), io::Error::last_os_error());
        let flags = match i32::try_from(mode & 0o777) {
            Ok(mode) if mode != 0 => libc::IPC_CREAT | mode,
            _ => 0,
        };
        // SAFETY: the call takes numbers only. A segment shorter than asked for is an error.
        let id = unsafe { libc::shmget(key, size_of::<Layout>(), flags) };
        if id == -1 {
            return Err(failed("open"));
        }
        // SAFETY: a new mapping of the segment at an address that the kernel chooses.
        let at = unsafe { libc::shmat(id, null(), 0) };
        if at.addr() == usize::MAX {
            return Err(failed("attach"));
        }
        let at = NonNull::new(at.cast::<Layout>()).ok_or_else(|| failed("attach"))?;
        Ok(Self {
            at,
            open_to: open_to(id),
        })
    }

    /// The values, when there are new ones; they are marked as taken.
    pub fn take(&mut self) -> Option<ShmSample> {
        let at = self.at.as_ptr();
        // SAFETY: only the field's address is made, of the mapping that `field` describes below.
        let valid = unsafe { &raw mut (*at).valid };
        macro_rules! field {
            ($name:ident) => {{
                // SAFETY: `at` is a mapping of at least the size of `Layout`, aligned to a page,
                // and stays until this value is dropped; other processes write it, so each field is
                // read once and volatile, as an integer of which every bit pattern is valid.
                let place = unsafe { &raw const (*at).$name };
                // SAFETY: as above.
                unsafe { place.read_volatile() }
            }};
        }
        #[allow(clippy::useless_conversion, reason = "it has 32 bits on some machines")]
        let seconds = |n: libc::c_long| i64::from(n);
        let nanos = |n: u32| i32::try_from(n).unwrap_or(-1);
        let count = field!(count);
        fence(Ordering::SeqCst);
        let fields = ShmFields {
            mode: field!(mode),
            count,
            clock: (
                seconds(field!(clock_sec)),
                field!(clock_usec),
                nanos(field!(clock_nsec)),
            ),
            receive: (
                seconds(field!(receive_sec)),
                field!(receive_usec),
                nanos(field!(receive_nsec)),
            ),
            leap: field!(leap),
            precision: field!(precision),
            valid: field!(valid),
        };
        fence(Ordering::SeqCst);
        let after = field!(count);
        let sample = fields.sample(after)?;
        // SAFETY: as above; the protocol lets a reader clear this field.
        unsafe { valid.write_volatile(0) };
        Some(sample)
    }
}

impl Drop for ShmSegment {
    fn drop(&mut self) {
        // SAFETY: the address came from shmat and is not used any more.
        unsafe { libc::shmdt(self.at.as_ptr().cast()) };
    }
}

/// Who else than root and this user can write the segment.
fn open_to(id: i32) -> Option<String> {
    // SAFETY: all zero is a valid value of this structure of numbers.
    let mut status: libc::shmid_ds = unsafe { std::mem::zeroed() };
    // SAFETY: `status` is the structure that the kernel fills.
    if unsafe { libc::shmctl(id, libc::IPC_STAT, &raw mut status) } == -1 {
        return None;
    }
    let owner = status.shm_perm.uid;
    let mode = u32::from(status.shm_perm.mode) & 0o777;
    let own = owner == 0 || owner == nix::unistd::geteuid().as_raw();
    (!own || mode & 0o022 != 0).then(|| format!("owner {owner}, permissions {mode:03o}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_that_of_ntpd() {
        // struct shmTime on a 64-bit machine.
        assert_eq!(size_of::<Layout>(), 96);
        assert_eq!(std::mem::offset_of!(Layout, clock_sec), 8);
        assert_eq!(std::mem::offset_of!(Layout, receive_sec), 24);
        assert_eq!(std::mem::offset_of!(Layout, valid), 48);
        assert_eq!(std::mem::offset_of!(Layout, receive_nsec), 56);
    }
}
