//! Four timestamps to a measured phase and a round trip (RFC 5905 §8). Local times are on the
//! undisciplined clock, so that slewing between request and reply changes nothing.

use crate::time::Monotonic;

/// One measurement of a source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Middle of the exchange, on the undisciplined clock.
    pub at: Monotonic,
    /// True minus undisciplined time, in seconds from the engine's origin.
    pub offset: f64,
    /// Round trip δ without the server's own time, in seconds.
    pub delay: f64,
    /// Resolution of both clocks together, in seconds.
    pub precision: f64,
    /// The route it took.
    pub(crate) epoch: usize,
}

/// The times of one exchange, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exchange {
    /// The request left (T1), on the undisciplined clock.
    pub(crate) t1: Monotonic,
    /// It arrived (T2), by the server's clock, since 1970.
    pub(crate) t2_unix_ns: i64,
    /// The reply left (T3), by the server's clock.
    pub(crate) t3_unix_ns: i64,
    /// It arrived (T4), on the undisciplined clock.
    pub(crate) t4: Monotonic,
}

impl Exchange {
    /// Seconds between the request's arrival and the reply's leaving, by the server's clock.
    pub(crate) const fn response(&self) -> f64 {
        self.t3_unix_ns.saturating_sub(self.t2_unix_ns) as f64 * 1e-9
    }

    /// Offset θ against the undisciplined clock set to start at `origin_ns`, and delay δ.
    pub(crate) fn sample(&self, origin_ns: i64, precision: f64) -> Sample {
        let (t1, t4) = (i128::from(self.t1.nanos()), i128::from(self.t4.nanos()));
        let (t2, t3) = (i128::from(self.t2_unix_ns), i128::from(self.t3_unix_ns));
        let doubled = t2 + t3 - t1 - t4 - 2 * i128::from(origin_ns);
        Sample {
            at: Monotonic::from_nanos(u64::midpoint(self.t1.nanos(), self.t4.nanos())),
            offset: doubled as f64 * 0.5e-9,
            delay: ((t4 - t1) - (t3 - t2)) as f64 * 1e-9,
            precision,
            epoch: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_behind_has_a_positive_offset() {
        let exchange = Exchange {
            t1: Monotonic::from_nanos(1_000_000_000),
            t2_unix_ns: 5_600_000_000,
            t3_unix_ns: 5_700_000_000,
            t4: Monotonic::from_nanos(1_300_000_000),
        };
        let sample = exchange.sample(4_000_000_000, 1e-6);
        assert!((sample.offset - 0.5).abs() < 1e-12 && (sample.delay - 0.2).abs() < 1e-12);
    }
}
