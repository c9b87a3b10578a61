//! How often to poll: as often as the clock needs, no more. The filter looks back over a time that
//! follows from its own variances; measuring a few times within it is enough, more only costs the
//! servers (RFC 5905 §13 has the same aim by other means).

use super::estimator::State;

/// Measurements of one source within the filter's memory.
const WITHIN: f64 = 0.42;
/// A new value counts so much against the old ones.
const GAIN: f64 = 0.03;
/// Part of the time that the measurements span that counts as memory.
const BEGINNING: f64 = 0.3;
/// The interval is only shortened when it is this much too long, in doublings.
const HYSTERESIS: f64 = 0.35;

/// The memory of the filter, averaged.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    /// Natural logarithm of the memory, in seconds.
    memory: Option<f64>,
}

impl Pace {
    /// Takes in the state after an update. In the steady state of a filter for phase and
    /// frequency with one memory τ, the covariance is the variance of the phase over √2 τ.
    /// A filter cannot look back farther than its measurements go: `span` seconds.
    pub(crate) fn update(&mut self, state: &State, span: f64) {
        let steady = state.var_phase / (std::f64::consts::SQRT_2 * state.covariance.max(1e-30));
        let now = steady.min(BEGINNING * span).max(1.0).ln();
        let old = self.memory.unwrap_or(now);
        // At the beginning the span is what limits it.
        let gain = if steady > BEGINNING * span { 1.0 } else { GAIN };
        self.memory = Some(old + gain * (now - old));
    }

    /// The poll interval to use after this one, log2 seconds, without the source's limits. `reach`
    /// has a bit for each of the last eight requests: where half are lost, twice as many are sent.
    pub(crate) fn poll(&self, present: i8, reach: u8) -> i8 {
        let Some(memory) = self.memory else {
            return present;
        };
        let answered = f64::from(reach.count_ones().max(2)) / 8.0;
        let wanted = (WITHIN * answered * memory.exp()).log2();
        if wanted >= f64::from(present) + 1.0 {
            present.saturating_add(1)
        } else if wanted < f64::from(present) - HYSTERESIS {
            present.saturating_sub(1)
        } else {
            present
        }
    }
}
