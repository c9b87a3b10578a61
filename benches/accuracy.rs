//! The accuracy tables: our engine in our simulator over the scenarios of the field, beside the
//! oracle that is told what no program knows; and what happens when a path breaks the engine's
//! model. Medians of the seeds, worst maximum. `cargo bench --bench accuracy -- [--seeds N]
//! [SCENARIO…]`.
#![allow(clippy::print_stdout, reason = "a bench prints its table")]
#![allow(
    clippy::disallowed_methods,
    reason = "a bench reads its arguments and the clock"
)]
#![allow(clippy::disallowed_types, reason = "a bench reads the clock")]

use clockbox::engine::sim::oracle;
use clockbox::engine::sim::oracle::Told;
use clockbox::engine::sim::scenario;
use clockbox::engine::sim::scenario::Outcome;
use clockbox::engine::sim::scenario::Scenario;
use std::time::Instant;

fn main() {
    let mut seeds = 15;
    let mut names = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--bench" => {}
            "--seeds" => seeds = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(15),
            _ => names.push(argument),
        }
    }
    let wanted = |s: &Scenario| names.is_empty() || names.iter().any(|n| s.name.starts_with(n));
    println!(
        "| scenario | RMS | oracle's RMS | max (worst seed) | s to <1 ms | s to <100 us | requests/h | s of real time a day |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for scenario in scenario::all().iter().filter(|s| wanted(s)) {
        let (outcomes, spent) = run(scenario, seeds);
        let requests = median(outcomes.iter().map(|o| o.requests_per_hour));
        let best = (1..=seeds).map(|seed| oracle::rms(scenario, Told::Law, requests, seed));
        println!(
            "| {} | {:.2} us | {:.2} us | {:.1} us | {} | {} | {requests:.1} | {spent:.2} |",
            scenario.name,
            median(outcomes.iter().map(|o| o.rms)) * 1e6,
            median(best) * 1e6,
            outcomes.iter().map(|o| o.max).fold(0.0, f64::max) * 1e6,
            seconds(outcomes.iter().map(|o| o.to_1ms)),
            seconds(outcomes.iter().map(|o| o.to_100us)),
        );
    }
    println!("\nWhere the model does not hold (b-wan's clock and paths otherwise):\n");
    println!("| scenario | RMS | RMS (worst seed) | max (worst seed) | requests/h |");
    println!("|---|---|---|---|---|");
    for (what, scenario) in scenario::broken().iter().filter(|(_, s)| wanted(s)) {
        let (outcomes, _) = run(scenario, seeds);
        println!(
            "| {}: {what} | {:.1} us | {:.1} us | {:.1} us | {:.1} |",
            scenario.name,
            median(outcomes.iter().map(|o| o.rms)) * 1e6,
            outcomes.iter().map(|o| o.rms).fold(0.0, f64::max) * 1e6,
            outcomes.iter().map(|o| o.max).fold(0.0, f64::max) * 1e6,
            median(outcomes.iter().map(|o| o.requests_per_hour)),
        );
    }
}

/// What came out for each seed, and the seconds that a simulated day took.
fn run(scenario: &Scenario, seeds: u64) -> (Vec<Outcome>, f64) {
    let begun = Instant::now();
    let outcomes = (1..=seeds).map(|seed| scenario.run(seed).0).collect();
    let spent = begun.elapsed().as_secs_f64() / seeds as f64 * 86_400.0 / scenario.limit;
    (outcomes, spent)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn seconds(values: impl Iterator<Item = Option<usize>>) -> String {
    let middle = median(values.map(|v| v.map_or(f64::INFINITY, |v| v as f64)));
    if middle.is_finite() {
        format!("{middle:.0}")
    } else {
        "-".to_owned()
    }
}
