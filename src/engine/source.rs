//! One association: when it is polled, what its replies say, and what its samples add up to. It is
//! told the time and what arrived; it answers with what to send and what it measured.

use super::clock::Reading;
use super::config::SourceConfig;
use super::estimator::Observation;
use super::estimator::State;
use super::estimator::delays::Delays;
use super::estimator::delays::Route;
use super::estimator::memory::Memory;
use super::estimator::run;
use super::measurement::Exchange;
use super::measurement::Sample;
use super::random::Random;
use super::reply;
use super::reply::Rejection;
use super::shape;
use super::shape::Shape;
use super::tilt;
use crate::proto::packet::Packet;
use crate::proto::refid::Kiss;
use crate::time::Monotonic;
use crate::time::NtpTimestamp;
use std::collections::VecDeque;
use std::net::SocketAddr;

/// A request that waits for its reply.
#[derive(Clone, Copy, Debug)]
struct Pending {
    /// The random transmit timestamp that the reply must echo.
    cookie: NtpTimestamp,
    /// When it left, on the undisciplined clock.
    sent: Monotonic,
}

/// One source.
#[derive(Clone, Debug)]
pub struct Source {
    /// What it was configured with.
    pub config: SourceConfig,
    /// Where it is.
    pub address: Option<SocketAddr>,
    /// Poll interval, log2 seconds.
    pub poll: i8,
    /// The last eight polls, newest in the lowest bit: answered or not.
    pub reach: u8,
    /// As `reach`, but counted from eight answered ones at the start.
    pub(crate) answered: u8,
    /// Polls without an answer since the last one.
    pub unanswered: u32,
    /// The last good reply.
    pub remote: Option<Packet>,
    /// Why the last reply was not used, if it was not.
    pub rejected: Option<Rejection>,
    /// Phase and frequency by this source alone.
    pub track: Option<State>,
    /// Remembered measurements, oldest first.
    pub samples: VecDeque<Sample>,
    /// When the next request is due.
    pub(crate) next: Monotonic,
    /// No request until told otherwise: offline, or refused by the server.
    pub silent: bool,
    delays: Delays,
    tilt: f64,
    shape: Shape,
    pending: Option<Pending>,
    /// The last so many measurements contradict the ones before.
    pub(crate) strays: usize,
    /// Requests of the quick start still to come.
    quick: usize,
    /// Tries left for them.
    tries: usize,
}

/// Seconds after each request of the quick start: a few at once, then ever fewer, so that the
/// frequency is known soon.
const QUICK: [f64; 7] = [2.0, 2.0, 2.0, 4.0, 8.0, 16.0, 32.0];
/// Requests at most in a quick start when some are lost.
const QUICK_TRIES: usize = 14;
/// A measurement that obeys the model with less than this probability is a stray.
const DOUBT: f64 = 0.05;
/// So many strays in a row that agree with each other are the truth, and what was before is not.
const CONVINCED: usize = 4;
/// Round trips below this are a local network's, in seconds.
const LOCAL_DELAY: f64 = 5e-3;
/// Resolution of the local clock's timestamps, in seconds.
const LOCAL_PRECISION: f64 = 5e-8;
/// Poll intervals are this much longer at most than their power of two, so that clients of one
/// server spread.
const SPREAD: f64 = 0.08;

impl Source {
    /// A source that is due at `start`.
    #[must_use]
    pub fn new(config: SourceConfig, start: Monotonic) -> Self {
        let poll = config.min_poll.unwrap_or(6).min(config.max_poll);
        let quick = if config.iburst { QUICK.len() } else { 0 };
        Self {
            address: config.address,
            poll,
            reach: 0,
            answered: u8::MAX,
            unanswered: 0,
            remote: None,
            rejected: None,
            track: None,
            samples: VecDeque::new(),
            next: start,
            silent: config.offline,
            delays: Delays::default(),
            tilt: 0.0,
            shape: Shape::default(),
            pending: None,
            strays: 0,
            quick,
            tries: QUICK_TRIES,
            config,
        }
    }

    /// Shortest poll interval, log2 seconds: the configured one, or what the round trip allows.
    #[must_use]
    pub fn min_poll(&self) -> i8 {
        let local = self.delays.present().is_some_and(|e| e.base < LOCAL_DELAY);
        let least = self.config.min_poll.unwrap_or(if local { 4 } else { 6 });
        least.min(self.config.max_poll)
    }

    /// The shortest round trip of the present route, in seconds.
    #[must_use]
    pub fn shortest_delay(&self) -> Option<f64> {
        self.delays.present().map(|e| e.base)
    }

    /// Half of the round trips took at least this much longer than the shortest, in seconds.
    #[must_use]
    pub fn median_excess(&self) -> f64 {
        self.delays.median_excess()
    }

    /// The request to send now, and the time of the next one.
    pub(crate) fn request(&mut self, now: Monotonic, random: &mut Random) -> Packet {
        self.reach <<= 1;
        self.answered <<= 1;
        self.unanswered = self.unanswered.saturating_add(1);
        let cookie = NtpTimestamp::from_bits(random.word() | 1);
        self.pending = Some(Pending { cookie, sent: now });
        self.schedule(now, random);
        Packet::request(self.config.version, cookie)
    }

