//! Tests of the replies: round trips, the lengths of every release, hostile octets.

use super::*;
use crate::proto::refid::RefId;
use proptest::prelude::*;

const HEADER: ReplyHeader = ReplyHeader {
    command: 33,
    status: Status::Success,
    sequence: 0xdead_beef,
};

fn reader_of(body: &[u8]) -> Vec<u8> {
    let mut bytes = Reply::Null.encode(HEADER);
    bytes.extend(body);
    bytes
}

fn with_code(code: u16, body_len: usize) -> Vec<u8> {
    let mut bytes = reader_of(&vec![0; body_len]);
    bytes[6..8].copy_from_slice(&code.to_be_bytes());
    bytes
}

/// Reply code and octets of the whole packet, as candm.h of the releases lays them out.
const LENGTHS: &[(u16, usize)] = &[
    (1, 28),
    (2, 32),
    (3, 76),
    (5, 104),
    (6, 84),
    (7, 56),
    (12, 48),
    (13, 52),
    (14, 48),
    (16, 152),
    (18, 416),
    (19, 284),
    (20, 52),
    (21, 520),
    (22, 60),
    (23, 76),
    (24, 72),
    (25, 196),
    (26, 172),
];

#[test]
fn every_reply_of_every_release_has_its_length_to_the_octet() {
    for &(code, length) in LENGTHS {
        let bytes = with_code(code, length - REPLY_HEADER_LEN);
        let (header, reply) = Reply::decode(&bytes).unwrap_or_else(|e| panic!("{code}: {e}"));
        assert_eq!(header, HEADER);
        assert!(Reply::decode(&bytes[..length - 1]).is_err(), "{code}");
        let longer = with_code(code, length - REPLY_HEADER_LEN + 1);
        assert!(Reply::decode(&longer).is_err(), "{code}");
        // What is written again is of the newest release and reads the same.
        assert_eq!(
            Reply::decode(&reply.encode(header)).unwrap(),
            (header, {
                match reply {
                    Reply::ServerStats(stats) => Reply::ServerStats(ServerStats {
                        counters: stats.counters.map(|c| Some(c.unwrap_or(0))),
                    }),
                    other => other,
                }
            })
        );
    }
}

#[test]
fn another_version_type_or_code_is_refused() {
    let good = Reply::Null.encode(HEADER);
    for (at, value) in [(0, 5), (1, 1), (7, 77)] {
        let mut bad = good.clone();
        bad[at] = value;
        assert!(Reply::decode(&bad).is_err(), "octet {at}");
    }
    assert!(Reply::decode(&with_code(21, 3000)).is_err());
}

#[test]
fn counts_beyond_the_room_are_refused() {
    let mut bytes = with_code(21, 520 - REPLY_HEADER_LEN);
    bytes[28 + 11] = 9;
    assert!(Reply::decode(&bytes).is_err());
}

#[test]
fn a_local_reference_is_not_synchronised() {
    let mut tracking = Tracking::read(&mut Reader::new(&[0; Tracking::LEN])).unwrap();
    assert!(!tracking.synchronised());
    tracking.refid = RefId([127, 127, 1, 1]);
    assert!(!tracking.synchronised() && tracking.local_reference());
    tracking.refid = RefId(*b"PHC0");
    assert!(tracking.synchronised());
    tracking.leap = 3;
    assert!(!tracking.synchronised());
}

proptest! {
    #[test]
    fn hostile_replies_never_panic_and_survive_the_wire(
        body in proptest::collection::vec(any::<u8>(), 0..600),
        code in 0u16..30,
    ) {
        let mut bytes = reader_of(&body);
        bytes[6..8].copy_from_slice(&code.to_be_bytes());
        if let Some(&(_, length)) = LENGTHS.iter().find(|(c, _)| *c == code) {
            bytes.resize(length, 0);
        }
        if let Ok((header, reply)) = Reply::decode(&bytes) {
            // Whatever was understood is understood again.
            prop_assert!(Reply::decode(&reply.encode(header)).is_ok());
        }
    }
}
