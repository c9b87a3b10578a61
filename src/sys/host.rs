//! This machine's name, and this process's arguments and environment.

use std::ffi::OsString;

/// The host's name, `unknown` when there is none.
#[must_use]
pub fn name() -> String {
    nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "unknown".to_owned())
}

/// The arguments, the program's own name first.
#[must_use]
pub fn arguments() -> Vec<OsString> {
    std::env::args_os().collect()
}

/// An environment variable, when it is set, not empty and UTF-8.
#[must_use]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// True when the effective user is root.
#[must_use]
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Where this program is.
///
/// # Errors
/// When the kernel does not tell (no /proc).
pub fn program() -> Result<std::path::PathBuf, super::error::Error> {
    std::env::current_exe()
        .map_err(|e| super::error::Error::new("find", "this program's own path", e))
}

/// How many sockets the service manager passed to this process, from descriptor 3 on
/// (sd_listen_fds(3)); none when it passed none.
#[must_use]
pub fn listen_fds() -> Option<i32> {
    let pid: u32 = variable("LISTEN_PID")?.parse().ok()?;
    let count: i32 = variable("LISTEN_FDS")?.parse().ok()?;
    (pid == std::process::id() && count > 0).then_some(count)
}

/// Which boot of the machine this is: as long as it stays the same, the raw monotonic clock runs on.
///
/// # Errors
/// When the kernel does not tell (no /proc).
pub fn boot_id() -> Result<String, super::error::Error> {
    let path = std::path::Path::new("/proc/sys/kernel/random/boot_id");
    Ok(super::files::read_text(path, 64)?.trim().to_owned())
}
