//! The one-shot measurement against simulated servers: no socket, no sleep.

use super::*;
use crate::proto::packet::Leap;
use crate::proto::packet::Mode;
use crate::proto::refid::RefId;
use crate::time::NtpDuration;

/// How a simulated server behaves.
#[derive(Clone, Copy)]
enum Server {
    Good { offset: f64, delay: f64 },
    Dead,
    Deaf(u32),
    Kiss,
    Unsynchronised,
    Forged,
}

struct Ended {
    probe: Probe,
    finish: Finish,
    took: f64,
}

fn reply_to(request: &[u8], server: Server) -> Option<(Vec<u8>, f64)> {
    let request = Packet::decode(request).ok()?;
    let mut reply = Packet {
        mode: Mode::Server,
        stratum: 2,
        precision: -25,
        origin: request.transmit,
        refid: RefId([10, 0, 0, 1]),
        ..request
    };
    let delay = match server {
        Server::Good { delay, .. } => delay,
        Server::Dead | Server::Deaf(_) => return None,
        Server::Kiss => {
            (reply.stratum, reply.refid) = (0, RefId(*b"RATE"));
            0.02
        }
        Server::Unsynchronised => {
            reply.leap = Leap::Unsynchronised;
            0.02
        }
        Server::Forged => {
            reply.origin = NtpTimestamp::from_bits(99);
            0.02
        }
    };
    Some((reply.encode().to_vec(), delay))
}

/// Runs a measurement of one source a server; time passes only between events.
fn measure(servers: &[Server], near: bool, samples: u32, timeout: f64) -> Ended {
    let start = Monotonic::from_nanos(1_000_000_000);
    let options = Options {
        samples,
        version: 4,
        precision: 1e-7,
        deadline: start.plus_seconds(timeout),
    };
    let mut probe = Probe::new(options);
    for _ in servers {
        probe.add(&[near]);
    }
    let local = |now: Monotonic| {
        NtpTimestamp::from_unix(1_700_000_000, 0)
            .plus(NtpDuration::from_seconds(now.seconds_since(start)))
    };
    let (mut now, mut seed) = (start, 0u64);
    let mut flying: Vec<(Monotonic, usize, Vec<u8>)> = Vec::new();
    loop {
        while let Some((path, bytes)) = probe.next_send(now, || {
            seed += 1;
            seed
        }) {
            let number = probe.paths[path].sent;
            probe.sent(path, number, local(now));
            let server = match servers[path] {
                Server::Deaf(n) if number > n => Server::Good {
                    offset: 0.0,
                    delay: 0.02,
                },
                other => other,
            };
            if let Some((mut reply, delay)) = reply_to(&bytes, server) {
                if let Server::Good { offset, delay } = server {
                    let there = local(now.plus_seconds(delay / 2.0));
                    let stamp = there.plus(NtpDuration::from_seconds(offset)).to_bits();
                    reply[32..40].copy_from_slice(&stamp.to_be_bytes());
                    reply[40..48].copy_from_slice(&stamp.to_be_bytes());
                }
                flying.push((now.plus_seconds(delay), path, reply));
            }
        }
        if let Some(finish) = probe.finished(now) {
            probe.close();
            return Ended {
                probe,
                finish,
                took: now.seconds_since(start),
            };
        }
        flying.sort_by_key(|(at, ..)| std::cmp::Reverse(*at));
        let wake = probe.wake_at(now);
        match flying.last() {
            Some((at, ..)) if *at <= wake => {
                let (at, path, reply) = flying.pop().expect("there is one");
                now = at.max(now);
                probe.received(path, &reply, local(now), now);
            }
            _ => {
                assert!(wake > now, "the clock stands still");
                now = wake;
            }
        }
    }
}

const GOOD: Server = Server::Good {
    offset: 0.5,
    delay: 0.02,
};

#[test]
fn four_servers_twenty_milliseconds_away_take_one_packet_each_and_one_round_trip() {
    let ended = measure(&[GOOD; 4], false, 1, 10.0);
    assert_eq!((ended.finish, ended.probe.packets()), (Finish::Settled, 4));
    assert!(ended.took < 0.021, "{}", ended.took);
    let candidates: Vec<Candidate> = ended
        .probe
        .sources
        .iter()
        .filter_map(Source::candidate)
        .collect();
    let agreed = vote::vote(&candidates).expect("all agree");
    assert!((agreed.offset - 0.5).abs() < 1e-6, "{agreed:?}");
}

