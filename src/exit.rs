//! Exit statuses, and the one error type at the edge of the program.
//!
//! The statuses are the contract with scripts; every man page prints them from this enum.

use std::fmt;

/// What the program says to its caller by its exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ExitStatus {
    /// Done, or the condition holds, or nothing to change.
    Done = 0,
    /// The condition does not hold.
    NotHeld = 1,
    /// It could not be told: no daemon, no reply, time-out.
    Unknown = 2,
    /// Nagios's UNKNOWN; only under `--nagios`.
    NagiosUnknown = 3,
    /// The command line is wrong.
    Usage = 64,
    /// An input does not parse.
    Data = 65,
    /// An input is missing.
    NoInput = 66,
    /// A service refused.
    Unavailable = 69,
    /// A bug in this program.
    Software = 70,
    /// A file cannot be created.
    CantCreate = 73,
    /// Reading or writing failed.
    Io = 74,
    /// A privilege is missing.
    NoPermission = 77,
    /// This machine's own configuration is wrong.
    Config = 78,
}

impl ExitStatus {
    /// All statuses with the sentence of the EXIT STATUS section, in order.
    pub const ALL: &'static [(Self, &'static str)] = &[
        (
            Self::Done,
            "done, or the condition holds, or there was nothing to change",
        ),
        (Self::NotHeld, "the condition does not hold"),
        (
            Self::Unknown,
            "it could not be told: no daemon, no reply, or the time ran out",
        ),
        (Self::Usage, "the command line is wrong"),
        (Self::Data, "an input does not parse"),
        (Self::NoInput, "an input is missing"),
        (Self::Unavailable, "a service refused"),
        (Self::Software, "a bug in clockbox"),
        (Self::CantCreate, "a file could not be created"),
        (Self::Io, "reading or writing failed"),
        (
            Self::NoPermission,
            "a privilege is missing; the message names it",
        ),
        (Self::Config, "this machine's own configuration is wrong"),
    ];

    /// The number that the caller sees.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The word that stands in `error.kind`.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::NotHeld => "not_held",
            Self::Unknown | Self::NagiosUnknown => "unknown",
            Self::Usage => "usage",
            Self::Data => "data",
            Self::NoInput => "no_input",
            Self::Unavailable => "unavailable",
            Self::Software => "software",
            Self::CantCreate => "cant_create",
            Self::Io => "io",
            Self::NoPermission => "no_permission",
            Self::Config => "config",
        }
    }
}

/// Why there is no result: the object, the reason, and the next thing to type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The exit status that goes with it.
    pub status: ExitStatus,
    /// Object and reason, lower case, no period.
    pub message: String,
    /// What to do or to type next.
    pub hint: Option<String>,
    /// The thing it is about (a file, a host), for programs.
    pub target: Option<String>,
}

impl Failure {
    /// A failure with this status and message.
    #[must_use]
    pub fn new(status: ExitStatus, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            hint: None,
            target: None,
        }
    }

    /// The command line is wrong.
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ExitStatus::Usage, message)
    }

    /// Adds the next command to type.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the thing it is about.
    #[must_use]
    pub fn target(mut self, target: impl Into<String>) -> Self {
        self.target = Some(target.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
