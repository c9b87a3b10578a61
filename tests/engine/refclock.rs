//! Reference clocks on the simulated machine.

use crate::world::FEW;
use clockbox::engine::Engine;
use clockbox::engine::Note;
use clockbox::engine::config::Config;
use clockbox::engine::config::MakeStep;
use clockbox::engine::config::SourceConfig;
use clockbox::engine::leap::LeapConfig;
use clockbox::engine::leap::LeapTable;
use clockbox::engine::random::Random;
use clockbox::engine::refclock::Device;
use clockbox::engine::refclock::RefclockConfig;
use clockbox::engine::run;
use clockbox::engine::sim::Oscillator;
use clockbox::engine::sim::Path;
use clockbox::engine::sim::Peer;
use clockbox::engine::sim::Record;
use clockbox::engine::sim::Server;
use clockbox::engine::sim::address;
use clockbox::engine::sim::refclock::SimHost;
use clockbox::engine::sim::refclock::SimRefclock;
use clockbox::engine::sim::world;
use clockbox::engine::standard::Readings;
use clockbox::engine::standard::Standardised;
use clockbox::engine::system::Standing;
use clockbox::proto::refid::RefId;

pub(crate) fn phc(path: &str, refid: &[u8; 4]) -> RefclockConfig {
    let device = Device::Phc {
        path: path.to_owned(),
        precise: true,
        pulses: None,
    };
    RefclockConfig::new(device, RefId(*refid))
}

pub(crate) fn pps(path: &str) -> RefclockConfig {
    let device = Device::Pps {
        path: path.to_owned(),
        falling: false,
    };
    RefclockConfig::new(device, RefId(*b"PPS1"))
}

pub(crate) fn named(clock: RefclockConfig) -> SourceConfig {
    let name = clock.refid.text().unwrap();
    SourceConfig::refclock(name, clock)
}

pub(crate) fn server(peer: usize) -> SourceConfig {
    let at = address(peer);
    let mut source = SourceConfig::new(at.ip().to_string(), Some(at));
    source.iburst = true;
    source
}

pub(crate) fn wan(count: usize) -> Vec<Peer> {
    let way = Path {
        base: 2e-2,
        jitter: 1e-3,
        ..Path::default()
    };
    let peer = Peer {
        server: Server::default(),
        up: way.clone(),
        down: way,
    };
    vec![peer; count]
}

pub(crate) fn simulate(
    oscillator: Oscillator,
    peers: &[Peer],
    sources: Vec<SourceConfig>,
    clocks: &[(&str, SimRefclock)],
    limit: f64,
) -> (Record, Engine, Vec<Note>) {
    let config = Config {
        sources,
        make_step: Some(MakeStep {
            threshold: 1.0,
            limit: Some(3),
        }),
        ..Config::default()
    };
    let (mut clock, mut net) = world(oscillator, peers, limit, 7);
    let mut host = SimHost::new(clock.clone(), clocks, 11);
    let mut engine = Engine::new(config, Random::from_number(5));
    run(&mut clock, &mut net, &mut engine, &mut host);
    (clock.record(), engine, host.notes)
}

pub(crate) fn rms(errors: &[f64]) -> f64 {
    (errors.iter().map(|e| e * e).sum::<f64>() / errors.len() as f64).sqrt()
}

#[test]
fn a_ptp_clock_alone_is_followed_from_a_step_to_its_noise() {
    let far = Oscillator {
        offset: 12.0,
        ..Oscillator::default()
    };
    let mut clock = phc("/dev/ptp0", b"PHC0");
    (clock.poll, clock.driver_poll, clock.stratum) = (3, -2, 2);
    clock.scale_known = true;
    let device = SimRefclock {
        noise: 1e-6,
        wild: (50, 0.01),
        ..SimRefclock::default()
    };
    let (record, engine, _) = simulate(
        far,
        &[],
        vec![named(clock)],
        &[("/dev/ptp0", device)],
        3600.0,
    );
    assert_eq!(record.steps.len(), 1);
    // Known soon, and then to a small part of a reading's noise.
    assert!(record.steps[0].0 < 8.0, "{:?}", record.steps);
    assert!(record.errors[30].abs() < 1e-4, "{}", record.errors[30]);
    let steady = rms(&record.errors[1800..]);
    assert!(steady < 1e-6, "{steady}");
    assert_eq!(engine.vote.standings, [Standing::Combined]);
    assert_eq!(engine.sources[0].reach, 0o377);
    let status = record.status.unwrap();
    assert!(status.synchronised && status.max_error < 1e-4, "{status:?}");
}

