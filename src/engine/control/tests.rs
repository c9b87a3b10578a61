//! Every request against an engine with sources: it answers or refuses properly, and never with
//! more octets than it got.

use super::*;
use crate::engine::config::Config;
use crate::engine::config::SourceConfig;
use crate::engine::note::Action;
use crate::engine::note::Note;
use crate::engine::random::Random;
use crate::engine::schedule::Series;
use crate::proto::cmdmon::change::Change;
use crate::proto::cmdmon::new_source;
use crate::proto::cmdmon::new_source::NewSource;
use crate::proto::cmdmon::reply::ReplyHeader;
use crate::proto::cmdmon::request::Burst;
use crate::proto::cmdmon::request::MakeStep;
use crate::proto::cmdmon::request::Subnet;
use crate::time::Monotonic;
use proptest::prelude::*;

const NOW: Reading = Reading {
    raw: Monotonic::from_nanos(1_000_000_000_000),
    unix_ns: 1_800_000_000_000_000_000,
    slept_ns: None,
};

struct Nothing;

impl ControlHost for Nothing {}

fn engine() -> Engine {
    let at = |ip: &str| SourceConfig::new(ip, ip.parse().ok().map(|ip| SocketAddr::new(ip, 123)));
    let config = Config {
        sources: vec![at("192.0.2.1"), at("2001:db8::1"), at("name.test")],
        ..Config::default()
    };
    let mut engine = Engine::new(config, Random::from_number(1));
    engine.start(NOW, 0.0);
    engine
}

fn ask(engine: &mut Engine, request: &Request) -> (ReplyHeader, Reply) {
    let bytes = request.encode(5, 0);
    let reply = answer(&bytes, Rights::All, NOW, engine, &mut Nothing).expect("answered");
    assert!(reply.len() <= bytes.len());
    Reply::decode(&reply).expect("a reply")
}

fn status(engine: &mut Engine, request: &Request) -> Status {
    ask(engine, request).0.status
}

fn v4(last: u8) -> Address {
    Address::V4([192, 0, 2, last].into())
}

#[test]
fn sources_are_listed_with_what_is_known_of_them() {
    let mut engine = engine();
    assert_eq!(
        ask(&mut engine, &Request::SourceCount).1,
        Reply::SourceCount(3)
    );
    let (_, Reply::Source(first)) = ask(&mut engine, &Request::Source(0)) else {
        panic!("a source");
    };
    assert_eq!((first.address, first.mark(), first.reach), (v4(1), '?', 0));
    assert_eq!(first.since_sample, None);
    let (_, Reply::Source(third)) = ask(&mut engine, &Request::Source(2)) else {
        panic!("a source");
    };
    assert!(matches!(third.address, Address::Unresolved(_)));
    assert_eq!(
        ask(&mut engine, &Request::SourceName(third.address)).1,
        Reply::SourceName("name.test".to_owned())
    );
    assert_eq!(
        status(&mut engine, &Request::Source(3)),
        Status::NoSuchSource
    );
    let (_, Reply::Activity(activity)) = ask(&mut engine, &Request::Activity) else {
        panic!("activity");
    };
    assert_eq!((activity.online, activity.unresolved), (2, 1));
    let (_, Reply::Tracking(tracking)) = ask(&mut engine, &Request::Tracking) else {
        panic!("tracking");
    };
    assert!(!tracking.synchronised());
}

