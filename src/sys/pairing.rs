//! The system clock beside the oscillator's: they cannot be read at one instant, so a single look at
//! both is off by some of the time that it took. How far they are apart grows by what the kernel was
//! told, and by little else; looks are held against that, and their noise averages out.

use crate::time::Monotonic;

/// A look at both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// The oscillator's clock, in the middle of the look.
    pub raw: Monotonic,
    /// The system clock, in nanoseconds since 1970, somewhere within.
    pub unix_ns: i64,
    /// What the look took, in nanoseconds.
    pub took_ns: i64,
}

/// How far apart the clocks are, as known from all looks.
#[derive(Clone, Copy, Debug)]
struct Track {
    at: Monotonic,
    /// System clock minus the oscillator's in nanoseconds: the whole number at the first look, and
    /// what came since.
    base: i64,
    apart: f64,
    /// What the clock gains beyond what it was told, in nanoseconds a second.
    surplus: f64,
    /// Variances of both, and between them their covariance.
    variance: (f64, f64, f64),
}

/// The looks at the clocks of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pairing {
    track: Option<Track>,
}

/// Standard deviation of what the clock gains by itself, in nanoseconds a second, before anything is
/// known: the kernel rounds the length of its tick, by some millionths on a slow counter.
const SURPLUS: f64 = 1e5;
/// Variance that phase and rate gain in a second, in square nanoseconds: rounding, nothing else.
const WANDER: (f64, f64) = (0.25, 1e-4);
/// A look is off by less than half of what it took, and by these nanoseconds.
const ROUNDING: f64 = 2.0;
/// So many standard deviations off, and the clock is not where it was left.
const SET: f64 = 6.0;
/// After so long the next look begins anew, in seconds.
const OLD: f64 = 100.0;

impl Pairing {
    /// What the system clock shows at the look's moment, in nanoseconds since 1970. `told` is the
    /// frequency in force since the last look, in seconds per second.
    pub fn smooth(&mut self, look: &Look, told: f64) -> i64 {
        let seen = look.unix_ns.saturating_sub(nanos(look.raw));
        let took = look.took_ns.max(0) as f64;
        let noise = took * took / 12.0 + ROUNDING;
        let old = self.track.take();
        let mut track = match old.and_then(|track| track.moved(look.raw, told)) {
            Some(track) if track.fits(seen, took) => track,
            _ => Track::new(look.raw, seen, noise, old.map(|track| track.surplus)),
        };
        track.update(seen, noise);
        self.track = Some(track);
        nanos(look.raw)
            .saturating_add(track.base)
            .saturating_add(track.apart.round() as i64)
    }

    /// The system clock is set: nothing is known of it any more.
    pub const fn forget(&mut self) {
        self.track = None;
    }
}

impl Track {
    fn new(at: Monotonic, seen: i64, noise: f64, surplus: Option<f64>) -> Self {
        Self {
            at,
            base: seen,
            apart: 0.0,
            surplus: surplus.unwrap_or(0.0),
            variance: (noise, 0.0, SURPLUS * SURPLUS),
        }
    }

    fn moved(mut self, at: Monotonic, told: f64) -> Option<Self> {
        let dt = at.seconds_since(self.at);
        if !(0.0..OLD).contains(&dt) {
            return None;
        }
        let (phase, both, rate) = self.variance;
        self.at = at;
        self.apart += (told * 1e9 + self.surplus) * dt;
        self.variance = (
            phase + 2.0 * dt * both + dt * dt * rate + WANDER.0 * dt,
            both + dt * rate,
            rate + WANDER.1 * dt,
        );
        Some(self)
    }

    fn off(&self, seen: i64) -> f64 {
        seen.saturating_sub(self.base) as f64 - self.apart
    }

    fn fits(&self, seen: i64, took: f64) -> bool {
        self.off(seen).abs() <= 0.5 * took + ROUNDING + SET * self.variance.0.sqrt()
    }

    fn update(&mut self, seen: i64, noise: f64) {
        let (phase, both, rate) = self.variance;
        let gain = (phase / (phase + noise), both / (phase + noise));
        let off = self.off(seen);
        self.apart += gain.0 * off;
        self.surplus += gain.1 * off;
        self.variance = (
            phase - gain.0 * phase,
            both - gain.0 * both,
            rate - gain.1 * both,
        );
    }
}

fn nanos(at: Monotonic) -> i64 {
    i64::try_from(at.nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::random::Random;

    const EPOCH: i64 = 1_800_000_000_000_000_000;

    /// A machine whose clocks are looked at, eight times in a row four times a second.
    struct Machine {
        pairing: Pairing,
        random: Random,
        seconds: f64,
        /// System clock minus the oscillator's, in nanoseconds after the start.
        apart: f64,
        /// What it is told, and what it does beyond that, in seconds per second.
        told: f64,
        surplus: f64,
        took: f64,
    }

    impl Machine {
        fn new(took: f64, surplus: f64) -> Self {
            Self {
                pairing: Pairing::default(),
                random: Random::from_number(3),
                seconds: 0.0,
                apart: 0.0,
                told: 0.0,
                surplus,
                took,
            }
        }

        /// Root mean square of what a look is off, in nanoseconds, over so many seconds.
        fn run(&mut self, seconds: u32) -> f64 {
            let (mut sum, mut count) = (0.0, 0.0);
            for _ in 0..4 * seconds {
                self.seconds += 0.25;
                self.apart += 0.25e9 * (self.told + self.surplus);
                for _ in 0..8 {
                    sum += self.look().powi(2);
                    count += 1.0;
                }
            }
            f64::sqrt(sum / count)
        }

        fn look(&mut self) -> f64 {
            let raw = Monotonic::from_nanos((self.seconds * 1e9) as u64);
            let off = self.took * (self.random.uniform() - 0.5);
            let apart = |off: f64| EPOCH + (self.apart + off).round() as i64;
            let look = Look {
                raw,
                unix_ns: nanos(raw) + apart(off),
                took_ns: self.took as i64,
            };
            let shown = self.pairing.smooth(&look, self.told);
            (shown - nanos(raw) - EPOCH) as f64 - self.apart
        }
    }

    #[test]
    fn the_noise_of_looks_averages_out() {
        let mut machine = Machine::new(400.0, 0.0);
        machine.run(20);
        let steady = machine.run(60);
        // A single look is off by 115 ns.
        assert!(steady < 15.0, "{steady}");
        machine.told = 3e-8;
        let slewed = machine.run(8);
        assert!(slewed < 15.0, "{slewed}");
    }

    #[test]
    fn what_the_kernel_does_beyond_what_it_was_told_is_learnt() {
        for surplus in [5e-9, -1e-6, 35e-6] {
            let mut machine = Machine::new(400.0, surplus);
            machine.run(40);
            let steady = machine.run(60);
            assert!(steady < 15.0, "{surplus}: {steady}");
        }
    }

    #[test]
    fn a_clock_that_somebody_sets_is_believed_at_once() {
        let mut machine = Machine::new(60.0, 0.0);
        machine.run(20);
        for by in [500.0, -2e4, 3e9] {
            machine.apart += by;
            let off = machine.look();
            assert!(off.abs() <= 33.0, "{by}: {off}");
            machine.run(10);
        }
        // A slow look is not believed more than it can know.
        machine.took = 40_000.0;
        let off = machine.look();
        assert!(off.abs() < 20.0, "{off}");
        machine.pairing.forget();
        assert!(machine.pairing.track.is_none());
    }
}
