//! A measurement ends whatever the servers send, and never sends more than its bound.
#![no_main]

use clockbox::engine::probe::ATTEMPTS;
use clockbox::engine::probe::Options;
use clockbox::engine::probe::Probe;
use clockbox::engine::vote;
use clockbox::time::Monotonic;
use clockbox::time::NtpTimestamp;

libfuzzer_sys::fuzz_target!(|replies: Vec<(u8, bool, Vec<u8>)>| {
    let start = Monotonic::from_nanos(1_000_000_000);
    let options = Options {
        samples: 2,
        version: 4,
        precision: 1e-7,
        deadline: start.plus_seconds(20.0),
    };
    let mut probe = Probe::new(options);
    for near in [true, false, true] {
        probe.add(&[near]);
    }
    let (mut now, mut seed) = (start, 0);
    let mut replies = replies.into_iter();
    let mut sent = [0u64; 3];
    let mut steps = 0;
    loop {
        steps += 1;
        assert!(steps < 10_000, "it never ends");
        while let Some((path, packet)) = probe.next_send(now, || {
            seed += 1;
            seed
        }) {
            sent[path] = u64::from_be_bytes(packet[40..48].try_into().unwrap());
            probe.sent(
                path,
                probe.paths[path].sent,
                NtpTimestamp::from_bits(1 << 60),
            );
        }
        if probe.finished(now).is_some() {
            break;
        }
        match replies.next() {
            Some((path, echo, mut bytes)) => {
                let path = usize::from(path) % 3;
                if echo && bytes.len() >= 48 {
                    bytes[24..32].copy_from_slice(&sent[path].to_be_bytes());
                }
                now = now.plus_seconds(0.001);
                probe.received(path, &bytes, NtpTimestamp::from_bits(1 << 60), now);
            }
            None => {
                let wake = probe.wake_at(now);
                assert!(wake > now, "the clock stands still");
                now = wake;
            }
        }
    }
    probe.close();
    assert!(probe.paths.iter().all(|p| p.sent <= ATTEMPTS + 2));
    let candidates: Vec<_> = probe.sources.iter().filter_map(|s| s.candidate()).collect();
    if let Some(agreed) = vote::vote(&candidates) {
        assert!(agreed.bound >= 0.0 && agreed.offset.is_finite());
        assert!(2 * agreed.truechimers > candidates.len());
    }
});
