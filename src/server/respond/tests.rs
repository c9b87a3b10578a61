use super::*;
use crate::proto::extension;
use crate::proto::mac::Algorithm;
use crate::proto::mac::Verdict as Signature;
use crate::proto::packet::Mode;
use crate::proto::packet::Packet;
use crate::server::access::Rule;
use crate::server::counters::Totals;
use crate::server::state::State;
use crate::server::state::Uncorrected;
use crate::time::NtpDuration;
use proptest::prelude::*;

fn rule(allow: bool, network: Option<&str>, bits: u8) -> Rule {
    Rule {
        allow,
        all: false,
        network: network.map(|n| n.parse().unwrap()),
        bits,
        text: String::new(),
        place: String::new(),
    }
}

fn responder(limit: Option<RateLimit>, kiss_denied: bool) -> Responder {
    let rules = vec![rule(true, None, 0), rule(false, Some("10.0.0.0"), 8)];
    let policy = Policy {
        access: Access::new(rules),
        limit,
        kiss_denied,
        keys: keys(),
    };
    Responder::new(
        Arc::new(policy),
        Clients::new(1 << 16, limit, 5),
        Arc::new(Counters::default()),
    )
}

fn keys() -> Keys {
    let mut keys = Keys::new();
    keys.insert(7, Key::new(Algorithm::Md5, b"seven").unwrap());
    keys.insert(8, Key::new(Algorithm::Sha512, b"eight").unwrap());
    keys
}

fn state() -> State {
    State {
        leap: Leap::Insert,
        stratum: 2,
        root_delay: 0.25,
        root_dispersion: 0.125,
        ..State::unsynchronised()
    }
}

const NOW: u64 = 0xeb00_0000_0000_0000;

fn datagram(bytes: &[u8]) -> Datagram<'_> {
    Datagram {
        bytes,
        from: "192.0.2.9".parse().unwrap(),
        port: 40_000,
        received: NtpTimestamp::from_bits(NOW),
        stamped: StampedBy::Kernel,
        transmit: NtpTimestamp::from_bits(NOW + 1000),
        now_ns: 5,
        trace: None,
    }
}

fn request(version: u8, mode: Mode) -> Packet {
    Packet {
        mode,
        poll: 6,
        ..Packet::request(version, NtpTimestamp::from_bits(0x0123_4567_89ab_cdef))
    }
}

fn ask(responder: &mut Responder, datagram: &Datagram<'_>) -> Option<Packet> {
    let mut reply = [0xaa; LONGEST];
    match responder.answer(&state().header(0), datagram, &mut reply) {
        Outcome::Reply { length, .. } => Some(Packet::decode(&reply[..length]).unwrap()),
        Outcome::Silence => None,
    }
}

fn totals(responder: &Responder) -> Totals {
    let mut totals = Totals::default();
    responder.counters().add_to(&mut totals);
    totals
}

#[test]
fn a_reply_tells_the_state_and_echoes_the_request() {
    for version in 1..=4 {
        let mut responder = responder(None, false);
        let bytes = request(version, Mode::Client).encode();
        let reply = ask(&mut responder, &datagram(&bytes)).unwrap();
        assert_eq!((reply.version, reply.mode), (version, Mode::Server));
        assert_eq!(
            (reply.leap, reply.stratum, reply.poll),
            (Leap::Insert, 2, 6)
        );
        assert_eq!(reply.root_delay, NtpDuration::from_seconds(0.25));
        assert_eq!(reply.root_dispersion, NtpDuration::from_seconds(0.125));
        assert_eq!(reply.origin.to_bits(), 0x0123_4567_89ab_cdef);
        assert_eq!(reply.receive.to_bits(), NOW);
        assert_eq!(reply.transmit.to_bits(), NOW + 1000);
    }
    let bytes = request(4, Mode::SymmetricActive).encode();
    let reply = ask(&mut responder(None, false), &datagram(&bytes)).unwrap();
    assert_eq!(reply.mode, Mode::SymmetricPassive);
}

#[test]
fn a_reply_never_leaves_before_its_request_came() {
    let bytes = request(4, Mode::Client).encode();
    let mut datagram = datagram(&bytes);
    datagram.transmit = NtpTimestamp::from_bits(NOW - 1000);
    let reply = ask(&mut responder(None, false), &datagram).unwrap();
    assert!(reply.transmit.since(reply.receive).to_bits() > 0);
}

#[test]
fn whoever_is_refused_hears_nothing_or_a_kiss_if_that_is_asked_for() {
    let bytes = request(4, Mode::Client).encode();
    let mut datagram = datagram(&bytes);
    datagram.from = "10.1.2.3".parse().unwrap();
    let mut silent = responder(None, false);
    assert_eq!(ask(&mut silent, &datagram), None);
    assert_eq!(totals(&silent).denied, 1);
    let mut kissing = responder(None, true);
    let reply = ask(&mut kissing, &datagram).unwrap();
    assert_eq!(reply.refid.0, *b"DENY");
    assert_eq!((reply.leap, reply.stratum), (Leap::Unsynchronised, 0));
    assert_eq!(reply.origin.to_bits(), 0x0123_4567_89ab_cdef);
}

