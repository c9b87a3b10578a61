//! What clients are told, held against the true time at every moment: while the clock is set by
//! others, over a sleep of the machine, a leap second, the loss of all servers; and that smooth
//! time is smooth.

use crate::world::*;
use clockbox::commands::serve::host;
use clockbox::engine::Engine;
use clockbox::engine::Note;
use clockbox::engine::Observer;
use clockbox::engine::clock::Clock;
use clockbox::engine::clock::Reading;
use clockbox::engine::config::Config;
use clockbox::engine::leap::LeapConfig;
use clockbox::engine::leap::LeapMode;
use clockbox::engine::leap::LeapTable;
use clockbox::engine::local::LocalConfig;
use clockbox::engine::random::Random;
use clockbox::engine::sim;
use clockbox::engine::sim::EPOCH;
use clockbox::engine::sim::SimClock;
use clockbox::engine::sim::scenario::Scenario;
use clockbox::engine::smooth::SmoothConfig;
use clockbox::server::continuity::Continuity;
use clockbox::server::state::State;
use clockbox::time::Monotonic;

/// One answer: when, how wrong, what was claimed, in seconds; the stratum, 0 when unsynchronised.
#[derive(Clone, Copy, Debug)]
struct Told {
    at: f64,
    error: f64,
    claimed: f64,
    stratum: u8,
    leap: u8,
}

/// A server: publishes after every round of the engine's loop and once a second, and is asked every
/// so many seconds.
struct Server {
    clock: SimClock,
    every: f64,
    next_ask: Monotonic,
    next_state: Monotonic,
    state: State,
    continuity: Continuity,
    told: Vec<Told>,
    withheld: Vec<f64>,
    max_distance: f64,
}

impl Server {
    fn phase(now: Reading) -> i64 {
        now.unix_ns - i64::try_from(now.raw.nanos()).unwrap()
    }
}

impl Observer for Server {
    fn note(&mut self, _note: &Note) {}

    fn save_drift(&mut self, _ppm: f64, _skew: f64) {}

    fn deadline(&self) -> Option<Monotonic> {
        Some(self.next_ask.min(self.next_state))
    }

    fn tick(&mut self, now: Reading, _engine: &mut Engine) {
        if now.raw < self.next_ask {
            return;
        }
        self.next_ask = now.raw.plus_seconds(self.every);
        let raw = now.raw.nanos();
        let (at, state) = (self.clock.time(), self.state);
        self.continuity.notice(false, &state, raw, Self::phase(now));
        if !self.continuity.holds(0, false, &state) {
            self.withheld.push(at);
            return;
        }
        let header = state.header(raw);
        let short = |at: usize| {
            let word = header.fixed[at..].first_chunk::<4>().unwrap();
            f64::from(u32::from_be_bytes(*word)) / 65536.0
        };
        self.told.push(Told {
            at,
            error: self.clock.error() + header.smoothing.seconds(),
            claimed: short(8) + short(4) / 2.0,
            stratum: header.fixed[1],
            leap: header.fixed[0] >> 6,
        });
    }

    fn round(&mut self, engine: &Engine) {
        let now = self.clock.read();
        let reference = engine.reference(now);
        self.state = host::state(&reference, now, self.max_distance, -20);
        self.next_state = now.raw.plus_seconds(1.0);
    }
}

fn serve(scenario: &Scenario, seed: u64, every: f64, change: impl Fn(&mut Config)) -> Server {
    let mut config = scenario.config();
    change(&mut config);
    let limit = scenario.limit;
    let (mut clock, mut net) =
        sim::world(scenario.oscillator.clone(), &scenario.peers, limit, seed);
    let start = clock.read().raw;
    let mut server = Server {
        clock: clock.clone(),
        every,
        next_ask: start,
        next_state: start,
        state: State::unsynchronised(),
        continuity: Continuity::new(1),
        told: Vec::new(),
        withheld: Vec::new(),
        max_distance: config.max_distance,
    };
    let mut engine = Engine::new(config, Random::from_number(seed));
    let _ = clockbox::engine::run(&mut clock, &mut net, &mut engine, &mut server);
    server
}

