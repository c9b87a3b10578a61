//! Extension fields (RFC 7822) and the place of the MAC behind them. Decoding never fails on the
//! content of a field that it does not know: it only finds where each one ends.

use super::reader::DecodeError;
use super::reader::Problem;
use super::reader::Reader;

/// The shortest extension field with its header (RFC 7822 §3).
pub const MIN_FIELD: usize = 16;
/// The shortest last field when no MAC follows (RFC 7822 §3).
pub const MIN_LAST_FIELD: usize = 28;
/// The longest MAC: key identifier and 20 octets of digest; a longer rest is a field (RFC 7822 §3).
pub const MAX_MAC: usize = 24;

/// One field: its type and its body with the padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// Field type.
    pub kind: u16,
    /// Body, padding included; a multiple of 4 octets.
    pub body: &'a [u8],
}

/// What follows the header.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Trailer<'a> {
    /// Extension fields in order.
    pub fields: Vec<Field<'a>>,
    /// The MAC with its key identifier, empty when there is none.
    pub mac: &'a [u8],
}

/// Splits what follows the 48 octets of a version 4 header.
///
/// # Errors
/// When a length is impossible or the fields do not fill the packet.
pub fn split(bytes: &[u8]) -> Result<Trailer<'_>, DecodeError> {
    let mut r = Reader::new(bytes);
    let mut trailer = Trailer::default();
    while !r.is_empty() {
        let left = r.rest().len();
        if left <= MAX_MAC && left.is_multiple_of(4) && left != 8 && left != 12 && left != 16 {
            // A crypto-NAK (4) or a MAC of 16 or 20 octets behind its key identifier.
            trailer.mac = r.take(left, "MAC")?;
            break;
        }
        let start = r.position();
        let kind = r.u16("extension field type")?;
        let length = usize::from(r.u16("extension field length")?);
        if length < MIN_FIELD || !length.is_multiple_of(4) {
            return Err(DecodeError {
                field: "extension field length",
                at: start + 2,
                problem: Problem::Invalid,
            });
        }
        let body = r.take(length - 4, "extension field")?;
        trailer.fields.push(Field { kind, body });
    }
    Ok(trailer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_then_mac() {
        let mut wire = vec![0x01, 0x04, 0, 16];
        wire.extend([7; 12]);
        wire.extend([9; 24]);
        let trailer = split(&wire).expect("splits");
        assert_eq!(
            trailer.fields,
            [Field {
                kind: 0x0104,
                body: &[7; 12]
            }]
        );
        assert_eq!(trailer.mac, [9; 24]);
    }

    #[test]
    fn a_field_that_runs_past_the_end_is_refused() {
        let mut wire = vec![0x01, 0x04, 0, 64];
        wire.extend([7; 28]);
        assert_eq!(split(&wire).map_err(|e| e.problem), Err(Problem::Truncated));
        let zero = [0; 32];
        assert_eq!(split(&zero).map_err(|e| e.problem), Err(Problem::Invalid));
    }
}
