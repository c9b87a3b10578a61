//! What a datagram asks for: version, mode, and where its MAC begins. No field is decoded that the
//! reply does not need.

use crate::proto::extension::Field;
use crate::proto::extension::MIN_FIELD;
use crate::proto::mono_root;
use crate::proto::mono_root::MonoRoot;
use crate::proto::packet::HEADER_LEN;
use crate::proto::packet::Mode;

/// A request that may be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// 1 to 4.
    pub version: u8,
    /// Mode of the reply: server, or symmetric passive.
    pub reply: Mode,
    /// Poll interval, as it is echoed.
    pub poll: u8,
    /// Its origin timestamp: what the client knows of the reply before.
    pub origin: u64,
    /// Its receive timestamp.
    pub receive: u64,
    /// Its transmit timestamp.
    pub transmit: u64,
    /// The octets that a MAC is over; behind them are the number of a key and a digest. None
    /// without a MAC.
    pub signed: Option<usize>,
    /// The extension field F323 is in it, and is wanted in the reply.
    pub mono_root: bool,
}

/// Why a datagram is no such request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotOne {
    /// Too short, or its parts do not fit.
    Malformed,
    /// A version that is not spoken.
    Version,
    /// A reply, a broadcast.
    Mode,
    /// Modes 6 and 7.
    Control,
}

/// Octets of the number of a key.
const KEY_ID: usize = 4;
/// Octets of the MACs that a version 4 packet may end with (RFC 7822 §3): MD5 or AES, SHA1.
const V4_MACS: [usize; 2] = [KEY_ID + 16, KEY_ID + 20];
/// Octets of the longest MAC of older versions: SHA512.
const MAX_MAC: usize = KEY_ID + 64;

/// Looks at a datagram from this port.
///
/// # Errors
/// Why it is not to be answered.
pub fn parse(bytes: &[u8], port: u16) -> Result<Request, NotOne> {
    let first = *bytes.first().ok_or(NotOne::Malformed)?;
    let (version, mode) = ((first >> 3) & 7, Mode::from_bits(first));
    if matches!(mode, Mode::Control | Mode::Private) {
        return Err(NotOne::Control);
    }
    let (head, rest) = bytes
        .split_first_chunk::<HEADER_LEN>()
        .ok_or(NotOne::Malformed)?;
    if !(1..=4).contains(&version) {
        return Err(NotOne::Version);
    }
    let reply = match mode {
        Mode::Client => Mode::Server,
        Mode::SymmetricActive => Mode::SymmetricPassive,
        // Version 1 has no modes (RFC 1059); what comes from the port of servers is no client.
        Mode::Reserved if version == 1 && port != 123 => Mode::Server,
        _ => return Err(NotOne::Mode),
    };
    let mut mono_root = false;
    let signed = match rest.len() {
        0 => None,
        _ if version == 4 => trailer(rest, &mut mono_root)?,
        n if (KEY_ID + 16..=MAX_MAC).contains(&n) && n % 4 == 0 => Some(HEADER_LEN),
        _ => return Err(NotOne::Malformed),
    };
    Ok(Request {
        version,
        reply,
        poll: head[2],
        origin: timestamp(head, 24),
        receive: timestamp(head, 32),
        transmit: timestamp(head, 40),
        signed,
        mono_root,
    })
}

fn timestamp(head: &[u8; HEADER_LEN], at: usize) -> u64 {
    head.get(at..)
        .and_then(|rest| rest.first_chunk::<8>())
        .map_or(0, |octets| u64::from_be_bytes(*octets))
}

/// Walks over the extension fields of a version 4 packet (RFC 7822 §3): of all but F323 it does not
/// matter what they say, they only have to end where they say. Gives where the MAC begins.
fn trailer(rest: &[u8], mono_root: &mut bool) -> Result<Option<usize>, NotOne> {
    let mut at = 0;
    loop {
        let left = rest.get(at..).unwrap_or(&[]);
        if left.is_empty() {
            return Ok(None);
        }
        if V4_MACS.contains(&left.len()) {
            return Ok(Some(HEADER_LEN + at));
        }
        let &[kind, of, high, low] = left.first_chunk::<4>().ok_or(NotOne::Malformed)?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length < MIN_FIELD || length % 4 != 0 || length > left.len() {
            return Err(NotOne::Malformed);
        }
        let kind = u16::from_be_bytes([kind, of]);
        if kind == mono_root::KIND {
            let body = left.get(4..length).unwrap_or(&[]);
            *mono_root |= MonoRoot::decode(&Field { kind, body }).is_some();
        }
        at += length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(first: u8, rest: &[u8]) -> Vec<u8> {
        let mut packet = vec![0; HEADER_LEN];
        packet[0] = first;
        packet.extend(rest);
        packet
    }

    #[test]
    fn versions_1_to_4_ask_and_others_do_not() {
        for version in 0..8_u8 {
            let seen = parse(&packet(version << 3 | 3, &[]), 5000).map(|r| r.version);
            let want = if (1..=4).contains(&version) {
                Ok(version)
            } else {
                Err(NotOne::Version)
            };
            assert_eq!(seen, want);
        }
        let old = parse(&packet(0o10, &[]), 5000).map(|r| r.reply);
        assert_eq!(old, Ok(Mode::Server));
        assert_eq!(parse(&packet(0o10, &[]), 123), Err(NotOne::Mode));
    }

    #[test]
    fn replies_broadcasts_and_control_messages_are_no_requests() {
        for (mode, why) in [
            (0, NotOne::Mode),
            (2, NotOne::Mode),
            (4, NotOne::Mode),
            (5, NotOne::Mode),
            (6, NotOne::Control),
            (7, NotOne::Control),
        ] {
            assert_eq!(parse(&packet(0o40 | mode, &[]), 5000), Err(why), "{mode}");
        }
        assert_eq!(parse(&[0x16], 5000), Err(NotOne::Control));
        assert_eq!(parse(&[], 5000), Err(NotOne::Malformed));
        assert_eq!(parse(&[0x23; 47], 5000), Err(NotOne::Malformed));
    }

    #[test]
    fn fields_end_where_they_say_and_a_mac_may_follow() {
        let field = |length: u8| {
            let mut field = vec![0x77, 0x77, 0, length];
            field.resize(usize::from(length), 0);
            field
        };
        let signed = |rest: &[u8]| parse(&packet(0x23, rest), 5000).map(|r| r.signed);
        assert_eq!(signed(&field(28)), Ok(None));
        assert_eq!(signed(&[field(16), field(32)].concat()), Ok(None));
        assert_eq!(signed(&[9; 20]), Ok(Some(48)));
        assert_eq!(signed(&[field(16), vec![9; 24]].concat()), Ok(Some(64)));
        assert_eq!(signed(&[1, 2, 0, 64, 0, 0, 0, 0]), Err(NotOne::Malformed));
        assert_eq!(signed(&[0; 4]), Err(NotOne::Malformed));
        let v3 = |rest: &[u8]| parse(&packet(0x1b, rest), 5000).map(|r| r.signed);
        assert_eq!(v3(&[9; 68]), Ok(Some(48)));
        assert_eq!(v3(&[9; 12]), Err(NotOne::Malformed));
    }
}
