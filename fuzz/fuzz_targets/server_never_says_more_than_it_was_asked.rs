//! Whatever a server is sent: no panic, no reply longer than its request, none to control messages
//! or to whoever is not allowed, and every datagram is counted once.
#![no_main]

use clockbox::proto::mac::Algorithm;
use clockbox::proto::mac::Key;
use clockbox::proto::mac::Keys;
use clockbox::proto::extension;
use clockbox::proto::mono_root::MonoRoot;
use clockbox::server::access::Access;
use clockbox::server::access::Rule;
use clockbox::server::clients::Clients;
use clockbox::server::clients::RateLimit;
use clockbox::server::counters::Counters;
use clockbox::server::counters::Totals;
use clockbox::server::respond::Datagram;
use clockbox::server::respond::LONGEST;
use clockbox::server::respond::Outcome;
use clockbox::server::respond::Policy;
use clockbox::server::respond::Responder;
use clockbox::server::respond::StampedBy;
use clockbox::server::state::State;
use clockbox::server::state::Uncorrected;
use clockbox::time::NtpTimestamp;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::sync::Arc;

fn rule(allow: bool, network: Option<IpAddr>, bits: u8) -> Rule {
    Rule {
        allow,
        all: false,
        network,
        bits,
        text: String::new(),
        place: String::new(),
    }
}

libfuzzer_sys::fuzz_target!(|input: (u8, Vec<(u8, u16, u64, u32, &[u8])>)| {
    let (flags, datagrams) = input;
    let forbidden = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    let limit = (flags & 1 != 0).then(|| RateLimit::new(Some(0), Some(2), Some(1), Some(1)));
    let kiss_denied = flags & 2 != 0;
    let mut keys = Keys::new();
    for (id, algorithm) in [(0, Algorithm::Md5), (1, Algorithm::Sha512)] {
        keys.insert(id, Key::new(algorithm, b"secret").expect("a key"));
    }
    let policy = Policy {
        access: Access::new(vec![rule(true, None, 0), rule(false, Some(forbidden), 32)]),
        limit,
        kiss_denied,
        keys,
    };
    let clients = Clients::new(1 << 12, limit, 1);
    let counters = Arc::new(Counters::default());
    let mut responder = Responder::new(Arc::new(policy), clients, Arc::clone(&counters));
    let count = datagrams.len() as u64;
    let mut now_ns = 0_u64;
    for (host, port, at, later, bytes) in datagrams {
        now_ns = now_ns.wrapping_add(u64::from(later));
        let from = IpAddr::V4(Ipv4Addr::new(10, 0, 0, host));
        let datagram = Datagram {
            bytes,
            from,
            port,
            received: NtpTimestamp::from_bits(at),
            stamped: match host & 1 {
                0 => StampedBy::Program,
                _ => StampedBy::Kernel,
            },
            transmit: NtpTimestamp::from_bits(at.wrapping_add(u64::from(later))),
            now_ns,
            trace: (host & 2 != 0).then(|| responder.trace(from)),
        };
        let mut reply = [0; LONGEST];
        let header = State {
            uncorrected: (flags & 4 != 0).then_some(Uncorrected {
                epoch: 1,
                ahead: -0.5,
                rate: 1e-4,
            }),
            ..State::unsynchronised()
        }
        .header(now_ns);
        if let Outcome::Reply { length, .. } = responder.answer(&header, &datagram, &mut reply) {
            assert!(length >= 48 && length <= bytes.len());
            // The field F323 is in no reply to a request that has it not; a MAC begins with 0 or 1.
            let asked = extension::split(bytes.get(48..).unwrap_or(&[])).is_ok_and(|t| {
                bytes[0] >> 3 & 7 == 4 && t.fields.iter().any(|f| MonoRoot::decode(f).is_some())
            });
            let told = reply.get(48..52) == Some(&[0xf3, 0x23, 0, 28]) && length >= 76;
            assert!(asked || !told, "a field that nobody asked for");
            assert!(bytes[0] & 7 < 4, "a control message was answered");
            assert!(from != forbidden || kiss_denied, "not allowed, and answered");
        }
    }
    let mut totals = Totals::default();
    counters.add_to(&mut totals);
    assert_eq!(totals.received, count);
    assert_eq!(totals.received, totals.answered + totals.kissed + totals.refused());
});