#[test]
fn what_is_asked_of_the_sources_is_done() {
    let mut engine = engine();
    let one = Subnet {
        mask: Address::Unspecified,
        address: v4(1),
    };
    assert_eq!(status(&mut engine, &Request::Offline(one)), Status::Success);
    assert!(engine.sources[0].silent && !engine.sources[1].silent);
    let nobody = Subnet {
        address: v4(77),
        ..one
    };
    assert_eq!(
        status(&mut engine, &Request::Online(nobody)),
        Status::NoSuchSource
    );
    let burst = Burst {
        mask: Address::Unspecified,
        address: Address::Unspecified,
        good: 2,
        total: 4,
    };
    assert_eq!(status(&mut engine, &Request::Burst(burst)), Status::Success);
    let series = engine.sources[0].series.unwrap();
    assert_eq!(series, Series::new(2, 4, series.then()));
    let delete = Request::DeleteSource(v4(1));
    assert_eq!(status(&mut engine, &delete), Status::Success);
    assert_eq!(status(&mut engine, &delete), Status::NoSuchSource);
    let add = |kind, name: &str| Request::AddSource(Box::new(NewSource::new(kind, name)));
    for (request, want) in [
        (add(new_source::SERVER, "192.0.2.1"), Status::Success),
        (add(new_source::SERVER, "192.0.2.1"), Status::AlreadyKnown),
        (add(new_source::SERVER, "bad name"), Status::InvalidName),
        (add(new_source::PEER, "192.0.2.9"), Status::Success),
        (add(new_source::POOL, "pool.test"), Status::Success),
        (add(9, "192.0.2.9"), Status::Invalid),
    ] {
        assert_eq!(status(&mut engine, &request), want, "{request:?}");
    }
    assert_eq!(engine.sources.len(), 3 + 1 + 4);
}

#[test]
fn nts_sources_are_refused_rather_than_believed_unproved() {
    let mut engine = engine();
    let mut source = NewSource::new(new_source::SERVER, "192.0.2.50");
    source.flags |= new_source::FLAG_NTS;
    let request = Request::AddSource(Box::new(source));
    assert_eq!(status(&mut engine, &request), Status::NotEnabled);
    assert_eq!(engine.sources.len(), 3);
}

#[test]
fn options_change_and_impossible_ones_do_not() {
    let mut engine = engine();
    let change = |engine: &mut Engine, c| status(engine, &Request::Change(c));
    let e = &mut engine;
    assert_eq!(change(e, Change::MinPoll(v4(1), 3)), Status::Success);
    assert_eq!(change(e, Change::MinPoll(v4(1), 300)), Status::Invalid);
    assert_eq!(change(e, Change::MinPoll(v4(9), 3)), Status::NoSuchSource);
    assert_eq!(change(e, Change::MaxUpdateSkew(5.0)), Status::Success);
    assert_eq!(change(e, Change::Offset(v4(1), 0.25)), Status::Success);
    let prefer = Change::SelectOptions(v4(1), new_source::FLAG_PREFER, new_source::FLAG_PREFER);
    assert_eq!(change(e, prefer), Status::Success);
    assert_eq!(change(e, Change::SetTime((0, 0))), Status::NotEnabled);
    assert_eq!(change(e, Change::PollTarget(v4(1), 12)), Status::Success);
    assert_eq!(change(e, Change::PollTarget(v4(1), -1)), Status::Invalid);
    assert_eq!(change(e, Change::ReselectDistance(0.5)), Status::Success);
    assert_eq!(change(e, Change::SmoothTime(1)), Status::NotEnabled);
    assert_eq!(change(e, Change::ManualDelete(0)), Status::BadSample);
    let config = &engine.sources[0].config;
    assert_eq!((config.min_poll, config.offset), (Some(3), 0.25));
    assert!(config.prefer);
    assert_eq!(config.poll_target, 12);
    assert_eq!(engine.config.reselect_distance, 0.5);
    assert_eq!(engine.config.max_update_skew, 5.0);
    engine.discipline.updates = 7;
    let step = Request::SetMakeStep(MakeStep {
        limit: 3,
        threshold_s: 0.5,
    });
    assert_eq!(status(&mut engine, &step), Status::Success);
    let limit = engine.config.make_step.and_then(|m| m.limit);
    assert_eq!(limit, Some(10));
    assert_eq!(status(&mut engine, &Request::MakeStep), Status::Failed);
}

