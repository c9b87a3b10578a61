//! When a source is asked, and with what: the regular poll, the quick start, series, the
//! preliminary packet, the request itself.

use super::config::Association;
use super::random::Random;
use super::source::Pending;
use super::source::Source;
use crate::proto::mac::Keys;
use crate::proto::mono_root::MonoRoot;
use crate::proto::packet::Mode;
use crate::proto::packet::Packet;
use crate::time::Monotonic;
use crate::time::NtpTimestamp;

/// Seconds after each request of the quick start: a few at once, then ever fewer, so that the
/// frequency is known soon.
pub(super) const QUICK: [f64; 7] = [2.0, 2.0, 2.0, 4.0, 8.0, 16.0, 32.0];
/// Requests at most in a quick start when some are lost.
pub(super) const QUICK_TRIES: usize = 14;
/// Seconds after each request of a series that was asked for.
const SERIES: f64 = 2.0;
/// Requests at most of one poll with `burst`, one more for each time that the interval is longer
/// than it may be.
const BURST: u32 = 4;
/// Seconds from a preliminary packet to the request.
const WARM_UP: f64 = 2.0;
/// Poll intervals are this much longer at most than their power of two, so that clients of one
/// server spread.
const SPREAD: f64 = 0.08;
/// The same for requests that follow each other soon.
const SMALL_SPREAD: f64 = 0.05;

/// Requests one after the other until enough were answered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Series {
    /// Good replies still wanted.
    good: u32,
    /// Requests still allowed.
    total: u32,
    /// When the regular requests go on.
    then: Monotonic,
}

impl Series {
    /// So many good replies, in so many requests at most.
    pub(crate) const fn new(good: u32, total: u32, then: Monotonic) -> Self {
        Self { good, total, then }
    }

    /// When the regular requests go on.
    pub(crate) const fn then(&self) -> Monotonic {
        self.then
    }
}

impl Source {
    /// Whether requests are due at all.
    #[must_use]
    pub const fn polled(&self) -> bool {
        (!self.silent || self.series.is_some()) && self.address.is_some()
    }

    /// The request to send now; sets the time of the next one.
    ///
    /// # Errors
    /// Why there is none: its key is missing.
    pub(crate) fn request(
        &mut self,
        now: Monotonic,
        random: &mut Random,
        keys: &Keys,
    ) -> Result<Vec<u8>, String> {
        let warm_up = self.warms_up();
        self.warm = warm_up;
        if warm_up {
            self.next = now.plus_seconds(WARM_UP);
        } else {
            self.reach <<= 1;
            self.answered <<= 1;
            self.unanswered = self.unanswered.saturating_add(1);
            self.schedule(now, random);
        }
        let cookie = NtpTimestamp::from_bits(random.word() | 1);
        let mut packet = Packet::request(self.config.version, cookie);
        if self.config.association == Association::Peer {
            packet.mode = Mode::SymmetricActive;
        }
        let mut pending = Pending {
            cookie,
            echo: None,
            sent: now,
            warm_up,
        };
        if let Some(previous) = self.interleaves().filter(|_| !warm_up) {
            // RFC 9769 §2: the origin says which reply's transmit time is wanted; both other
            // timestamps are only echoed, and so may be random.
            let echo = NtpTimestamp::from_bits(random.word() | 1);
            packet.origin = previous;
            packet.receive = echo;
            pending.echo = Some(echo);
        }
        let mut data = packet.encode().to_vec();
        if self.asks_mono_root() {
            data.extend(MonoRoot::ASKED.encode());
        }
        if let Some(id) = self.config.key {
            let key = keys
                .get(id)
                .ok_or_else(|| format!("not asked: no key {id} in the key file"))?;
            key.sign(id, self.config.version, &mut data);
        }
        self.pending = Some(pending);
        self.counts.sent = self.counts.sent.saturating_add(1);
        Ok(data)
    }

    /// Whether the next packet is the preliminary one.
    fn warms_up(&self) -> bool {
        let slow = self.config.presend.is_some_and(|least| self.poll >= least);
        slow && !self.warm && self.quick == 0 && self.series.is_none()
    }

    /// The server's receive timestamp of the last exchange, when the next one is to be interleaved
    /// with it: only while no reply is missing.
    fn interleaves(&self) -> Option<NtpTimestamp> {
        let wanted = self.config.xleave && self.config.association == Association::Server;
        let last = self.last_exchange?;
        // The request to come is counted already.
        (wanted && self.unanswered <= 1 && self.pending.is_none()).then_some(last.t2)
    }

    fn schedule(&mut self, now: Monotonic, random: &mut Random) {
        let regular = f64::from(self.poll).exp2() * (1.0 + SPREAD * random.uniform());
        let soon = |seconds: f64, random: &mut Random| {
            regular.min(seconds * (1.0 + SMALL_SPREAD * random.uniform()))
        };
        let quick = self.quick > 0 && self.tries > 0;
        if self.series.is_none() && !quick {
            let allowed = self.burst_size();
            self.series = (allowed > 1).then(|| Series::new(1, allowed, now.plus_seconds(regular)));
        }
        if let Some(series) = &mut self.series {
            series.total = series.total.saturating_sub(1);
            let soon = now.plus_seconds(soon(SERIES, random));
            if series.total > 0 {
                self.next = soon;
            } else {
                self.next = series.then.max(soon);
                self.series = None;
            }
            return;
        }
        let step = QUICK.len().saturating_sub(self.quick);
        let interval = match QUICK.get(step) {
            Some(&seconds) if quick => {
                self.tries -= 1;
                soon(seconds, random)
            }
            _ => regular,
        };
        self.next = now.plus_seconds(interval);
    }

    /// Requests that one poll may take with `burst`.
    fn burst_size(&self) -> u32 {
        if !self.config.burst {
            return 1;
        }
        let longer = u32::try_from(self.poll.saturating_sub(self.min_poll())).unwrap_or(0);
        1u32.checked_shl(longer).unwrap_or(BURST).min(BURST)
    }

    /// A good reply came: the quick start and a series have one less to wait for.
    pub(crate) fn answered_well(&mut self) {
        self.quick = self.quick.saturating_sub(1);
        if let Some(series) = &mut self.series {
            series.good = series.good.saturating_sub(1);
            if series.good == 0 {
                self.next = series.then;
                self.series = None;
            }
        }
    }

    /// Starts a quick series of requests now, unless one is under way.
    pub(crate) fn hurry(&mut self, now: Monotonic) {
        if self.refclock.is_some() {
            return;
        }
        if self.quick == 0 || self.tries == 0 {
            self.quick = QUICK.len();
            self.tries = QUICK_TRIES;
            self.next = self.next.min(now);
        }
    }

    /// Polls at this interval (log2 seconds) from the next request on, within the limits.
    pub(crate) fn set_poll(&mut self, poll: i8) {
        self.poll = poll.clamp(self.min_poll(), self.config.max_poll);
    }
}
