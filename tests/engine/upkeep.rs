//! Leap seconds, long silences, time typed in, the smooth time of clients.

use crate::world::*;
use clockbox::engine::Action;
use clockbox::engine::Engine;
use clockbox::engine::clock::Reading;
use clockbox::engine::config::Config;
use clockbox::engine::leap::LeapConfig;
use clockbox::engine::leap::LeapMode;
use clockbox::engine::leap::LeapTable;
use clockbox::engine::random::Random;
use clockbox::engine::sim::EPOCH;
use clockbox::engine::sim::scenario::Scenario;
use clockbox::engine::smooth::SmoothConfig;
use clockbox::proto::packet::Leap;
use clockbox::time::Monotonic;

/// When the leap second is, in seconds from the start of the simulations, which is at 20:00.
const LEAP: f64 = 14_400.0;

/// A leap second at the end of the first day, and so many seconds after it.
fn leaping(after: f64) -> Scenario {
    let mut scenario = scenario(lan(), (LEAP + after) / HOUR);
    scenario.oscillator.start = 86_400 - 14_400;
    scenario.oscillator.leap = Some((14_400, 1));
    scenario.poll = Some(6);
    scenario
}

fn known(mode: LeapMode) -> LeapConfig {
    let table = LeapTable::new(vec![(0, 37), (EPOCH + 86_400, 38)], None);
    LeapConfig {
        mode,
        table: Some(table),
    }
}

#[test]
fn a_leap_second_made_by_the_kernel_or_by_a_step_is_not_seen_in_the_error() {
    for mode in [LeapMode::System, LeapMode::Step] {
        all_below(SEEDS, 1e-4, |seed| {
            let scenario = leaping(HOUR);
            let (record, _) = run_with(&scenario, seed, |c| c.leap = known(mode));
            let steps = usize::from(mode == LeapMode::Step);
            assert_eq!(record.steps.len(), steps, "{mode:?} {:?}", record.steps);
            let before = worst(&record, HOUR, LEAP - 1.0);
            before.max(worst(&record, LEAP + 2.0, LEAP + HOUR))
        });
    }
}

#[test]
fn a_leap_second_that_is_deleted_is_not_seen_in_the_error_either() {
    for mode in [LeapMode::System, LeapMode::Step] {
        all_below(SEEDS, 1e-4, |seed| {
            let mut scenario = leaping(HOUR);
            scenario.oscillator.leap = Some((14_399, -1));
            let (record, engine) = run_with(&scenario, seed, |c| {
                let table = LeapTable::new(vec![(0, 37), (EPOCH + 86_400, 36)], None);
                c.leap = LeapConfig {
                    mode,
                    table: Some(table),
                };
            });
            let steps: Vec<f64> = record.steps.iter().map(|s| s.1.round()).collect();
            let wanted: &[f64] = if mode == LeapMode::Step { &[1.0] } else { &[] };
            assert_eq!(steps, wanted, "{mode:?} {:?}", record.steps);
            assert!(engine.vote.best.is_some());
            let before = worst(&record, HOUR, LEAP - 2.0);
            before.max(worst(&record, LEAP + 2.0, LEAP + HOUR))
        });
    }
}

#[test]
fn a_leap_second_that_is_slewed_takes_no_longer_than_the_rate_allows() {
    let scenario = leaping(HOUR);
    let (record, _) = run_with(&scenario, 1, |c| {
        c.leap = known(LeapMode::Slew);
        c.max_slew_rate = 10_000.0;
    });
    assert!(record.steps.is_empty());
    let time = settled(&record, LEAP, 1e-3);
    assert!((95.0..115.0).contains(&time), "{time}");
    // The clock is never behind, and never goes back.
    assert!(record.errors[3600..].iter().all(|e| *e > -1e-3));
}

#[test]
fn a_leap_second_that_is_ignored_is_measured_afterwards() {
    let scenario = leaping(HOUR);
    let (record, _) = run_with(&scenario, 1, |c| c.leap = known(LeapMode::Ignore));
    assert!(worst(&record, LEAP + 2.0, LEAP + 10.0) > 0.99);
    assert!(settled(&record, LEAP, 1e-3) < 600.0);
}

