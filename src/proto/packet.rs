//! The NTP header (RFC 5905 §7.3), 48 octets. Extension fields and MAC follow it and are decoded
//! elsewhere.

use super::reader::DecodeError;
use super::reader::Problem;
use super::reader::Reader;
use super::refid::RefId;
use crate::time::NtpDuration;
use crate::time::NtpTimestamp;

/// Octets of the header.
pub const HEADER_LEN: usize = 48;
/// Stratum that means "unsynchronised" (RFC 5905 §7.3, figure 11).
pub const MAX_STRATUM: u8 = 16;

/// The leap indicator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Leap {
    /// No warning.
    #[default]
    None,
    /// The last minute of the day has 61 seconds.
    Insert,
    /// The last minute of the day has 59 seconds.
    Delete,
    /// The clock is not synchronised.
    Unsynchronised,
}

impl Leap {
    /// From the two bits.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::None,
            1 => Self::Insert,
            2 => Self::Delete,
            _ => Self::Unsynchronised,
        }
    }

    /// The two bits.
    #[must_use]
    pub const fn to_bits(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Insert => 1,
            Self::Delete => 2,
            Self::Unsynchronised => 3,
        }
    }

    /// The word in JSON and tables.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Insert => "insert",
            Self::Delete => "delete",
            Self::Unsynchronised => "unsynchronised",
        }
    }
}

/// The association mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Mode 0: reserved; NTPv1 requests look like this.
    Reserved,
    /// Mode 1.
    SymmetricActive,
    /// Mode 2.
    SymmetricPassive,
    /// Mode 3: a request.
    Client,
    /// Mode 4: a reply.
    Server,
    /// Mode 5.
    Broadcast,
    /// Mode 6: control messages (RFC 9327).
    Control,
    /// Mode 7: private.
    Private,
}

impl Mode {
    /// From the three bits.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        match bits & 7 {
            0 => Self::Reserved,
            1 => Self::SymmetricActive,
            2 => Self::SymmetricPassive,
            3 => Self::Client,
            4 => Self::Server,
            5 => Self::Broadcast,
            6 => Self::Control,
            _ => Self::Private,
        }
    }

    /// The three bits.
    #[must_use]
    pub const fn to_bits(self) -> u8 {
        match self {
            Self::Reserved => 0,
            Self::SymmetricActive => 1,
            Self::SymmetricPassive => 2,
            Self::Client => 3,
            Self::Server => 4,
            Self::Broadcast => 5,
            Self::Control => 6,
            Self::Private => 7,
        }
    }
}

/// The header's fields, as on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Leap indicator.
    pub leap: Leap,
    /// Version, 0 to 7.
    pub version: u8,
    /// Mode.
    pub mode: Mode,
    /// Stratum: 0 unspecified or a kiss, 1 primary, 2 to 15 secondary, 16 unsynchronised.
    pub stratum: u8,
    /// Poll interval, log2 seconds.
    pub poll: i8,
    /// Precision, log2 seconds.
    pub precision: i8,
    /// Root delay Δ, 16.16.
    pub root_delay: NtpDuration,
    /// Root dispersion Ε, 16.16.
    pub root_dispersion: NtpDuration,
    /// Reference identifier.
    pub refid: RefId,
    /// When the server's clock was last set or corrected.
    pub reference: NtpTimestamp,
    /// The request's transmit timestamp, echoed.
    pub origin: NtpTimestamp,
    /// When the request arrived.
    pub receive: NtpTimestamp,
    /// When the reply left.
    pub transmit: NtpTimestamp,
}

impl Packet {
    /// A client's request that tells nothing of this machine but `transmit`, which should be
    /// random (draft-ietf-ntp-data-minimization; RFC 9109).
    #[must_use]
    pub const fn request(version: u8, transmit: NtpTimestamp) -> Self {
        Self {
            leap: Leap::None,
            version,
            mode: Mode::Client,
            stratum: 0,
            poll: 0,
            precision: 0x20,
            root_delay: NtpDuration::ZERO,
            root_dispersion: NtpDuration::ZERO,
            refid: RefId([0; 4]),
            reference: NtpTimestamp::ZERO,
            origin: NtpTimestamp::ZERO,
            receive: NtpTimestamp::ZERO,
            transmit,
        }
    }

    /// Decodes the first 48 octets; what follows is the caller's.
    ///
    /// # Errors
    /// `Truncated` when there are fewer than 48.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(bytes);
        if bytes.len() < HEADER_LEN {
            return Err(r.error("NTP header", Problem::Truncated));
        }
        let first = r.u8("leap, version, mode")?;
        Ok(Self {
            leap: Leap::from_bits(first >> 6),
            version: (first >> 3) & 7,
            mode: Mode::from_bits(first),
            stratum: r.u8("stratum")?,
            poll: r.i8("poll")?,
            precision: r.i8("precision")?,
            root_delay: NtpDuration::from_short(r.u32("root delay")?),
            root_dispersion: NtpDuration::from_short(r.u32("root dispersion")?),
            refid: RefId(r.array("reference identifier")?),
            reference: NtpTimestamp::from_bits(r.u64("reference timestamp")?),
            origin: NtpTimestamp::from_bits(r.u64("origin timestamp")?),
            receive: NtpTimestamp::from_bits(r.u64("receive timestamp")?),
            transmit: NtpTimestamp::from_bits(r.u64("transmit timestamp")?),
        })
    }

    /// The 48 octets. Root delay and dispersion are rounded up to their 16.16 form.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let first = (self.leap.to_bits() << 6) | ((self.version & 7) << 3) | self.mode.to_bits();
        let mut out = [0; HEADER_LEN];
        let fields: [&[u8]; 9] = [
            &[first, self.stratum, self.poll as u8, self.precision as u8],
            &self.root_delay.to_short().to_be_bytes(),
            &self.root_dispersion.to_short().to_be_bytes(),
            &self.refid.0,
            &self.reference.to_bits().to_be_bytes(),
            &self.origin.to_bits().to_be_bytes(),
            &self.receive.to_bits().to_be_bytes(),
            &self.transmit.to_bits().to_be_bytes(),
            &[],
        ];
        for (to, from) in out.iter_mut().zip(fields.into_iter().flatten()) {
            *to = *from;
        }
        out
    }

    /// Root distance Λ without the local path: root delay / 2 + root dispersion, seconds.
    #[must_use]
    pub fn root_distance(&self) -> f64 {
        self.root_delay.seconds() / 2.0 + self.root_dispersion.seconds()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn header_round_trip(bytes in proptest::array::uniform32(any::<u8>()), tail in proptest::array::uniform16(any::<u8>())) {
            let mut wire = bytes.to_vec();
            wire.extend(tail);
            let packet = Packet::decode(&wire).expect("48 octets decode");
            prop_assert_eq!(packet.encode().to_vec(), wire);
        }
    }

    #[test]
    fn forty_seven_octets_are_too_few() {
        assert_eq!(
            Packet::decode(&[0; 47]).map_err(|e| e.problem),
            Err(Problem::Truncated)
        );
    }
}
