//! How often to poll: as often as the clock needs, no more. The filter looks back over a time that
//! follows from its own variances; measuring a few times within it is enough, more only costs the
//! servers (RFC 5905 §13 has the same aim by other means).

use super::estimator::State;

/// Measurements of one source within the filter's memory.
const WITHIN: f64 = 0.42;
/// The usual `polltarget`.
const TARGET: u32 = 8;
/// A new value counts so much against the old ones.
const GAIN: f64 = 0.03;
/// Part of the time that the measurements span that counts as memory.
const BEGINNING: f64 = 0.3;
/// The interval is only shortened when it is this much too long, in doublings.
const HYSTERESIS: f64 = 0.35;

/// The memory of the filter, averaged.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Pace {
    /// Natural logarithm of the memory, in seconds.
    memory: Option<f64>,
}

impl Pace {
    /// Natural logarithm of the memory, in seconds, once there is one.
    pub(crate) const fn memory(&self) -> Option<f64> {
        self.memory
    }

    /// From [`Self::memory`].
    pub(crate) const fn of(memory: f64) -> Self {
        Self {
            memory: Some(memory),
        }
    }

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

    /// How far `present` is on the way to the next longer interval, 0 to 1; 0 while nothing is
    /// known. Arguments as for [`Self::poll`].
    pub(crate) fn score(&self, present: i8, reach: u8, target: u32) -> f64 {
        let wanted = self.wanted(reach, target);
        wanted.map_or(0.0, |wanted| (wanted - f64::from(present)).clamp(0.0, 1.0))
    }

    /// The poll interval that the memory asks for, log2 seconds.
    fn wanted(&self, reach: u8, target: u32) -> Option<f64> {
        let memory = self.memory?;
        let answered = f64::from(reach.count_ones().max(2)) / 8.0;
        let fewer = f64::from(TARGET) / f64::from(target.max(1));
        Some((WITHIN * answered * fewer * memory.exp()).log2())
    }

    /// The poll interval to use after this one, log2 seconds, without the source's limits. `reach`
    /// has a bit for each of the last eight requests: where half are lost, twice as many are sent.
    /// `target` is how many measurements are wanted, against the usual [`TARGET`].
    pub(crate) fn poll(&self, present: i8, reach: u8, target: u32) -> i8 {
        let Some(wanted) = self.wanted(reach, target) else {
            return present;
        };
        if wanted >= f64::from(present) + 1.0 {
            present.saturating_add(1)
        } else if wanted < f64::from(present) - HYSTERESIS {
            present.saturating_sub(1)
        } else {
            present
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_score_grows_from_0_to_1_before_the_interval_does() {
        assert_eq!(Pace::default().score(6, u8::MAX, TARGET), 0.0);
        let asked_for = |log2: f64| Pace::of((log2.exp2() / WITHIN).ln());
        for (wanted, score, next) in [(5.8, 0.0, 6), (6.0, 0.0, 6), (6.5, 0.5, 6), (7.5, 1.0, 7)] {
            let pace = asked_for(wanted);
            assert!(
                (pace.score(6, u8::MAX, TARGET) - score).abs() < 1e-9,
                "{wanted}"
            );
            assert_eq!(pace.poll(6, u8::MAX, TARGET), next, "{wanted}");
        }
    }
}
