//! Giving up root while keeping what a time daemon needs: an unsafe leaf, for nothing wraps
//! capset(2) safely.
#![allow(unsafe_code, reason = "capset(2) has no safe wrapper here")]

use super::error::Error;
use super::users;
use nix::libc;
use nix::sys::prctl;
use nix::sys::resource::Resource;
use nix::sys::resource::setrlimit;
use nix::unistd;
use std::path::Path;

/// CAP_NET_BIND_SERVICE and CAP_SYS_TIME of capabilities(7).
const KEPT: [u32; 2] = [10, 25];
/// _LINUX_CAPABILITY_VERSION_3.
const VERSION: u32 = 0x2008_0522;

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Data {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// True when this process runs as root.
#[must_use]
pub fn is_root() -> bool {
    unistd::geteuid().is_root()
}

/// True when there is such a user.
#[must_use]
pub fn user_exists(name: &str) -> bool {
    users::find(name).is_some()
}

/// The number of a user.
#[must_use]
pub fn user_id(name: &str) -> Option<u32> {
    users::find(name).map(|user| user.uid.as_raw())
}

/// The number of the owner of a file or directory.
#[must_use]
pub fn owner(path: &Path) -> Option<u32> {
    nix::sys::stat::lstat(path).ok().map(|found| found.st_uid)
}

/// Becomes another user for good. `steer` keeps CAP_SYS_TIME and CAP_NET_BIND_SERVICE; without it
/// nothing is kept. To be called while there is one thread only.
///
/// # Errors
/// An unknown user, or a kernel that refuses.
pub fn become_user(name: &str, steer: bool) -> Result<(), Error> {
    let failed = |e: nix::Error| Error::new("become", name, e.into());
    let user = users::find(name).ok_or_else(|| failed(nix::Error::ENOENT))?;
    prctl::set_keepcaps(true).map_err(failed)?;
    unistd::setgroups(&user.groups).map_err(failed)?;
    unistd::setresgid(user.gid, user.gid, user.gid).map_err(failed)?;
    unistd::setresuid(user.uid, user.uid, user.uid).map_err(failed)?;
    set_capabilities(if steer { &KEPT } else { &[] }).map_err(failed)?;
    prctl::set_keepcaps(false).map_err(failed)?;
    prctl::set_no_new_privs().map_err(failed)
}

fn set_capabilities(kept: &[u32]) -> Result<(), nix::Error> {
    let bits = kept.iter().fold(0, |bits, &cap| bits | 1 << cap);
    let header = Header {
        version: VERSION,
        pid: 0,
    };
    let low = Data {
        effective: bits,
        permitted: bits,
        inheritable: 0,
    };
    let none = Data {
        effective: 0,
        permitted: 0,
        inheritable: 0,
    };
    let data = [low, none];
    // SAFETY: header and data are what version 3 of capset(2) reads, and live through the call.
    let result = unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) };
    nix::Error::result(result).map(|_| ())
}

/// Gives a file or directory to a user, without following a link.
///
/// # Errors
/// An unknown user, or a file system that refuses.
pub fn give(path: &Path, name: &str) -> Result<(), Error> {
    let failed =
        |e: nix::Error| Error::new("give to its user", path.display().to_string(), e.into());
    let user = users::find(name).ok_or_else(|| failed(nix::Error::ENOENT))?;
    let flags = nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW;
    unistd::fchownat(
        nix::fcntl::AT_FDCWD,
        path,
        Some(user.uid),
        Some(user.gid),
        flags,
    )
    .map_err(failed)
}

/// Keeps the program and all it will allocate in memory.
///
/// # Errors
/// When the kernel refuses: CAP_IPC_LOCK or the limit of locked memory.
pub fn lock_memory() -> Result<(), Error> {
    let failed = |e: nix::Error| Error::new("lock", "the memory", e.into());
    setrlimit(
        Resource::RLIMIT_MEMLOCK,
        libc::RLIM_INFINITY,
        libc::RLIM_INFINITY,
    )
    .map_err(failed)?;
    // SAFETY: mlockall(2) takes flags only.
    let result = unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE) };
    nix::Error::result(result).map(|_| ()).map_err(failed)
}
