//! Whether to step, to slew or to leave the clock, and doing it to whatever clock there is.

use crate::time::NtpDuration;

/// The clock as it is, for the report.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClockState {
    /// Unix seconds and nanoseconds.
    pub unix: (i64, u32),
    /// The kernel's (or the simulation's) word that it is synchronised.
    pub synchronised: bool,
    /// Maximum error, seconds.
    pub max_error: f64,
    /// Estimated error, seconds.
    pub estimated_error: f64,
    /// Frequency correction, ppm; positive makes the clock run faster.
    pub frequency_ppm: f64,
    /// What is left of a slew, seconds.
    pub slew_left: f64,
}

/// A clock that can be put right.
pub trait SetClock {
    /// Why it cannot.
    type Error;

    /// The clock as it is.
    ///
    /// # Errors
    /// When it cannot be read.
    fn state(&mut self) -> Result<ClockState, Self::Error>;

    /// Adds the offset at once.
    ///
    /// # Errors
    /// When that is not permitted.
    fn step(&mut self, offset: NtpDuration) -> Result<(), Self::Error>;

    /// Adds the offset little by little, instead of what was left of an earlier slew.
    ///
    /// # Errors
    /// When that is not permitted.
    fn slew(&mut self, offset: NtpDuration) -> Result<(), Self::Error>;

    /// Publishes that it is synchronised, with its maximum and estimated error in seconds.
    ///
    /// # Errors
    /// When that is not permitted.
    fn publish(&mut self, max_error: f64, estimated_error: f64) -> Result<(), Self::Error>;
}

/// What the caller wants done to an offset.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    /// Offsets of this size and more are stepped, seconds.
    pub step_threshold: f64,
    /// Always step.
    pub step: bool,
    /// Never step.
    pub slew: bool,
    /// Larger offsets are refused, seconds.
    pub max_offset: f64,
    /// No offset is refused.
    pub force: bool,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Correction {
    /// The offset is within the noise of its own measurement, which is this many seconds.
    Nothing(f64),
    /// Add it at once.
    Step,
    /// Add it little by little.
    Slew,
    /// It is larger than the policy's limit: do nothing.
    Refuse,
}

/// Offsets this small are never worth a correction: the kernel's slew counts microseconds.
const FINEST: f64 = 2e-6;

/// The decision. An offset within the noise of its measurement is left alone, so that a second run
/// finds nothing to change; the noise is twice the jitter among the sources or an eighth of the
/// error bound, whichever is more. `step` and `slew` in the policy ask for a correction all the
/// same.
#[must_use]
pub fn decide(offset: f64, bound: f64, jitter: f64, policy: &Policy) -> Correction {
    let size = offset.abs();
    let noise = (2.0 * jitter).max(bound / 8.0).max(FINEST);
    if size > policy.max_offset && !policy.force {
        Correction::Refuse
    } else if policy.step {
        Correction::Step
    } else if size <= noise && !policy.slew {
        Correction::Nothing(noise)
    } else if policy.slew || size < policy.step_threshold {
        Correction::Slew
    } else {
        Correction::Step
    }
}

/// Does it, and publishes the error truthfully: the bound of the measurement, and what a slew has
/// still to do.
///
/// # Errors
/// When the clock may not be set.
pub fn apply<C: SetClock>(
    clock: &mut C,
    correction: Correction,
    offset: f64,
    bound: f64,
    jitter: f64,
) -> Result<(), C::Error> {
    match correction {
        Correction::Nothing(_) | Correction::Refuse => Ok(()),
        Correction::Step => {
            clock.slew(NtpDuration::ZERO)?;
            clock.step(NtpDuration::from_seconds(offset))?;
            clock.publish(bound, jitter.min(bound))
        }
        Correction::Slew => {
            clock.slew(NtpDuration::from_seconds(offset))?;
            clock.publish(
                bound + offset.abs(),
                (jitter + offset.abs()).min(bound + offset.abs()),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy {
        step_threshold: 0.128,
        step: false,
        slew: false,
        max_offset: 1000.0,
        force: false,
    };

    #[derive(Default)]
    struct Simulated {
        time: f64,
        slewing: f64,
        published: Option<(f64, f64)>,
    }

    impl SetClock for Simulated {
        type Error = ();
        fn state(&mut self) -> Result<ClockState, ()> {
            let max_error = self.published.map_or(16.0, |p| p.0);
            Ok(ClockState {
                unix: (self.time as i64, 0),
                synchronised: self.published.is_some(),
                max_error,
                estimated_error: max_error,
                frequency_ppm: 0.0,
                slew_left: self.slewing,
            })
        }
        fn step(&mut self, offset: NtpDuration) -> Result<(), ()> {
            self.time += offset.seconds();
            Ok(())
        }
        fn slew(&mut self, offset: NtpDuration) -> Result<(), ()> {
            self.slewing = offset.seconds();
            Ok(())
        }
        fn publish(&mut self, max_error: f64, estimated_error: f64) -> Result<(), ()> {
            self.published = Some((max_error, estimated_error));
            Ok(())
        }
    }

    #[test]
    fn large_is_stepped_small_is_slewed_and_absurd_is_refused() {
        assert_eq!(decide(-350.0, 0.01, 1e-3, &POLICY), Correction::Step);
        assert_eq!(decide(0.1, 0.01, 1e-3, &POLICY), Correction::Slew);
        assert_eq!(decide(1e6, 0.01, 1e-3, &POLICY), Correction::Refuse);
        assert_eq!(
            decide(
                1e6,
                0.01,
                1e-3,
                &Policy {
                    force: true,
                    ..POLICY
                }
            ),
            Correction::Step
        );
        assert_eq!(
            decide(
                350.0,
                0.01,
                1e-3,
                &Policy {
                    slew: true,
                    ..POLICY
                }
            ),
            Correction::Slew
        );
    }

    #[test]
    fn an_offset_within_its_own_noise_is_left_alone() {
        assert!(matches!(
            decide(0.001, 0.01, 1e-5, &POLICY),
            Correction::Nothing(_)
        ));
        assert!(matches!(
            decide(0.001, 0.001, 1e-3, &POLICY),
            Correction::Nothing(_)
        ));
        assert_eq!(
            decide(
                0.001,
                0.01,
                1e-5,
                &Policy {
                    step: true,
                    ..POLICY
                }
            ),
            Correction::Step
        );
    }

    #[test]
    fn a_step_moves_the_clock_and_ends_an_earlier_slew() {
        let mut clock = Simulated {
            slewing: 0.4,
            ..Simulated::default()
        };
        apply(&mut clock, Correction::Step, -350.0, 0.01, 0.001).expect("steps");
        assert!((clock.time + 350.0).abs() < 1e-6);
        assert_eq!((clock.slewing, clock.published), (0.0, Some((0.01, 0.001))));
    }

    #[test]
    fn while_a_slew_lasts_its_rest_is_part_of_the_error() {
        let mut clock = Simulated::default();
        apply(&mut clock, Correction::Slew, 0.1, 0.01, 0.001).expect("slews");
        assert!((clock.slewing - 0.1).abs() < 1e-9);
        assert!((clock.state().expect("reads").max_error - 0.11).abs() < 1e-9);
    }

    #[test]
    fn nothing_and_refusal_touch_nothing() {
        let mut clock = Simulated::default();
        apply(&mut clock, Correction::Refuse, 1e9, 0.01, 0.001).expect("does nothing");
        apply(&mut clock, Correction::Nothing(1.0), 0.5, 0.01, 0.001).expect("does nothing");
        assert_eq!((clock.time, clock.published), (0.0, None));
    }
}
