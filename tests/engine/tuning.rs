//! The numbers of a configuration: which sources count, and how the clock is steered.

use crate::world::*;
use clockbox::engine::sim::Peer;
use clockbox::engine::system::Standing;

/// A server so far away each way.
fn away(seconds: f64) -> Peer {
    peer(&path(seconds, 1e-5))
}

#[test]
fn sources_that_are_too_far_or_too_noisy_are_not_used() {
    let mut peers = vec![away(1e-3), away(0.2), away(1e-3)];
    peers[2].up.jitter = 0.05;
    peers[2].down.jitter = 0.05;
    let (_, loose) = run_with(&scenario(peers.clone(), 0.3), 1, |_| ());
    assert!(!loose.vote.standings.contains(&Standing::TooFar));
    let (_, engine) = run_with(&scenario(peers, 0.3), 1, |c| {
        c.max_distance = 0.1;
        c.max_jitter = 5e-3;
    });
    assert_eq!(engine.vote.standings[1..], [Standing::TooFar; 2]);
    assert_eq!(engine.vote.best, Some(0));
}

#[test]
fn only_sources_about_as_near_as_the_nearest_are_combined() {
    let peers = vec![away(1e-3), away(2e-2)];
    for (limit, standing) in [(3.0, Standing::Truechimer), (20.0, Standing::Combined)] {
        let (_, engine) = run_with(&scenario(peers.clone(), 0.3), 1, |c| {
            c.combine_limit = limit;
        });
        assert_eq!(engine.vote.standings, [Standing::Combined, standing]);
    }
}

#[test]
fn a_stratum_weighs_as_much_distance_as_it_is_told_to() {
    let mut peers = vec![away(1e-3), away(2e-3)];
    peers[0].server.stratum = 3;
    for (weight, best) in [(1e-3, 1), (1e-5, 0)] {
        let (_, engine) = run_with(&scenario(peers.clone(), 0.3), 1, |c| {
            c.stratum_weight = weight;
        });
        assert_eq!(engine.vote.best, Some(best), "{weight}");
    }
}

#[test]
fn another_source_is_the_best_only_when_it_is_nearer_by_reselectdist() {
    let mut peers = vec![away(2e-3), away(1e-3)];
    peers[1].server.down = vec![(0.0, 200.0)];
    for (distance, best) in [(1e-4, 1), (1e-2, 0)] {
        let (_, engine) = run_with(&scenario(peers.clone(), 0.5), 1, |c| {
            c.reselect_distance = distance;
        });
        assert_eq!(engine.vote.best, Some(best), "{distance}");
        assert!(!engine.vote.standings.contains(&Standing::Unready));
    }
}

#[test]
fn a_larger_corrtimeratio_bends_the_frequency_less() {
    let bend = |ratio: f64| {
        let mut scenario = scenario(lan(), 3.0);
        scenario.poll = Some(4);
        let (record, _) = run_with(&scenario, 1, |c| c.corr_time_ratio = ratio);
        let steady = &record.frequencies[HOUR as usize..];
        (steady.iter().map(|f| f * f).sum::<f64>() / steady.len() as f64).sqrt()
    };
    let (usual, gentle) = (bend(3.0), bend(30.0));
    assert!(1.3 * gentle < usual, "{gentle:e} {usual:e}");
}

#[test]
fn a_frequency_less_sure_than_maxupdateskew_is_not_taken() {
    let (_, engine) = run_with(&scenario(lan(), 0.5), 1, |c| c.max_update_skew = 1e-9);
    assert_eq!(engine.discipline.frequency, 0.0);
    assert!(engine.discipline.updates > 10);
    let (_, engine) = run(&scenario(lan(), 0.5), 1);
    assert!((engine.discipline.frequency.abs() - 1e-5).abs() < 1e-6);
}

#[test]
fn a_known_shortest_round_trip_makes_longer_ones_doubtful() {
    let doubt = |known: Option<f64>| {
        let mut peers = wan(1);
        peers[0].up.base += 8e-3;
        let (_, engine) = run_with(&scenario(peers, 2.0), 1, |c| c.sources[0].min_delay = known);
        engine.state.unwrap().var_phase.sqrt()
    };
    let (told, untold) = (doubt(Some(0.04)), doubt(None));
    assert!(told > 3.0 * untold, "{told:e} {untold:e}");
}

#[test]
fn a_known_asymmetry_of_the_jitter_takes_its_bias_off() {
    // Negative: what is sent to the server is the more variable (chrony.conf(5), asymmetry).
    let error = |asymmetry: f64| {
        let figures = over(SEEDS, |seed| {
            let mut peers = wan(1);
            peers[0].up.jitter = 5e-3;
            peers[0].down.jitter = 1e-5;
            let (record, _) = run_with(&scenario(peers, 4.0), seed, |c| {
                c.sources[0].asymmetry = Some(asymmetry);
            });
            rms(&record, HOUR, 4.0 * HOUR)
        });
        median(&figures)
    };
    let (right, none, wrong) = (error(-0.5), error(0.0), error(0.5));
    assert!(
        right < 0.7 * none && none < wrong,
        "{right:e} {none:e} {wrong:e}"
    );
}

#[test]
fn a_restless_clock_is_asked_often_and_a_quiet_one_seldom() {
    for seed in SEEDS {
        let polls = [1e-10, 1e-7].map(|wander| {
            let mut scenario = scenario(lan(), 8.0);
            scenario.oscillator.wander = wander;
            run(&scenario, seed).1.sources[0].poll
        });
        assert!(polls[0] >= 7 && polls[1] == 4, "seed {seed}: {polls:?}");
    }
}