#[test]
fn pulses_take_their_seconds_from_servers_and_beat_them() {
    let mut sources: Vec<SourceConfig> = (0..3).map(server).collect();
    let mut pulse = pps("/dev/pps0");
    pulse.poll = 2;
    let mut source = named(pulse);
    source.prefer = true;
    sources.push(source);
    let device = SimRefclock {
        pulse: true,
        noise: 1e-6,
        ..SimRefclock::default()
    };
    let (record, engine, _) = simulate(
        Oscillator {
            offset: 0.3,
            ..Oscillator::default()
        },
        &wan(3),
        sources,
        &[("/dev/pps0", device)],
        2400.0,
    );
    assert_eq!(engine.vote.standings[3], Standing::Combined);
    let steady = rms(&record.errors[1200..]);
    assert!(steady < 2e-6, "{steady}");
}

#[test]
fn pulses_locked_to_a_coarse_clock_are_whole_seconds_right() {
    // A receiver's serial sentence: a fifth of a second late, known to be; never used itself.
    let mut sentence = phc("/dev/gps0", b"NMEA");
    sentence.scale_known = true;
    let mut coarse = named(sentence);
    coarse.no_select = true;
    let mut pulse = pps("/dev/pps0");
    (pulse.lock, pulse.poll) = (Some(RefId(*b"NMEA")), 3);
    let clocks = [
        (
            "/dev/gps0",
            SimRefclock {
                noise: 0.03,
                offset: 0.05,
                ..SimRefclock::default()
            },
        ),
        (
            "/dev/pps0",
            SimRefclock {
                pulse: true,
                noise: 1e-6,
                ..SimRefclock::default()
            },
        ),
    ];
    let far = Oscillator {
        offset: -7.3,
        ..Oscillator::default()
    };
    let (record, engine, _) = simulate(far, &[], vec![coarse, named(pulse)], &clocks, 1800.0);
    assert_eq!(
        engine.vote.standings,
        [Standing::NotSelectable, Standing::Combined]
    );
    let steady = rms(&record.errors[900..]);
    assert!(steady < 2e-6, "{steady}");
}

#[test]
fn pulses_alone_say_nothing() {
    let device = SimRefclock {
        pulse: true,
        ..SimRefclock::default()
    };
    let (record, engine, _) = simulate(
        Oscillator {
            offset: 0.2,
            ..Oscillator::default()
        },
        &[],
        vec![named(pps("/dev/pps0"))],
        &[("/dev/pps0", device)],
        300.0,
    );
    assert!(engine.vote.best.is_none() && record.steps.is_empty());
    assert!(record.status.is_none());
}

#[test]
fn a_clock_in_tai_is_recognised_and_never_followed() {
    let device = SimRefclock {
        offset: 37.0,
        ..SimRefclock::default()
    };
    let clocks = [("/dev/ptp0", device)];
    let alone = vec![named(phc("/dev/ptp0", b"PHC0"))];
    let (record, engine, notes) =
        simulate(Oscillator::default(), &[], alone.clone(), &clocks, 300.0);
    assert!(record.steps.is_empty() && engine.vote.best.is_none());
    let said = |n: &&Note| matches!(n, Note::KeepsTai { .. });
    assert_eq!(notes.iter().filter(said).count(), 1, "{notes:?}");
    // Said to keep TAI, it is converted.
    let mut told = phc("/dev/ptp0", b"PHC0");
    told.tai = Some(37);
    let (record, engine, _) = simulate(
        Oscillator::default(),
        &[],
        vec![named(told)],
        &clocks,
        300.0,
    );
    assert_eq!(engine.vote.best, Some(0));
    assert!(record.errors[299].abs() < 1e-5);
}

