//! The server's clock without its corrections in phase (extension field F323): what it is while
//! the server's own clock is slewed, stepped and set by others, and what a client gains by it.

use crate::world::*;
use clockbox::commands::serve::host;
use clockbox::engine::Engine;
use clockbox::engine::Note;
use clockbox::engine::Observer;
use clockbox::engine::clock::Clock;
use clockbox::engine::clock::Reading;
use clockbox::engine::config::Config;
use clockbox::engine::random::Random;
use clockbox::engine::sim;
use clockbox::engine::sim::Answerer;
use clockbox::engine::sim::EPOCH;
use clockbox::engine::sim::SimClock;
use clockbox::engine::sim::scenario::Scenario;
use clockbox::server::access::Access;
use clockbox::server::access::Rule;
use clockbox::server::clients::Clients;
use clockbox::server::respond::Datagram;
use clockbox::server::respond::LONGEST;
use clockbox::server::respond::Outcome;
use clockbox::server::respond::Policy;
use clockbox::server::respond::Responder;
use clockbox::server::respond::StampedBy;
use clockbox::server::state::State;
use clockbox::time::Monotonic;
use clockbox::time::NtpTimestamp;
use std::sync::Arc;

/// The server's clocks and what it publishes, after a round of its loop.
#[derive(Clone, Copy, Debug)]
struct Moment {
    time: f64,
    error: f64,
    raw_ns: u64,
    state: State,
}

impl Moment {
    /// Error of the uncorrected clock, in seconds, and which one it is.
    fn uncorrected(&self) -> (f64, u32) {
        let said = self.state.header(self.raw_ns).uncorrected.unwrap();
        (self.error - said.1.seconds(), said.0)
    }
}

/// Records these.
struct Recorder {
    clock: SimClock,
    next: Monotonic,
    moments: Vec<Moment>,
}

impl Observer for Recorder {
    fn note(&mut self, _note: &Note) {}

    fn save_drift(&mut self, _ppm: f64, _skew: f64) {}

    fn deadline(&self) -> Option<Monotonic> {
        Some(self.next)
    }

    fn tick(&mut self, now: Reading, _engine: &mut Engine) {
        if now.raw >= self.next {
            self.next = now.raw.plus_seconds(0.5);
        }
    }

    fn round(&mut self, engine: &Engine) {
        let now = self.clock.read();
        self.moments.push(Moment {
            time: self.clock.time(),
            error: self.clock.error(),
            raw_ns: now.raw.nanos(),
            state: host::state(&engine.reference(now), now, 3.0, -24),
        });
    }
}

fn server(scenario: &Scenario, seed: u64, change: impl Fn(&mut Config)) -> Vec<Moment> {
    let mut config = scenario.config();
    change(&mut config);
    let peers = &scenario.peers;
    let (mut clock, mut net) = sim::world(scenario.oscillator.clone(), peers, scenario.limit, seed);
    let mut recorder = Recorder {
        clock: clock.clone(),
        next: clock.read().raw,
        moments: Vec::new(),
    };
    let mut engine = Engine::new(config, Random::from_number(seed));
    let _ = clockbox::engine::run(&mut clock, &mut net, &mut engine, &mut recorder);
    recorder.moments
}

/// A server whose own servers are two milliseconds later or earlier from every hour on.
fn corrected_hourly(hours: u32) -> Scenario {
    let mut scenario = scenario(lan(), f64::from(hours));
    scenario.poll = Some(4);
    scenario.peers[0].server.steps = (1..hours)
        .map(|n| (f64::from(n) * HOUR, if n % 2 == 0 { 2e-3 } else { -2e-3 }))
        .collect();
    scenario
}

#[test]
fn it_has_the_rate_of_the_clock_and_none_of_its_slews() {
    for seed in SEEDS {
        let moments = server(&corrected_hourly(4), seed, |_| {});
        let mut slewed = 0.0;
        // Once the frequency is known.
        let known = moments.iter().skip_while(|m| m.time < 1800.0);
        let known: Vec<&Moment> = known.collect();
        for pair in known.windows(2) {
            let (before, after) = (pair[0].uncorrected(), pair[1].uncorrected());
            assert_eq!(before.1, after.1, "seed {seed}: {pair:?}");
            let moved = (after.0 - before.0).abs();
            let long = pair[1].time - pair[0].time;
            assert!(
                moved <= 2e-6 * long + 2e-9,
                "seed {seed}: {moved:e} {pair:?}"
            );
            slewed += (pair[1].error - pair[0].error).abs();
        }
        assert!(slewed > 6e-3, "seed {seed}: only {slewed}");
    }
}

