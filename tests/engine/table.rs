//! The fifteen scenarios of the field: bounds on the medians.

use crate::world::median;
use clockbox::engine::sim::scenario;

/// Scenario, RMS error, seconds to 1 ms, requests an hour: medians of the seeds stay below.
const BOUNDS: &[(&str, f64, f64, f64)] = &[
    ("a-lan", 3e-6, 8.0, 109.3),
    ("a4-lan-poll4", 1.8e-6, 8.0, 225.0),
    ("b-wan", 120e-6, 10.0, 27.3),
    ("b6-wan-poll6", 42e-6, 10.0, 225.0),
    ("c-jitter", 900e-6, 1814.0, 13.7),
    ("d-step350", 120e-6, 10.0, 27.4),
    ("d1-step350-lan", 3e-6, 8.0, 109.3),
    ("e-freq100-lan", 3e-6, 8.0, 109.3),
    ("e2-freq100-wan", 120e-6, 148.0, 27.4),
    ("f-falseticker", 130e-6, 75.0, 27.3),
    ("g-loss30", 150e-6, 243.0, 62.8),
    ("h-wander", 10e-6, 8.0, 218.4),
    ("h4-wander-poll4", 10e-6, 8.0, 225.0),
    ("i-temp", 7e-6, 8.0, 218.4),
    ("i4-temp-poll4", 6.5e-6, 8.0, 225.0),
];

#[test]
fn every_scenario_of_the_field_stays_within_its_target() {
    for scenario in scenario::all() {
        let bound = BOUNDS.iter().find(|b| b.0 == scenario.name).unwrap();
        let outcomes: Vec<_> = (1..=5).map(|seed| scenario.run(seed).0).collect();
        let of = |figure: &dyn Fn(&scenario::Outcome) -> f64| {
            let mut figures: Vec<f64> = outcomes.iter().map(figure).collect();
            figures.sort_by(f64::total_cmp);
            median(&figures)
        };
        let rms = of(&|o| o.rms);
        let soon = of(&|o| o.to_1ms.map_or(f64::INFINITY, |s| s as f64));
        let requests = of(&|o| o.requests_per_hour);
        println!("{}: {rms:e} {soon} {requests}", scenario.name);
        assert!(rms < bound.1, "{}: RMS {rms:e}", scenario.name);
        assert!(soon <= bound.2, "{}: {soon} s to 1 ms", scenario.name);
        assert!(requests < bound.3, "{}: {requests}/h", scenario.name);
    }
}
