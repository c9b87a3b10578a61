//! The scenarios that time services are compared in, and what is measured: RMS and maximum error
//! in the steady state, time to come within a millisecond and 100 µs.

use super::EPOCH;
use super::Oscillator;
use super::Path;
use super::Peer;
use super::Record;
use super::Server;
use super::SimClock;
use super::SimNet;
use super::address;
use super::world;
use crate::engine::Engine;
use crate::engine::Note;
use crate::engine::Observer;
use crate::engine::clock::Clock;
use crate::engine::clock::Reading;
use crate::engine::config::Config;
use crate::engine::config::MakeStep;
use crate::engine::config::SourceConfig;
use crate::engine::random::Random;
use crate::engine::run;
use crate::time::Monotonic;
use std::collections::VecDeque;

/// A named situation.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// The machine.
    pub oscillator: Oscillator,
    /// The servers and the ways there.
    pub peers: Vec<Peer>,
    /// A fixed poll interval, log2 seconds, instead of the default range.
    pub poll: Option<i8>,
    /// Simulated seconds.
    pub limit: f64,
}

/// What came out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// RMS error in the second half, in seconds.
    pub rms: f64,
    /// Largest error in the second half, in seconds.
    pub max: f64,
    /// First second from which the error stays under 1 ms for 600 s.
    pub to_1ms: Option<usize>,
    /// The same for 100 µs.
    pub to_100us: Option<usize>,
    /// Requests an hour in the second half.
    pub requests_per_hour: f64,
}

/// Seconds that an error must stay small to count as converged.
const HOLD: usize = 600;

fn path(base: f64, jitter: f64) -> Path {
    Path {
        base,
        jitter,
        ..Path::default()
    }
}

fn symmetric(path: &Path, count: usize) -> Vec<Peer> {
    let peer = Peer {
        server: Server::default(),
        up: path.clone(),
        down: path.clone(),
    };
    vec![peer; count]
}

/// The fifteen scenarios that the peers were measured in.
#[must_use]
pub fn all() -> Vec<Scenario> {
    let lan = symmetric(&path(1e-4, 1e-5), 1);
    let wan = symmetric(&path(2e-2, 1e-3), 4);
    let late = |jitter| Path {
        late: (0.02, 0.3),
        ..path(2e-2, jitter)
    };
    let jittery = Peer {
        server: Server::default(),
        up: late(5e-3),
        down: late(1.5e-2),
    };
    let lossy = Path {
        loss: 0.3,
        ..path(2e-2, 1e-3)
    };
    let mut one_false = wan.clone();
    if let Some(last) = one_false.last_mut() {
        last.server.offset = 0.1;
    }
    let plain = Oscillator::default();
    let far = Oscillator {
        offset: 350.0,
        ..plain.clone()
    };
    let fast = Oscillator {
        frequency: 1e-4,
        ..plain.clone()
    };
    let restless = Oscillator {
        wander: 1e-7,
        ..plain.clone()
    };
    let warm = Oscillator {
        cycle: (2e-6, 3600.0),
        ..plain.clone()
    };
    let make = |name, oscillator: &Oscillator, peers: &[Peer], poll| Scenario {
        name,
        oscillator: oscillator.clone(),
        peers: peers.to_vec(),
        poll,
        limit: 86_400.0,
    };
    vec![
        make("a-lan", &plain, &lan, None),
        make("a4-lan-poll4", &plain, &lan, Some(4)),
        make("b-wan", &plain, &wan, None),
        make("b6-wan-poll6", &plain, &wan, Some(6)),
        make("c-jitter", &plain, &vec![jittery; 4], None),
        make("d-step350", &far, &wan, None),
        make("d1-step350-lan", &far, &lan, None),
        make("e-freq100-lan", &fast, &lan, None),
        make("e2-freq100-wan", &fast, &wan, None),
        make("f-falseticker", &plain, &one_false, None),
        make("g-loss30", &plain, &symmetric(&lossy, 4), None),
        make("h-wander", &restless, &lan, None),
        make("h4-wander-poll4", &restless, &lan, Some(4)),
        make("i-temp", &warm, &lan, None),
        make("i4-temp-poll4", &warm, &lan, Some(4)),
    ]
}

/// Situations in which what the engine believes of paths and servers is not so, each with a word of
/// what is wrong.
#[must_use]
pub fn broken() -> Vec<(&'static str, Scenario)> {
    let wan = |count| symmetric(&path(2e-2, 1e-3), count);
    let make = |name, peers: Vec<Peer>| Scenario {
        name,
        oscillator: Oscillator::default(),
        peers,
        poll: None,
        limit: 86_400.0,
    };
    // One after the other, and back: in the second half, which is measured, three changes.
    let mut routes = wan(4);
    for (number, peer) in routes.iter_mut().enumerate() {
        let at = 50_000.0 + 8000.0 * number as f64;
        peer.up.routes = vec![(at, 8e-3), (at + 6000.0, 0.0)];
    }
    let mut all_routes = wan(4);
    for peer in &mut all_routes {
        peer.up.routes = vec![(60_000.0, 8e-3)];
    }
    let queue = |mean: f64, time: f64| {
        let mut peers = wan(4);
        for peer in &mut peers {
            peer.up.queue = (mean, time);
        }
        peers
    };
    let mut liars = wan(5);
    for peer in liars.iter_mut().skip(3) {
        peer.server.offset = 0.08;
    }
    let mut subtle = wan(5);
    for peer in subtle.iter_mut().skip(3) {
        peer.server.offset = 0.012;
    }
    let hidden = Path {
        stages: 8,
        ..path(2e-2, 2.5e-4)
    };
    vec![
        (
            "each route in turn 8 ms longer one way, then back",
            make("j-routes", routes),
        ),
        (
            "all routes at once 8 ms longer one way for good (only the clock, as it was before, can tell)",
            make("j4-all-routes", all_routes),
        ),
        (
            "a queue of 4 ms one way that lasts 5 minutes",
            make("k-queues", queue(4e-3, 300.0)),
        ),
        (
            "the same, lasting 50 minutes",
            make("k1-long-queues", queue(4e-3, 3000.0)),
        ),
        (
            "two of five servers agree on 80 ms off",
            make("l-colluding", liars),
        ),
        (
            "two of five agree on 12 ms off, within what the round trip hides",
            make("l1-subtle", subtle),
        ),
        (
            "eight small delays each way: the empty path is never seen",
            make("m-hidden", symmetric(&hidden, 4)),
        ),
    ]
}