#[test]
fn another_one_begins_where_its_phase_cannot_be_kept() {
    let mut scenario = scenario(lan(), 1.0);
    scenario.oscillator.offset = 3.0;
    scenario.oscillator.steps = vec![(900.3, 0.02), (1500.7, -3.0)];
    scenario.oscillator.sleeps = vec![(2400.0, 60.0, 0.3)];
    for seed in SEEDS {
        let moments = server(&scenario, seed, |_| {});
        let mut numbers = vec![moments[0].uncorrected().1];
        for pair in moments.windows(2) {
            let (before, after) = (pair[0].uncorrected(), pair[1].uncorrected());
            if before.1 != after.1 {
                numbers.push(after.1);
                continue;
            }
            let long = pair[1].time - pair[0].time;
            let moved = (after.0 - before.0).abs();
            assert!(
                moved <= 5e-5 * long + 1e-8,
                "seed {seed}: {moved:e} {pair:?}"
            );
        }
        // The start's step, two by others of which one was stepped back, a sleep.
        assert!(numbers.len() >= 5, "seed {seed}: {numbers:?}");
        let mut once = numbers.clone();
        once.dedup();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), numbers.len(), "seed {seed}: {numbers:?}");
    }
    let moments = server(&scenario, 1, |c| c.clock_control = false);
    assert!(moments.iter().all(|m| m.state.uncorrected.is_none()));
}

/// Answers as `serve` would with the clocks that were recorded.
fn answerer(moments: Vec<Moment>) -> Answerer {
    let everybody = Rule {
        allow: true,
        all: false,
        network: None,
        bits: 0,
        text: String::new(),
        place: String::new(),
    };
    let policy = Policy {
        access: Access::new(vec![everybody]),
        ..Policy::default()
    };
    let mut responder = Responder::new(
        Arc::new(policy),
        Clients::new(1 << 12, None, 1),
        Arc::default(),
    );
    Answerer::new(move |request, time| {
        let next = moments.partition_point(|m| m.time <= time);
        let (before, after) = (moments.get(next.checked_sub(1)?)?, moments.get(next)?);
        let part = (time - before.time) / (after.time - before.time);
        let error = before.error + part * (after.error - before.error);
        let raw_ns = before.raw_ns + (part * (after.raw_ns - before.raw_ns) as f64) as u64;
        let at = NtpTimestamp::from_unix(EPOCH, 0)
            .plus(clockbox::time::NtpDuration::from_seconds(time + error));
        let datagram = Datagram {
            bytes: request,
            from: "192.0.2.1".parse().ok()?,
            port: 5000,
            received: at,
            stamped: StampedBy::Kernel,
            transmit: at,
            now_ns: raw_ns,
            trace: None,
        };
        let mut reply = [0; LONGEST];
        let header = before.state.header(raw_ns);
        match responder.answer(&header, &datagram, &mut reply) {
            Outcome::Reply { length, .. } => {
                assert_eq!(length, request.len());
                Some(reply[..length].to_vec())
            }
            Outcome::Silence => None,
        }
    })
}

#[test]
fn a_client_that_asks_for_it_follows_the_server_better_while_that_is_corrected() {
    let figures = |asks: bool| {
        over(1..=6, |seed| {
            let moments = server(&corrected_hourly(12), seed, |_| {});
            let mut peers = wan(1);
            peers[0].server.answerer = Some(answerer(moments.clone()));
            let mut scenario = scenario(peers, 12.0);
            scenario.poll = Some(6);
            let (record, engine) =
                run_with(&scenario, seed + 1000, |c| c.sources[0].mono_root = asks);
            assert!(engine.vote.best.is_some(), "seed {seed}");
            // What it is off from its server.
            let mut squares = (0.0, 0.0);
            let mut server = moments.iter().peekable();
            for (second, error) in record.errors.iter().enumerate().skip(HOUR as usize) {
                let mut ahead = 0.0;
                while let Some(moment) = server.next_if(|m| m.time <= second as f64) {
                    ahead = moment.error;
                }
                squares = (squares.0 + (error - ahead).powi(2), squares.1 + 1.0);
            }
            (squares.0 / squares.1).sqrt()
        })
    };
    let (with, without) = (figures(true), figures(false));
    println!("{with:?} {without:?}");
    assert!(
        1.5 * median(&with) < median(&without),
        "{with:?} {without:?}"
    );
}

#[test]
fn a_server_that_steps_its_clock_is_still_followed_by_a_client_that_asks() {
    let mut upstream = scenario(lan(), 2.0);
    upstream.poll = Some(4);
    // Somebody sets the server's clock; the server steps it back.
    upstream.oscillator.steps = vec![(3600.3, 0.5)];
    for seed in SEEDS {
        let moments = server(&upstream, seed, |_| {});
        let mut peers = wan(1);
        peers[0].server.answerer = Some(answerer(moments));
        let mut scenario = scenario(peers, 2.0);
        scenario.poll = Some(4);
        let (record, _) = run_with(&scenario, seed + 1000, |c| c.sources[0].mono_root = true);
        let after = worst(&record, 5400.0, 7190.0);
        assert!(after < 2e-3, "seed {seed}: {after}");
    }
}
