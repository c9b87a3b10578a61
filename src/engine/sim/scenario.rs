//! The scenarios that time services are compared in, and what is measured: RMS and maximum error
//! in the steady state, time to come within a millisecond and 100 µs.

use super::EPOCH;
use super::Oscillator;
use super::Path;
use super::Peer;
use super::Record;
use super::Server;
use super::address;
use super::world;
use crate::engine::Engine;
use crate::engine::Note;
use crate::engine::Observer;
use crate::engine::config::Config;
use crate::engine::config::MakeStep;
use crate::engine::config::SourceConfig;
use crate::engine::random::Random;
use crate::engine::run;

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
        let (mut clock, mut net) = world(self.oscillator.clone(), &self.peers, self.limit, seed);
        let mut engine = Engine::new(config, Random::from_number(seed ^ EPOCH.unsigned_abs()));
        let _ = run(&mut clock, &mut net, &mut engine, &mut Silent);
        (clock.record(), engine)
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
