//! A pulse says when a second begins, not which: that is taken from another clock, or from what is
//! known of the time already.

use super::Ignored;
use super::config::RefclockConfig;

/// What is known of the time at a pulse's moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Seconds {
    /// True minus undisciplined time, in seconds from the engine's origin.
    pub(crate) offset: f64,
    /// Bound of its error, in seconds.
    pub(crate) distance: f64,
}

/// A second is only sure while what is known is nearer than this part of the pulses' interval.
const SURE: f64 = 0.4;

/// The phase that a pulse means: `within` is its offset with an unknown number of intervals.
pub(super) fn complete(
    within: f64,
    seconds: &Seconds,
    config: &RefclockConfig,
) -> Result<f64, Ignored> {
    let rate = f64::from(config.rate.max(1));
    let shift = ((seconds.offset - within) * rate).round() / rate;
    let offset = within + shift;
    let off = (offset - seconds.offset).abs();
    if off + seconds.distance + config.precision > SURE / rate {
        return Err(Ignored::NoSeconds);
    }
    if config.width > 0.0 {
        // With both edges reported, the wrong one is a pulse's width away.
        let most = 0.5 * config.width.min(1.0 / rate - config.width);
        if off > most || seconds.distance > most {
            return Err(Ignored::Edge);
        }
    }
    Ok(offset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::refclock::Device;
    use crate::proto::refid::RefId;

    fn pps(rate: u32, width: f64) -> RefclockConfig {
        let device = Device::Pps {
            path: "/dev/pps0".to_owned(),
            falling: false,
        };
        RefclockConfig {
            rate,
            width,
            ..RefclockConfig::new(device, RefId(*b"PPS0"))
        }
    }

    fn near(offset: f64, distance: f64) -> Seconds {
        Seconds { offset, distance }
    }

    #[test]
    fn a_pulse_takes_its_second_from_what_is_known() {
        let found = complete(0.000_01, &near(12.1, 0.05), &pps(1, 0.0)).unwrap();
        assert!((found - 12.000_01).abs() < 1e-12, "{found}");
        let fast = complete(0.0, &near(12.21, 0.01), &pps(5, 0.0)).unwrap();
        assert!((fast - 12.2).abs() < 1e-12, "{fast}");
    }

    #[test]
    fn a_second_that_is_not_sure_is_not_guessed() {
        assert_eq!(
            complete(0.0, &near(12.3, 0.2), &pps(1, 0.0)),
            Err(Ignored::NoSeconds)
        );
    }

    #[test]
    fn the_other_edge_is_known_by_the_width() {
        let config = pps(1, 0.2);
        assert!(complete(0.0, &near(12.05, 0.01), &config).is_ok());
        assert_eq!(
            complete(0.2, &near(12.0, 0.01), &config),
            Err(Ignored::Edge)
        );
        assert_eq!(
            complete(0.0, &near(12.0, 0.15), &config),
            Err(Ignored::Edge)
        );
    }
}
