//! The time that clients are given, kept smooth (`smoothtime` of chrony.conf): a correction of the
//! clock reaches them as a slow change of rate, bounded in rate and in how fast the rate changes.
//! With `leaponly` only leap seconds are smoothed: a smear.
//!
//! The offset still to go is brought to rest in the shortest time that the two bounds allow: the
//! rate grows, stays, shrinks, each stage a parabola or a line.

use crate::time::Monotonic;

/// Bounds, as configured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SmoothConfig {
    /// Largest rate, in seconds per second.
    pub rate: f64,
    /// Largest change of the rate in a second, in 1/s.
    pub wander: f64,
    /// Only leap seconds are smoothed.
    pub leap_only: bool,
}

/// What is added to the clock for clients, over time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Smoothing {
    config: SmoothConfig,
    /// When the stages begin.
    at: Monotonic,
    /// Offset and rate then.
    offset: f64,
    rate: f64,
    /// Change of the rate, in 1/s, and length, in seconds.
    stages: [(f64, f64); 3],
    /// False: nothing is smoothed yet.
    pub active: bool,
}

impl Smoothing {
    /// At rest.
    #[must_use]
    pub fn new(config: SmoothConfig) -> Self {
        Self {
            config,
            at: Monotonic::default(),
            offset: 0.0,
            rate: 0.0,
            stages: [(0.0, 0.0); 3],
            active: false,
        }
    }

    /// True when only leap seconds are smoothed.
    #[must_use]
    pub const fn leap_only(&self) -> bool {
        self.config.leap_only
    }

    /// Offset that clients get beyond the clock, and its rate, at a time.
    #[must_use]
    pub fn at(&self, now: Monotonic) -> (f64, f64) {
        let mut left = now.seconds_since(self.at).max(0.0);
        let (mut offset, mut rate) = (self.offset, self.rate);
        for (change, length) in self.stages {
            let time = left.min(length);
            offset += rate * time + 0.5 * change * time * time;
            rate += change * time;
            left -= time;
        }
        (offset + rate * left, rate)
    }

    /// Seconds until it is at rest.
    #[must_use]
    pub fn remaining(&self, now: Monotonic) -> f64 {
        let whole: f64 = self.stages.iter().map(|s| s.1).sum();
        (whole - now.seconds_since(self.at)).max(0.0)
    }

    /// Change of the rate at a time, in 1/s.
    #[must_use]
    pub fn wander(&self, now: Monotonic) -> f64 {
        let mut left = now.seconds_since(self.at).max(0.0);
        for (change, length) in self.stages {
            if left < length {
                return change;
            }
            left -= length;
        }
        0.0
    }

    /// When it was last given something to smooth.
    #[must_use]
    pub const fn updated(&self) -> Monotonic {
        self.at
    }

    /// The clock is being moved by `offset` seconds: clients stay where they are for now.
    pub fn absorb(&mut self, now: Monotonic, offset: f64) {
        let (old, rate) = self.at(now);
        self.restart(now, old - offset, rate);
    }

    /// Starts anew from rest: clients follow the clock.
    pub fn reset(&mut self, now: Monotonic) {
        self.restart(now, 0.0, 0.0);
    }

    fn restart(&mut self, now: Monotonic, offset: f64, rate: f64) {
        self.at = now;
        (self.offset, self.rate) = (offset, rate);
        let wander = self.config.wander.max(1e-15);
        // Where it would come to rest by braking at once; the way from there decides.
        let rest = offset + rate * rate.abs() / (2.0 * wander);
        let towards = if rest > 0.0 { -1.0 } else { 1.0 };
        let speed = towards * rate;
        let distance = (-towards * offset).max(-speed * speed / wander);
        let top = (wander * distance + 0.5 * speed * speed).max(0.0).sqrt();
        let limit = self.config.rate.max(speed);
        let (top, cruise) = if top > limit {
            let rest = (2.0 * limit * limit - speed * speed) / (2.0 * wander);
            (limit, (distance - rest) / limit)
        } else {
            (top, 0.0)
        };
        self.stages = [
            (towards * wander, ((top - speed) / wander).max(0.0)),
            (0.0, cruise.max(0.0)),
            (-towards * wander, top / wander),
        ];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: f64) -> Monotonic {
        Monotonic::from_nanos(1_000_000_000).plus_seconds(second)
    }

    const CONFIG: SmoothConfig = SmoothConfig {
        rate: 400e-6,
        wander: 0.01e-6,
        leap_only: true,
    };

    #[test]
    fn a_leap_second_is_smeared_within_both_bounds() {
        let mut smooth = Smoothing::new(CONFIG);
        smooth.absorb(at(0.0), -1.0);
        assert_eq!(smooth.at(at(0.0)), (1.0, 0.0));
        // Without the bound of the rate: sqrt(4 offset / wander) = 20,000 s.
        let whole = smooth.remaining(at(0.0));
        assert!((19_990.0..20_010.0).contains(&whole), "{whole}");
        let mut before = smooth.at(at(0.0));
        for step in 1..=25_000 {
            let now = smooth.at(at(f64::from(step)));
            assert!(now.1.abs() <= 400e-6 && (now.1 - before.1).abs() <= 0.0101e-6);
            assert!(
                now.0 <= before.0 + 1e-12 && now.0 > -1e-9,
                "{step}: {now:?}"
            );
            before = now;
        }
        assert!(
            before.0.abs() < 1e-9 && before.1.abs() < 1e-12,
            "{before:?}"
        );
    }

    #[test]
    fn a_correction_on_the_way_is_taken_in_without_a_jump() {
        for (first, second) in [
            (0.05, 0.02),
            (0.05, -0.2),
            (-0.3, 0.001),
            (1e-6, -1e-6),
            (5.0, -5.0),
        ] {
            let mut smooth = Smoothing::new(CONFIG);
            smooth.absorb(at(0.0), first);
            let before = smooth.at(at(700.0));
            smooth.absorb(at(700.0), second);
            let after = smooth.at(at(700.0));
            assert!((after.0 - (before.0 - second)).abs() < 1e-12);
            assert!((after.1 - before.1).abs() < 1e-15);
            let end = 701.0 + smooth.remaining(at(700.0));
            let (offset, rate) = smooth.at(at(end));
            assert!(
                offset.abs() < 1e-9 && rate.abs() < 1e-12,
                "{first} {second}: {offset} {rate}"
            );
        }
    }
}