#[test]
fn a_dead_source_costs_a_bounded_wait_after_the_majority() {
    let ended = measure(&[GOOD, GOOD, GOOD, Server::Dead], false, 1, 10.0);
    assert!(matches!(ended.finish, Finish::Majority(patience) if patience < 0.05));
    assert!(ended.took < 0.08, "{}", ended.took);
    assert_eq!(ended.probe.paths[3].end, Some(PathEnd::Silent));
}

#[test]
fn a_lost_packet_is_asked_again_when_it_is_needed() {
    let ended = measure(&[Server::Deaf(1)], true, 1, 10.0);
    assert_eq!((ended.finish, ended.probe.packets()), (Finish::Settled, 2));
    assert!((0.5..0.6).contains(&ended.took), "{}", ended.took);
    // Servers that limit rates are asked again only after two seconds.
    assert!((2.0..2.1).contains(&measure(&[Server::Deaf(1)], false, 1, 10.0).took));
}

#[test]
fn silence_everywhere_ends_after_three_packets_each() {
    let ended = measure(&[Server::Dead; 2], false, 1, 60.0);
    assert_eq!((ended.finish, ended.probe.packets()), (Finish::Settled, 6));
    assert!((5.9..6.1).contains(&ended.took), "{}", ended.took);
}

#[test]
fn the_time_limit_is_hard() {
    let ended = measure(&[Server::Dead; 2], false, 1, 1.5);
    assert_eq!(ended.finish, Finish::TimedOut);
    assert!((ended.took - 1.5).abs() < 1e-9);
}

#[test]
fn samples_are_back_to_back_nearby_and_two_seconds_apart_elsewhere() {
    let near = measure(&[GOOD; 4], true, 4, 60.0);
    assert_eq!(near.probe.packets(), 16);
    assert!(near.took < 0.09, "{}", near.took);
    let far = measure(&[GOOD; 4], false, 4, 60.0);
    assert!((6.0..6.1).contains(&far.took), "{}", far.took);
}

#[test]
fn a_kiss_of_death_is_obeyed() {
    let ended = measure(&[Server::Kiss], true, 4, 60.0);
    assert_eq!(ended.probe.packets(), 1);
    assert_eq!(ended.probe.paths[0].end, Some(PathEnd::Kiss(Kiss::Rate)));
}

#[test]
fn an_unsynchronised_server_has_no_vote() {
    let ended = measure(&[Server::Unsynchronised, GOOD], false, 1, 60.0);
    assert_eq!(ended.probe.sources[0].candidate(), None);
    assert_eq!(ended.probe.paths[0].end, Some(PathEnd::Unsynchronised));
    assert!(ended.took < 0.05, "{}", ended.took);
}

#[test]
fn forged_replies_are_counted_and_never_believed() {
    let ended = measure(&[Server::Forged], true, 1, 60.0);
    assert_eq!(ended.probe.sources[0].candidate(), None);
    assert_eq!(ended.probe.paths[0].rejected, [Rejection::Origin; 3]);
}

#[test]
fn another_address_is_tried_after_a_quarter_of_a_second_or_at_once_when_refused() {
    let start = Monotonic::from_nanos(1_000_000_000);
    let deadline = start.plus_seconds(10.0);
    let options = Options {
        samples: 1,
        version: 4,
        precision: 1e-7,
        deadline,
    };
    let mut probe = Probe::new(options);
    probe.add(&[false, false]);
    assert_eq!(probe.next_send(start, || 1).map(|(path, _)| path), Some(0));
    assert_eq!(probe.next_send(start, || 2).map(|(path, _)| path), None);
    let mut refused = probe.clone();
    refused.ended(0, PathEnd::Refused);
    assert_eq!(
        refused.next_send(start, || 2).map(|(path, _)| path),
        Some(1)
    );
    let later = start.plus_seconds(NEXT_ADDRESS);
    assert_eq!(probe.wake_at(start), later);
    assert_eq!(probe.next_send(later, || 2).map(|(path, _)| path), Some(1));
}

#[test]
fn a_name_that_is_still_looked_up_is_waited_for() {
    let start = Monotonic::from_nanos(1_000_000_000);
    let deadline = start.plus_seconds(10.0);
    let options = Options {
        samples: 1,
        version: 4,
        precision: 1e-7,
        deadline,
    };
    let mut probe = Probe::new(options);
    probe.set_pending(1);
    assert_eq!(probe.finished(start), None);
    assert_eq!(probe.finished(deadline), Some(Finish::TimedOut));
    probe.set_pending(0);
    assert_eq!(probe.finished(start), Some(Finish::Settled));
}
