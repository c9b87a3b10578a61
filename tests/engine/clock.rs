//! Clocks that do what clocks do, and what is done to them.

use crate::world::*;
use clockbox::engine::Engine;
use clockbox::engine::Observer;
use clockbox::engine::config::MakeStep;
use clockbox::engine::config::MaxChange;
use clockbox::engine::note::Note;
use clockbox::engine::random::Random;
use clockbox::engine::sim;
use clockbox::engine::sim::scenario::Happening;

#[test]
fn a_local_network_is_right_to_a_millisecond_in_eight_seconds() {
    all_below(SEEDS, 8.0, |seed| {
        let (record, _) = run(&scenario(lan(), 0.2), seed);
        settled(&record, 0.0, 1e-3)
    });
}

#[test]
fn a_clock_350_s_off_is_stepped_once_and_right_in_eight_seconds() {
    all_below(SEEDS, 8.0, |seed| {
        let mut scenario = scenario(lan(), 0.2);
        scenario.oscillator.offset = -350.0;
        scenario.oscillator.frequency = -1e-4;
        let (record, _, notes) = scenario.run_script(scenario.config(), seed, &[], Vec::new());
        assert_eq!(record.steps.len(), 1, "seed {seed}");
        // Its own step is nobody else's.
        assert!(
            notes.iter().all(|n| n.1 != Note::SetByOthers),
            "seed {seed}"
        );
        settled(&record, 0.0, 1e-3)
    });
}

#[test]
fn an_offset_that_may_not_be_stepped_is_slewed_without_overshoot() {
    all_below(SEEDS, 1e-3, |seed| {
        let mut scenario = scenario(lan(), 1.0);
        scenario.oscillator.offset = 5.0;
        let (record, _) = run_with(&scenario, seed, |c| c.make_step = None);
        assert!(record.steps.is_empty());
        assert!(settled(&record, 0.0, 1e-3) < 90.0, "seed {seed}");
        // Positive at the start; never below what noise explains.
        record.errors.iter().fold(0.0, |most: f64, e| most.max(-e))
    });
}

#[test]
fn a_slew_obeys_its_fastest_rate() {
    let mut scenario = scenario(lan(), 1.0);
    scenario.oscillator.offset = 0.5;
    let (record, _) = run_with(&scenario, 1, |c| c.max_slew_rate = 500.0);
    let fastest = record
        .frequencies
        .iter()
        .fold(0.0, |m: f64, f| m.max(f.abs()));
    assert!(fastest < 600e-6, "{fastest:e}");
    let time = settled(&record, 0.0, 1e-3);
    assert!((900.0..1300.0).contains(&time), "{time}");
}

#[test]
fn steps_stop_after_their_number_of_updates() {
    let mut scenario = scenario(lan(), 1.0);
    scenario.oscillator.offset = 50.0;
    let (record, _) = run_with(&scenario, 1, |c| {
        c.make_step = Some(MakeStep {
            threshold: 1.0,
            limit: Some(0),
        });
    });
    assert!(record.steps.is_empty());
    assert!(settled(&record, 0.0, 1e-3) > 500.0);
}

#[test]
fn a_change_too_large_is_refused_then_ends_the_program() {
    let mut scenario = scenario(lan(), 2.0);
    scenario.oscillator.offset = 50.0;
    let (record, engine) = run_with(&scenario, 1, |c| {
        c.max_change = Some(MaxChange {
            offset: 10.0,
            start: 0,
            ignore: Some(3),
        });
    });
    assert!(record.errors.iter().all(|e| *e > 49.0));
    assert_eq!(engine.discipline.updates, 0);
    assert!(record.errors.len() < 7000, "it went on");
}

#[test]
fn a_known_drift_is_used_at_once() {
    all_below(SEEDS, 1.2e-3, |seed| {
        let mut scenario = scenario(wan(4), 0.5);
        scenario.oscillator.frequency = 8e-5;
        let (record, _) = run_with(&scenario, seed, |c| c.drift = Some((-80.0, 0.1)));
        worst(&record, 10.0, 1800.0)
    });
}

#[test]
fn a_sudden_change_of_frequency_is_followed() {
    all_below(SEEDS, 1e-3, |seed| {
        let mut scenario = scenario(lan(), 10.0);
        scenario.oscillator.frequency_jumps = vec![(5.0 * HOUR, 5e-6)];
        let (record, _) = run(&scenario, seed);
        assert!(
            worst(&record, 5.5 * HOUR, 10.0 * HOUR) < 40e-6,
            "seed {seed}"
        );
        worst(&record, 5.0 * HOUR, 5.5 * HOUR)
    });
}

