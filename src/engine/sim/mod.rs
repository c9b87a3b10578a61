//! A simulated machine, network and servers for the engine's own loop: seeded, deterministic, a
//! day in less than a second. The models are those of clknetsim (one-second steps of the
//! oscillator's random walk, independent delays each way), plus what it has not: correlated
//! queues, routes that change, sleeps, pauses.

mod network;
pub mod oracle;
mod oscillator;
pub mod refclock;
pub mod scenario;
mod server;

pub use network::Path;
pub use oscillator::Oscillator;
pub use server::Answerer;
pub use server::Server;

use super::clock::Clock;
use super::clock::ClockError;
use super::clock::Reading;
use super::clock::Status;
use super::random::Random;
use super::source_id::SourceId;
use super::transport::Event;
use super::transport::Transport;
use crate::time::Monotonic;
use network::Link;
use oscillator::Clocks;
use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::collections::BinaryHeap;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::rc::Rc;

/// 2027-06-01, as Unix seconds: when simulations start.
pub const EPOCH: i64 = 1_811_808_000;
/// What the undisciplined clock shows when a simulation starts, in seconds.
const BOOTED: f64 = 1000.0;

/// A server and the way there and back.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Peer {
    /// The server.
    pub server: Server,
    /// To it.
    pub up: Path,
    /// From it.
    pub down: Path,
}

/// What happened, once a second of true time.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// Error of the system clock, in seconds: positive when it is ahead.
    pub errors: Vec<f64>,
    /// Error of its frequency, in seconds per second.
    pub frequencies: Vec<f64>,
    /// When each request was sent, in true seconds, and to which server.
    pub requests: Vec<(f64, usize)>,
    /// The steps that the engine made, in seconds, and when.
    pub steps: Vec<(f64, f64)>,
    /// When names were looked up, in true seconds.
    pub look_ups: Vec<f64>,
    /// The last status that the engine published.
    pub status: Option<Status>,
}

/// A packet under way, ordered by arrival.
#[derive(Clone, Debug, PartialEq)]
struct Flying {
    at: f64,
    number: u64,
    peer: usize,
    back: bool,
    data: Vec<u8>,
}

impl Eq for Flying {}

impl PartialOrd for Flying {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Flying {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at
            .total_cmp(&other.at)
            .then(self.number.cmp(&other.number))
    }
}

struct World {
    clocks: Clocks,
    peers: Vec<(Server, Link, Link)>,
    sources: BTreeMap<SourceId, usize>,
    flying: BinaryHeap<Reverse<Flying>>,
    number: u64,
    arrived: VecDeque<Event>,
    limit: f64,
    record: Record,
    /// Of the servers' own noise.
    random: Random,
    /// Each name's answers, one look-up after the other; the last one stays.
    names: BTreeMap<String, VecDeque<Vec<usize>>>,
    /// Servers without a route.
    cut: Vec<usize>,
}

/// The simulated clock.
#[derive(Clone)]
pub struct SimClock(Rc<RefCell<World>>);

/// The simulated network.
#[derive(Clone)]
pub struct SimNet(Rc<RefCell<World>>);

/// Address of the simulated server with this number.
#[must_use]
pub fn address(peer: usize) -> SocketAddr {
    let last = u8::try_from(peer + 1).unwrap_or(u8::MAX);
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 168, 123, last)), 123)
}

/// A machine, its network and servers, for so many simulated seconds.
#[must_use]
pub fn world(oscillator: Oscillator, peers: &[Peer], limit: f64, seed: u64) -> (SimClock, SimNet) {
    let mut random = Random::from_number(seed);
    let mut child = || Random::from_number(random.word());
    let clocks = Clocks::new(oscillator, child());
    let peers = peers
        .iter()
        .map(|p| {
            let up = Link::new(p.up.clone(), child());
            (p.server.clone(), up, Link::new(p.down.clone(), child()))
        })
        .collect();
    let mut world = World {
        clocks,
        peers,
        sources: BTreeMap::new(),
        flying: BinaryHeap::new(),
        number: 0,
        arrived: VecDeque::new(),
        limit,
        record: Record::default(),
        random: child(),
        names: BTreeMap::new(),
        cut: Vec::new(),
    };
    world.note();
    // As under clknetsim, the program starts one second after the world.
    world.advance(1.0);
    let world = Rc::new(RefCell::new(world));
    (SimClock(Rc::clone(&world)), SimNet(world))
}

impl SimClock {
    /// What happened so far.
    #[must_use]
    pub fn record(&self) -> Record {
        self.0.borrow().record.clone()
    }

    /// Error of the system clock now, in seconds: positive when it is ahead.
    #[must_use]
    pub fn error(&self) -> f64 {
        self.0.borrow().clocks.error
    }

    /// True seconds since the start.
    #[must_use]
    pub fn time(&self) -> f64 {
        self.0.borrow().clocks.time
    }
}

impl SimNet {
    /// Gives a name answers, one look-up after the other: numbers of servers. The last one stays.
    pub fn name(&self, name: &str, answers: Vec<Vec<usize>>) {
        let mut world = self.0.borrow_mut();
        world.names.insert(name.to_owned(), answers.into());
    }

    /// From this server on requests fail at once: there is no route.
    pub fn cut(&self, peer: usize, cut: bool) {
        let mut world = self.0.borrow_mut();
        world.cut.retain(|&p| p != peer);
        if cut {
            world.cut.push(peer);
        }
    }
}

impl World {
    fn reading(&self) -> Reading {
        let nanos = |seconds: f64| (seconds * 1e9).round();
        let system = self.clocks.time + self.clocks.error;
        Reading {
            raw: Monotonic::from_nanos(nanos(self.clocks.raw + BOOTED) as u64),
            unix_ns: self.clocks.epoch() * 1_000_000_000 + nanos(system) as i64,
            slept_ns: Some(nanos(self.clocks.slept) as i64),
        }
    }

