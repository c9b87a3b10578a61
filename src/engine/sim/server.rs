//! A simulated server: right, or wrong in the ways that servers are.

use crate::engine::random::Random;
use crate::proto::mac::Key;
use crate::proto::mono_root;
use crate::proto::mono_root::MonoRoot;
use crate::proto::packet::HEADER_LEN;
use crate::proto::packet::Leap;
use crate::proto::packet::Mode;
use crate::proto::packet::Packet;
use crate::proto::refid::RefId;
use crate::time::NtpDuration;
use crate::time::NtpTimestamp;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;

/// The reply to a request that arrives at a true time, in seconds after the start.
type Answer = dyn FnMut(&[u8], f64) -> Option<Vec<u8>> + Send;

/// Answers requests in a server's place: another simulation, for one.
#[derive(Clone)]
pub struct Answerer(Arc<Mutex<Answer>>);

impl Answerer {
    /// Whoever answers like this.
    pub fn new(answer: impl FnMut(&[u8], f64) -> Option<Vec<u8>> + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(answer)))
    }
}

impl fmt::Debug for Answerer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answerer")
    }
}

impl PartialEq for Answerer {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

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
    /// From the first time to the second, in seconds, it answers nobody.
    pub down: Vec<(f64, f64)>,
    /// Signs its replies with this key under this number.
    pub key: Option<(u32, Key)>,
    /// Time, in seconds, that its replies leave later than they say: at least, and the mean of what
    /// comes on top.
    pub late: (f64, f64),
    /// Answers in interleaved mode (RFC 9769).
    pub interleaved: bool,
    /// Answers with the extension field F323, where it is asked to; its steps are corrections.
    pub mono_root: bool,
    /// Somebody else who answers in its place.
    pub answerer: Option<Answerer>,
    /// Receive timestamps of requests and the times at which their replies left.
    pub(super) left: VecDeque<(NtpTimestamp, NtpTimestamp)>,
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
            down: Vec::new(),
            key: None,
            late: (0.0, 0.0),
            interleaved: false,
            mono_root: false,
            answerer: None,
            left: VecDeque::new(),
        }
    }
}

impl Server {
    /// The reply to a request that arrives at this true time, in seconds, and how much later it
    /// leaves.
    pub(super) fn reply(
        &mut self,
        request: &[u8],
        now: f64,
        epoch: i64,
        random: &mut Random,
    ) -> Option<(Vec<u8>, f64)> {
        if let Some(answerer) = &self.answerer {
            return Some((answerer.0.lock().ok()?(request, now)?, 0.0));
        }
        let field = request.get(HEADER_LEN..HEADER_LEN + mono_root::LEN);
        let asked = self.mono_root && field == Some(&MonoRoot::ASKED.encode()[..]);
        let request = Packet::decode(request).ok()?;
        let silent = |&(from, to): &(f64, f64)| (from..to).contains(&now);
        if self.down.iter().any(silent) {
            return None;
        }
        let stepped: f64 = self.steps.iter().filter(|s| s.0 <= now).map(|s| s.1).sum();
        let clock = timestamp(now + self.offset + self.drift * now + stepped, epoch);
        let lost = self
            .unsynchronised
            .iter()
            .any(|&(from, to)| (from..to).contains(&now));
        let late = if self.late.1 > 0.0 {
            self.late.0 + self.late.1 * random.exponential()
        } else {
            self.late.0
        };
        let before = self
            .left
            .iter()
            .find(|l| self.interleaved && l.0 == request.origin)
            .map(|l| l.1);
        if self.interleaved {
            let left = clock.plus(NtpDuration::from_seconds(late));
            self.left.push_back((clock, left));
            if self.left.len() > 16 {
                self.left.pop_front();
            }
        }
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
            mode: match request.mode {
                Mode::SymmetricActive => Mode::SymmetricPassive,
                _ => Mode::Server,
            },
            stratum,
            poll: request.poll,
            precision: -24,
            root_delay: NtpDuration::from_seconds(self.root.0),
            root_dispersion: NtpDuration::from_seconds(self.root.1),
            refid,
            reference: clock,
            origin: if before.is_some() {
                request.receive
            } else {
                request.transmit
            },
            receive: clock,
            transmit: before.unwrap_or(clock),
        };
        let mut data = reply.encode().to_vec();
        if asked {
            let said = MonoRoot {
                root_delay: reply.root_delay,
                root_dispersion: reply.root_dispersion,
                receive: clock.plus(NtpDuration::from_seconds(-stepped)),
                epoch: 1,
            };
            data.extend(said.encode());
        }
        if let Some((id, key)) = &self.key {
            key.sign(*id, request.version, &mut data);
        }
        Some((data, late))
    }
}

/// Seconds after the start of the simulation as a timestamp.
fn timestamp(seconds: f64, epoch: i64) -> NtpTimestamp {
    let whole = seconds.floor();
    let nanos = ((seconds - whole) * 1e9).round();
    NtpTimestamp::from_unix(epoch + whole as i64, nanos as u32)
}