/// Every answer that claims to be right is, within what it claims; and most are given at all.
fn truthful(server: &Server, scenario: &Scenario, what: &str) {
    for told in server.told.iter().filter(|t| t.stratum > 0) {
        assert!(told.error.abs() <= told.claimed + 1e-5, "{what}: {told:?}");
    }
    let good = server.told.iter().filter(|t| t.stratum > 0).count() as f64;
    let share = good * server.every / scenario.limit;
    assert!(
        share > 0.5,
        "{what}: only {share} of all were answered with the time"
    );
}

#[test]
fn no_answer_is_wrong_while_others_set_the_clock_or_the_machine_sleeps() {
    for seed in SEEDS {
        let mut scenario = scenario(lan(), 1.0);
        scenario.oscillator.steps = vec![
            (900.3, 2.5),
            (1000.7, -3.0),
            (1100.2, 90.0),
            (1100.6, -0.4),
            (1500.0, -3600.0),
        ];
        let server = serve(&scenario, seed, 0.13, |_| {});
        truthful(&server, &scenario, &format!("steps, seed {seed}"));
        for step in [900.3, 1000.7, 1100.2, 1500.0] {
            let back = server
                .told
                .iter()
                .find(|t| t.at > step && t.stratum > 0)
                .unwrap();
            assert!(
                back.at < step + 200.0,
                "seed {seed}: again only at {back:?}"
            );
        }
        scenario.oscillator.steps.clear();
        scenario.oscillator.sleeps = vec![(700.0, 60.0, 0.3), (1500.0, 900.0, -1.7)];
        truthful(
            &serve(&scenario, seed, 0.13, |_| {}),
            &scenario,
            &format!("sleeps, seed {seed}"),
        );
        // A server that only measures the clock, which somebody else sets.
        scenario.oscillator.sleeps.clear();
        scenario.oscillator.steps = vec![(900.3, 0.5), (1700.0, -0.5)];
        let server = serve(&scenario, seed, 0.13, |c| c.clock_control = false);
        for told in server.told.iter().filter(|t| t.stratum > 0) {
            assert!(
                told.error.abs() <= told.claimed + 1e-5,
                "seed {seed}: {told:?}"
            );
        }
    }
}

#[test]
fn no_answer_is_wrong_around_a_leap_second_and_it_is_announced_before() {
    const LEAP: f64 = 14_400.0;
    for (mode, seed) in [LeapMode::System, LeapMode::Step, LeapMode::Slew]
        .into_iter()
        .flat_map(|mode| SEEDS.map(move |seed| (mode, seed)))
    {
        let mut scenario = scenario(lan(), 4.5);
        scenario.oscillator.start = 86_400 - 14_400;
        scenario.oscillator.leap = Some((14_400, 1));
        scenario.poll = Some(6);
        let server = serve(&scenario, seed, 0.23, |c| {
            c.leap = LeapConfig {
                mode,
                table: Some(LeapTable::new(vec![(0, 37), (EPOCH + 86_400, 38)], None)),
            };
        });
        let hour_before = server.told.iter().find(|t| t.at > LEAP - 3600.0).unwrap();
        assert_eq!(hour_before.leap, 1, "{mode:?} {hour_before:?}");
        let later = server.told.iter().find(|t| t.at > LEAP + 600.0).unwrap();
        assert_ne!(later.leap, 1, "{mode:?} {later:?}");
        for told in server.told.iter().filter(|t| t.stratum > 0) {
            // A clock that is slewed cannot be right in the leap second itself, and says that one
            // is inserted today.
            let inserted = (LEAP..LEAP + 1.0).contains(&told.at) && told.leap == 1;
            if mode == LeapMode::Slew && inserted {
                continue;
            }
            // From the leap second on UTC is a second behind the seconds that were counted.
            let leapt = if told.at >= LEAP { 1.0 } else { 0.0 };
            let good = (told.error + leapt).abs() <= told.claimed + 1e-4;
            assert!(good, "{mode:?}, seed {seed}: {told:?}");
        }
    }
}