impl Scenario {
    /// The configuration that the peers were measured with: `iburst`, `makestep 1.0 3`,
    /// `maxupdateskew 100`.
    #[must_use]
    pub fn config(&self) -> Config {
        let sources = (0..self.peers.len())
            .map(|peer| {
                let at = address(peer);
                let mut source = SourceConfig::new(at.ip().to_string(), Some(at));
                source.iburst = true;
                if let Some(poll) = self.poll {
                    source.min_poll = Some(poll);
                    source.max_poll = poll;
                }
                source
            })
            .collect();
        Config {
            sources,
            make_step: Some(MakeStep {
                threshold: 1.0,
                limit: Some(3),
            }),
            max_update_skew: 100.0,
            ..Config::default()
        }
    }

    /// Runs it with its own configuration.
    #[must_use]
    pub fn run(&self, seed: u64) -> (Outcome, Record) {
        let (record, _) = self.run_with(self.config(), seed);
        (Outcome::of(&record), record)
    }

    /// Runs it with another configuration; gives what happened and the engine at the end.
    #[must_use]
    pub fn run_with(&self, config: Config, seed: u64) -> (Record, Engine) {
        let (record, engine, _) = self.run_to_end(config, seed);
        (record, engine)
    }

    /// The same, and what the clocks read at the end.
    #[must_use]
    pub fn run_to_end(&self, config: Config, seed: u64) -> (Record, Engine, Reading) {
        let (mut clock, mut net) = world(self.oscillator.clone(), &self.peers, self.limit, seed);
        let mut engine = Engine::new(config, Random::from_number(seed ^ EPOCH.unsigned_abs()));
        let _ = run(&mut clock, &mut net, &mut engine, &mut Silent);
        (clock.record(), engine, clock.read())
    }
}

/// Something that happens while a scenario runs: when, in seconds since the program started, and
/// what.
pub type Happening = (f64, Box<dyn FnMut(&mut Engine, Reading, &SimNet)>);

impl Scenario {
    /// Runs it with another configuration, names to look up ([`SimNet::name`]) and happenings in
    /// the order of their times; gives what happened, what was noted when, and the engine at the
    /// end.
    #[must_use]
    pub fn run_script(
        &self,
        config: Config,
        seed: u64,
        names: &[(&str, Vec<Vec<usize>>)],
        script: Vec<Happening>,
    ) -> (Record, Engine, Vec<(f64, Note)>) {
        let (mut clock, mut net) = world(self.oscillator.clone(), &self.peers, self.limit, seed);
        for (name, answers) in names {
            net.name(name, answers.clone());
        }
        let mut engine = Engine::new(config, Random::from_number(seed ^ EPOCH.unsigned_abs()));
        let mut host = Scripted {
            start: clock.read().raw,
            script: script.into(),
            net: net.clone(),
            clock: clock.clone(),
            notes: Vec::new(),
        };
        let _ = run(&mut clock, &mut net, &mut engine, &mut host);
        (clock.record(), engine, host.notes)
    }
}

struct Scripted {
    start: Monotonic,
    script: VecDeque<Happening>,
    net: SimNet,
    clock: SimClock,
    notes: Vec<(f64, Note)>,
}

impl Observer for Scripted {
    fn note(&mut self, note: &Note) {
        self.notes.push((self.clock.time(), note.clone()));
    }

    fn save_drift(&mut self, _ppm: f64, _skew: f64) {}

    fn deadline(&self) -> Option<Monotonic> {
        let (at, _) = self.script.front()?;
        Some(self.start.plus_seconds(*at))
    }

    fn tick(&mut self, now: Reading, engine: &mut Engine) {
        while self.deadline().is_some_and(|due| due <= now.raw) {
            if let Some((_, mut happening)) = self.script.pop_front() {
                happening(engine, now, &self.net);
            }
        }
    }
}

struct Silent;

impl Observer for Silent {
    fn note(&mut self, _note: &Note) {}
    fn save_drift(&mut self, _ppm: f64, _skew: f64) {}
}

impl Outcome {
    /// Measures a record.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        let half = record.errors.len() / 2;
        let steady = record.errors.get(half..).unwrap_or(&[]);
        let squares: f64 = steady.iter().map(|e| e * e).sum();
        let requests = record
            .requests
            .iter()
            .filter(|r| r.0 >= half as f64)
            .count();
        Self {
            rms: (squares / steady.len().max(1) as f64).sqrt(),
            max: steady.iter().fold(0.0, |most, e| e.abs().max(most)),
            to_1ms: converged(&record.errors, 1e-3),
            to_100us: converged(&record.errors, 1e-4),
            requests_per_hour: requests as f64 * 3600.0 / steady.len().max(1) as f64,
        }
    }
}

fn converged(errors: &[f64], limit: f64) -> Option<usize> {
    let mut begun = 0;
    for (second, error) in errors.iter().enumerate() {
        if error.abs() > limit {
            begun = second + 1;
        } else if second + 1 - begun > HOLD {
            return Some(begun);
        }
    }
    None
}
