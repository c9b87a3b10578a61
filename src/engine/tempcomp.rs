//! The oscillator's known dependence on temperature (`tempcomp` of chrony.conf), taken out before
//! anything else sees it: the undisciplined clock is the oscillator's, corrected by the curve, and
//! frequencies are against that.

use super::clock::Clock;
use super::clock::ClockError;
use super::clock::Reading;
use super::clock::Status;
use crate::time::Monotonic;

/// From a temperature to the correction of the frequency.
#[derive(Clone, Debug, PartialEq)]
pub enum Curve {
    /// Points of temperature and ppm, ascending; straight between them, level beyond.
    Points(Vec<(f64, f64)>),
    /// `T0`, `k0`, `k1`, `k2`: k0 + (T - T0) k1 + (T - T0)^2 k2, in ppm.
    Polynomial([f64; 4]),
}

/// Corrections beyond this are a broken sensor, in ppm.
const LARGEST: f64 = 10.0;

impl Curve {
    /// The correction at a temperature, in ppm, positive makes the clock run faster; none when the
    /// curve or the temperature is absurd.
    #[must_use]
    pub fn at(&self, temperature: f64) -> Option<f64> {
        let ppm = match self {
            Self::Polynomial([t0, k0, k1, k2]) => {
                let from = temperature - t0;
                k0 + from * k1 + from * from * k2
            }
            Self::Points(points) => between(points, temperature)?,
        };
        (ppm.abs() <= LARGEST).then_some(ppm)
    }
}

fn between(points: &[(f64, f64)], x: f64) -> Option<f64> {
    let (first, last) = (points.first()?, points.last()?);
    let above = points.iter().position(|p| p.0 >= x);
    match above {
        Some(0) => Some(first.1),
        None => Some(last.1),
        Some(index) => {
            let (a, b) = (points.get(index - 1)?, points.get(index)?);
            Some(a.1 + (b.1 - a.1) * (x - a.0) / (b.0 - a.0))
        }
    }
}

/// A clock whose oscillator is corrected by a curve.
#[derive(Debug)]
pub struct Compensated<C, S> {
    inner: C,
    sensor: S,
    curve: Option<(Curve, f64)>,
    /// The correction in force, ppm.
    ppm: f64,
    /// What the corrected clock is ahead of the oscillator's, in nanoseconds.
    ahead: f64,
    last: Option<Monotonic>,
    next: Option<Monotonic>,
    /// The frequency that was asked for, ppm.
    asked: Option<f64>,
}

impl<C: Clock, S: FnMut() -> Option<f64>> Compensated<C, S> {
    /// Over a clock; `curve` with the seconds between readings of the sensor, in degrees. Without
    /// a curve it changes nothing.
    pub const fn new(inner: C, curve: Option<(Curve, f64)>, sensor: S) -> Self {
        Self {
            inner,
            sensor,
            curve,
            ppm: 0.0,
            ahead: 0.0,
            last: None,
            next: None,
            asked: None,
        }
    }

    /// The correction in force, ppm.
    #[must_use]
    pub const fn correction(&self) -> f64 {
        self.ppm
    }

    fn feel(&mut self, now: Monotonic) {
        let Some((curve, interval)) = &self.curve else {
            return;
        };
        if self.next.is_some_and(|next| now < next) {
            return;
        }
        self.next = Some(now.plus_seconds(interval.max(1.0)));
        let ppm = (self.sensor)().and_then(|t| curve.at(t));
        if let Some(ppm) = ppm
            && (ppm - self.ppm).abs() > 1e-6
        {
            self.ppm = ppm;
            if let Some(asked) = self.asked {
                // A clock that refuses says so at the next regular command.
                let _ = self.inner.set_frequency(asked + ppm);
            }
        }
    }
}

impl<C: Clock, S: FnMut() -> Option<f64>> Clock for Compensated<C, S> {
    fn read(&mut self) -> Reading {
        let mut reading = self.inner.read();
        if self.curve.is_none() {
            return reading;
        }
        let passed = self
            .last
            .map_or(0.0, |last| reading.raw.seconds_since(last));
        self.last = Some(reading.raw);
        self.ahead += passed * self.ppm * 1e3;
        reading.raw = reading.raw.plus_seconds(self.ahead * 1e-9);
        self.feel(reading.raw);
        reading
    }

    fn deadline(&self) -> Option<Monotonic> {
        self.next
    }

    fn frequency(&mut self) -> Result<f64, ClockError> {
        Ok(self.inner.frequency()? - self.ppm)
    }

    fn set_frequency(&mut self, ppm: f64) -> Result<f64, ClockError> {
        self.asked = Some(ppm);
        Ok(self.inner.set_frequency(ppm + self.ppm)? - self.ppm)
    }

    fn step(&mut self, nanos: i64) -> Result<(), ClockError> {
        self.inner.step(nanos)
    }

    fn publish(&mut self, status: &Status) -> Result<(), ClockError> {
        self.inner.publish(status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_are_straight_between_points_and_refuse_the_absurd() {
        let points = Curve::Points(vec![(20.0, 1.0), (30.0, 3.0)]);
        assert_eq!(points.at(10.0), Some(1.0));
        assert_eq!(points.at(25.0), Some(2.0));
        assert_eq!(points.at(99.0), Some(3.0));
        let curve = Curve::Polynomial([25.0, 0.5, 0.1, 0.01]);
        assert_eq!(curve.at(35.0), Some(2.5));
        assert_eq!(curve.at(1000.0), None);
        assert_eq!(Curve::Points(Vec::new()).at(1.0), None);
    }
}
