//! The C library's local time: an unsafe leaf.
#![allow(unsafe_code, reason = "localtime_r has no safe wrapper")]

/// What must be added to UTC for local time at that Unix second.
pub(super) fn offset(unix: i64) -> i64 {
    let time: nix::libc::time_t = unix;
    // SAFETY: tm is plain numbers and a pointer that is only read by callers who want the name.
    let mut tm: nix::libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to locals that live for the call.
    let filled = unsafe { nix::libc::localtime_r(&raw const time, &raw mut tm) };
    if filled.is_null() { 0 } else { tm.tm_gmtoff }
}
