//! Four timestamps to offset, delay and dispersion (RFC 5905 §8).

use crate::proto::packet::Packet;
use crate::time::NtpDuration;
use crate::time::NtpTimestamp;
use crate::time::PHI;

/// One measurement of a source. Seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Offset θ: server minus local; positive when the local clock is behind.
    pub offset: f64,
    /// Round trip delay δ, at least the two precisions.
    pub delay: f64,
    /// Dispersion ε at the time of the measurement.
    pub dispersion: f64,
    /// Root delay Δ of the server.
    pub root_delay: f64,
    /// Root dispersion Ε of the server.
    pub root_dispersion: f64,
}

impl Sample {
    /// From a verified reply: `t1` and `t4` are this machine's clock when the request left and the
    /// reply came, `precision` its own precision in seconds.
    #[must_use]
    pub fn new(t1: NtpTimestamp, t4: NtpTimestamp, reply: &Packet, precision: f64) -> Self {
        let (t2, t3) = (reply.receive, reply.transmit);
        // Each half is taken before the sum: clocks decades apart must not overflow.
        let half = |d: NtpDuration| d.to_bits() / 2;
        let offset = NtpDuration::from_bits(half(t2.since(t1)).saturating_add(half(t3.since(t4))));
        let elapsed = t4.since(t1).seconds();
        let theirs = 2f64.powi(i32::from(reply.precision.clamp(-32, 4)));
        let delay = elapsed - t3.since(t2).seconds();
        Self {
            offset: offset.seconds(),
            delay: delay.max(precision),
            dispersion: theirs + precision + PHI * elapsed.max(0.0),
            root_delay: reply.root_delay.seconds(),
            root_dispersion: reply.root_dispersion.seconds(),
        }
    }

    /// Root distance λ at the time of the measurement: no truthful server is further off.
    #[must_use]
    pub fn root_distance(&self) -> f64 {
        (self.root_delay + self.delay) / 2.0 + self.root_dispersion + self.dispersion
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn exchange(behind: f64, out: f64, back: f64, work: f64) -> Sample {
        let t1 = NtpTimestamp::from_unix(1_700_000_000, 0);
        let after = |s| t1.plus(NtpDuration::from_seconds(s));
        let mut reply = Packet::request(4, after(behind + out + work));
        (reply.receive, reply.precision) = (after(behind + out), -30);
        Sample::new(t1, after(out + work + back), &reply, 1e-9)
    }

    #[test]
    fn a_symmetric_path_gives_the_offset_exactly() {
        let sample = exchange(-350.0, 0.01, 0.01, 0.5);
        assert!((sample.offset + 350.0).abs() < 1e-8, "{sample:?}");
        assert!((sample.delay - 0.02).abs() < 1e-8, "{sample:?}");
    }

    #[test]
    fn thirty_years_apart_do_not_overflow() {
        assert!((exchange(1e9, 0.01, 0.01, 0.0).offset - 1e9).abs() < 1e-6);
    }

    proptest! {
        #[test]
        fn the_truth_lies_within_the_root_distance(
            behind in -1e6f64..1e6, out in 0.0f64..1.0, back in 0.0f64..1.0, work in 0.0f64..0.1,
        ) {
            let sample = exchange(behind, out, back, work);
            prop_assert!((sample.offset - behind).abs() <= sample.root_distance() + 1e-8);
        }
    }
}
