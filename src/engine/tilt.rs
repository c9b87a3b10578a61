//! Queues that are longer in one direction than in the other: the slope of the density between
//! the bounds of a measurement, learnt from where the true phase turned out to lie.

use super::estimator::Observation;

/// Measurements before the slope is believed at all.
const ENOUGH: usize = 12;

/// The slope, in 1/s, from observations and the phase that the filter had after each of them.
///
/// With the queues upward and downward exponential of means a and b, the true phase lies between
/// the bounds with a density that leans by 1/a - 1/b.
pub(crate) fn learn(seen: &[Observation], phases: &[(usize, f64)]) -> f64 {
    let mut up = Vec::with_capacity(phases.len());
    let mut down = Vec::with_capacity(phases.len());
    for (index, phase) in phases.iter().skip(6) {
        if let Some(observation) = seen.get(*index) {
            let error = observation.offset - phase;
            let half = 0.5 * observation.excess;
            up.push((half + error).max(0.0));
            down.push((half - error).max(0.0));
        }
    }
    let n = up.len();
    if n < ENOUGH {
        return 0.0;
    }
    let (a, b) = (mean_of(&mut up), mean_of(&mut down));
    let least = 0.1 * (a + b).max(1e-12);
    let (a, b) = (a.max(least), b.max(least));
    // The ratio of two medians is only known to so much; what chance explains is no slope.
    let ratio = (b / a).ln();
    let chance = 2.1 / (n as f64).sqrt();
    let believed = (1.0 - (chance / ratio).powi(2)).max(0.0);
    (1.0 / a - 1.0 / b) * believed
}

/// The slope for an asymmetry that the user knows (-0.5: all queueing is on the way to the
/// source, 0.5: all on the way back), given the median excess of the round trips, in seconds.
pub(crate) fn from_asymmetry(asymmetry: f64, median_excess: f64) -> f64 {
    let mean = (median_excess / 1.68).max(1e-9);
    let share = (0.5 - asymmetry).clamp(0.05, 0.95);
    let (up, down) = (2.0 * mean * share, 2.0 * mean * (1.0 - share));
    1.0 / up - 1.0 / down
}

/// Mean of an exponential law with the same median: a few huge values do not count.
fn mean_of(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0) / std::f64::consts::LN_2
}