#[test]
fn time_typed_in_by_a_person_is_taken_when_that_is_enabled() {
    let mut engine = engine();
    let typed = NOW.unix_ns.div_euclid(1_000_000_000) + 10;
    let set = Request::Change(Change::SetTime((typed, 0)));
    assert_eq!(status(&mut engine, &set), Status::NotEnabled);
    let manual = |n| Request::Change(Change::Manual(n));
    assert_eq!(status(&mut engine, &manual(1)), Status::Success);
    let (header, Reply::ManualTimestamp(result)) = ask(&mut engine, &set) else {
        panic!("what came of it");
    };
    assert_eq!(header.status, Status::Success);
    // Ten seconds behind.
    assert!((result.offset_s - 10.0).abs() < 1e-6, "{result:?}");
    let (_, Reply::ManualList(list)) = ask(&mut engine, &Request::ManualList) else {
        panic!("a list");
    };
    assert_eq!(list.len(), 1);
    assert!((list[0].original_offset_s - 10.0).abs() < 1e-6, "{list:?}");
    let delete = |n| Request::Change(Change::ManualDelete(n));
    assert_eq!(status(&mut engine, &delete(1)), Status::BadSample);
    assert_eq!(status(&mut engine, &delete(0)), Status::Success);
    assert_eq!(status(&mut engine, &manual(3)), Status::Invalid);
    // Beyond what a clock can show.
    let absurd = Request::Change(Change::SetTime((1 << 50, 0)));
    assert_eq!(status(&mut engine, &absurd), Status::Invalid);
}

#[test]
fn the_clock_is_moved_by_hand_in_the_direction_of_the_command() {
    let mut engine = engine();
    let change = |engine: &mut Engine, c| status(engine, &Request::Change(c));
    let before = engine.discipline.frequency;
    assert_eq!(
        change(&mut engine, Change::FrequencyBy(5.0)),
        Status::Success
    );
    // The clock is said to gain 5 ppm more: it is slowed by as much.
    assert!((engine.discipline.frequency - before + 5e-6).abs() < 1e-9);
    assert_eq!(change(&mut engine, Change::OffsetBy(0.5)), Status::Success);
    assert!(engine.discipline.slewing().unwrap().0 < 0.0);
    assert_eq!(
        change(&mut engine, Change::FrequencyBy(1e9)),
        Status::Failed
    );
    engine.config.clock_control = false;
    let _ = engine.discipline.release();
    while engine.action().is_some() {}
    let (frequency, moves) = (
        engine.discipline.frequency,
        [Change::OffsetBy(0.5), Change::FrequencyBy(5.0)],
    );
    // As chronyd -x: done, and nothing is.
    for c in moves {
        assert_eq!(change(&mut engine, c), Status::Success);
    }
    assert_eq!(engine.discipline.frequency, frequency);
    assert_eq!((engine.discipline.slewing(), engine.action()), (None, None));
    assert_eq!(change(&mut engine, Change::OffsetBy(1e30)), Status::Failed);
}

#[test]
fn a_clock_that_is_moved_by_hand_is_not_taken_for_set_by_somebody_else() {
    let mut engine = engine();
    let at = |seconds: f64, ahead: f64| Reading {
        raw: NOW.raw.plus_seconds(seconds),
        unix_ns: NOW.unix_ns + ((seconds + ahead) * 1e9) as i64,
        slept_ns: None,
    };
    engine.tick(at(0.0, 0.0));
    // Some seconds after it was looked at last.
    let request = Request::Change(Change::OffsetBy(-0.05));
    let bytes = request.encode(5, 0);
    answer(&bytes, Rights::All, at(6.0, 0.0), &mut engine, &mut Nothing).expect("answered");
    let (rate, until) = engine.discipline.slewing().unwrap();
    assert!(rate > 0.01, "{rate}");
    let before = engine.uncorrected;
    engine.tick(at(6.5, 0.5 * rate));
    engine.tick(at(6.9, 0.9 * rate));
    let mut notes = std::iter::from_fn(|| engine.action());
    let set = notes.any(|a| matches!(a, Action::Note(Note::SetByOthers)));
    assert!(!set);
    assert_eq!(engine.uncorrected.number, before.number);
    let ahead = engine.uncorrected.ahead_at(until);
    assert!((ahead - 0.05).abs() < 1e-6, "{ahead}");
}

proptest! {
    #[test]
    fn no_request_panics_or_is_answered_with_more_than_it_is(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..620),
        code in 0_u16..80,
    ) {
        if bytes.len() > 6 {
            bytes[..6].copy_from_slice(&[6, 1, 0, 0, 0, code as u8]);
        }
        let mut engine = engine();
        for rights in [Rights::All, Rights::Only(&OPEN)] {
            if let Some(reply) = answer(&bytes, rights, NOW, &mut engine, &mut Nothing) {
                prop_assert!(reply.len() <= bytes.len());
                prop_assert!(Reply::decode(&reply).is_ok());
            }
        }
    }
}