    fn schedule(&mut self, now: Monotonic, random: &mut Random) {
        let regular = f64::from(self.poll).exp2() * (1.0 + SPREAD * random.uniform());
        let step = QUICK.len().saturating_sub(self.quick);
        let interval = match QUICK.get(step) {
            Some(&quick) if self.quick > 0 && self.tries > 0 => {
                self.tries -= 1;
                regular.min(quick * (1.0 + 0.05 * random.uniform()))
            }
            _ => regular,
        };
        self.next = now.plus_seconds(interval);
    }

    /// Starts a quick series of requests now, unless one is under way.
    pub(crate) fn hurry(&mut self, now: Monotonic) {
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

    /// The request left at this time, as the network says later and better.
    pub(crate) fn sent(&mut self, at: Monotonic) {
        if let Some(pending) = &mut self.pending {
            pending.sent = at;
        }
    }

    /// A reply came. Gives the route's news when it was a measurement.
    ///
    /// # Errors
    /// Why it was not.
    pub(crate) fn received(
        &mut self,
        now: Reading,
        data: &[u8],
        at_unix_ns: i64,
        origin_ns: i64,
        max_distance: f64,
    ) -> Result<(Sample, Route), Rejection> {
        let result = self.measure(now, data, at_unix_ns, origin_ns, max_distance);
        match &result {
            Err(Rejection::Bogus | Rejection::Malformed | Rejection::Mode) => {}
            Err(rejection) => {
                self.rejected = Some(*rejection);
                self.pending = None;
                self.refused(*rejection);
            }
            Ok(_) => self.rejected = None,
        }
        result
    }

    fn measure(
        &mut self,
        now: Reading,
        data: &[u8],
        at_unix_ns: i64,
        origin_ns: i64,
        max_distance: f64,
    ) -> Result<(Sample, Route), Rejection> {
        let asked = self.pending.map(|p| p.cookie);
        let packet = reply::check(data, asked, self.config.version, max_distance)?;
        let pending = self.pending.take().ok_or(Rejection::Bogus)?;
        self.reach |= 1;
        self.answered |= 1;
        self.unanswered = 0;
        let pivot = now.unix_ns.div_euclid(1_000_000_000);
        let exchange = Exchange {
            t1: pending.sent,
            t2_unix_ns: unix_ns(packet.receive, pivot),
            t3_unix_ns: unix_ns(packet.transmit, pivot),
            t4: raw_at(now, at_unix_ns),
        };
        let remote = f64::from(packet.precision.clamp(-32, 0)).exp2();
        let mut sample = exchange.sample(origin_ns, remote.hypot(LOCAL_PRECISION));
        sample.offset += self.config.offset;
        self.remote = Some(packet);
        if exchange.t4 < exchange.t1 || sample.delay < -10.0 * sample.precision {
            return Err(Rejection::Times);
        }
        if !self.acceptable(&sample) {
            return Err(Rejection::Delay);
        }
        self.quick = self.quick.saturating_sub(1);
        let route = self.delays.push(sample.delay);
        if self.samples.is_empty() {
            self.poll = self.min_poll();
        }
        sample.epoch = self.delays.current();
        self.samples.push_back(sample);
        while self.samples.len() > self.config.samples.1.max(4) {
            self.samples.pop_front();
        }
        if let Route::Longer { count, .. } = route {
            for sample in self.samples.iter_mut().rev().take(count) {
                sample.epoch = self.delays.current();
            }
        }
        Ok((sample, route))
    }

    /// The source's own limits on a round trip.
    fn acceptable(&self, sample: &Sample) -> bool {
        if sample.delay > self.config.max_delay {
            return false;
        }
        let Some(base) = self.shortest_delay() else {
            return true;
        };
        let base = self.config.min_delay.unwrap_or(base);
        self.config
            .max_delay_ratio
            .is_none_or(|ratio| sample.delay <= base * ratio)
    }

    /// What a kiss asks for.
    fn refused(&mut self, rejection: Rejection) {
        match rejection {
            Rejection::Kiss(Kiss::Deny | Kiss::Rstr) => self.silent = true,
            Rejection::Kiss(Kiss::Rate) => {
                self.quick = 0;
                self.poll = (self.poll + 1).min(self.config.max_poll.max(self.poll));
                let least = self.config.min_poll.unwrap_or(self.poll);
                self.config.min_poll = Some(least.max(self.poll));
            }
            _ => {}
        }
    }

    /// The samples as the filter takes them, moved by what the source is known to be off.
    ///
    /// Those that took a longer route than the present one are held to the present one's empty
    /// path: their bounds are wide then, but true.
    pub(crate) fn observations(&self, bias: f64) -> impl Iterator<Item = Observation> {
        let usual = self.median_excess();
        let least = self
            .config
            .min_delay
            .unwrap_or(f64::INFINITY)
            .min(self.shortest_delay().unwrap_or(f64::INFINITY));
        self.samples.iter().map(move |sample| {
            let (base, margin, route) = self
                .delays
                .epoch(sample.epoch)
                .map_or((sample.delay, 0.0, 0.0), |e| (e.base, e.margin, e.bias));
            let detour = base > least;
            let route = if detour { 0.0 } else { route };
            let excess = (sample.delay - base.min(least)).max(0.0) + margin;
            let plain = detour || !shape::usual(excess, usual);
            Observation {
                at: sample.at,
                offset: sample.offset - bias - route,
                excess,
                slack: sample.precision.hypot(0.3 * margin),
                tilt: if plain { 0.0 } else { self.tilt },
                bell: if plain {
                    f64::INFINITY
                } else {
                    self.shape.bell(usual)
                },
            }
        })
    }

    /// Estimates phase and frequency by this source alone. When its last measurements agree with
    /// each other and not with the ones before, those are forgotten; gives by how much, in seconds,
    /// the phase jumped then.
    pub(crate) fn follow(&mut self, wander: f64, memory: &Memory) -> Option<f64> {
        let seen: Vec<Observation> = self.observations(0.0).collect();
        let prior = memory.before(seen.first()?.at, wander);
        let mut phases = Vec::with_capacity(seen.len());
        let mut strays = 0;
        self.track = run(&seen, wander, prior, |index, state, trust| {
            phases.push((index, state.phase));
            strays = if trust < DOUBT { strays + 1 } else { 0 };
        })
        .map(|(state, _)| state);
        self.strays = strays;
        self.shape
            .learn(&seen, self.delays.median_excess(), wander, prior);
        self.tilt = match self.config.asymmetry {
            Some(asymmetry) => tilt::from_asymmetry(asymmetry, self.median_excess()),
            None => {
                let present = self.delays.current();
                let same =
                    |index: usize| self.samples.get(index).is_some_and(|s| s.epoch == present);
                phases.retain(|(index, _)| same(*index));
                tilt::learn(&seen, &phases)
            }
        };
        if strays < CONVINCED {
            return None;
        }
        let recent = seen.get(seen.len() - CONVINCED..)?;
        let jump = agreed(recent)? - self.track?.moved_to(recent.last()?.at, 0.0).phase;
        self.samples.drain(..self.samples.len() - CONVINCED);
        let seen: Vec<Observation> = self.observations(0.0).collect();
        self.track = run(&seen, wander, prior, |_, _, _| ()).map(|(state, _)| state);
        self.strays = 0;
        Some(jump)
    }

    /// Sets what the newest route adds, given where the phase really was.
    pub(crate) fn settle_route(
        &mut self,
        count: usize,
        by: f64,
        expected: impl Fn(Monotonic) -> f64,
    ) {
        let mut off: Vec<f64> = self
            .samples
            .iter()
            .rev()
            .take(count)
            .map(|s| s.offset - expected(s.at))
            .collect();
        off.sort_by(f64::total_cmp);
        let middle = off.get(off.len() / 2).copied().unwrap_or(0.0);
        self.delays.set_bias(middle.clamp(-0.5 * by, 0.5 * by));
    }

    /// Forgets the measured phases, keeps what is known of the path: after a sleep.
    pub(crate) fn forget_phase(&mut self) {
        self.samples.clear();
        self.track = None;
        self.pending = None;
    }

    /// Distance to the primary reference without the statistical part: half the delays plus the
    /// dispersion of the server, in seconds.
    #[must_use]
    pub fn root_distance(&self) -> f64 {
        let remote = self.remote.map_or(16.0, |r| r.root_distance());
        remote + 0.5 * self.shortest_delay().unwrap_or(0.0).max(0.0)
    }
}

/// The phase that these measurements have in common, within their bounds; none when they do not.
fn agreed(seen: &[Observation]) -> Option<f64> {
    let half = |o: &Observation| 0.5 * o.excess + 3.0 * o.slack;
    let low = seen
        .iter()
        .map(|o| o.offset - half(o))
        .fold(f64::MIN, f64::max);
    let high = seen
        .iter()
        .map(|o| o.offset + half(o))
        .fold(f64::MAX, f64::min);
    // Some minutes of an oscillator that is 100 ppm off lie between them.
    let apart = seen.last()?.at.seconds_since(seen.first()?.at) * 1e-4;
    (low <= high + apart).then_some(0.5 * (low + high))
}

/// A system-clock time of a moment ago on the undisciplined clock.
pub(crate) fn raw_at(now: Reading, unix_ns: i64) -> Monotonic {
    let ago = now.unix_ns.saturating_sub(unix_ns);
    let raw = i128::from(now.raw.nanos()) - i128::from(ago);
    Monotonic::from_nanos(u64::try_from(raw).unwrap_or(0))
}

fn unix_ns(timestamp: NtpTimestamp, pivot: i64) -> i64 {
    let (seconds, nanos) = timestamp.to_unix(pivot);
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(i64::from(nanos))
}
