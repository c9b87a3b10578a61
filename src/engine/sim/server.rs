//! A simulated server: right, or wrong in the ways that servers are.

use crate::proto::packet::Leap;
use crate::proto::packet::Mode;
use crate::proto::packet::Packet;
use crate::proto::refid::RefId;
use crate::time::NtpDuration;
use crate::time::NtpTimestamp;

/// What a server is like.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Error of its clock, in seconds: positive when it is ahead.
    pub offset: f64,
    /// Error of its frequency, in seconds per second.
    pub drift: f64,
    /// From this time, in seconds, its clock is off by this much more.
    pub steps: Vec<(f64, f64)>,
    /// From the first time to the second, in seconds, it says that it is not synchronised.
    pub unsynchronised: Vec<(f64, f64)>,
    /// Leap indicator.
    pub leap: Leap,
    /// Stratum.
    pub stratum: u8,
    /// Root delay and root dispersion, in seconds.
    pub root: (f64, f64),
    /// Answers with this kiss code instead of the time.
    pub kiss: Option<[u8; 4]>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            offset: 0.0,
            drift: 0.0,
            steps: Vec::new(),
            unsynchronised: Vec::new(),
            leap: Leap::None,
            stratum: 1,
            root: (0.0, 0.0),
            kiss: None,
        }
    }
}

impl Server {
    /// The reply to a request that arrives at this true time, in seconds.
    pub(super) fn reply(&self, request: &[u8], now: f64, epoch: i64) -> Option<Vec<u8>> {
        let request = Packet::decode(request).ok()?;
        let stepped: f64 = self.steps.iter().filter(|s| s.0 <= now).map(|s| s.1).sum();
        let clock = timestamp(now + self.offset + self.drift * now + stepped, epoch);
        let lost = self
            .unsynchronised
            .iter()
            .any(|&(from, to)| (from..to).contains(&now));
        let (stratum, refid) = match self.kiss {
            Some(code) => (0, RefId(code)),
            None => (if lost { 0 } else { self.stratum }, RefId(*b"SIM\0")),
        };
        let reply = Packet {
            leap: if lost {
                Leap::Unsynchronised
            } else {
                self.leap
            },
            version: request.version,
            mode: Mode::Server,
            stratum,
            poll: request.poll,
            precision: -24,
            root_delay: NtpDuration::from_seconds(self.root.0),
            root_dispersion: NtpDuration::from_seconds(self.root.1),
            refid,
            reference: clock,
            origin: request.transmit,
            receive: clock,
            transmit: clock,
        };
        Some(reply.encode().to_vec())
    }
}

/// Seconds after the start of the simulation as a timestamp.
fn timestamp(seconds: f64, epoch: i64) -> NtpTimestamp {
    let whole = seconds.floor();
    let nanos = ((seconds - whole) * 1e9).round();
    NtpTimestamp::from_unix(epoch + whole as i64, nanos as u32)
}
