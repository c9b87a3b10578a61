//! Which replies are believed: the packet tests of RFC 5905 §8 and BCP 223 (RFC 8633), for a
//! client. A rejection is data: it is counted and shown.

use crate::proto::packet::Leap;
use crate::proto::packet::MAX_STRATUM;
use crate::proto::packet::Mode;
use crate::proto::packet::Packet;
use crate::proto::refid::Kiss;
use crate::time::NtpTimestamp;
use std::fmt;

/// Root distance over which a packet is in error, seconds (MAXDISP, RFC 5905 §7.2).
pub const MAX_DISPERSION: f64 = 16.0;
/// Root distance over which a source is not selectable, seconds. RFC 5905 §11.2 has 1.5; 3 is what
/// lets servers with a dispersion of seconds (Windows domain controllers) still be used.
pub const MAX_DISTANCE: f64 = 3.0;

/// Why a reply was not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// Fewer than 48 octets.
    Short,
    /// Not mode 4.
    Mode(u8),
    /// Not the version that was asked with, nor 3 or 4.
    Version(u8),
    /// It answers no request that is outstanding: forged, or older than the last one.
    Origin,
    /// It answers a request that has been answered.
    Duplicate,
    /// A kiss of death: the server refuses (RFC 5905 §7.4).
    Kiss(Kiss),
    /// The server says itself that it is not synchronised (leap 3, or stratum 0 or over 15).
    Unsynchronised,
    /// The receive or transmit timestamp is zero.
    ZeroTimestamp,
    /// Transmit lies before receive, or the reference time after transmit.
    Times,
    /// Root distance of 16 s or more.
    RootDistance,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => f.write_str("shorter than an NTP packet"),
            Self::Mode(mode) => write!(f, "mode {mode} where a server's reply has 4"),
            Self::Version(version) => write!(f, "NTP version {version}"),
            Self::Origin => f.write_str("answers no question that was asked (forged or late)"),
            Self::Duplicate => f.write_str("answers a question that was answered before"),
            Self::Kiss(kiss) => write!(f, "kiss of death {kiss}"),
            Self::Unsynchronised => f.write_str("the server says that it is not synchronised"),
            Self::ZeroTimestamp => f.write_str("a timestamp is zero"),
            Self::Times => f.write_str("its timestamps contradict each other"),
            Self::RootDistance => f.write_str("root distance of 16 s or more"),
        }
    }
}

/// The request that a reply must answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The (random) transmit timestamp of the request that is outstanding; `None` when none is.
    pub outstanding: Option<NtpTimestamp>,
    /// That of the last request that was answered.
    pub answered: Option<NtpTimestamp>,
    /// The version of the request.
    pub version: u8,
}

/// The reply as a packet, if it is to be believed. Whoever cannot see the request cannot pass: the
/// origin is tested before the content is looked at.
///
/// # Errors
/// The first test that it does not pass.
pub fn verify(bytes: &[u8], expected: &Expected) -> Result<Packet, Rejection> {
    let packet = Packet::decode(bytes).map_err(|_| Rejection::Short)?;
    if packet.mode != Mode::Server {
        return Err(Rejection::Mode(packet.mode.to_bits()));
    }
    if packet.version != expected.version && !(3..=4).contains(&packet.version) {
        return Err(Rejection::Version(packet.version));
    }
    if packet.origin.is_zero() || expected.outstanding != Some(packet.origin) {
        let known = !packet.origin.is_zero() && expected.answered == Some(packet.origin);
        return Err(if known {
            Rejection::Duplicate
        } else {
            Rejection::Origin
        });
    }
    content(&packet)?;
    Ok(packet)
}

