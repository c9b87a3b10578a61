//! The state of the local clock against true time, and how it moves: phase, frequency, and the
//! random walk of the frequency. A measurement bounds the phase from two sides instead of giving
//! a point with a bell around it, because queues only ever add delay.
//!
//! With `excess` the round trip's time beyond the empty path, the true phase lies within
//! ± excess / 2 of the measured one, anywhere with equal probability if both directions queue
//! alike; `tilt` says which end is likelier when they do not, `bell` that the middle is, as it is
//! where many small delays add up and the empty path is never seen. The posterior is brought back to a
//! bell with the same mean and variance after each measurement (assumed density filtering).

use super::normal::Truncated;
use crate::time::Monotonic;
use std::f64::consts::PI;

/// One measured phase, as the filter takes it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observation {
    /// When, on the undisciplined clock.
    pub at: Monotonic,
    /// Measured phase: true minus undisciplined time, in seconds from the engine's origin.
    pub offset: f64,
    /// Round trip beyond the empty path's, in seconds; not negative.
    pub excess: f64,
    /// Standard deviation of the bounds themselves, in seconds; positive.
    pub slack: f64,
    /// Logarithmic slope of the density between the bounds, in 1/s: positive when the true phase
    /// is likelier near the upper bound.
    pub tilt: f64,
    /// Standard deviation, in seconds, of a bell around the middle that the density between the
    /// bounds has besides; infinite when it is flat.
    pub bell: f64,
}

/// Phase and frequency with their covariance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct State {
    /// When it holds, on the undisciplined clock.
    pub at: Monotonic,
    /// True minus undisciplined time, in seconds from the engine's origin.
    pub phase: f64,
    /// Rate of the phase, in seconds per second: positive when the undisciplined clock is slow.
    pub frequency: f64,
    /// Variance of the phase.
    pub var_phase: f64,
    /// Covariance of phase and frequency.
    pub covariance: f64,
    /// Variance of the frequency.
    pub var_frequency: f64,
}

/// White frequency noise of any oscillator: variance of the phase gained in a second.
const WHITE_FREQUENCY: f64 = 1e-20;
/// Share of measurements that obey no model at all.
const STRAY: f64 = 1e-3;

impl State {
    /// Before any measurement but the first: phase from it, frequency from memory.
    #[must_use]
    pub fn start(first: &Observation, frequency: f64, frequency_sd: f64) -> Self {
        Self {
            at: first.at,
            phase: first.offset,
            frequency,
            var_phase: (first.excess * first.excess / 12.0).min(first.bell * first.bell)
                + first.slack * first.slack,
            covariance: 0.0,
            var_frequency: frequency_sd * frequency_sd,
        }
    }

    /// The state at another time. `wander` is the variance that the frequency gains in a second.
    #[must_use]
    pub fn moved_to(&self, at: Monotonic, wander: f64) -> Self {
        let dt = at.seconds_since(self.at);
        let age = dt.abs();
        Self {
            at,
            phase: self.phase + self.frequency * dt,
            frequency: self.frequency,
            var_phase: self.var_phase
                + 2.0 * dt * self.covariance
                + dt * dt * self.var_frequency
                + wander * age * age * age / 3.0
                + WHITE_FREQUENCY * age,
            covariance: self.covariance + dt * self.var_frequency + wander * dt * age / 2.0,
            var_frequency: self.var_frequency + wander * age,
        }
    }

    /// Takes in a measurement made at the state's time. Gives the logarithm of how probable the
    /// measurement was, and the probability that it obeyed the model at all.
    pub fn update(&mut self, seen: &Observation) -> (f64, f64) {
        let variance = self.var_phase + seen.slack * seen.slack;
        let sd = variance.sqrt();
        let innovation = seen.offset - self.phase;
        let inside = Bounded::new(seen, self.phase, variance);
        // A stray would come from a bell so wide that it hardly teaches anything, the wider the farther off.
        let least = 5.0 * seen.excess + 20.0 * seen.slack + 3.0 * sd;
        let wide = variance + least.max(innovation.abs()).powi(2);
        let log_stray =
            STRAY.ln() - 0.5 * (innovation * innovation / wide + (2.0 * PI * wide).ln());
        let log_inside = (1.0 - STRAY).ln() + inside.log_evidence;
        let top = log_inside.max(log_stray);
        let evidence = top + ((log_inside - top).exp() + (log_stray - top).exp()).ln();
        let trust = (log_inside - evidence).exp();
        // Half a measurement would be taken in by no rule that is stable: it is all or nothing.
        if trust >= 0.5 {
            self.move_phase(inside.mean - self.phase, variance, inside.variance);
        }
        (evidence, trust)
    }

