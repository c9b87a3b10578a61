//! A restart that takes over what was learnt.

use crate::world::*;
use clockbox::engine::Engine;
use clockbox::engine::Note;
use clockbox::engine::random::Random;
use clockbox::engine::saved::Saved;
use clockbox::engine::sim::Record;
use clockbox::engine::sim::scenario::Happening;
use clockbox::engine::sim::scenario::Scenario;

/// When the daemon is started anew, in seconds.
const RESTART: f64 = 6.0 * HOUR;

/// A restart in the middle; the new engine has what the old one learnt, in the form of its file, or
/// not.
fn restarted(scenario: &Scenario, seed: u64, with: bool) -> (Record, Engine, Vec<(f64, Note)>) {
    let mut config = scenario.config();
    config.make_step = None;
    let restart: Happening = (
        RESTART,
        Box::new(move |engine, now, _| {
            let text = engine.saved(now, "boot").to_string();
            let saved: Saved = text.parse().unwrap();
            let mut config = engine.config.clone();
            config.drift = None;
            let mut fresh = Engine::new(config, Random::from_number(seed));
            if with {
                fresh.begin_with(saved, "boot");
            }
            // The kernel still runs at the frequency that the old one set.
            fresh.start(now, engine.discipline.frequency * 1e6);
            *engine = fresh;
        }),
    );
    scenario.run_script(config, seed, &[], vec![restart])
}

#[test]
fn after_a_restart_with_saved_measurements_the_clock_is_as_right_as_before() {
    let mut better = Vec::new();
    for seed in SEEDS {
        let scenario = scenario(wan(4), 7.0);
        let (with, engine, notes) = restarted(&scenario, seed, true);
        let resumed = notes.iter().find_map(|(_, note)| match note {
            Note::Resumed { sources, samples } => Some((*sources, *samples)),
            _ => None,
        });
        let (sources, samples) = resumed.unwrap();
        assert!(sources == 4 && samples > 100, "seed {seed}: {samples}");
        assert!(engine.vote.best.is_some());
        assert!(worst(&with, RESTART, 7.0 * HOUR) < 0.6e-3, "seed {seed}");
        let (without, ..) = restarted(&scenario, seed, false);
        let end = RESTART + 900.0;
        better.push(rms(&with, RESTART, end) / rms(&without, RESTART, end));
    }
    better.sort_by(f64::total_cmp);
    println!("{better:?}");
    assert!(median(&better) < 0.7, "{better:?}");
}

#[test]
fn a_falseticker_is_still_known_after_a_restart() {
    for seed in SEEDS {
        let mut peers = wan(4);
        peers[2].server.offset = 0.1;
        let (record, ..) = restarted(&scenario(peers, 6.1), seed, true);
        assert!(worst(&record, RESTART, 6.1 * HOUR) < 1e-3, "seed {seed}");
    }
}

#[test]
fn a_machine_that_slept_between_starts_afresh() {
    let mut scenario = scenario(wan(4), 7.0);
    scenario.oscillator.sleeps = vec![(RESTART + 100.0, 600.0, 0.3)];
    let mut config = scenario.config();
    config.make_step = None;
    let keep = std::rc::Rc::new(std::cell::RefCell::new(String::new()));
    let kept = keep.clone();
    let script: Vec<Happening> = vec![
        (
            RESTART,
            Box::new(move |engine, now, _| {
                *kept.borrow_mut() = engine.saved(now, "boot").to_string();
            }),
        ),
        (
            RESTART + 200.0,
            Box::new(move |engine, now, _| {
                let mut fresh = Engine::new(engine.config.clone(), Random::from_number(1));
                fresh.begin_with(keep.borrow().parse().unwrap(), "boot");
                fresh.start(now, engine.discipline.frequency * 1e6);
                *engine = fresh;
            }),
        ),
    ];
    let (record, _, notes) = scenario.run_script(config, 1, &[], script);
    assert!(
        notes.iter().any(|(_, n)| matches!(n, Note::NotResumed(_))),
        "{notes:?}"
    );
    assert!(worst(&record, RESTART + 1500.0, 7.0 * HOUR) < 3e-3);
}