fn content(packet: &Packet) -> Result<(), Rejection> {
    if packet.stratum == 0 && packet.refid.text().is_some() {
        return Err(Rejection::Kiss(packet.refid.kiss()));
    }
    let stratum_tells = packet.stratum == 0 || packet.stratum >= MAX_STRATUM;
    if packet.leap == Leap::Unsynchronised || stratum_tells {
        return Err(Rejection::Unsynchronised);
    }
    if packet.receive.is_zero() || packet.transmit.is_zero() {
        return Err(Rejection::ZeroTimestamp);
    }
    let stale =
        !packet.reference.is_zero() && packet.reference.since(packet.transmit).to_bits() > 0;
    if packet.transmit.since(packet.receive).to_bits() < 0 || stale {
        return Err(Rejection::Times);
    }
    if packet.root_distance() >= MAX_DISPERSION {
        return Err(Rejection::RootDistance);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::refid::RefId;
    use crate::time::NtpDuration;

    fn reply() -> (Packet, Expected) {
        let sent = NtpTimestamp::from_bits(0x1234_5678_9abc_def0);
        let at = |s: i64| NtpTimestamp::from_unix(1_700_000_000 + s, 0);
        let packet = Packet {
            mode: Mode::Server,
            stratum: 2,
            precision: -20,
            refid: RefId([10, 0, 0, 1]),
            reference: at(-10),
            origin: sent,
            receive: at(0),
            transmit: at(0),
            ..Packet::request(4, NtpTimestamp::ZERO)
        };
        (
            packet,
            Expected {
                outstanding: Some(sent),
                answered: None,
                version: 4,
            },
        )
    }

    fn verdict(change: impl FnOnce(&mut Packet)) -> Result<(), Rejection> {
        let (mut packet, expected) = reply();
        change(&mut packet);
        verify(&packet.encode(), &expected).map(|_| ())
    }

    #[test]
    fn a_good_reply_is_believed() {
        assert_eq!(verdict(|_| ()), Ok(()));
    }

    #[test]
    fn each_fault_is_named() {
        let at = |s: i64| NtpTimestamp::from_unix(1_700_000_000 + s, 0);
        let seconds = NtpDuration::from_seconds;
        assert_eq!(verdict(|p| p.mode = Mode::Client), Err(Rejection::Mode(3)));
        assert_eq!(verdict(|p| p.version = 7), Err(Rejection::Version(7)));
        assert_eq!(verdict(|p| p.origin = at(1)), Err(Rejection::Origin));
        assert_eq!(
            verdict(|p| p.origin = NtpTimestamp::ZERO),
            Err(Rejection::Origin)
        );
        assert_eq!(
            verdict(|p| p.leap = Leap::Unsynchronised),
            Err(Rejection::Unsynchronised)
        );
        assert_eq!(verdict(|p| p.stratum = 16), Err(Rejection::Unsynchronised));
        assert_eq!(
            verdict(|p| p.transmit = NtpTimestamp::ZERO),
            Err(Rejection::ZeroTimestamp)
        );
        assert_eq!(verdict(|p| p.receive = at(1)), Err(Rejection::Times));
        assert_eq!(verdict(|p| p.reference = at(1)), Err(Rejection::Times));
        assert_eq!(
            verdict(|p| p.root_dispersion = seconds(16.0)),
            Err(Rejection::RootDistance)
        );
        let kiss = verdict(|p| (p.stratum, p.refid) = (0, RefId(*b"RATE")));
        assert_eq!(kiss, Err(Rejection::Kiss(Kiss::Rate)));
        let none = verdict(|p| (p.stratum, p.refid) = (0, RefId([0; 4])));
        assert_eq!(none, Err(Rejection::Unsynchronised));
    }

    #[test]
    fn a_forged_kiss_is_not_obeyed() {
        let forged = verdict(|p| {
            (p.stratum, p.refid, p.origin) = (0, RefId(*b"DENY"), NtpTimestamp::from_bits(7));
        });
        assert_eq!(forged, Err(Rejection::Origin));
    }

    #[test]
    fn the_second_answer_to_a_question_is_a_duplicate() {
        let (packet, mut expected) = reply();
        expected.answered = expected.outstanding.take();
        let second = verify(&packet.encode(), &expected);
        assert_eq!(second.map(|_| ()), Err(Rejection::Duplicate));
        assert_eq!(
            verify(&[0; 47], &expected).map(|_| ()),
            Err(Rejection::Short)
        );
    }
}
