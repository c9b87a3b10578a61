//! chrony's monitoring and control protocol, version 6: what chronyc says to chronyd over
//! /run/chrony/chronyd.sock and UDP port 323, both sides of it.
//!
//! - [`request`]: requests, with the padding that keeps a reply from being longer.
//! - [`change`]: the bodies of requests that change one thing.
//! - [`new_source`]: the body of the request that adds a source.
//! - [`server`]: what the daemon makes of a datagram.
//! - [`reply`]: replies, known by their code, of the releases 1.30 to current.
//! - [`field`]: how single values stand in the bodies; foreign signs are turned there.
//! - [`float`]: the protocol's own 32-bit floating-point number.
//!
//! Everything is big-endian and without holes. There is no authentication: the socket's
//! permissions are.

pub mod change;
pub mod field;
pub mod float;
pub mod new_source;
pub mod reply;
pub mod request;
pub mod server;

use std::fmt;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

/// The version of this protocol; 5 differs in the packets' lengths only.
pub const VERSION: u8 = 6;
/// The UDP port.
pub const PORT: u16 = 323;
/// Octets of a request before its body.
pub const REQUEST_HEADER_LEN: usize = 20;
/// Octets of a reply before its body.
pub const REPLY_HEADER_LEN: usize = 28;
/// No packet of this protocol is longer.
pub const MAX_LEN: usize = 600;

pub(crate) const TYPE_REQUEST: u8 = 1;
pub(crate) const TYPE_REPLY: u8 = 2;

/// An address as the protocol has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Address {
    /// None: a mask or an address of everything, or not known.
    #[default]
    Unspecified,
    /// IPv4; of a reference clock, the four letters of its reference identifier.
    V4(Ipv4Addr),
    /// IPv6.
    V6(Ipv6Addr),
    /// The number of a source whose name has not been resolved yet.
    Unresolved(u32),
}

impl Address {
    /// The address, when it is one.
    #[must_use]
    pub const fn ip(self) -> Option<IpAddr> {
        match self {
            Self::V4(a) => Some(IpAddr::V4(a)),
            Self::V6(a) => Some(IpAddr::V6(a)),
            Self::Unspecified | Self::Unresolved(_) => None,
        }
    }
}

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(a) => Self::V4(a),
            IpAddr::V6(a) => Self::V6(a),
        }
    }
}

impl fmt::Display for Address {
    /// As chronyc shows it: `ID#0000000001` for a source that is not resolved.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unspecified => f.write_str("[UNSPEC]"),
            Self::V4(a) => a.fmt(f),
            Self::V6(a) => a.fmt(f),
            Self::Unresolved(id) => write!(f, "ID#{id:010}"),
        }
    }
}

/// What the daemon says to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Done.
    Success,
    /// Not done.
    Failed,
    /// Not over this transport: the Unix socket is needed.
    Unauthorised,
    /// No such command, or a wrong argument.
    Invalid,
    /// No such source.
    NoSuchSource,
    /// Switched off in the daemon's configuration.
    NotEnabled,
    /// Not a subnet.
    BadSubnet,
    /// The address is allowed.
    AccessAllowed,
    /// The address is denied.
    AccessDenied,
    /// The source is there already.
    AlreadyKnown,
    /// No room for another source.
    TooManySources,
    /// No real-time clock.
    NoRtc,
    /// The file of the real-time clock is bad.
    BadRtcFile,
    /// Not active.
    Inactive,
    /// The sample is bad.
    BadSample,
    /// The address family is not supported.
    InvalidFamily,
    /// The daemon speaks another version of the protocol.
    BadVersion,
    /// The request has a length that the daemon does not expect.
    BadLength,
    /// The name is not one.
    InvalidName,
    /// A number that this program does not know.
    Other(u16),
}

const STATUSES: &[(u16, Status, &str)] = &[
    (0, Status::Success, "done"),
    (1, Status::Failed, "failed"),
    (2, Status::Unauthorised, "not authorised"),
    (3, Status::Invalid, "invalid command"),
    (4, Status::NoSuchSource, "no such source"),
    (6, Status::NotEnabled, "not enabled in the daemon"),
    (7, Status::BadSubnet, "not a subnet"),
    (8, Status::AccessAllowed, "access allowed"),
    (9, Status::AccessDenied, "access denied"),
    (11, Status::AlreadyKnown, "source already present"),
    (12, Status::TooManySources, "too many sources present"),
    (13, Status::NoRtc, "RTC driver not running"),
    (14, Status::BadRtcFile, "cannot write the RTC parameters"),
    (15, Status::Inactive, "not active"),
    (16, Status::BadSample, "sample not accepted"),
    (17, Status::InvalidFamily, "address family not supported"),
    (18, Status::BadVersion, "protocol version not supported"),
    (19, Status::BadLength, "unexpected length of the request"),
    (21, Status::InvalidName, "invalid name"),
];

impl Status {
    /// From the number in a reply.
    #[must_use]
    pub fn from_code(code: u16) -> Self {
        let known = STATUSES.iter().find(|(number, _, _)| *number == code);
        known.map_or(Self::Other(code), |(_, status, _)| *status)
    }

    /// The number for a reply.
    #[must_use]
    pub fn code(self) -> u16 {
        if let Self::Other(code) = self {
            return code;
        }
        let known = STATUSES.iter().find(|(_, status, _)| *status == self);
        known.map_or(1, |(number, _, _)| *number)
    }

    /// True for the statuses that answer what was asked.
    #[must_use]
    pub const fn is_success(self) -> bool {
        matches!(
            self,
            Self::Success | Self::AccessAllowed | Self::AccessDenied
        )
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match STATUSES.iter().find(|(_, status, _)| status == self) {
            Some((_, _, words)) => f.write_str(words),
            None => write!(f, "status {}", self.code()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_keep_their_numbers() {
        for code in 0..100 {
            assert_eq!(Status::from_code(code).code(), code);
        }
        assert_eq!(Status::from_code(2).to_string(), "not authorised");
        assert_eq!(Status::from_code(77).to_string(), "status 77");
    }

    #[test]
    fn an_unresolved_source_is_shown_as_chronyc_does() {
        assert_eq!(Address::Unresolved(7).to_string(), "ID#0000000007");
    }
}