#[test]
fn when_all_servers_are_gone_the_claim_grows_until_nothing_is_claimed_or_local_takes_over() {
    let mut scenario = scenario(lan(), 40.0);
    for peer in &mut scenario.peers {
        peer.up.outages = vec![(3600.0, 1e9)];
    }
    let change = |c: &mut Config| {
        c.max_distance = 0.05;
        c.max_clock_error = 10.0;
    };
    let server = serve(&scenario, 1, 10.0, change);
    let at = |time: f64| *server.told.iter().find(|t| t.at >= time).unwrap();
    assert!(at(3500.0).claimed < at(4500.0).claimed && at(4500.0).claimed < at(7000.0).claimed);
    assert_eq!(at(3500.0).stratum, at(4000.0).stratum);
    let end = server.told.last().unwrap();
    assert_eq!((end.stratum, end.leap), (0, 3), "{end:?}");
    for told in server.told.iter().filter(|t| t.stratum > 0) {
        assert!(told.error.abs() <= told.claimed + 1e-5, "{told:?}");
    }
    let server = serve(&scenario, 1, 10.0, |c| {
        change(c);
        c.local = Some(LocalConfig {
            stratum: 9,
            ..LocalConfig::default()
        });
    });
    let end = server.told.last().unwrap();
    assert_eq!((end.stratum, end.leap), (9, 0), "{end:?}");
}

#[test]
fn between_the_last_of_the_servers_and_local_nobody_is_told_that_there_is_no_time() {
    for seed in SEEDS {
        let mut scenario = scenario(lan(), 0.25);
        for peer in &mut scenario.peers {
            peer.up.outages = vec![(600.0, 1e9)];
        }
        let server = serve(&scenario, seed, 0.03, |c| {
            c.max_distance = 0.15;
            c.max_clock_error = 5000.0;
            c.local = Some(LocalConfig {
                stratum: 9,
                ..LocalConfig::default()
            });
        });
        let lost: Vec<u8> = server
            .told
            .iter()
            .filter(|t| t.at > 600.0)
            .map(|t| t.stratum)
            .collect();
        let wrong = lost.iter().position(|s| *s == 0);
        assert_eq!(wrong, None, "seed {seed}: of {} answers", lost.len());
        assert_eq!(lost.last(), Some(&9), "seed {seed}");
    }
}

#[test]
fn smooth_time_bends_and_never_jumps_and_comes_to_the_true_time() {
    for (control, seed) in [(true, 1), (true, 2), (false, 1)] {
        let mut scenario = scenario(lan(), 3.0);
        scenario.poll = Some(4);
        // All servers say another time from here on, half a second off.
        for peer in &mut scenario.peers {
            peer.server.steps = vec![(3600.0, 0.5)];
        }
        scenario.oscillator.offset = 0.001;
        let rate = 300e-6;
        let server = serve(&scenario, seed, 1.0, |c| {
            c.clock_control = control;
            c.smooth = Some(SmoothConfig {
                rate,
                wander: 1e-6,
                leap_only: false,
            });
        });
        let told: Vec<Told> = server
            .told
            .iter()
            .filter(|t| t.stratum > 0)
            .copied()
            .collect();
        let jump = |from: f64| {
            let pairs = told
                .windows(2)
                .filter(|w| w[0].at > from && w[1].at - w[0].at < 1.5);
            pairs
                .map(|w| (w[1].error - w[0].error).abs())
                .fold(0.0, f64::max)
        };
        // Noise of the measurements beside.
        assert!(
            jump(600.0) < rate + 60e-6,
            "control {control}, seed {seed}: {}",
            jump(600.0)
        );
        let end = told.last().unwrap();
        assert!(
            (end.error - 0.5).abs() < 1e-3,
            "control {control}, seed {seed}: {end:?}"
        );
        let middle = told.iter().find(|t| t.at > 3600.0 + 900.0).unwrap();
        assert!((0.01..0.4).contains(&middle.error), "{middle:?}");
    }
}