#[test]
fn a_signed_request_gets_a_signed_reply_and_a_forged_one_nothing() {
    for (id, version) in [(7, 3), (7, 4), (8, 3), (8, 4)] {
        let mut bytes = request(version, Mode::Client).encode().to_vec();
        keys().get(id).unwrap().sign(id, version, &mut bytes);
        let mut responder = responder(None, false);
        let mut reply = [0; LONGEST];
        let outcome = responder.answer(&state().header(0), &datagram(&bytes), &mut reply);
        let Outcome::Reply { length, .. } = outcome else {
            panic!("no reply to version {version} with key {id}");
        };
        assert_eq!(length, bytes.len());
        assert_eq!(keys().check(&reply[..length]), Signature::Good(id));
        *bytes.last_mut().unwrap() ^= 1;
        assert_eq!(ask(&mut responder, &datagram(&bytes)), None);
        assert_eq!(totals(&responder).unauthentic, 1);
    }
}

#[test]
fn the_third_exchange_of_a_client_that_interleaves_tells_when_the_second_reply_left() {
    let mut responder = responder(None, false);
    let at = |n: u64| NtpTimestamp::from_bits(NOW + (n << 32));
    let mut exchange = |n: u64, origin: u64, receive: u64| {
        let packet = Packet {
            origin: NtpTimestamp::from_bits(origin),
            receive: NtpTimestamp::from_bits(receive),
            transmit: NtpTimestamp::from_bits(n + 100),
            ..request(4, Mode::Client)
        };
        let bytes = packet.encode();
        let datagram = Datagram {
            received: at(n),
            transmit: at(n).plus(NtpDuration::from_seconds(0.001)),
            ..datagram(&bytes)
        };
        let reply = ask(&mut responder, &datagram).unwrap();
        if n == 2 {
            // The kernel tells when the second one really left.
            let left = at(2).plus(NtpDuration::from_seconds(0.003));
            responder.departed(datagram.from, &reply.encode(), left, StampedBy::Kernel);
        }
        reply
    };
    let first = exchange(1, 0, 0);
    assert_eq!(first.origin.to_bits(), 101);
    let second = exchange(2, first.receive.to_bits(), 7);
    assert_eq!(second.origin.to_bits(), 102);
    let third = exchange(3, second.receive.to_bits(), 8);
    // The origin is the request's receive timestamp: that is how the client knows (RFC 9769 §2).
    assert_eq!(third.origin.to_bits(), 8);
    assert_eq!(third.receive, at(3));
    assert_eq!(third.transmit, at(2).plus(NtpDuration::from_seconds(0.003)));
    let basic = exchange(4, third.transmit.to_bits(), 9);
    assert_eq!(basic.origin.to_bits(), 104);
}

/// The field F323 in the reply to a request with these octets behind its header, and the lengths of
/// request and reply.
fn field_told(state: &State, behind: &[u8], version: u8) -> (Option<MonoRoot>, usize, usize) {
    let mut bytes = request(version, Mode::Client).encode().to_vec();
    bytes.extend(behind);
    let mut reply = [0xaa; LONGEST];
    let mut responder = responder(None, false);
    let outcome = responder.answer(&state.header(0), &datagram(&bytes), &mut reply);
    let Outcome::Reply { length, .. } = outcome else {
        panic!("no reply to {bytes:?}");
    };
    let trailer = extension::split(&reply[HEADER_LEN..length]).unwrap();
    let said = trailer.fields.iter().find_map(MonoRoot::decode);
    assert_eq!(trailer.fields.len(), usize::from(said.is_some()));
    (said, bytes.len(), length)
}

/// Its clock without corrections is half a second behind.
fn corrected() -> State {
    State {
        root_delay: 3e-6,
        root_dispersion: 2e-6,
        uncorrected: Some(Uncorrected {
            epoch: 77,
            ahead: 0.5,
            rate: 1e-4,
        }),
        ..state()
    }
}

#[test]
fn the_field_f323_is_answered_where_it_is_asked_for_in_a_reply_as_long_as_the_request() {
    let (said, asked, told) = field_told(&corrected(), &MonoRoot::ASKED.encode(), 4);
    let said = said.unwrap();
    assert_eq!((asked, told), (76, 76));
    assert_eq!(said.epoch, 77);
    assert_eq!(said.receive.to_bits(), NOW - (1 << 31));
    // Finer than the header can say.
    assert!((said.root_delay.seconds() - 3e-6).abs() < 5e-9);
    assert!((said.root_dispersion.seconds() - 2e-6).abs() < 5e-9);
    assert_eq!(field_told(&corrected(), &[], 4), (None, 48, 48));
}

