//! How a source stands in the vote, in the marks of `sources` and the letters of `selectdata`.

use super::monitor;
use crate::engine::clock::Reading;
use crate::engine::core::Engine;
use crate::engine::options::SelectOptions;
use crate::engine::source::Source;
use crate::engine::system;
use crate::engine::system::Standing;
use crate::proto::cmdmon::reply::OPTION_NOSELECT;
use crate::proto::cmdmon::reply::OPTION_PREFER;
use crate::proto::cmdmon::reply::OPTION_REQUIRE;
use crate::proto::cmdmon::reply::OPTION_TRUST;
use crate::proto::cmdmon::reply::STATES;
use crate::proto::cmdmon::reply::SelectData;
use crate::proto::packet::Leap;

/// The number of the mark in `sources`.
pub(super) fn state(engine: &Engine, index: usize, source: &Source) -> u16 {
    let mark = match letter(engine, index, source) {
        '*' => '*',
        '+' => '+',
        'x' => 'x',
        '~' => '~',
        'P' | 'D' | 'T' => '-',
        _ => '?',
    };
    let place = STATES.iter().position(|&m| m == mark);
    place.and_then(|p| u16::try_from(p).ok()).unwrap_or(1)
}

/// Why it is used or not: a letter of chronyc's manual, `selectdata`.
pub(super) fn letter(engine: &Engine, index: usize, source: &Source) -> char {
    let standing = engine
        .vote
        .standings
        .get(index)
        .copied()
        .unwrap_or_default();
    if source.select.no_select {
        return 'N';
    }
    match standing {
        Standing::Combined if engine.vote.best == Some(index) => '*',
        Standing::Combined => '+',
        Standing::Falseticker => 'x',
        // It agrees within its bounds, and is left out for being far from the rest.
        Standing::Outlier => 'T',
        Standing::Truechimer if engine.vote.best.is_none() => 'W',
        Standing::Truechimer if !source.select.prefer && preferred(engine) => 'P',
        Standing::Truechimer => 'D',
        Standing::TooFar if source.median_excess() > engine.config.max_jitter => '~',
        Standing::TooFar => 'd',
        Standing::NotSelectable => 'N',
        Standing::Unready if source.remote.is_none_or(|r| r.leap == Leap::Unsynchronised) => 's',
        Standing::Unready if source.samples.is_empty() || source.reach != 0 => 'M',
        Standing::Unready => 'S',
    }
}

fn preferred(engine: &Engine) -> bool {
    let used = |s: &Standing| *s == Standing::Combined;
    let standings = engine.vote.standings.iter();
    let mut both = standings.zip(&engine.sources);
    both.any(|(standing, source)| used(standing) && source.select.prefer)
}

/// A score of this makes another source the best one.
const RESELECTS: f64 = 10.0;

/// How much nearer than the best source this one is: 1 when it is not, 10 when it would take its
/// place, by `reselectdist`.
fn score(engine: &Engine, index: usize, source: &Source) -> f64 {
    let best = engine.vote.best.and_then(|i| engine.sources.get(i));
    let agrees = matches!(
        engine.vote.standings.get(index),
        Some(Standing::Combined | Standing::Truechimer)
    );
    let Some(best) = best.filter(|_| agrees) else {
        return 1.0;
    };
    let config = &engine.config;
    let nearer = system::rank(best, config) - system::rank(source, config);
    let share = nearer / config.reselect_distance.max(1e-9);
    (1.0 + (RESELECTS - 1.0) * share).clamp(1.0, RESELECTS)
}

/// Selection options on the wire.
fn bits(options: SelectOptions) -> u16 {
    [
        (options.no_select, OPTION_NOSELECT),
        (options.prefer, OPTION_PREFER),
        (options.trust, OPTION_TRUST),
        (options.require, OPTION_REQUIRE),
    ]
    .iter()
    .filter(|(on, _)| *on)
    .fold(0, |all, (_, bit)| all | bit)
}

/// A line of `selectdata`.
pub(in crate::engine) fn data(
    engine: &Engine,
    index: usize,
    source: &Source,
    now: Reading,
) -> SelectData {
    let config = &source.config;
    let (low, high) = source.track.map_or((0.0, 0.0), |track| {
        let state = track.moved_to(now.raw, engine.wander());
        let half = source.root_distance() + 3.0 * state.var_phase.max(0.0).sqrt();
        // chrony's sign: positive when the local clock is ahead.
        let middle = engine.phase(now) - state.phase;
        (middle - half, middle + half)
    });
    SelectData {
        refid: monitor::refid(source),
        address: monitor::address_or_none(source),
        state: u8::try_from(letter(engine, index, source)).unwrap_or(b'?'),
        authentication: u8::from(config.key.is_some()),
        leap: source
            .remote
            .map_or(Leap::Unsynchronised, |r| r.leap)
            .to_bits(),
        configured: bits(SelectOptions::configured(config)),
        effective: bits(source.select),
        last_sample: source.samples.back().map(|s| monitor::ago(now.raw, s.at)),
        score: score(engine, index, source),
        low_s: low,
        high_s: high,
    }
}
