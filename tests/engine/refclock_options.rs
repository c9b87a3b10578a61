//! Options of a `refclock` line, each by what it changes on the simulated machine.

use crate::refclock::named;
use crate::refclock::phc;
use crate::refclock::server;
use crate::refclock::simulate;
use crate::refclock::wan;
use clockbox::engine::Engine;
use clockbox::engine::config::SourceConfig;
use clockbox::engine::refclock::RefclockConfig;
use clockbox::engine::sim::Oscillator;
use clockbox::engine::sim::Record;
use clockbox::engine::sim::refclock::SimRefclock;
use clockbox::engine::system::Standing;

const PATH: &str = "/dev/ptp0";

/// A clock that is known to keep UTC, measured every second.
fn clock() -> RefclockConfig {
    let mut clock = phc(PATH, b"PHC0");
    (clock.poll, clock.driver_poll, clock.scale_known) = (0, -2, true);
    clock
}

fn alone(source: SourceConfig, device: SimRefclock, limit: f64) -> (Record, Engine) {
    let clocks = [(PATH, device)];
    let (record, engine, _) = simulate(Oscillator::default(), &[], vec![source], &clocks, limit);
    (record, engine)
}

/// Beside two servers whose time is the true one.
fn beside_servers(source: SourceConfig, device: SimRefclock) -> (Record, Engine) {
    let sources = vec![source, server(0), server(1)];
    let clocks = [(PATH, device)];
    let (record, engine, _) = simulate(Oscillator::default(), &wan(2), sources, &clocks, 600.0);
    (record, engine)
}

#[test]
fn maxsamples_bounds_what_is_kept() {
    for (most, kept) in [(16, 16), (0, 4)] {
        let mut source = named(clock());
        source.samples.1 = most;
        let (_, engine) = alone(source, SimRefclock::default(), 300.0);
        assert_eq!(engine.sources[0].samples.len(), kept, "{most}");
    }
}

#[test]
fn minsamples_holds_on_to_what_is_known_for_longer() {
    let time = |least| {
        let mut clock = clock();
        clock.poll = 3;
        let mut source = named(clock);
        source.samples.0 = least;
        let device = SimRefclock {
            set: (2000.0, 0.1),
            ..SimRefclock::default()
        };
        let (record, _) = alone(source, device, 4000.0);
        // The clock that was set is the only witness: 0.1 s is the truth from then on.
        let there = |e: &f64| (e - 0.1).abs() < 1e-2;
        2000 + record.errors[2000..].iter().position(there).unwrap()
    };
    let (usual, longer) = (time(6), time(24));
    assert!(usual < 2100, "{usual}");
    assert!(longer > usual, "{usual} {longer}");
}

#[test]
fn require_makes_the_clock_a_condition_of_every_choice() {
    let gone = || SimRefclock {
        away: (0.0, 1e9),
        ..SimRefclock::default()
    };
    let (_, engine) = beside_servers(named(clock()), gone());
    assert!(engine.vote.best.is_some());
    let required = SourceConfig {
        require: true,
        ..named(clock())
    };
    let (record, engine) = beside_servers(required.clone(), gone());
    assert_eq!(engine.vote.best, None);
    assert!(!record.status.is_some_and(|s| s.synchronised));
    let (_, engine) = beside_servers(required, SimRefclock::default());
    assert_eq!(engine.vote.best, Some(0));
}

#[test]
fn delay_says_how_far_off_the_clock_may_be() {
    let of = |delay| {
        let clock = RefclockConfig { delay, ..clock() };
        let (_, engine) = beside_servers(named(clock), SimRefclock::default());
        (engine.sources[0].root_distance(), engine.vote.standings[0])
    };
    let (distance, standing) = of(1e-9);
    assert!(distance < 1e-5, "{distance}");
    assert_eq!(standing, Standing::Combined);
    let (distance, standing) = of(0.2);
    assert!((distance - 0.1).abs() < 1e-3, "{distance}");
    assert_ne!(standing, Standing::TooFar);
    // More than maxdistance allows.
    assert_eq!(of(7.0).1, Standing::TooFar);
}

#[test]
fn precision_says_how_finely_the_clock_can_be_read() {
    let of = |precision| {
        let clock = RefclockConfig {
            precision,
            ..clock()
        };
        let (_, engine) = beside_servers(named(clock), SimRefclock::default());
        let source = &engine.sources[0];
        let distance = source.root_distance();
        let sample = source.samples.back().unwrap().precision;
        (sample, distance, engine.vote.standings[0])
    };
    let (sample, distance, standing) = of(0.0);
    assert!(sample < 1e-6 && distance < 1e-5, "{sample} {distance}");
    assert_eq!(standing, Standing::Combined);
    let (sample, distance, _) = of(0.1);
    assert!(sample >= 0.1 && distance >= 0.1, "{sample} {distance}");
    assert_eq!(of(4.0).2, Standing::TooFar);
}

#[test]
fn maxdispersion_drops_measurements_that_scatter() {
    let device = || SimRefclock {
        noise: 1e-3,
        ..SimRefclock::default()
    };
    let measured = |max_dispersion| {
        let clock = RefclockConfig {
            max_dispersion,
            poll: 3,
            ..clock()
        };
        let (_, engine) = alone(named(clock), device(), 300.0);
        engine.sources[0].samples.len()
    };
    assert!(measured(None) > 30);
    assert!(measured(Some(1e-2)) > 30);
    // The first ones are too few to say how much they scatter.
    assert!(measured(Some(1e-5)) <= 4, "{}", measured(Some(1e-5)));
}
