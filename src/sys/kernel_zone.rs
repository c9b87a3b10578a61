//! The kernel's own time zone, settimeofday(2): an unsafe leaf. It matters to file systems that
//! keep local time (FAT) and to a battery-backed clock in local time; programs do not read it.
#![allow(unsafe_code, reason = "the C library no longer passes it on")]

use nix::libc;

/// Minutes west of UTC; `None` when the kernel does not say.
#[must_use]
pub fn minutes_west() -> Option<i32> {
    // struct timezone: tz_minuteswest, tz_dsttime.
    let mut zone = [0_i32; 2];
    let nothing = std::ptr::null_mut::<libc::timeval>();
    // SAFETY: a null first argument is allowed, and the kernel fills the two numbers of the second.
    let result = unsafe { libc::syscall(libc::SYS_gettimeofday, nothing, zone.as_mut_ptr()) };
    (result == 0).then_some(zone[0])
}
