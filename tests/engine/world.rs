//! What the simulations have in common: networks, configurations, measures.

use clockbox::engine::Engine;
use clockbox::engine::config::Config;
use clockbox::engine::sim::Oscillator;
use clockbox::engine::sim::Path;
use clockbox::engine::sim::Peer;
use clockbox::engine::sim::Record;
use clockbox::engine::sim::Server;
use clockbox::engine::sim::scenario::Scenario;

/// Seeds of each simulation.
pub(crate) const SEEDS: std::ops::RangeInclusive<u64> = 1..=100;
/// Seeds of those that take days of simulated time each.
pub(crate) const FEW: std::ops::RangeInclusive<u64> = 1..=12;

pub(crate) const HOUR: f64 = 3600.0;

/// A path with exponential queues.
pub(crate) fn path(base: f64, jitter: f64) -> Path {
    Path {
        base,
        jitter,
        ..Path::default()
    }
}

/// A peer with the same path both ways.
pub(crate) fn peer(path: &Path) -> Peer {
    Peer {
        server: Server::default(),
        up: path.clone(),
        down: path.clone(),
    }
}

/// One server, 100 us away.
pub(crate) fn lan() -> Vec<Peer> {
    vec![peer(&path(1e-4, 1e-5))]
}

/// Servers 20 ms away.
pub(crate) fn wan(count: usize) -> Vec<Peer> {
    vec![peer(&path(2e-2, 1e-3)); count]
}

/// A situation that starts 50 ms and 10 ppm off.
pub(crate) fn scenario(peers: Vec<Peer>, hours: f64) -> Scenario {
    Scenario {
        name: "test",
        oscillator: Oscillator::default(),
        peers,
        poll: None,
        limit: hours * HOUR,
    }
}

/// Runs it with its usual configuration.
pub(crate) fn run(scenario: &Scenario, seed: u64) -> (Record, Engine) {
    scenario.run_with(scenario.config(), seed)
}

/// Runs it with a configuration that was changed.
pub(crate) fn run_with(
    scenario: &Scenario,
    seed: u64,
    change: impl FnOnce(&mut Config),
) -> (Record, Engine) {
    let mut config = scenario.config();
    change(&mut config);
    scenario.run_with(config, seed)
}

/// The largest error from one second to another.
pub(crate) fn worst(record: &Record, from: f64, to: f64) -> f64 {
    window(record, from, to).fold(0.0, |most: f64, e| most.max(e.abs()))
}

/// The RMS error from one second to another.
pub(crate) fn rms(record: &Record, from: f64, to: f64) -> f64 {
    let (count, sum) = window(record, from, to).fold((0.0, 0.0), |(n, s), e| (n + 1.0, s + e * e));
    (sum / f64::max(count, 1.0)).sqrt()
}

fn window(record: &Record, from: f64, to: f64) -> impl Iterator<Item = f64> {
    let (from, to) = (from as usize, (to as usize).min(record.errors.len()));
    record.errors[from.min(to)..to].iter().copied()
}

/// The first second after `from` at which the error is below `limit` and stays so for a minute.
pub(crate) fn settled(record: &Record, from: f64, limit: f64) -> f64 {
    let mut begun = from as usize;
    for (second, error) in record.errors.iter().enumerate().skip(begun) {
        if error.abs() > limit {
            begun = second + 1;
        } else if second - begun >= 60 {
            return begun as f64 - from;
        }
    }
    f64::INFINITY
}

/// Collects a figure over seeds, sorted.
pub(crate) fn over(seeds: std::ops::RangeInclusive<u64>, figure: impl Fn(u64) -> f64) -> Vec<f64> {
    let mut figures: Vec<f64> = seeds.map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures
}

pub(crate) fn median(sorted: &[f64]) -> f64 {
    sorted[sorted.len() / 2]
}

/// All seeds stay within the bound.
pub(crate) fn all_below(
    seeds: std::ops::RangeInclusive<u64>,
    bound: f64,
    figure: impl Fn(u64) -> f64,
) {
    let mut worst = (0.0, 0);
    for seed in seeds {
        let value = figure(seed);
        if value.is_nan() || value > worst.0 {
            worst = (value, seed);
        }
    }
    assert!(
        worst.0 <= bound,
        "seed {}: {:e} > {bound:e}",
        worst.1,
        worst.0
    );
}

/// So many of a hundred seeds stay within the first bound, and all of them within the second.
pub(crate) fn nearly_all_below(
    seeds: std::ops::RangeInclusive<u64>,
    percent: f64,
    (bound, worst): (f64, f64),
    figure: impl Fn(u64) -> f64,
) {
    let mut figures: Vec<(f64, u64)> = seeds.map(|seed| (figure(seed), seed)).collect();
    figures.sort_by(|a, b| b.0.total_cmp(&a.0));
    let over = figures
        .iter()
        .filter(|f| f.0.is_nan() || f.0 > bound)
        .count();
    let allowed = (figures.len() as f64 * (1.0 - percent / 100.0)).round() as usize;
    assert!(
        over <= allowed && figures[0].0 <= worst,
        "{over} of {} are over {bound:e}, the worst: {:?}",
        figures.len(),
        &figures[..figures.len().min(5)]
    );
}
