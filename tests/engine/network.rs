//! Networks that do what networks do.

use crate::world::*;
use clockbox::engine::sim::Path;
use clockbox::engine::sim::Peer;

#[test]
fn a_route_that_becomes_longer_one_way_moves_the_clock_by_half_of_it_at_most() {
    // Half of it is 5 ms; a packet's own noise comes on top.
    all_below(SEEDS, 6e-3, |seed| {
        let mut peers = wan(1);
        peers[0].up.routes = vec![(6.0 * HOUR, 1e-2), (12.0 * HOUR, 0.0)];
        let (record, _) = run(&scenario(peers, 18.0), seed);
        worst(&record, 3.0 * HOUR, 18.0 * HOUR)
    });
}

#[test]
fn a_return_to_the_shorter_route_is_used() {
    let figures = over(SEEDS, |seed| {
        let mut peers = wan(1);
        peers[0].up.routes = vec![(6.0 * HOUR, 1e-2), (8.0 * HOUR, 0.0)];
        let (record, _) = run(&scenario(peers, 18.0), seed);
        rms(&record, 10.0 * HOUR, 18.0 * HOUR)
    });
    println!("{:e} {:e}", median(&figures), figures[figures.len() - 1]);
    assert!(median(&figures) < 0.4e-3);
}

#[test]
fn one_of_four_routes_changing_is_not_seen_in_the_time() {
    all_below(SEEDS, 1e-3, |seed| {
        let mut peers = wan(4);
        peers[0].down.routes = vec![(6.0 * HOUR, 8e-3)];
        let (record, _) = run(&scenario(peers, 12.0), seed);
        worst(&record, 3.0 * HOUR, 12.0 * HOUR)
    });
}

#[test]
fn queues_that_last_longer_than_a_poll_cost_less_than_their_mean() {
    let with = |seed, time| {
        let queued = Path {
            queue: (4e-3, time),
            ..path(2e-2, 2e-4)
        };
        let peers = vec![
            Peer {
                up: queued,
                ..peer(&path(2e-2, 2e-4))
            };
            4
        ];
        let (record, _) = run(&scenario(peers, 24.0), seed);
        rms(&record, 6.0 * HOUR, 24.0 * HOUR)
    };
    all_below(SEEDS, 1.2e-3, |seed| with(seed, 300.0));
    all_below(SEEDS, 4e-3, |seed| with(seed, 3000.0));
}

#[test]
fn a_path_whose_minimum_is_never_seen_is_still_averaged() {
    let figures = over(SEEDS, |seed| {
        let far = Path {
            stages: 8,
            ..path(2e-2, 2.5e-4)
        };
        let (record, _) = run(&scenario(vec![peer(&far); 4], 18.0), seed);
        rms(&record, 6.0 * HOUR, 18.0 * HOUR)
    });
    println!("{:e} {:e}", median(&figures), figures[figures.len() - 1]);
    assert!(median(&figures) < 250e-6);
}

#[test]
fn normal_noise_of_timestamps_is_averaged() {
    // Many small stages are as good as a bell: 2 us of it each way.
    let figures = over(SEEDS, |seed| {
        let noisy = Path {
            stages: 40,
            ..path(1e-4, 0.3e-6)
        };
        let mut scenario = scenario(vec![peer(&noisy)], 8.0);
        scenario.poll = Some(4);
        let (record, _) = run(&scenario, seed);
        rms(&record, 2.0 * HOUR, 8.0 * HOUR)
    });
    println!("{:e}", median(&figures));
    // The best that a filter that knows everything can do is 0.76 us.
    assert!(median(&figures) < 1.0e-6);
}

#[test]
fn loss_duplicates_and_overtaking_do_no_harm() {
    all_below(SEEDS, 0.5e-3, |seed| {
        let rough = Path {
            loss: 0.2,
            twice: 0.2,
            late: (0.05, 0.1),
            ..path(2e-2, 1e-3)
        };
        let (record, _) = run(&scenario(vec![peer(&rough); 4], 12.0), seed);
        rms(&record, 3.0 * HOUR, 12.0 * HOUR)
    });
}

#[test]
fn six_hours_without_network_are_bridged_by_the_frequency() {
    all_below(SEEDS, 20e-3, |seed| {
        let mut peers = wan(4);
        for peer in &mut peers {
            peer.up.outages = vec![(12.0 * HOUR, 18.0 * HOUR)];
        }
        let (record, _) = run(&scenario(peers, 20.0), seed);
        worst(&record, 3.0 * HOUR, 18.0 * HOUR)
    });
}

#[test]
fn after_an_outage_the_clock_is_right_again_soon() {
    all_below(SEEDS, 2e-3, |seed| {
        let mut peers = wan(4);
        for peer in &mut peers {
            peer.up.outages = vec![(6.0 * HOUR, 12.0 * HOUR)];
        }
        let (record, _) = run(&scenario(peers, 16.0), seed);
        worst(&record, 13.0 * HOUR, 16.0 * HOUR)
    });
}
