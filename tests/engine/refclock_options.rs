//! Options of a `refclock` line, each by what it changes on the simulated machine.

use crate::refclock::named;
use crate::refclock::phc;
use crate::refclock::pps;
use crate::refclock::rms;
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
use clockbox::proto::refid::RefId;

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

/// As chronyd has it: within its bound a clock is not false, and if it is preferred it is followed.
#[test]
fn a_clock_that_is_off_within_its_delay_is_no_falseticker_and_may_be_preferred() {
    let of = |delay, prefer| {
        let clock = RefclockConfig { delay, ..clock() };
        let source = SourceConfig {
            prefer,
            ..named(clock)
        };
        let device = SimRefclock {
            offset: 0.05,
            ..SimRefclock::default()
        };
        let (record, engine) = beside_servers(source, device);
        (engine.vote.standings[0], record.errors[599])
    };
    let (standing, error) = of(0.2, false);
    assert_eq!(standing, Standing::Outlier);
    assert!(error.abs() < 5e-3, "{error}");
    let (standing, error) = of(0.2, true);
    assert_eq!(standing, Standing::Combined);
    assert!((error - 0.05).abs() < 1e-3, "{error}");
    for prefer in [false, true] {
        assert_eq!(of(0.02, prefer).0, Standing::Falseticker);
    }
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

#[test]
fn poll_and_dpoll_say_how_often_it_is_measured_and_read() {
    let of = |poll, driver_poll| {
        let clock = RefclockConfig {
            poll,
            driver_poll,
            ..clock()
        };
        let device = SimRefclock {
            noise: 1e-6,
            ..SimRefclock::default()
        };
        let (_, engine) = alone(named(clock), device, 200.0);
        let source = &engine.sources[0];
        (
            source.samples.len(),
            source.samples.back().unwrap().precision,
        )
    };
    let (seldom, exact) = of(3, -2);
    // Four quick ones, then one every eight seconds; 32 readings each.
    assert!((25..=30).contains(&seldom), "{seldom}");
    assert!(exact < 3e-7, "{exact}");
    let (often, coarse) = of(1, 1);
    assert_eq!(often, 64);
    // One reading each: as exact as that, and no more.
    assert!((5e-7..3e-6).contains(&coarse), "{coarse}");
}

#[test]
fn filter_bounds_the_readings_of_a_measurement() {
    let of = |filter| {
        let clock = RefclockConfig {
            filter,
            poll: 4,
            ..clock()
        };
        let device = SimRefclock {
            noise: 1e-6,
            ..SimRefclock::default()
        };
        let (_, engine) = alone(named(clock), device, 600.0);
        engine.sources[0].samples.back().unwrap().precision
    };
    // A quarter of the readings is half as exact.
    let (few, many) = (of(16), of(64));
    assert!((1.5..2.6).contains(&(few / many)), "{few} {many}");
}

#[test]
fn one_reading_a_measurement_is_followed_no_closer_than_its_noise_deserves() {
    for (poll, noise) in [(0, 1e-6), (0, 1e-5), (2, 1e-6)] {
        let clock = RefclockConfig {
            poll,
            driver_poll: poll,
            ..clock()
        };
        let device = SimRefclock {
            noise,
            ..SimRefclock::default()
        };
        let (record, _) = alone(named(clock), device, 3600.0);
        let steady = rms(&record.errors[1800..]);
        println!("poll {poll}, noise {noise:e}: {steady:e}");
        assert!(steady < 0.5 * noise, "{poll} {noise}: {steady}");
    }
}

#[test]
fn offset_is_added_to_what_the_clock_says() {
    let mut source = named(clock());
    source.offset = 0.02;
    let device = SimRefclock {
        offset: -0.02,
        ..SimRefclock::default()
    };
    let (record, _) = alone(source, device, 300.0);
    assert!(record.errors[299].abs() < 1e-5, "{}", record.errors[299]);
}

#[test]
fn stratum_is_what_the_clock_counts_as() {
    let clock = RefclockConfig {
        stratum: 5,
        ..clock()
    };
    let (_, engine) = alone(named(clock), SimRefclock::default(), 300.0);
    assert_eq!(engine.sources[0].remote.unwrap().stratum, 5);
}

#[test]
fn prefer_leaves_the_servers_out() {
    let source = SourceConfig {
        prefer: true,
        ..named(clock())
    };
    let (_, engine) = beside_servers(source, SimRefclock::default());
    let truechimer = |s: &&Standing| **s != Standing::Combined;
    assert_eq!(engine.vote.standings[0], Standing::Combined);
    assert_eq!(engine.vote.standings.iter().filter(truechimer).count(), 2);
}

#[test]
fn pps_takes_the_fraction_of_the_second_only() {
    let followed = |pulse| {
        let clock = RefclockConfig { pulse, ..clock() };
        let mut source = named(clock);
        source.prefer = true;
        // Hours off, as a clock that nobody set is.
        let device = SimRefclock {
            offset: -7200.0,
            ..SimRefclock::default()
        };
        let (record, engine) = beside_servers(source, device);
        (engine.vote.standings[0], record.errors[599])
    };
    let (standing, error) = followed(true);
    assert_eq!(standing, Standing::Combined);
    assert!(error.abs() < 1e-5, "{error}");
    assert_eq!(followed(false).0, Standing::Falseticker);
}

/// Pulses at `rate` a second, which take their seconds from a clock that is so much off and is
/// read every 2^poll seconds; how many measurements they made in a minute.
fn locked(rate: u32, off: f64, poll: i8, max_lock_age: u32) -> usize {
    let mut seconds = phc("/dev/gps0", b"NMEA");
    (seconds.scale_known, seconds.poll, seconds.driver_poll) = (true, poll, poll);
    let mut seconds = named(seconds);
    seconds.no_select = true;
    let mut pulse = pps("/dev/pps0");
    (pulse.lock, pulse.poll) = (Some(RefId(*b"NMEA")), 0);
    (pulse.rate, pulse.max_lock_age) = (rate, max_lock_age);
    let clocks = [
        (
            "/dev/gps0",
            SimRefclock {
                offset: off,
                noise: 1e-4,
                ..SimRefclock::default()
            },
        ),
        (
            "/dev/pps0",
            SimRefclock {
                pulse: true,
                ..SimRefclock::default()
            },
        ),
    ];
    let sources = vec![seconds, named(pulse)];
    let (record, engine, _) = simulate(Oscillator::default(), &[], sources, &clocks, 60.0);
    let count = engine.sources[1].samples.len();
    if count > 20 {
        assert!(record.errors[59].abs() < 1e-5, "{}", record.errors[59]);
    }
    count
}

#[test]
fn rate_says_how_exactly_the_second_must_be_known() {
    // Five a second are 0.2 s apart: 0.09 s off says nothing of which one it was.
    assert!(locked(1, 0.09, 0, 2) > 40);
    assert!(locked(5, 0.05, 0, 10) > 40);
    assert_eq!(locked(5, 0.09, 0, 10), 0);
}

#[test]
fn maxlockage_says_for_how_many_pulses_a_sample_of_the_other_clock_counts() {
    let (short, long) = (locked(1, 0.0, 3, 2), locked(1, 0.0, 3, 10));
    // The first seconds, in which the clock is read often, and two of eight after them.
    assert!((4..=30).contains(&short), "{short}");
    assert!(long > 40, "{long}");
}

/// A card's clock is read to some nanoseconds: with a quiet oscillator the clock is kept to that.
#[test]
fn a_clock_that_is_read_to_nanoseconds_is_followed_as_closely() {
    for (wander, noise, most) in [
        (1e-11, 1e-8, 3e-9),
        (1e-10, 5e-8, 1.3e-8),
        (1e-9, 1e-8, 3e-8),
    ] {
        let clock = RefclockConfig { poll: 3, ..clock() };
        let device = SimRefclock {
            noise,
            ..SimRefclock::default()
        };
        let oscillator = Oscillator {
            wander,
            ..Oscillator::default()
        };
        let clocks = [(PATH, device)];
        let (record, _, _) = simulate(oscillator, &[], vec![named(clock)], &clocks, 7200.0);
        let steady = rms(&record.errors[1800..]);
        println!("wander {wander:e}, noise {noise:e}: {steady:e}");
        assert!(steady < most, "{wander} {noise}: {steady}");
    }
}
