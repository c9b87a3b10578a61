//! The tests that a reply must pass before its times are looked at (RFC 5905 §8, §9.2). Failing
//! one is data, not an error: it is counted and shown.

use crate::proto::packet::Leap;
use crate::proto::packet::MAX_STRATUM;
use crate::proto::packet::Mode;
use crate::proto::packet::Packet;
use crate::proto::refid::Kiss;
use crate::time::NtpTimestamp;

/// Why a reply was not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// Shorter than a header, or fields that do not parse.
    Malformed,
    /// Not a server's reply.
    Mode,
    /// Another version than was asked.
    Version,
    /// No request is open, or it answers another: late, duplicate or forged.
    Bogus,
    /// Kiss of death.
    Kiss(Kiss),
    /// The server says that its clock is not synchronised.
    Unsynchronised,
    /// Times that cannot be: zero, or a reply older than its request.
    Times,
    /// The server is too far from its reference.
    Distance,
    /// The round trip is too long by the source's options.
    Delay,
}

impl Rejection {
    /// In words, for the log.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Self::Malformed => "not an NTP packet".to_owned(),
            Self::Mode => "not a server's reply".to_owned(),
            Self::Version => "wrong version".to_owned(),
            Self::Bogus => "answers no open request".to_owned(),
            Self::Kiss(kiss) => match kiss {
                Kiss::Deny => "the server denies access (DENY)".to_owned(),
                Kiss::Rstr => "the server restricts access (RSTR)".to_owned(),
                Kiss::Rate => "the server asks for fewer requests (RATE)".to_owned(),
                Kiss::NtsNak => "the server did not accept the NTS cookie".to_owned(),
                Kiss::Other(code) => {
                    let code: String = code.iter().map(|&b| char::from(b)).collect();
                    format!("kiss code {}", code.escape_default())
                }
            },
            Self::Unsynchronised => "the server is not synchronised".to_owned(),
            Self::Times => "impossible timestamps".to_owned(),
            Self::Distance => "the server is too far from its reference".to_owned(),
            Self::Delay => "the round trip is too long".to_owned(),
        }
    }
}

/// Decodes a reply to the request with this transmit timestamp.
///
/// # Errors
/// Why the reply is not to be used.
pub(crate) fn check(
    data: &[u8],
    asked: Option<NtpTimestamp>,
    version: u8,
    max_distance: f64,
) -> Result<Packet, Rejection> {
    let packet = Packet::decode(data).map_err(|_| Rejection::Malformed)?;
    if packet.mode != Mode::Server {
        return Err(Rejection::Mode);
    }
    if asked != Some(packet.origin) || packet.origin.is_zero() {
        return Err(Rejection::Bogus);
    }
    if packet.version != version {
        return Err(Rejection::Version);
    }
    if packet.stratum == 0
        && let Some(code) = packet.refid.text()
        && code.len() == 4
    {
        return Err(Rejection::Kiss(packet.refid.kiss()));
    }
    if packet.leap == Leap::Unsynchronised || packet.stratum == 0 || packet.stratum >= MAX_STRATUM {
        return Err(Rejection::Unsynchronised);
    }
    if packet.receive.is_zero() || packet.transmit.is_zero() {
        return Err(Rejection::Times);
    }
    // Servers fill the bits below their precision with noise, in both timestamps.
    let noise = 2.0 * f64::from(packet.precision.clamp(-32, 0)).exp2();
    if packet.transmit.since(packet.receive).seconds() < -noise.max(1e-6) {
        return Err(Rejection::Times);
    }
    if packet.root_distance() > max_distance {
        return Err(Rejection::Distance);
    }
    Ok(packet)
}
