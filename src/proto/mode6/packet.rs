//! One fragment of a control message (RFC 9327 §2): a header of 12 octets, at most 468 of data,
//! padded to a multiple of four. A MAC after it is passed over: what is asked here is public.

use crate::proto::reader::DecodeError;
use crate::proto::reader::Problem;
use crate::proto::reader::Reader;

/// Octets of the header.
pub const HEADER_LEN: usize = 12;
/// Octets of data that a fragment may have (RFC 9327 §2).
pub const MAX_DATA: usize = 468;
/// The mode of control messages.
pub const MODE: u8 = 6;

const RESPONSE: u8 = 0x80;
const ERROR: u8 = 0x40;
const MORE: u8 = 0x20;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// The associations and their status words.
    ReadStatus,
    /// Variables of the system (association 0) or an association.
    ReadVariables,
    /// Variables of an association's reference clock.
    ReadClock,
    /// Any other.
    Other(u8),
}

impl Opcode {
    const fn from_bits(bits: u8) -> Self {
        match bits & 0x1f {
            1 => Self::ReadStatus,
            2 => Self::ReadVariables,
            4 => Self::ReadClock,
            other => Self::Other(other),
        }
    }

    const fn to_bits(self) -> u8 {
        match self {
            Self::ReadStatus => 1,
            Self::ReadVariables => 2,
            Self::ReadClock => 4,
            Self::Other(bits) => bits & 0x1f,
        }
    }
}

/// One fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// True in a reply.
    pub response: bool,
    /// True when the request was refused; then the upper octet of the status says why.
    pub error: bool,
    /// True when more fragments follow after this one's data.
    pub more: bool,
    /// What was asked.
    pub opcode: Opcode,
    /// The client's number.
    pub sequence: u16,
    /// Status word of the system or the association.
    pub status: u16,
    /// The association; 0 is the system.
    pub association: u16,
    /// Where the data belongs in the whole.
    pub offset: u16,
    /// The data without padding.
    pub data: Vec<u8>,
}

impl Fragment {
    /// A request without data.
    #[must_use]
    pub const fn request(opcode: Opcode, association: u16, sequence: u16) -> Self {
        Self {
            response: false,
            error: false,
            more: false,
            opcode,
            sequence,
            status: 0,
            association,
            offset: 0,
            data: Vec::new(),
        }
    }

    /// The packet, in protocol version 2 as every ntpd accepts it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let flag = |on, bit| if on { bit } else { 0 };
        let mut out = vec![
            (2 << 3) | MODE,
            flag(self.response, RESPONSE)
                | flag(self.error, ERROR)
                | flag(self.more, MORE)
                | self.opcode.to_bits(),
        ];
        let data = self.data.get(..MAX_DATA).unwrap_or(&self.data);
        let count = u16::try_from(data.len()).unwrap_or(0);
        for word in [
            self.sequence,
            self.status,
            self.association,
            self.offset,
            count,
        ] {
            out.extend(word.to_be_bytes());
        }
        out.extend(data);
        out.resize(out.len().next_multiple_of(4), 0);
        out
    }

    /// The fragment in a packet.
    ///
    /// # Errors
    /// `Truncated` when the data is shorter than its count, `Invalid` for another mode, `TooLong`
    /// for a count beyond the limit.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(bytes);
        if r.u8("mode")? & 7 != MODE {
            return Err(r.error("mode", Problem::Invalid));
        }
        let bits = r.u8("opcode")?;
        let sequence = r.u16("sequence")?;
        let status = r.u16("status")?;
        let association = r.u16("association")?;
        let offset = r.u16("offset")?;
        let count = usize::from(r.u16("count")?);
        if count > MAX_DATA {
            return Err(r.error("count", Problem::TooLong));
        }
        Ok(Self {
            response: bits & RESPONSE != 0,
            error: bits & ERROR != 0,
            more: bits & MORE != 0,
            opcode: Opcode::from_bits(bits),
            sequence,
            status,
            association,
            offset,
            data: r.take(count, "data")?.to_vec(),
        })
    }

    /// Why a request was refused, in words (RFC 9327 §3.1).
    #[must_use]
    pub const fn refusal(&self) -> &'static str {
        match self.status >> 8 {
            1 => "authentication failed or is required",
            2 => "it found the request malformed",
            3 => "it does not know the request",
            4 => "it has no such association",
            5 => "it has no such variable",
            6 => "a value was wrong",
            7 => "it is administratively prohibited",
            _ => "it gave no reason",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn fragments_survive_the_wire(
            bits in any::<u8>(), sequence in any::<u16>(), status in any::<u16>(),
            association in any::<u16>(), offset in any::<u16>(),
            data in proptest::collection::vec(any::<u8>(), 0..=MAX_DATA),
        ) {
            let fragment = Fragment {
                response: bits & 0x80 != 0, error: bits & 0x40 != 0, more: bits & 0x20 != 0,
                opcode: Opcode::from_bits(bits), sequence, status, association, offset, data,
            };
            let bytes = fragment.encode();
            prop_assert_eq!(bytes.len() % 4, 0);
            prop_assert_eq!(Fragment::decode(&bytes).unwrap(), fragment);
        }

        #[test]
        fn hostile_fragments_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = Fragment::decode(&bytes);
        }
    }

    #[test]
    fn a_count_beyond_the_data_or_the_limit_is_refused() {
        let mut bytes = Fragment::request(Opcode::ReadStatus, 0, 1).encode();
        bytes[11] = 4;
        assert!(Fragment::decode(&bytes).is_err());
        bytes[10] = 0xff;
        bytes.resize(70_000, 0);
        assert!(Fragment::decode(&bytes).is_err());
        assert!(Fragment::decode(&[0x24; 48]).is_err());
    }
}
