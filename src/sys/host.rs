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