#[test]
fn a_device_that_goes_away_is_told_once_and_taken_up_again() {
    let device = SimRefclock {
        away: (600.0, 900.0),
        ..SimRefclock::default()
    };
    let mut clock = phc("/dev/ptp0", b"PHC0");
    clock.poll = 2;
    let (record, engine, notes) = simulate(
        Oscillator::default(),
        &[],
        vec![named(clock)],
        &[("/dev/ptp0", device)],
        1500.0,
    );
    let gone = |n: &&Note| matches!(n, Note::Unreadable { .. });
    assert_eq!(notes.iter().filter(gone).count(), 1);
    assert_eq!(engine.vote.best, Some(0));
    let worst = record.errors[300..]
        .iter()
        .fold(0.0f64, |m, e| m.max(e.abs()));
    assert!(worst < 1e-4, "{worst}");
}

#[test]
fn servers_outvote_a_clock_that_is_wrong() {
    let mut sources: Vec<SourceConfig> = (0..3).map(server).collect();
    let mut clock = phc("/dev/ptp0", b"PHC0");
    clock.scale_known = true;
    sources.push(named(clock));
    let device = SimRefclock {
        offset: 0.5,
        ..SimRefclock::default()
    };
    let (record, engine, _) = simulate(
        Oscillator::default(),
        &wan(3),
        sources,
        &[("/dev/ptp0", device)],
        1200.0,
    );
    assert_eq!(engine.vote.standings[3], Standing::Falseticker);
    assert!(record.errors[1199].abs() < 5e-3);
}

/// One server, asked every four minutes, on a machine whose oscillator wanders a lot; with a
/// clock beside it that runs evenly, 3 ppm fast, and shows no date.
fn beside_a_standard(used: bool, device: SimRefclock, seed: u64) -> (Record, Engine) {
    let oscillator = Oscillator {
        wander: 1e-7,
        ..Oscillator::default()
    };
    let mut far = server(0);
    (far.min_poll, far.max_poll) = (Some(8), 8);
    let mut clock = phc("/dev/ptp0", b"PHC1");
    (clock.poll, clock.driver_poll, clock.local) = (0, -2, used);
    clock.scale_known = true;
    let mut beside = named(clock.clone());
    beside.no_select = true;
    let config = Config {
        sources: vec![far, beside],
        make_step: Some(MakeStep {
            threshold: 1.0,
            limit: Some(3),
        }),
        ..Config::default()
    };
    let (clock_of_sim, mut net) = world(oscillator, &wan(1), 6.0 * 3600.0, seed);
    let mut host = SimHost::new(clock_of_sim.clone(), &[("/dev/ptp0", device)], seed);
    let readings = Readings::default();
    host.standard = used.then(|| ("/dev/ptp0".to_owned(), readings.clone()));
    let standard = used.then_some((readings, clock));
    let mut steered = Standardised::new(clock_of_sim.clone(), standard);
    let mut engine = Engine::new(config, Random::from_number(seed));
    run(&mut steered, &mut net, &mut engine, &mut host);
    (clock_of_sim.record(), engine)
}

fn even() -> SimRefclock {
    SimRefclock {
        offset: -1.8e9,
        drift: 3e-6,
        noise: 1e-7,
        ..SimRefclock::default()
    }
}

#[test]
fn a_local_standard_steadies_a_clock_that_is_seldom_told_the_time() {
    for seed in FEW {
        let (plain, _) = beside_a_standard(false, even(), seed);
        let (held, engine) = beside_a_standard(true, even(), seed);
        let (plain, held) = (rms(&plain.errors[10800..]), rms(&held.errors[10800..]));
        println!("seed {seed}: {held:e} s held, {plain:e} s plain");
        assert!(
            held < 0.35 * plain,
            "seed {seed}: {held:e} against {plain:e}"
        );
        // It is no source of time.
        let standings = [Standing::Combined, Standing::NotSelectable];
        assert_eq!(engine.vote.standings, standings);
    }
}

