//! The best that could be had: an estimator that is told what no program knows (the length of the
//! empty path, the law of its queues, how restless the oscillator is, which server lies) and whose
//! corrections take effect at once. It runs on the same clock and network models, asks as often as
//! the engine did, and its error is measured the same way. The update is Bayes' for bounded noise,
//! with the posterior brought back to a bell.

use super::network::Link;
use super::oscillator::Clocks;
use super::scenario::Scenario;
use crate::engine::estimator::Observation;
use crate::engine::estimator::State;
use crate::engine::random::Random;
use crate::time::Monotonic;

/// Wander that is tried where the oscillator is no random walk, variance in 1/s; the best counts.
const TRIED: [f64; 6] = [1e-17, 1e-16, 1e-15, 1e-14, 1e-13, 1e-12];
/// Resolution of both clocks together, in seconds.
const PRECISION: f64 = 1e-9;

/// What the estimator is told of the noise of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// All: the empty path and the law of the queues. This is the oracle.
    Law,
    /// Its variance alone: a plain Kalman filter, which others have measured on these models, to
    /// check the simulator by.
    Variance,
}

/// RMS error in the second half, in seconds, of the ideal estimator that asks all servers together
/// so many times an hour. Where the oscillator is no random walk, the wander that does best counts.
#[must_use]
pub fn rms(scenario: &Scenario, told: Told, requests_per_hour: f64, seed: u64) -> f64 {
    if scenario.oscillator.cycle.0 == 0.0 {
        let walk = scenario.oscillator.wander;
        return with(scenario, told, requests_per_hour, walk * walk, seed);
    }
    TRIED
        .iter()
        .map(|&wander| with(scenario, told, requests_per_hour, wander, seed))
        .fold(f64::MAX, f64::min)
}

fn with(scenario: &Scenario, told: Told, requests_per_hour: f64, wander: f64, seed: u64) -> f64 {
    let mut random = Random::from_number(seed);
    let mut child = || Random::from_number(random.word());
    let mut clocks = Clocks::new(scenario.oscillator.clone(), child());
    let honest: Vec<_> = scenario
        .peers
        .iter()
        .filter(|p| p.server.offset == 0.0)
        .collect();
    let mut links: Vec<(Link, Link)> = honest
        .iter()
        .map(|p| {
            (
                Link::new(p.up.clone(), child()),
                Link::new(p.down.clone(), child()),
            )
        })
        .collect();
    let interval =
        3600.0 / requests_per_hour * scenario.peers.len() as f64 / links.len().max(1) as f64;
    let mut state: Option<State> = None;
    let (mut due, mut next) = (interval, 0);
    let (mut squares, mut count) = (0.0, 0.0);
    let mut second = 1.0;
    while second <= scenario.limit {
        // Whatever comes first: a full second, at which the error is measured, or a request.
        let until = second.min(due);
        clocks.advance(until);
        let now = Monotonic::from_nanos((clocks.raw * 1e9) as u64 + 1_000_000_000);
        let truth = clocks.time - clocks.raw;
        if until >= due {
            due += interval;
            let which = next % links.len().max(1);
            next += 1;
            if let (Some(peer), Some((up, down))) = (honest.get(which), links.get_mut(which)) {
                let there = up.carry(clocks.time).first().copied();
                let back = down.carry(clocks.time).first().copied();
                if let Some((there, back)) = there.zip(back) {
                    let (there, back) = (there - peer.up.base, back - peer.down.base);
                    let (up, down) = (peer.up.jitter, peer.down.jitter);
                    let (excess, slack, tilt) = match told {
                        Told::Law => (there + back, 0.0, tilt(up, down, there + back)),
                        Told::Variance => (0.0, 0.5 * up.hypot(down), 0.0),
                    };
                    let seen = Observation {
                        at: now,
                        offset: truth + 0.5 * (there - back),
                        excess: excess.max(PRECISION),
                        slack: slack.max(PRECISION),
                        tilt,
                        bell: f64::INFINITY,
                    };
                    state = Some(match state {
                        None => State::start(&seen, -scenario.oscillator.frequency, 1e-6),
                        Some(state) => {
                            let mut ahead = state.moved_to(now, wander);
                            ahead.update(&seen);
                            ahead
                        }
                    });
                }
            }
        }
        if until >= second {
            if second >= 0.5 * scenario.limit {
                let error = state.map_or(0.0, |s| s.moved_to(now, wander).phase - truth);
                squares += error * error;
                count += 1.0;
            }
            second += 1.0;
        }
    }
    (squares / f64::max(count, 1.0)).sqrt()
}

/// Slope of the density of the true phase between the bounds when the two queues are exponential
/// with these means: with the part x of the excess s on the way there it goes with
/// exp(-x / up - (s - x) / down), and the true phase is s/2 - x above the middle. A packet that is
/// later than these queues explain says nothing of the kind.
fn tilt(up: f64, down: f64, excess: f64) -> f64 {
    if up <= 0.0 || down <= 0.0 || excess > 8.0 * (up + down) {
        return 0.0;
    }
    1.0 / up - 1.0 / down
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::sim::scenario;

    /// Scenario, requests an hour, and what a plain Kalman filter and one that weighs by the excess
    /// reach there, in us, by a program of its own on the same models.
    const MEASURED: [(&str, f64, f64, f64); 4] = [
        ("a4-lan-poll4", 225.0, 2.65, 1.31),
        ("b6-wan-poll6", 225.0, 87.0, 21.0),
        ("b-wan", 27.0, 202.0, 70.0),
        ("h4-wander-poll4", 225.0, 9.1, 7.8),
    ];

    fn median(name: &str, told: Told, requests: f64) -> f64 {
        let all = scenario::all();
        let found = all.iter().find(|s| s.name == name).unwrap();
        let mut seeds: Vec<f64> = (1..=9)
            .map(|seed| rms(found, told, requests, seed) * 1e6)
            .collect();
        seeds.sort_by(f64::total_cmp);
        seeds[4]
    }

    #[test]
    fn a_known_filter_does_here_what_others_have_measured_on_these_models() {
        for (name, requests, plain, _) in MEASURED {
            let ours = median(name, Told::Variance, requests);
            println!("{name}: {ours} {plain}");
            assert!(
                (0.8..1.2).contains(&(ours / plain)),
                "{name}: {ours} {plain}"
            );
        }
    }

    #[test]
    fn the_oracle_is_as_good_as_the_best_filter_that_others_have_tried() {
        for (name, requests, _, best) in MEASURED {
            let ours = median(name, Told::Law, requests);
            println!("{name}: {ours} {best}");
            assert!((0.7..1.2).contains(&(ours / best)), "{name}: {ours} {best}");
        }
    }
}
