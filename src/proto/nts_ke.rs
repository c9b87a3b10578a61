//! Records of NTS key establishment (RFC 8915 §4): the client's request, and what a server's
//! response says. The keys themselves come from TLS and are not here.

use super::reader::DecodeError;
use super::reader::Reader;

/// The protocol name for TLS (RFC 8915 §4).
pub const ALPN: &[u8] = b"ntske/1";
/// The TCP port (RFC 8915 §7.1).
pub const PORT: u16 = 4460;
/// More than this a response never is: eight cookies of a kilobyte and names.
pub const MAX_RESPONSE: usize = 64 << 10;

const END: u16 = 0;
const NEXT_PROTOCOL: u16 = 1;
const ERROR: u16 = 2;
const WARNING: u16 = 3;
const AEAD: u16 = 4;
const COOKIE: u16 = 5;
const SERVER: u16 = 6;
const NTP_PORT: u16 = 7;
const CRITICAL: u16 = 0x8000;

/// AEAD_AES_SIV_CMAC_256, which every server must know (RFC 8915 §5.1).
const AES_SIV_CMAC_256: u16 = 15;

/// The request for NTPv4 with the algorithm that everybody has.
#[must_use]
pub fn request() -> Vec<u8> {
    let mut out = Vec::new();
    let mut record = |kind: u16, body: &[u8]| {
        out.extend((kind | CRITICAL).to_be_bytes());
        out.extend((body.len() as u16).to_be_bytes());
        out.extend(body);
    };
    record(NEXT_PROTOCOL, &[0, 0]);
    record(AEAD, &AES_SIV_CMAC_256.to_be_bytes());
    record(END, &[]);
    out
}

/// What a response says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// It agrees to NTPv4.
    pub ntpv4: bool,
    /// The algorithm that it chose.
    pub aead: Option<u16>,
    /// Cookies that it gave.
    pub cookies: u32,
    /// The NTP server to ask, if another.
    pub server: Option<String>,
    /// The NTP port to ask, if another.
    pub port: Option<u16>,
    /// The error that it reports (RFC 8915 §4.1.3): 0 unrecognized critical record, 1 bad request,
    /// 2 internal server error.
    pub error: Option<u16>,
    /// The warning that it reports.
    pub warning: Option<u16>,
}

/// Reads a response. `Ok(None)`: it is not complete yet.
///
/// # Errors
/// When a record's body has the wrong length.
pub fn response(bytes: &[u8]) -> Result<Option<Response>, DecodeError> {
    let mut found = Response::default();
    let mut reader = Reader::new(bytes);
    loop {
        if reader.rest().len() < 4 {
            return Ok(None);
        }
        let kind = reader.u16("record type")? & !CRITICAL;
        let length = usize::from(reader.u16("record length")?);
        if reader.rest().len() < length {
            return Ok(None);
        }
        let body = reader.take(length, "record body")?;
        let mut inner = Reader::new(body);
        match kind {
            END => return Ok(Some(found)),
            NEXT_PROTOCOL => {
                while inner.rest().len() >= 2 {
                    found.ntpv4 |= inner.u16("next protocol")? == 0;
                }
            }
            ERROR => found.error = Some(inner.u16("error code")?),
            WARNING => found.warning = Some(inner.u16("warning code")?),
            AEAD if length > 0 => found.aead = Some(inner.u16("algorithm")?),
            COOKIE => found.cookies = found.cookies.saturating_add(1),
            SERVER => found.server = std::str::from_utf8(body).ok().map(str::to_owned),
            NTP_PORT => found.port = Some(inner.u16("port")?),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut out = kind.to_be_bytes().to_vec();
        out.extend((body.len() as u16).to_be_bytes());
        out.extend(body);
        out
    }

    #[test]
    fn the_request_is_what_rfc_8915_draws() {
        assert_eq!(
            request(),
            [0x80, 1, 0, 2, 0, 0, 0x80, 4, 0, 2, 0, 15, 0x80, 0, 0, 0]
        );
    }

    #[test]
    fn a_response_is_complete_at_its_end_record_only() {
        let mut bytes = record(0x8001, &[0, 0]);
        bytes.extend(record(0x8004, &[0, 15]));
        bytes.extend(record(5, &[7; 100]));
        bytes.extend(record(5, &[8; 100]));
        bytes.extend(record(6, b"ntp.example.com"));
        bytes.extend(record(7, &[0, 124]));
        bytes.extend(record(0x8000, &[]));
        for cut in 0..bytes.len() {
            assert_eq!(response(&bytes[..cut]).unwrap(), None);
        }
        let found = response(&bytes).unwrap().unwrap();
        assert!(found.ntpv4);
        assert_eq!(
            (found.aead, found.cookies, found.port),
            (Some(15), 2, Some(124))
        );
        assert_eq!(found.server.as_deref(), Some("ntp.example.com"));
    }

    proptest! {
        #[test]
        fn any_octets_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = response(&bytes);
        }
    }
}
