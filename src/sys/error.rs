//! What failed at the machine: operation, object, reason: "open /dev/ptp0: Permission denied".

use crate::exit::ExitStatus;
use crate::exit::Failure;
use std::fmt;
use std::io;

/// A call that the machine refused.
#[derive(Debug)]
pub struct Error {
    /// What was tried: `open`, `set the clock`.
    pub operation: &'static str,
    /// On what.
    pub object: String,
    /// Why it failed.
    pub reason: io::Error,
}

impl Error {
    /// A refusal from an `io::Error`.
    pub fn new(operation: &'static str, object: impl Into<String>, reason: io::Error) -> Self {
        Self {
            operation,
            object: object.into(),
            reason,
        }
    }

    /// The reason alone, in the C library's words.
    #[must_use]
    pub fn reason_words(&self) -> String {
        Reason(&self.reason).to_string()
    }

    /// True when it was a matter of privilege.
    #[must_use]
    pub fn is_permission(&self) -> bool {
        self.reason.kind() == io::ErrorKind::PermissionDenied
    }

    /// True when a device was taken away while it was open.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        let gone = [nix::errno::Errno::ENODEV, nix::errno::Errno::ENXIO];
        let number = self.reason.raw_os_error();
        number.is_some_and(|n| gone.contains(&nix::errno::Errno::from_raw(n)))
    }

    /// True when a link leads back to itself.
    #[must_use]
    pub fn is_circle(&self) -> bool {
        self.reason.raw_os_error() == Some(nix::libc::ELOOP)
    }

    /// True when the object is not there.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.reason.kind() == io::ErrorKind::NotFound
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}: {}",
            self.operation,
            self.object,
            Reason(&self.reason)
        )
    }
}

/// The reason in the C library's words, without Rust's "(os error 13)".
struct Reason<'a>(&'a io::Error);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.raw_os_error() {
            Some(number) => f.write_str(nix::errno::Errno::from_raw(number).desc()),
            None => write!(f, "{}", self.0),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.reason)
    }
}

impl From<Error> for Failure {
    /// The usual status for the reason: missing privilege 77, missing input 66, else 74.
    fn from(error: Error) -> Self {
        let status = match error.reason.kind() {
            io::ErrorKind::PermissionDenied => ExitStatus::NoPermission,
            io::ErrorKind::NotFound => ExitStatus::NoInput,
            _ => ExitStatus::Io,
        };
        Self::new(status, error.to_string()).target(error.object.clone())
    }
}
