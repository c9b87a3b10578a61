//! The two questions by which a server shows whether it answers more than the time: mode 6
//! (control, RFC 9327) and mode 7 (private, of ntpd's `ntpdc`). One small request each; whatever
//! comes back is only counted. Neither request changes anything.

use super::packet::Mode;

/// Mode 6: READVAR of association 0, the system variables. Twelve octets.
#[must_use]
pub const fn mode6_request(sequence: u16) -> [u8; 12] {
    let [high, low] = sequence.to_be_bytes();
    // Version 2 as ntpq sends it; opcode 2; status, association, offset and count are zero.
    [0x16, 0x02, high, low, 0, 0, 0, 0, 0, 0, 0, 0]
}

/// Mode 7: monlist, the list of the last clients (implementation XNTPD, request 42), the question
/// by which strangers aim a server at others (CVE-2013-5211). A server that answers mode 7 and keeps
/// no such list says so in eight octets.
#[must_use]
pub const fn mode7_request() -> [u8; 8] {
    [0x17, 0x00, 0x03, 0x2a, 0, 0, 0, 0]
}

/// Whether a datagram is an answer in this mode: mode 6 and 7 mark responses by a bit.
#[must_use]
pub fn is_response(bytes: &[u8], mode: Mode) -> bool {
    let (Some(&first), Some(&second)) = (bytes.first(), bytes.get(1)) else {
        return false;
    };
    match mode {
        _ if Mode::from_bits(first) != mode => false,
        Mode::Control => second & 0x80 != 0,
        Mode::Private => first & 0x80 != 0,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_not_responses() {
        let six = mode6_request(0x1234);
        assert_eq!(six[2..4], [0x12, 0x34]);
        assert!(!is_response(&six, Mode::Control));
        assert!(!is_response(&mode7_request(), Mode::Private));
        assert!(is_response(&[0x16, 0x82, 0], Mode::Control));
        assert!(is_response(&[0x97, 0x00, 0], Mode::Private));
        assert!(!is_response(&[0x16], Mode::Control));
    }
}