    fn note(&mut self) {
        self.record
            .errors
            .push(self.clocks.error + self.clocks.leapt());
        self.record.frequencies.push(self.clocks.frequency());
    }

    /// Lets true time pass. False when something happened to the clock on the way.
    fn advance(&mut self, to: f64) -> bool {
        while self.clocks.time < to {
            let second = self.clocks.next_second();
            self.clocks.advance(to.min(second));
            if self.clocks.time >= second {
                self.note();
                if std::mem::take(&mut self.clocks.set) {
                    return false;
                }
                if let Some((long, wrong)) = self.clocks.standstill() {
                    for _ in 0..long as u64 {
                        self.note();
                    }
                    self.clocks.stand(long, wrong);
                    return false;
                }
            }
        }
        true
    }

    /// Sends a packet `after` so many seconds.
    fn fly(&mut self, peer: usize, back: bool, data: &[u8], after: f64) {
        let now = self.clocks.time + after;
        let Some((_, up, down)) = self.peers.get_mut(peer) else {
            return;
        };
        let link = if back { down } else { up };
        for delay in link.carry(now) {
            self.number += 1;
            self.flying.push(Reverse(Flying {
                at: now + delay,
                number: self.number,
                peer,
                back,
                data: data.to_vec(),
            }));
        }
    }

    /// The packet that is next has arrived: at a server, which answers, or here.
    fn arrive(&mut self) {
        let Some(Reverse(packet)) = self.flying.pop() else {
            return;
        };
        if packet.back {
            let at_unix_ns = self.reading().unix_ns;
            for (&source, &peer) in &self.sources {
                if peer == packet.peer {
                    self.arrived.push_back(Event::Received {
                        source,
                        data: packet.data.clone(),
                        at_unix_ns,
                    });
                }
            }
        } else if let Some((server, _, _)) = self.peers.get_mut(packet.peer)
            && let Some((reply, late)) = server.reply(
                &packet.data,
                self.clocks.time - self.clocks.leapt(),
                self.clocks.epoch(),
                &mut self.random,
            )
        {
            self.fly(packet.peer, true, &reply, late);
        }
    }
}

impl Clock for SimClock {
    fn read(&mut self) -> Reading {
        self.0.borrow().reading()
    }

    fn frequency(&mut self) -> Result<f64, ClockError> {
        Ok(self.0.borrow().clocks.steered * 1e6)
    }

    fn set_frequency(&mut self, ppm: f64) -> Result<f64, ClockError> {
        let mut world = self.0.borrow_mut();
        // What the kernel can do: a tenth by ticks, and steps of 2^-16 ppm.
        let ppm = (ppm.clamp(-1e5, 1e5) * 65536.0).round() / 65536.0;
        world.clocks.steered = ppm * 1e-6;
        Ok(ppm)
    }

    fn step(&mut self, nanos: i64) -> Result<(), ClockError> {
        let mut world = self.0.borrow_mut();
        let seconds = nanos as f64 * 1e-9;
        world.clocks.error += seconds;
        let at = world.clocks.time;
        world.record.steps.push((at, seconds));
        Ok(())
    }

    fn publish(&mut self, status: &Status) -> Result<(), ClockError> {
        let mut world = self.0.borrow_mut();
        world.clocks.armed = status.leap;
        world.record.status = Some(*status);
        Ok(())
    }
}

impl Transport for SimNet {
    fn send(&mut self, source: SourceId, to: SocketAddr, data: &[u8]) -> Result<i64, String> {
        let mut world = self.0.borrow_mut();
        let peer = (0..world.peers.len())
            .find(|p| address(*p) == to && !world.cut.contains(p))
            .ok_or_else(|| "no route to host".to_owned())?;
        world.sources.insert(source, peer);
        let at = world.clocks.time;
        world.record.requests.push((at, peer));
        world.fly(peer, false, data, 0.0);
        Ok(world.reading().unix_ns)
    }

    fn close(&mut self, source: SourceId) {
        self.0.borrow_mut().sources.remove(&source);
    }

    fn home(&self, _source: SourceId) -> Option<IpAddr> {
        Some(address(self.0.borrow().peers.len()).ip())
    }

    fn resolve(&mut self, name: &str) {
        let mut world = self.0.borrow_mut();
        let now = world.clocks.time;
        world.record.look_ups.push(now);
        let answers = world.names.get_mut(name);
        let peers = answers.map_or_else(Vec::new, |answers| {
            if answers.len() > 1 {
                answers.pop_front().unwrap_or_default()
            } else {
                answers.front().cloned().unwrap_or_default()
            }
        });
        let addresses = peers.iter().map(|&peer| address(peer).ip()).collect();
        world.arrived.push_back(Event::Resolved {
            name: name.to_owned(),
            addresses,
        });
    }

    fn wait(&mut self, timeout_ms: u64) -> Event {
        let mut world = self.0.borrow_mut();
        let deadline = world.clocks.time + world.clocks.true_interval(timeout_ms as f64 * 1e-3);
        loop {
            if let Some(event) = world.arrived.pop_front() {
                return event;
            }
            let next = world.flying.peek().map_or(f64::MAX, |p| p.0.at);
            let until = deadline.min(next).min(world.limit);
            if !world.advance(until) {
                return Event::ClockSet;
            }
            if until >= world.limit {
                return Event::Stop;
            }
            if next <= deadline {
                world.arrive();
            } else {
                return Event::Deadline;
            }
        }
    }
}
