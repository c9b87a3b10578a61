//! Any octets on a control socket, from the network or from root: no panic, and an answer is a
//! reply of the protocol that is not longer than the request.
#![no_main]

use clockbox::engine::Engine;
use clockbox::engine::clock::Reading;
use clockbox::engine::config::Config;
use clockbox::engine::config::SourceConfig;
use clockbox::engine::control::ControlHost;
use clockbox::engine::control::OPEN;
use clockbox::engine::control::answer;
use clockbox::engine::random::Random;
use clockbox::proto::cmdmon::reply::Reply;
use clockbox::proto::cmdmon::server::Rights;
use clockbox::time::Monotonic;

struct Nothing;

impl ControlHost for Nothing {}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let at = |ip: &str| SourceConfig::new(ip, ip.parse().ok().map(|ip: std::net::IpAddr| (ip, 123).into()));
    let config = Config {
        sources: vec![at("192.0.2.1"), at("2001:db8::1"), at("name.test")],
        ..Config::default()
    };
    let now = Reading {
        raw: Monotonic::from_nanos(1_000_000_000),
        unix_ns: 1_800_000_000_000_000_000,
        slept_ns: None,
    };
    let mut engine = Engine::new(config, Random::from_number(1));
    engine.start(now, 0.0);
    // Several datagrams, each after two octets with its length, on one engine.
    let mut rest = data;
    while let Some((length, more)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length) % 640).min(more.len());
        let (request, after) = more.split_at(length);
        rest = after;
        for rights in [Rights::Only(&OPEN), Rights::All] {
            if let Some(reply) = answer(request, rights, now, &mut engine, &mut Nothing) {
                assert!(reply.len() <= request.len());
                Reply::decode(&reply).expect("a reply of the protocol");
            }
        }
        engine.tick(now);
        while engine.action().is_some() {}
    }
});