#[test]
fn a_slew_moves_the_clock_and_not_the_uncorrected_one() {
    let header = corrected().header(10_000_000_000);
    let (epoch, ahead) = header.uncorrected.unwrap();
    assert_eq!(epoch, 77);
    assert!((ahead.seconds() - 0.501).abs() < 1e-9, "{ahead:?}");
}

#[test]
fn without_an_uncorrected_clock_or_while_time_is_smoothed_its_timestamp_is_none() {
    let smooth = State {
        smoothing_ns: 1000,
        ..corrected()
    };
    for state in [state(), smooth] {
        let (said, asked, told) = field_told(&state, &MonoRoot::ASKED.encode(), 4);
        let said = said.unwrap();
        assert_eq!((asked, told), (76, 76));
        assert_eq!((said.receive, said.epoch), (NtpTimestamp::ZERO, 0));
        let delay = said.root_delay.seconds();
        assert!((delay - state.root_delay).abs() < 5e-9, "{delay}");
    }
}

#[test]
fn what_only_looks_like_the_field_f323_is_passed_over() {
    let field = MonoRoot::ASKED.encode();
    let mut other = field;
    other[4] ^= 1;
    let mut longer = field.to_vec();
    longer[3] = 32;
    longer.extend([0; 4]);
    let mut kind = field;
    kind[1] ^= 7;
    for garbage in [&other[..], &longer, &kind] {
        assert_eq!(field_told(&corrected(), garbage, 4).0, None, "{garbage:?}");
        // The real one beside it is answered, once.
        for parts in [[garbage, &field], [&field, garbage]] {
            let (said, asked, told) = field_told(&corrected(), &parts.concat(), 4);
            assert!(said.is_some() && told == 76 && told < asked, "{parts:?}");
        }
    }
    let twice = [field, field].concat();
    assert_eq!(field_told(&corrected(), &twice, 4).2, 76);
}

#[test]
fn a_signed_request_with_the_field_gets_a_signed_reply_of_its_length() {
    for id in [7, 8] {
        let mut bytes = request(4, Mode::Client).encode().to_vec();
        bytes.extend(MonoRoot::ASKED.encode());
        keys().get(id).unwrap().sign(id, 4, &mut bytes);
        let mut reply = [0; LONGEST];
        let outcome =
            responder(None, false).answer(&corrected().header(0), &datagram(&bytes), &mut reply);
        let Outcome::Reply { length, .. } = outcome else {
            panic!("no reply with key {id}");
        };
        assert_eq!(length, bytes.len());
        assert_eq!(keys().check(&reply[..length]), Signature::Good(id));
    }
}

proptest! {
    #[test]
    fn a_request_with_the_field_and_whatever_else_gets_no_longer_reply(
        before in fields(),
        behind in fields(),
    ) {
        let asked = [&before[..], &MonoRoot::ASKED.encode(), &behind].concat();
        let (said, request, reply) = field_told(&corrected(), &asked, 4);
        prop_assert!(said.is_some());
        prop_assert_eq!(reply, 76);
        prop_assert!(reply <= request);
    }
}

/// Fields of any type and content, as they are on the wire.
fn fields() -> impl Strategy<Value = Vec<u8>> {
    let field =
        (any::<u16>(), proptest::collection::vec(any::<u32>(), 6..12)).prop_map(|(kind, body)| {
            let mut field = kind.to_be_bytes().to_vec();
            field.extend((4 * body.len() as u16 + 4).to_be_bytes());
            field.extend(body.iter().flat_map(|word| word.to_be_bytes()));
            field
        });
    proptest::collection::vec(field, 0..4).prop_map(|fields| fields.concat())
}

proptest! {
    #[test]
    fn whatever_comes_no_reply_is_longer_and_every_datagram_is_counted_once(
        datagrams in proptest::collection::vec(
            (proptest::collection::vec(any::<u8>(), 0..130), 0u8..64, any::<bool>(), any::<u16>()), 1..60),
    ) {
        let limit = RateLimit::new(Some(0), Some(2), Some(1), Some(1));
        let mut responder = responder(Some(limit), true);
        let count = datagrams.len() as u64;
        for (mut bytes, first, inside, port) in datagrams {
            if let Some(b) = bytes.first_mut() { *b = first; }
            let from = if inside { "10.0.0.1" } else { "192.0.2.1" };
            let datagram = Datagram { from: from.parse().unwrap(), port, ..datagram(&bytes) };
            let mut reply = [0; LONGEST];
            if let Outcome::Reply { length, .. } =
                responder.answer(&state().header(0), &datagram, &mut reply)
            {
                prop_assert!(length <= bytes.len());
                prop_assert!(bytes[0] & 7 < 4);
                prop_assert!(reply[0] & 7 == 4 || reply[0] & 7 == 2);
            }
        }
        let t = totals(&responder);
        prop_assert_eq!(t.received, count);
        prop_assert_eq!(t.received, t.answered + t.kissed + t.refused());
    }
}