#[test]
fn a_local_standard_that_goes_away_or_reads_badly_does_no_harm() {
    for device in [
        SimRefclock {
            away: (9000.0, 15000.0),
            ..even()
        },
        SimRefclock {
            wild: (40, 0.2),
            ..even()
        },
    ] {
        let (record, _) = beside_a_standard(true, device, 3);
        let worst = record.errors[7200..]
            .iter()
            .fold(0.0f64, |most, e| most.max(e.abs()));
        assert!(worst < 0.02, "{worst}");
    }
}

#[test]
fn a_clock_that_is_away_longer_than_maxunreach_allows_is_no_reference_any_more() {
    let device = || SimRefclock {
        away: (600.0, 1e9),
        ..SimRefclock::default()
    };
    let unsynchronised = |max_unreach| {
        let mut clock = phc("/dev/ptp0", b"PHC0");
        clock.poll = 2;
        let mut source = named(clock);
        source.max_unreach = max_unreach;
        let clocks = [("/dev/ptp0", device())];
        let (record, engine, notes) =
            simulate(Oscillator::default(), &[], vec![source], &clocks, 720.0);
        let lost = notes.iter().any(|n| matches!(n, Note::Lost { .. }));
        assert!(engine.vote.best.is_none());
        assert_eq!(lost, !record.status.unwrap().synchronised);
        lost
    };
    // Eight polls of 4 s without a sample make it unreachable; then it has so many more.
    assert!(unsynchronised(5));
    assert!(!unsynchronised(100));
}

#[test]
fn the_leap_table_says_what_is_taken_off_a_clock_in_tai() {
    let table = LeapTable::new(vec![(0, 36), (1_000_000_000, 38)], None);
    let mut clock = phc("/dev/ptp0", b"PHC0");
    // What was true when the configuration was read.
    clock.tai = Some(37);
    let device = SimRefclock {
        offset: 38.0,
        ..SimRefclock::default()
    };
    let config = Config {
        sources: vec![named(clock)],
        leap: LeapConfig {
            table: Some(table),
            ..LeapConfig::default()
        },
        ..Config::default()
    };
    let (mut clock, mut net) = world(Oscillator::default(), &[], 300.0, 7);
    let mut host = SimHost::new(clock.clone(), &[("/dev/ptp0", device)], 11);
    let mut engine = Engine::new(config, Random::from_number(5));
    run(&mut clock, &mut net, &mut engine, &mut host);
    let last = clock.record().errors[299];
    assert!(last.abs() < 1e-5, "{last}");
}

/// The line that Azure documents, with `makestep 1.0 -1`, on such a machine.
fn on_azure(oscillator: Oscillator) -> Record {
    let mut clock = phc("/dev/ptp_hyperv", b"PHC0");
    (clock.poll, clock.driver_poll, clock.stratum) = (3, -2, 2);
    clock.scale_known = true;
    let config = Config {
        sources: vec![named(clock)],
        make_step: Some(MakeStep {
            threshold: 1.0,
            limit: None,
        }),
        ..Config::default()
    };
    let device = SimRefclock {
        noise: 1e-6,
        ..SimRefclock::default()
    };
    let (mut clock, mut net) = world(oscillator, &[], 1500.0, 7);
    let mut host = SimHost::new(clock.clone(), &[("/dev/ptp_hyperv", device)], 11);
    let mut engine = Engine::new(config, Random::from_number(5));
    run(&mut clock, &mut net, &mut engine, &mut host);
    clock.record()
}

#[test]
fn the_only_witness_is_believed_after_a_machine_was_stopped_for_hours() {
    // It knows that it slept, or does not (its host stopped it and let it go on).
    for (sleeps, pauses) in [
        (vec![(600.0, 300.0, -7200.0)], Vec::new()),
        (Vec::new(), vec![(600.0, 300.0)]),
    ] {
        let record = on_azure(Oscillator {
            sleeps,
            pauses,
            ..Oscillator::default()
        });
        let errors = &record.errors;
        let worst = errors.iter().fold(0.0f64, |m, e| m.max(e.abs()));
        assert!(worst > 250.0, "{worst}");
        // A minute after it goes on it is right again, and stays so.
        let after = errors[960..].iter().fold(0.0f64, |m, e| m.max(e.abs()));
        assert!(after < 1e-3, "{after}: {:?}", record.steps);
    }
}
