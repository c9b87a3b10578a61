//! The tests that a reply must pass before its times are looked at (RFC 5905 §8, §9.2). Failing
//! one is data, not an error: it is counted and shown.

use crate::proto::extension;
use crate::proto::mac::Keys;
use crate::proto::mac::Verdict;
use crate::proto::mono_root::MonoRoot;
use crate::proto::packet::HEADER_LEN;
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
    /// It must carry a MAC of the source's key, and does not.
    Unauthenticated,
    /// Kiss of death.
    Kiss(Kiss),
    /// The server says that its clock is not synchronised.
    Unsynchronised,
    /// Times that cannot be: zero, or a reply older than its request.
    Times,
    /// The server is too far from its reference.
    Distance,
    /// The server follows this machine.
    Loop,
    /// The round trip is too long by the source's options.
    Delay,
    /// Good, but the source's filter waits for more of them.
    Held,
    /// The reply to a preliminary packet, which is not measured.
    WarmUp,
}

impl Rejection {
    /// Whether it came from the server that was asked, as far as can be known: what has no right
    /// MAC or no right origin may be anybody's, and the true reply may still come.
    pub(crate) const fn is_reply(self) -> bool {
        !matches!(
            self,
            Self::Malformed | Self::Mode | Self::Bogus | Self::Unauthenticated
        )
    }

    /// In words, for the log.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Self::Malformed => "not an NTP packet".to_owned(),
            Self::Mode => "not a server's reply".to_owned(),
            Self::Version => "wrong version".to_owned(),
            Self::Bogus => "answers no open request".to_owned(),
            Self::Unauthenticated => "not authenticated by the key".to_owned(),
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
            Self::Loop => "the server follows this machine".to_owned(),
            Self::Delay => "the round trip is too long".to_owned(),
            Self::Held => "kept until the filter has enough of them".to_owned(),
            Self::WarmUp => "it only wakes the path".to_owned(),
        }
    }
}

/// What was sent and what came, since the source was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Counts {
    /// Requests.
    pub sent: u32,
    /// Datagrams that came.
    pub received: u32,
    /// Replies that were measurements.
    pub used: u32,
    /// Replies without a MAC that is right, where one must be.
    pub unauthenticated: u32,
    /// Replies to no open request: late, twice, or forged.
    pub bogus: u32,
    /// Kisses of death.
    pub kisses: u32,
    /// Replies that failed another test.
    pub rejected: u32,
}

impl Counts {
    /// Counts a datagram: why it was rejected, if it was.
    pub(crate) fn add(&mut self, rejection: Option<Rejection>) {
        self.received = self.received.saturating_add(1);
        let count = match rejection {
            Some(Rejection::WarmUp) => return,
            None | Some(Rejection::Held) => &mut self.used,
            Some(Rejection::Unauthenticated) => &mut self.unauthenticated,
            Some(Rejection::Bogus) => &mut self.bogus,
            Some(Rejection::Kiss(_)) => &mut self.kisses,
            Some(_) => &mut self.rejected,
        };
        *count = count.saturating_add(1);
    }
}

/// What a reply must be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'a> {
    /// The transmit timestamp of the open request, if there is one.
    pub(crate) cookie: Option<NtpTimestamp>,
    /// Its receive timestamp, when the reply may be interleaved (RFC 9769).
    pub(crate) echo: Option<NtpTimestamp>,
    /// NTP version.
    pub(crate) version: u8,
    /// From a symmetric peer rather than a server.
    pub(crate) peer: bool,
    /// The number of the key that it must be authenticated with, if it must.
    pub(crate) proof: Option<(u32, &'a Keys)>,
    /// The largest root distance, in seconds.
    pub(crate) max_distance: f64,
    /// The request had the extension field F323.
    pub(crate) mono_root: bool,
}

/// Decodes a reply, and its extension field F323 if it has one: root delay and dispersion are the
/// finer ones of that then.
///
/// # Errors
/// Why it is not to be used.
pub(crate) fn check(
    data: &[u8],
    expected: &Expected<'_>,
) -> Result<(Packet, Option<MonoRoot>), Rejection> {
    let mut packet = Packet::decode(data).map_err(|_| Rejection::Malformed)?;
    let right = match packet.mode {
        Mode::Server => !expected.peer,
        Mode::SymmetricActive | Mode::SymmetricPassive => expected.peer,
        _ => false,
    };
    if !right {
        return Err(Rejection::Mode);
    }
    let basic = expected.cookie == Some(packet.origin);
    let interleaved = expected.cookie.is_some() && expected.echo == Some(packet.origin);
    if !(basic || interleaved) || packet.origin.is_zero() {
        return Err(Rejection::Bogus);
    }
    if let Some((id, keys)) = expected.proof
        && keys.check(data) != Verdict::Good(id)
    {
        return Err(Rejection::Unauthenticated);
    }
    if packet.version != expected.version {
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
    if basic && packet.transmit.since(packet.receive).seconds() < -noise.max(1e-6) {
        return Err(Rejection::Times);
    }
    let said = expected.mono_root.then(|| mono_root(data)).flatten();
    if let Some(said) = said {
        packet.root_delay = said.root_delay;
        packet.root_dispersion = said.root_dispersion;
    }
    if packet.root_distance() > expected.max_distance {
        return Err(Rejection::Distance);
    }
    Ok((packet, said))
}

fn mono_root(data: &[u8]) -> Option<MonoRoot> {
    let trailer = extension::split(data.get(HEADER_LEN..)?).ok()?;
    trailer.fields.iter().find_map(MonoRoot::decode)
}