    /// The phase is not what it was thought to be, by about this much, and nothing is known of why
    /// but that it came about in so many seconds.
    pub(super) fn doubt(&mut self, by: f64, within: f64) {
        let frequency = by / within.max(1.0);
        self.var_phase += by * by;
        self.covariance += by * frequency;
        self.var_frequency += frequency * frequency;
    }

    /// The observed quantity (phase plus slack) had variance `before` and now has `after`, its
    /// mean moved by `shift`: carry that over to phase and frequency.
    fn move_phase(&mut self, shift: f64, before: f64, after: f64) {
        let gain_phase = self.var_phase / before;
        let gain_frequency = self.covariance / before;
        let gained = before - after;
        self.phase += gain_phase * shift;
        self.frequency += gain_frequency * shift;
        self.var_phase = (self.var_phase - gain_phase * gain_phase * gained).max(1e-24);
        self.covariance -= gain_phase * gain_frequency * gained;
        self.var_frequency =
            (self.var_frequency - gain_frequency * gain_frequency * gained).max(1e-30);
    }
}

/// The bell cut by the bounds and leaning by the tilt.
struct Bounded {
    mean: f64,
    variance: f64,
    log_evidence: f64,
}

impl Bounded {
    fn new(seen: &Observation, phase: f64, variance: f64) -> Self {
        let excess = seen.excess.max(1e-3 * seen.slack);
        // First the measurement's own bell around its middle, as any filter does it.
        let bell = seen.bell * seen.bell;
        let (centre, narrowed, log_fit) = if bell.is_finite() {
            let sum = variance + bell;
            let off = seen.offset - phase;
            (
                phase + variance / sum * off,
                variance * bell / sum,
                -0.5 * (off * off / sum + (2.0 * PI * sum).ln()),
            )
        } else {
            (phase, variance, 0.0)
        };
        // A bell times exp(tilt x) is the same bell, moved.
        let sd = narrowed.sqrt();
        let tilt = seen.tilt.clamp(-1e4 / sd, 1e4 / sd);
        let moved = centre + tilt * narrowed;
        let low = (seen.offset - 0.5 * excess - moved) / sd;
        let high = (seen.offset + 0.5 * excess - moved) / sd;
        let cut = Truncated::new(low, high);
        Self {
            mean: moved + cut.mean * sd,
            variance: cut.variance * narrowed,
            log_evidence: log_fit
                + cut.log_mass
                + tilt * (centre - seen.offset)
                + 0.5 * tilt * tilt * narrowed
                - log_norm(excess, tilt, seen.bell),
        }
    }
}

/// Logarithm of the integral between the bounds of the density around the middle: exp(tilt x)
/// times the bell, if there is one.
fn log_norm(excess: f64, tilt: f64, bell: f64) -> f64 {
    if bell.is_finite() {
        let shift = tilt * bell;
        let half = 0.5 * excess / bell;
        return 0.5 * shift * shift + Truncated::new(-half - shift, half - shift).log_mass;
    }
    let half = (0.5 * tilt * excess).abs();
    if half < 1e-6 {
        excess.ln()
    } else {
        half + (1.0 - (-2.0 * half).exp()).ln() - tilt.abs().ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(second: u64, offset: f64, excess: f64) -> Observation {
        Observation {
            at: Monotonic::from_nanos(second * 1_000_000_000),
            offset,
            excess,
            slack: 1e-7,
            tilt: 0.0,
            bell: f64::INFINITY,
        }
    }

    #[test]
    fn an_exact_measurement_beats_a_queued_one() {
        let mut state = State::start(&seen(1, 0.0, 1e-3), 0.0, 1e-6);
        state.update(&seen(1, 2e-4, 1e-6));
        assert!((state.phase - 2e-4).abs() < 1e-6, "{state:?}");
        let before = state;
        state.update(&seen(1, 5e-3, 2e-2));
        assert!((state.phase - before.phase).abs() < 2e-7, "{state:?}");
    }

    #[test]
    fn a_stray_does_not_move_a_sure_state() {
        let mut state = State::start(&seen(1, 0.0, 1e-6), 0.0, 1e-9);
        for second in 2..20 {
            state = state.moved_to(Monotonic::from_nanos(second * 1_000_000_000), 1e-18);
            state.update(&seen(second, 0.0, 1e-6));
        }
        state.update(&seen(19, 0.1, 1e-6));
        assert!(state.phase.abs() < 1e-5, "{state:?}");
    }

    #[test]
    fn tilt_moves_towards_its_end_and_never_past_the_bound() {
        let first = seen(1, 0.0, 1e-3);
        let mut plain = State::start(&first, 0.0, 1e-6);
        plain.var_phase = 1.0;
        let mut tilted = plain;
        plain.update(&first);
        tilted.update(&Observation { tilt: 1e4, ..first });
        assert!(plain.phase.abs() < 1e-9);
        assert!(tilted.phase > 1e-4 && tilted.phase < 5e-4, "{tilted:?}");
    }
}
