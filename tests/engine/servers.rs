//! Servers that are wrong, and who is believed.

use crate::world::*;
use clockbox::engine::system::Standing;
use clockbox::proto::packet::Leap;

#[test]
fn two_colluding_falsetickers_of_five_never_move_the_clock() {
    all_below(FEW, 1.5e-3, |seed| {
        let mut peers = wan(5);
        for peer in &mut peers[3..] {
            peer.server.offset = 0.08;
        }
        let (record, _) = run(&scenario(peers, 6.0), seed);
        worst(&record, 600.0, 6.0 * HOUR)
    });
}

#[test]
fn falsetickers_within_the_round_trip_do_little() {
    // 15 ms off is within what a round trip of 40 ms can hide.
    all_below(FEW, 2.5e-3, |seed| {
        let mut peers = wan(4);
        peers[3].server.offset = 0.015;
        let (record, _) = run(&scenario(peers, 8.0), seed);
        worst(&record, HOUR, 8.0 * HOUR)
    });
}

#[test]
fn a_minority_that_answers_first_does_not_set_the_clock() {
    all_below(SEEDS, 60e-3, |seed| {
        let mut peers = wan(4);
        peers[0].server.offset = 500.0;
        for peer in &mut peers[1..] {
            peer.up.outages = vec![(0.0, 3.0)];
        }
        let (record, _) = run(&scenario(peers, 0.2), seed);
        worst(&record, 0.0, 0.2 * HOUR)
    });
}

#[test]
fn two_servers_that_disagree_leave_the_clock_alone() {
    all_below(SEEDS, 60e-3, |seed| {
        let mut peers = wan(2);
        peers[1].server.offset = 10.0;
        let (record, engine) = run(&scenario(peers, 0.25), seed);
        assert_eq!(engine.vote.best, None);
        worst(&record, 0.0, 0.25 * HOUR)
    });
}

#[test]
fn one_of_four_servers_stepping_is_outvoted() {
    all_below(FEW, 1e-3, |seed| {
        let mut peers = wan(4);
        peers[1].server.steps = vec![(5.0 * HOUR, 1.0)];
        let (record, engine) = run(&scenario(peers, 8.0), seed);
        assert_eq!(engine.vote.standings[1], Standing::Falseticker);
        worst(&record, 3.0 * HOUR, 8.0 * HOUR)
    });
}

#[test]
fn a_server_that_drifts_away_is_outvoted_in_the_end() {
    all_below(FEW, 6e-3, |seed| {
        let mut peers = wan(4);
        peers[2].server.drift = 5e-6;
        let (record, engine) = run(&scenario(peers, 12.0), seed);
        assert_eq!(engine.vote.standings[2], Standing::Falseticker);
        worst(&record, HOUR, 12.0 * HOUR)
    });
}

#[test]
fn a_single_server_that_steps_is_followed_soon() {
    all_below(FEW, 100.0, |seed| {
        let mut peers = lan();
        peers[0].server.steps = vec![(2.0 * HOUR, -0.2)];
        let (record, _) = run(&scenario(peers, 3.0), seed);
        let mut shifted = record;
        for error in shifted.errors.iter_mut().skip(7200) {
            *error += 0.2;
        }
        settled(&shifted, 2.0 * HOUR, 1e-4)
    });
}

#[test]
fn a_server_that_is_not_synchronised_is_not_used() {
    for seed in FEW {
        let mut peers = wan(4);
        peers[0].server.unsynchronised = vec![(0.0, 1e9)];
        peers[0].server.offset = 3.0;
        let (record, engine) = run(&scenario(peers, 0.5), seed);
        assert_eq!(engine.vote.standings[0], Standing::Unready, "seed {seed}");
        assert!(worst(&record, 300.0, 1800.0) < 2e-3, "seed {seed}");
    }
}

#[test]
fn denied_means_never_again_and_rate_means_less() {
    let mut peers = wan(2);
    peers[0].server.kiss = Some(*b"DENY");
    peers[1].server.kiss = Some(*b"RATE");
    let (record, engine) = run(&scenario(peers, 4.0), 1);
    assert_eq!(record.requests.iter().filter(|r| r.1 == 0).count(), 1);
    assert!(engine.sources[0].silent);
    assert!(record.requests.iter().filter(|r| r.1 == 1).count() < 30);
    assert_eq!(engine.sources[1].poll, 10);
}

#[test]
fn options_decide_who_counts() {
    let mut peers = wan(3);
    peers[0].server.offset = 0.2;
    let noselect = run_with(&scenario(peers.clone(), 0.2), 1, |c| {
        c.sources[0].no_select = true;
    });
    assert_eq!(noselect.1.vote.standings[0], Standing::NotSelectable);
    let trusted = run_with(&scenario(peers.clone(), 0.2), 1, |c| {
        c.sources[0].trust = true;
    });
    assert!((trusted.0.errors.last().unwrap() - 0.2).abs() < 2e-3);
    let required = run_with(&scenario(peers.clone(), 0.2), 1, |c| {
        c.sources[0].require = true;
    });
    assert_eq!(required.1.vote.best, None);
    let preferred = run_with(&scenario(peers.clone(), 0.2), 1, |c| {
        c.sources[2].prefer = true;
    });
    assert_eq!(preferred.1.vote.best, Some(2));
    assert_eq!(preferred.1.vote.standings[1], Standing::Truechimer);
    let two = run_with(&scenario(peers, 0.2), 1, |c| c.min_sources = 3);
    assert_eq!(two.1.vote.best, None);
}

#[test]
fn a_majority_announces_the_leap_second_a_minority_does_not() {
    for (announcing, expected) in [(3, 1), (1, 0)] {
        let mut peers = wan(4);
        for peer in peers.iter_mut().take(announcing) {
            peer.server.leap = Leap::Insert;
        }
        let (record, _) = run(&scenario(peers, 0.2), 1);
        assert_eq!(record.status.unwrap().leap, expected);
    }
}
