//! One association: when it is polled, what its replies say, and what its samples add up to. It is
//! told the time and what arrived; it answers with what to send and what it measured.

use super::admit::Admission;
use super::clock::Reading;
use super::config::Association;
use super::config::Config;
use super::config::SourceConfig;
use super::estimator::Observation;
use super::estimator::State;
use super::estimator::delays::Delays;
use super::estimator::delays::Route;
use super::estimator::memory::Memory;
use super::estimator::run;
use super::measurement::Exchange;
use super::measurement::Sample;
use super::options::SelectOptions;
use super::refclock::Measured;
use super::refclock::Refclock;
use super::reference::refid_of;
use super::reply;
use super::reply::Counts;
use super::reply::Expected;
use super::reply::Rejection;
use super::schedule::QUICK;
use super::schedule::QUICK_TRIES;
use super::schedule::Series;
use super::server_clock::ServerClock;
use super::shape;
use super::shape::Shape;
use super::source_id::SourceId;
use super::tilt;
use crate::proto::packet::Packet;
use crate::proto::refid::Kiss;
use crate::time::Monotonic;
use crate::time::NtpTimestamp;
use std::collections::VecDeque;
use std::net::SocketAddr;

/// A request that waits for its reply.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    /// The random transmit timestamp that the reply must echo.
    pub(super) cookie: NtpTimestamp,
    /// The random receive timestamp that an interleaved reply echoes instead.
    pub(super) echo: Option<NtpTimestamp>,
    /// When it left, on the undisciplined clock.
    pub(super) sent: Monotonic,
    /// Only to wake the path: its reply is not measured.
    pub(super) warm_up: bool,
}

/// Three times of the last exchange; the fourth comes with the next reply when it is interleaved
/// (RFC 9769).
#[derive(Clone, Copy, Debug)]
pub(super) struct LastExchange {
    /// The request left, on the undisciplined clock.
    t1: Monotonic,
    /// It arrived, by the server's clock.
    pub(super) t2: NtpTimestamp,
    /// The reply came, on the undisciplined clock.
    t4: Monotonic,
}

/// One source.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its number.
    pub id: SourceId,
    /// What it was configured with.
    pub config: SourceConfig,
    /// What it may do in the vote.
    pub select: SelectOptions,
    /// The clock of this machine that it is, if it is no server.
    pub refclock: Option<Box<Refclock>>,
    /// Where it is.
    pub address: Option<SocketAddr>,
    /// This machine's address as the source sees it, where it was asked for.
    pub home: Option<std::net::IpAddr>,
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
    /// Offset of the clock when it was last measured, in seconds; positive when it was behind.
    pub(crate) measured: f64,
    /// Seconds that the server took for the exchange that was last measured.
    pub(crate) response: f64,
    /// The last reply's measurement, kept or not.
    pub(super) tried: Option<Sample>,
    /// When the next request is due.
    pub(crate) next: Monotonic,
    /// No request until told otherwise: offline, or refused by the server.
    pub silent: bool,
    /// What was sent and what came.
    pub counts: Counts,
    /// The constant error that the others say it has, in seconds.
    pub(crate) bias: f64,
    /// When its time last jumped, and by how much, in seconds.
    pub(crate) jumped: Option<(Monotonic, f64)>,
    /// Its name was looked up, and gave no address for it.
    pub(crate) nowhere: bool,
    /// Its name is looked up again: it moves unless its address is among the answers.
    pub(crate) doubtful: bool,
    /// When its name last gave its address.
    pub(super) confirmed: Monotonic,
    /// The server refused for good.
    pub denied: bool,
    /// Since when the vote says that it is wrong.
    pub(super) wrong_since: Option<Monotonic>,
    /// A series of requests under way.
    pub(crate) series: Option<Series>,
    /// The preliminary packet of the next request is sent.
    pub(super) warm: bool,
    pub(super) admission: Admission,
    /// What the server does to its clock, where it says so.
    pub(super) server_clock: ServerClock,
    pub(super) delays: Delays,
    pub(super) tilt: f64,
    pub(super) shape: Shape,
    pub(super) pending: Option<Pending>,
    pub(super) last_exchange: Option<LastExchange>,
    /// The last reply was interleaved.
    pub interleaved: bool,
    /// A network card stamped the last request, and the last reply.
    pub by_card: (bool, bool),
    /// The last so many measurements contradict the ones before.
    pub(crate) strays: usize,
    /// By the last vote it was far from what a majority agreed on.
    pub(crate) outlying: bool,
    /// Requests of the quick start still to come.
    pub(super) quick: usize,
    /// Tries left for them.
    pub(super) tries: usize,
}