#[test]
fn clients_are_told_of_the_leap_second_on_its_day_and_the_kernel_of_tai() {
    let scenario = leaping(-HOUR);
    let mut config = scenario.config();
    config.leap = known(LeapMode::System);
    let (record, engine, now) = scenario.run_to_end(config, 1);
    assert_eq!(engine.reference(now).leap, Leap::Insert);
    let status = record.status.unwrap();
    assert_eq!((status.leap, status.tai), (1, Some(37)));
}

#[test]
fn clients_of_a_smear_see_no_leap_second() {
    let scenario = leaping(300.0);
    let mut config = scenario.config();
    config.leap = known(LeapMode::Slew);
    config.smooth = Some(SmoothConfig {
        rate: 400e-6,
        wander: 0.01e-6,
        leap_only: true,
    });
    let (record, engine, now) = scenario.run_to_end(config, 1);
    let reference = engine.reference(now);
    let served = record.errors.last().unwrap() + reference.served_offset_at(now.raw);
    // Still nearly a second ahead of UTC, where all were before the leap second: 300 s at a rate
    // that grew by 10^-8 a second come to 0.45 ms.
    assert!((0.9985..0.9999).contains(&served), "{served}");
    assert_eq!(reference.leap, Leap::None);
    assert!(record.errors.last().unwrap().abs() < 1e-3);
}

#[test]
fn a_long_silence_is_bridged_by_the_mean_frequency() {
    let wrong = |seed: u64, fallback: Option<(i8, i8)>| {
        let mut peers = lan();
        peers[0].up.outages = vec![(39.0 * HOUR, 1e9)];
        let mut scenario = scenario(peers, 60.0);
        // A warm and a cold half of every day: cold when the network is lost.
        scenario.oscillator.cycle = (3e-6, 24.0 * HOUR);
        let (record, _) = run_with(&scenario, seed, |c| c.fallback_drift = fallback);
        record.errors.last().unwrap().abs()
    };
    for seed in FEW {
        let (without, with) = (wrong(seed, None), wrong(seed, Some((12, 16))));
        println!("{without:e} {with:e}");
        assert!(with < 0.7 * without, "seed {seed}: {with:e} {without:e}");
    }
}

#[test]
fn time_that_is_typed_in_is_followed_only_where_that_is_allowed() {
    let reading = Reading {
        raw: Monotonic::from_nanos(1_000_000_000_000),
        unix_ns: EPOCH * 1_000_000_000,
        slept_ns: Some(0),
    };
    let typed = |manual: bool| {
        let config = Config {
            manual,
            make_step: None,
            ..Config::default()
        };
        let mut engine = Engine::new(config, Random::from_number(1));
        engine.start(reading, 0.0);
        let outcome = engine.set_time(reading, reading.unix_ns + 2_000_000_000);
        (outcome, engine)
    };
    assert_eq!(typed(false).0, None);
    let (outcome, mut engine) = typed(true);
    assert!((outcome.unwrap().offset - 2.0).abs() < 1e-9);
    assert_eq!(engine.manual.entries().len(), 1);
    let fastest = std::iter::from_fn(|| engine.action()).find_map(|a| match a {
        Action::SetFrequency(ppm) => Some(ppm),
        _ => None,
    });
    assert!(fastest.unwrap() > 80_000.0, "{fastest:?}");
    // Nobody may believe a clock set by hand, but by `local`.
    assert!(!engine.reference(reading).is_usable());
}

#[test]
fn servers_of_the_local_stratum_count_only_when_nothing_better_is_there() {
    use clockbox::engine::local::LocalConfig;
    use clockbox::engine::system::Standing;
    let best = |real: bool| {
        let mut peers = wan(3);
        for peer in &mut peers {
            peer.server.stratum = 10;
        }
        if real {
            peers[2].server.stratum = 2;
            peers[0].server.offset = 0.3;
            peers[1].server.offset = 0.3;
        }
        let scenario = scenario(peers, 0.3);
        run_with(&scenario, 1, |c| {
            c.local = Some(LocalConfig {
                orphan: true,
                ..LocalConfig::default()
            });
        })
        .1
        .vote
    };
    let orphans = best(false);
    assert_eq!(orphans.best, Some(0));
    assert_eq!(orphans.standings[1..], [Standing::NotSelectable; 2]);
    assert_eq!(best(true).best, Some(2));
}
