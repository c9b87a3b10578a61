//! Sources known by name, and changes while the engine runs.

use crate::world::*;
use clockbox::engine::Change;
use clockbox::engine::Mask;
use clockbox::engine::Note;
use clockbox::engine::Selection;
use clockbox::engine::SourceId;
use clockbox::engine::config::Config;
use clockbox::engine::config::SourceConfig;
use clockbox::engine::sim::Peer;
use clockbox::engine::sim::Record;
use clockbox::engine::sim::address;
use clockbox::engine::sim::scenario::Happening;
use clockbox::engine::sim::scenario::Scenario;
use clockbox::engine::system::Standing;

fn pool(count: usize, used: usize, hours: f64) -> (Vec<Peer>, Config) {
    let peers = wan(count);
    let mut config = scenario(peers.clone(), hours).config();
    config.sources = (0..used)
        .map(|_| {
            let mut source = SourceConfig::new("pool.test", None);
            source.iburst = true;
            source
        })
        .collect();
    (peers, config)
}

fn moved(notes: &[(f64, Note)]) -> Vec<f64> {
    notes
        .iter()
        .filter(|(_, note)| matches!(note, Note::Moved { .. }))
        .map(|(at, _)| *at)
        .collect()
}

fn sent(record: &Record, peer: usize, from: f64) -> usize {
    let to = record.requests.iter().filter(|r| r.1 == peer);
    to.filter(|r| r.0 >= from).count()
}

#[test]
fn a_pool_gives_every_member_an_address_of_its_own_with_one_look_up() {
    all_below(SEEDS, 2e-3, |seed| {
        let (peers, config) = pool(6, 4, 0.2);
        let scenario = scenario(peers, 0.2);
        let names = [("pool.test", vec![vec![0, 1, 2, 3]])];
        let (record, engine, _) = scenario.run_script(config, seed, &names, Vec::new());
        let mut at: Vec<_> = engine.sources.iter().map(|s| s.address).collect();
        at.sort();
        at.dedup();
        assert_eq!((at.len(), record.look_ups.len()), (4, 1));
        worst(&record, 60.0, 700.0)
    });
}

#[test]
fn a_resolver_that_does_not_answer_is_asked_ever_less_often_and_delays_nobody() {
    let (peers, mut config) = pool(2, 1, 2.0);
    let literal = scenario(peers.clone(), 2.0).config().sources[1].clone();
    config.sources.push(literal);
    let scenario = scenario(peers, 2.0);
    let names = [("pool.test", [vec![Vec::new(); 5], vec![vec![0]]].concat())];
    let (record, engine, _) = scenario.run_script(config, 1, &names, Vec::new());
    let gaps: Vec<f64> = record.look_ups.windows(2).map(|w| w[1] - w[0]).collect();
    assert_eq!(gaps.len(), 5);
    assert!(gaps.windows(2).all(|w| w[1] > 1.5 * w[0]), "{gaps:?}");
    assert!(engine.sources.iter().all(|s| s.reach != 0));
    assert!(record.errors[120].abs() < 2e-3);
}

#[test]
fn dead_refusing_and_wrong_members_of_a_pool_are_replaced_and_the_time_stays() {
    all_below(SEEDS, 4e-3, |seed| {
        let (mut peers, config) = pool(8, 4, 5.0);
        peers[0].server.down = vec![(HOUR, 1e9)];
        peers[1].server.steps = vec![(HOUR, 2.0)];
        peers[2].server.kiss = Some(*b"DENY");
        let scenario = scenario(peers, 5.0);
        let all = vec![0, 1, 2, 3, 4, 5, 6, 7];
        let names = [("pool.test", vec![vec![0, 1, 2, 3], all])];
        let (record, engine, notes) = scenario.run_script(config, seed, &names, Vec::new());
        assert_eq!(moved(&notes).len(), 3, "seed {seed}");
        let last = |s: &clockbox::engine::source::Source| s.address.unwrap();
        assert!(
            engine
                .sources
                .iter()
                .all(|s| s.reach != 0 && (3..8).any(|p| address(p) == last(s))),
            "seed {seed}"
        );
        assert_eq!(sent(&record, 2, 2.0 * HOUR), 0);
        assert!(record.look_ups.len() < 12, "{:?}", record.look_ups);
        worst(&record, 0.5 * HOUR, 5.0 * HOUR)
    });
}

#[test]
fn a_bad_member_stays_when_its_name_has_nothing_better_and_the_resolver_is_left_alone() {
    let (mut peers, config) = pool(3, 3, 24.0);
    peers[0].server.down = vec![(HOUR, 12.0 * HOUR)];
    let scenario = scenario(peers, 24.0);
    let names = [("pool.test", vec![vec![0, 1, 2]])];
    let (record, engine, notes) = scenario.run_script(config, 1, &names, Vec::new());
    assert!(moved(&notes).is_empty());
    assert!(record.look_ups.len() < 30, "{}", record.look_ups.len());
    assert_eq!(engine.sources[0].reach.count_ones(), 8);
}

#[test]
fn sources_with_literal_addresses_are_never_looked_up() {
    let mut peers = wan(2);
    peers[0].server.down = vec![(0.0, 1e9)];
    let (record, _) = run(&scenario(peers, 4.0), 1);
    assert!(record.look_ups.is_empty());
}