#[test]
fn what_somebody_else_did_to_the_clock_is_undone() {
    all_below(SEEDS, 100.0, |seed| {
        let mut scenario = scenario(wan(4), 4.0);
        scenario.oscillator.steps = vec![(2.0 * HOUR, 30.0)];
        let (record, _) = run(&scenario, seed);
        settled(&record, 2.0 * HOUR, 1e-3)
    });
}

#[test]
fn after_a_sleep_the_clock_is_right_in_ten_seconds() {
    all_below(SEEDS, 10.0, |seed| {
        let mut scenario = scenario(lan(), 4.0);
        scenario.oscillator.sleeps = vec![(HOUR, 4000.0, 1.7)];
        let (record, _) = run(&scenario, seed);
        settled(&record, HOUR + 4002.0, 1e-3)
    });
}

#[test]
fn a_machine_that_stood_still_is_put_right_at_its_next_polls() {
    all_below(SEEDS, 140.0, |seed| {
        let mut scenario = scenario(wan(4), 3.0);
        scenario.oscillator.pauses = vec![(HOUR, 30.0)];
        let (record, _) = run_with(&scenario, seed, |c| {
            for source in &mut c.sources {
                source.max_poll = 6;
            }
        });
        settled(&record, HOUR + 32.0, 2e-3)
    });
}

#[test]
fn a_machine_that_is_moved_to_another_host_and_told_so_is_right_in_ten_seconds() {
    all_below(SEEDS, 10.0, |seed| {
        let mut scenario = scenario(lan(), 4.0);
        // The other host's counter was read late, and runs at another rate.
        scenario.oscillator.pauses = vec![(HOUR, 0.3)];
        scenario.oscillator.frequency_jumps = vec![(HOUR, 40e-6)];
        let moved: Happening = (HOUR + 0.5, Box::new(|engine, now, _| engine.migrated(now)));
        let config = scenario.config();
        let (record, _, notes) = scenario.run_script(config, seed, &[], vec![moved]);
        let told = notes.iter().filter(|note| note.1 == Note::Migrated).count();
        assert_eq!(told, 1, "seed {seed}");
        settled(&record, HOUR + 1.3, 1e-3)
    });
}

#[test]
fn polling_from_16_s_to_36_h_is_stable() {
    for poll in 4..=17 {
        let interval = f64::from(poll).exp2();
        let hours = (interval * 40.0 / HOUR).max(1.0);
        let mut scenario = scenario(wan(4), hours);
        scenario.poll = Some(poll);
        let (record, _) = run(&scenario, 1);
        let late = worst(&record, 0.5 * hours * HOUR, hours * HOUR);
        // The random walk of the frequency over an interval, three times.
        let walk = 1e-9 * interval.powf(1.5);
        println!("poll {poll}: {late:e} {walk:e}");
        assert!(late < 1.5e-3 + 3.0 * walk, "poll {poll}: {late:e}");
    }
}

#[test]
fn without_control_the_clock_is_only_measured() {
    let (record, engine) = run_with(&scenario(wan(3), 0.5), 1, |c| c.clock_control = false);
    assert!(record.steps.is_empty());
    assert!((record.errors.last().unwrap() - (0.05 + 1800.0 * 1e-5)).abs() < 1e-4);
    assert!(engine.state.is_some());
}

/// What goes into the drift file at the end.
struct Drift(f64, f64);

impl Observer for Drift {
    fn note(&mut self, _note: &Note) {}
    fn save_drift(&mut self, ppm: f64, skew: f64) {
        (self.0, self.1) = (ppm, skew);
    }
}

#[test]
fn a_clock_100_ppm_off_is_found_and_the_frequency_is_as_sure_as_it_says() {
    // Noise of milliseconds, as between busy virtual machines, and less than two minutes.
    let mut scenario = scenario(vec![peer(&path(2e-4, 2e-3))], 110.0 / HOUR);
    scenario.oscillator.offset = 0.0;
    scenario.oscillator.frequency = 1e-4;
    scenario.poll = Some(3);
    let found: Vec<(f64, f64)> = SEEDS
        .map(|seed| {
            let (mut clock, mut net) = sim::world(
                scenario.oscillator.clone(),
                &scenario.peers,
                scenario.limit,
                seed,
            );
            let mut engine = Engine::new(scenario.config(), Random::from_number(seed));
            let mut drift = Drift(0.0, 0.0);
            clockbox::engine::run(&mut clock, &mut net, &mut engine, &mut drift);
            (drift.0 + 100.0, drift.1)
        })
        .collect();
    let mean = |of: fn(&(f64, f64)) -> f64| found.iter().map(of).sum::<f64>() / found.len() as f64;
    let bias = mean(|f| f.0);
    let scaled = mean(|f| (f.0 / f.1).powi(2)).sqrt();
    assert!(bias.abs() < 2.5, "{bias} ppm");
    assert!((0.7..1.3).contains(&scaled), "{scaled} times the skew");
}