/// A measurement that obeys the model with less than this probability is a stray.
const DOUBT: f64 = 0.05;
/// So many strays in a row that agree with each other are the truth, and what was before is not.
const CONVINCED: usize = 4;
/// Round trips below this are a local network's, in seconds.
const LOCAL_DELAY: f64 = 5e-3;
/// Resolution of the local clock's timestamps, in seconds.
const LOCAL_PRECISION: f64 = 5e-8;
/// Measurements that are kept unless `minsamples` says more.
const MIN_SAMPLES: usize = 6;

impl Source {
    /// A source that is due at `start`.
    #[must_use]
    pub fn new(id: SourceId, config: SourceConfig, start: Monotonic) -> Self {
        let poll = config.min_poll.unwrap_or(6).min(config.max_poll);
        let quick = if config.iburst { QUICK.len() } else { 0 };
        Self {
            id,
            select: SelectOptions::configured(&config),
            refclock: config.refclock.clone().map(|c| Box::new(Refclock::new(c))),
            address: config.address,
            home: None,
            poll,
            reach: 0,
            answered: u8::MAX,
            unanswered: 0,
            remote: None,
            rejected: None,
            track: None,
            samples: VecDeque::new(),
            measured: 0.0,
            response: 0.0,
            tried: None,
            next: start,
            silent: config.offline,
            counts: Counts::default(),
            bias: 0.0,
            jumped: None,
            nowhere: false,
            doubtful: false,
            confirmed: start,
            denied: false,
            wrong_since: None,
            series: None,
            warm: false,
            admission: Admission::default(),
            server_clock: ServerClock::default(),
            delays: Delays::default(),
            tilt: 0.0,
            shape: Shape::default(),
            pending: None,
            last_exchange: None,
            interleaved: false,
            by_card: (false, false),
            strays: 0,
            outlying: false,
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

    /// Its address, or the identifier of a clock of this machine; its name while there is neither.
    #[must_use]
    pub fn label(&self) -> String {
        match (&self.refclock, self.address) {
            (Some(clock), _) => clock.config.refid.display(1),
            (None, Some(at)) => at.ip().to_string(),
            (None, None) => self.config.name.clone(),
        }
    }

    /// Resolution of both clocks together, in seconds.
    #[must_use]
    pub fn precision(&self) -> f64 {
        self.samples.back().map_or(0.0, |s| s.precision)
    }

    /// Half of the round trips took at least this much longer than the shortest, in seconds.
    #[must_use]
    pub fn median_excess(&self) -> f64 {
        self.delays.median_excess()
    }

    /// Whether it is a clock of this machine that is to be read.
    #[must_use]
    pub const fn is_read(&self) -> bool {
        self.refclock.is_some() && !self.silent
    }

    /// A measurement was due; something came since the last one, or not.
    pub(crate) const fn count_poll(&mut self, reached: bool) {
        self.reach = self.reach << 1 | reached as u8;
        self.answered = self.answered << 1 | reached as u8;
        self.unanswered = if reached {
            0
        } else {
            self.unanswered.saturating_add(1)
        };
    }

    /// Takes in a measurement of a clock of this machine.
    pub(crate) fn take_measurement(&mut self, measured: &Measured, delay: f64) -> Sample {
        self.delays.push(delay);
        let sample = Sample {
            at: measured.at,
            offset: measured.offset,
            delay,
            precision: measured.sd,
            epoch: self.delays.current(),
        };
        self.keep(sample);
        sample
    }

    fn keep(&mut self, sample: Sample) {
        self.samples.push_back(sample);
        while self.samples.len() > self.config.samples.1.max(4) {
            self.samples.pop_front();
        }
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
        config: &Config,
    ) -> Result<(Sample, Route), Rejection> {
        self.tried = None;
        let result = self.measure(now, data, at_unix_ns, origin_ns, config);
        self.counts.add(result.as_ref().err().copied());
        match &result {
            Err(rejection) if !rejection.is_reply() => {
                // The true reply may still come.
                if *rejection == Rejection::Unauthenticated {
                    self.rejected = Some(*rejection);
                }
            }
            Err(Rejection::Held | Rejection::WarmUp) | Ok(_) => self.rejected = None,
            Err(rejection) => {
                self.rejected = Some(*rejection);
                self.pending = None;
                self.refused(*rejection);
            }
        }
        result
    }

    fn measure(
        &mut self,
        now: Reading,
        data: &[u8],
        at_unix_ns: i64,
        origin_ns: i64,
        config: &Config,
    ) -> Result<(Sample, Route), Rejection> {
        let expected = Expected {
            cookie: self.pending.map(|p| p.cookie),
            echo: self.pending.and_then(|p| p.echo),
            version: self.config.version,
            peer: self.config.association == Association::Peer,
            proof: self.config.key.map(|id| (id, &config.keys)),
            max_distance: config.max_distance,
            mono_root: self.asks_mono_root(),
        };
        let (packet, said) = reply::check(data, &expected)?;
        let pending = self.pending.take().ok_or(Rejection::Bogus)?;
        if pending.warm_up {
            return Err(Rejection::WarmUp);
        }
        self.reach |= 1;
        self.answered |= 1;
        self.unanswered = 0;
        self.interleaved = packet.origin != pending.cookie;
        let this = LastExchange {
            t1: pending.sent,
            t2: packet.receive,
            t4: now.raw_at(at_unix_ns),
        };
        let last = self.last_exchange.replace(this);
        let times = if self.interleaved {
            last.ok_or(Rejection::Times)?
        } else {
            this
        };
        let pivot = now.unix_ns.div_euclid(1_000_000_000);
        let exchange = Exchange {
            t1: times.t1,
            t2_unix_ns: unix_ns(times.t2, pivot),
            t3_unix_ns: unix_ns(packet.transmit, pivot),
            t4: times.t4,
        };
        let remote = f64::from(packet.precision.clamp(-32, 0)).exp2();
        let local = config.clock_precision.unwrap_or(LOCAL_PRECISION);
        let mut sample = exchange.sample(origin_ns, remote.hypot(local));
        sample.offset += self.config.offset + self.corrected(&packet, said.as_ref(), 2.0 * remote);
        self.remote = Some(packet);
        self.tried = Some(sample);
        self.response = exchange.response();
        let ours = self.home.map(refid_of);
        if config.serves && packet.stratum > 1 && ours == Some(packet.refid) {
            // Whatever it says comes from here: it is as good as no answer.
            self.reach &= !1;
            return Err(Rejection::Loop);
        }
        if exchange.t4 < exchange.t1 || sample.delay < -10.0 * sample.precision {
            return Err(Rejection::Times);
        }
        if exchange.t3_unix_ns < exchange.t2_unix_ns - 1_000_000 {
            return Err(Rejection::Times);
        }
        let admitted = self.admit(sample);
        if matches!(admitted, Ok(_) | Err(Rejection::Held)) {
            self.answered_well();
        }
        let mut sample = admitted?;
        if self.samples.back().is_some_and(|s| s.at >= sample.at) {
            // The same exchange, now with the time at which the reply really left.
            self.samples.pop_back();
        }
        let route = self.delays.push(sample.delay);
        if self.samples.is_empty() {
            self.poll = self.min_poll();
        }
        sample.epoch = self.delays.current();
        self.keep(sample);
        if let Route::Longer { count, .. } = route {
            for sample in self.samples.iter_mut().rev().take(count) {
                sample.epoch = self.delays.current();
            }
        }
        Ok((sample, route))
    }

    /// What a kiss asks for.
    fn refused(&mut self, rejection: Rejection) {
        match rejection {
            Rejection::Kiss(Kiss::Deny | Kiss::Rstr) => {
                self.silent = true;
                self.denied = true;
                self.series = None;
            }
            Rejection::Kiss(Kiss::Rate) => {
                self.quick = 0;
                if let Some(series) = self.series.take() {
                    self.next = self.next.max(series.then());
                }
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
        let convinced = if self.config.samples.0 > MIN_SAMPLES {
            self.config.samples.0
        } else {
            CONVINCED
        };
        if strays < convinced {
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
        if let Some(clock) = &mut self.refclock {
            clock.forget();
        }
        self.last_exchange = None;
        self.admission.clear();
        self.server_clock.forget();
    }

    /// Forgets every measurement and the path.
    pub(crate) fn forget(&mut self) {
        self.forget_phase();
        self.delays = Delays::default();
        self.shape = Shape::default();
        self.tilt = 0.0;
        self.bias = 0.0;
        self.jumped = None;
        self.outlying = false;
        self.strays = 0;
        self.reach = 0;
        self.answered = u8::MAX;
    }

    /// Goes to another server: nothing that is known of the old one holds.
    pub(crate) fn move_to(&mut self, address: SocketAddr, now: Monotonic) {
        let counts = self.counts;
        let mut fresh = Self::new(self.id, self.config.clone(), now);
        fresh.address = Some(address);
        fresh.silent = self.silent && !self.denied;
        fresh.counts = counts;
        *self = fresh;
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

fn unix_ns(timestamp: NtpTimestamp, pivot: i64) -> i64 {
    let (seconds, nanos) = timestamp.to_unix(pivot);
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(i64::from(nanos))
}