#[test]
fn a_source_removed_or_added_leaves_the_others_estimates_as_they_are() {
    all_below(SEEDS, 2.5e-3, |seed| {
        let mut peers = wan(5);
        peers[1].server.offset = 0.3;
        let scenario = scenario(peers.clone(), 2.0);
        let mut config = scenario.config();
        let late = config.sources.pop().unwrap();
        let script: Vec<Happening> = vec![
            (
                3600.0,
                Box::new(|engine, now, _| {
                    assert_eq!(engine.vote.standings[1], Standing::Falseticker);
                    let before: Vec<usize> =
                        engine.sources.iter().map(|s| s.samples.len()).collect();
                    // The first one: all the others move up.
                    let first = engine.sources[0].id;
                    assert!(engine.remove_source(now, first));
                    let after: Vec<usize> =
                        engine.sources.iter().map(|s| s.samples.len()).collect();
                    assert_eq!(before[1..], after);
                    assert_eq!(engine.vote.standings[0], Standing::Falseticker);
                    assert!(engine.vote.best.is_none_or(|b| b > 0));
                }),
            ),
            (
                4000.0,
                Box::new(move |engine, now, _| {
                    let id = engine.add_source(late.clone(), now.raw);
                    assert_eq!(id, SourceId(5));
                }),
            ),
        ];
        let (record, engine, notes) = scenario.run_script(config, seed, &[], script);
        assert!(
            !notes
                .iter()
                .any(|(at, n)| (3600.0..3700.0).contains(at) && matches!(n, Note::Jumped { .. }))
        );
        assert_eq!(sent(&record, 0, 3602.0), 0);
        assert!(engine.source(SourceId(5)).unwrap().samples.len() > 7);
        assert_eq!(engine.vote.standings[3], Standing::Combined, "seed {seed}");
        worst(&record, 1200.0, 2.0 * HOUR)
    });
}

#[test]
fn offline_sources_are_silent_and_unused_and_come_back() {
    let scenario = scenario(wan(3), 1.0);
    let (record, engine, _) = scenario.run_script(
        scenario.config(),
        1,
        &[],
        vec![
            (
                1200.0,
                Box::new(|engine, now, _| {
                    let first = Mask::exactly(address(0).ip());
                    assert_eq!(engine.offline(now, first), 1);
                    assert_eq!(engine.vote.standings[0], Standing::Unready);
                }),
            ),
            (
                2400.0,
                Box::new(|engine, now, _| {
                    assert_eq!(engine.burst(now, Mask::exactly(address(0).ip()), 3, 5), 1);
                }),
            ),
            (
                3000.0,
                Box::new(|engine, now, _| {
                    assert_eq!(engine.online(now, Mask::All), 3);
                }),
            ),
        ],
    );
    let asked = |from: f64, to: f64| {
        let sent = record.requests.iter();
        sent.filter(|r| r.1 == 0 && (from..to).contains(&r.0))
            .count()
    };
    assert_eq!((asked(1202.0, 2400.0), asked(2400.0, 2999.0)), (0, 3));
    assert!(asked(3000.0, 3600.0) > 3);
    assert!(engine.vote.standings[0] == Standing::Combined);
}

#[test]
fn options_changed_while_it_runs_hold_from_then_on() {
    let scenario = scenario(wan(3), 2.0);
    let (record, engine, _) = scenario.run_script(
        scenario.config(),
        1,
        &[],
        vec![(
            3600.0,
            Box::new(|engine, now, _| {
                let [a, b, _] = [0, 1, 2].map(|i| engine.sources[i].id);
                assert!(engine.modify(now, a, Change::MaxPoll(4)));
                assert!(engine.modify(now, a, Change::MinPoll(4)));
                let no = Selection {
                    no_select: true,
                    ..Selection::default()
                };
                assert!(engine.modify(now, b, Change::Select(no)));
                assert_eq!(engine.vote.standings[1], Standing::NotSelectable);
            }),
        )],
    );
    assert!(sent(&record, 0, 3700.0) > 190);
    assert_eq!(engine.vote.standings[1], Standing::NotSelectable);
    assert!(worst(&record, 600.0, 7200.0) < 2e-3);
}

#[test]
fn a_name_is_looked_up_again_after_its_interval_one_source_at_a_time() {
    let (peers, mut config) = pool(6, 3, 8.0);
    config.refresh = Some(HOUR);
    let scenario = Scenario {
        peers,
        ..scenario(Vec::new(), 8.0)
    };
    // From the third answer on the first server is no longer in the name.
    let first = vec![0, 1, 2, 3];
    let later = vec![1, 2, 3, 4];
    let answers = vec![first.clone(), first, later];
    let (record, engine, notes) =
        scenario.run_script(config, 1, &[("pool.test", answers)], Vec::new());
    assert_eq!(moved(&notes).len(), 1, "{notes:?}");
    assert!(moved(&notes)[0] > HOUR);
    assert!(engine.sources.iter().all(|s| s.address != Some(address(0))));
    // Three sources, an hour each: never more often.
    let count = record.look_ups.len();
    assert!((8..=25).contains(&count), "{count}: {:?}", record.look_ups);
    assert!(worst(&record, HOUR, 8.0 * HOUR) < 2e-3);
}

#[test]
fn without_refresh_and_with_a_resolver_that_fails_nobody_moves() {
    for refresh in [None, Some(600.0)] {
        let (peers, mut config) = pool(6, 3, 4.0);
        config.refresh = refresh;
        let scenario = Scenario {
            peers,
            ..scenario(Vec::new(), 4.0)
        };
        let answers = vec![vec![0, 1, 2, 3, 4, 5], Vec::new()];
        let (record, _, notes) =
            scenario.run_script(config, 1, &[("pool.test", answers)], Vec::new());
        assert!(moved(&notes).is_empty(), "{notes:?}");
        assert_eq!(record.look_ups.len() > 1, refresh.is_some());
        assert!(record.look_ups.len() < 40, "{}", record.look_ups.len());
    }
}
