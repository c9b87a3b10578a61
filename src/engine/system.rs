//! From the sources to one estimate: which of them may vote, which tell the truth, which of those
//! are combined, and what they say together (RFC 5905 §11.2).

use super::config::Config;
use super::estimator::Observation;
use super::estimator::State;
use super::estimator::memory::Memory;
use super::estimator::run;
use super::estimator::wander::Wander;
use super::local;
use super::select;
use super::select::Claim;
use super::source::Source;
use crate::proto::packet::Leap;
use crate::time::Monotonic;

/// Where a source stands in the vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Standing {
    /// Not enough measurements yet, or none lately.
    #[default]
    Unready,
    /// Configured never to be used.
    NotSelectable,
    /// Its root distance or jitter is over the limit.
    TooFar,
    /// Outside of what the majority agrees on.
    Falseticker,
    /// Agrees within its bounds, but is far from what the others have in common.
    Outlier,
    /// Agrees, but is not combined.
    Truechimer,
    /// Is part of the estimate.
    Combined,
}

/// What the vote came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Vote {
    /// For each source.
    pub standings: Vec<Standing>,
    /// The source that the clock is said to follow.
    pub best: Option<usize>,
    /// The offset that a majority agrees on lies within.
    pub interval: Option<(f64, f64)>,
}

/// What the chosen sources say together.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// Phase and frequency.
    pub state: State,
    /// Seconds between measurements of all combined sources together.
    pub interval: f64,
    /// Seconds from the first measurement in use to the last.
    pub span: f64,
    /// Leap second announced by a majority of them.
    pub leap: Leap,
}

/// Samples that a source needs before it may vote.
const ENOUGH: usize = 3;
/// Unanswered requests after which a vote no longer waits for a source.
const PATIENCE: u32 = 3;

/// Part of the differences between sources that stays in their measurements after all.
const UNSETTLED: f64 = 0.5;
/// A source is an outlier so many standard deviations away from the others.
const OUTLYING: f64 = 5.0;
/// Several are, together, when each is so many away from a majority that agrees: more than one,
/// for the densest of some sources are denser than chance alone makes one of them.
const COLLUDING: f64 = 12.0;
/// Those that were found to be so stay it down to this part of that.
const STILL: f64 = 0.5;
/// Part of the median excess of its round trips that a source may be off without being suspect.
const DOUBT: f64 = 0.1;

/// Votes. `clock` is the system clock's phase now.
pub(crate) fn vote(
    sources: &[Source],
    now: Monotonic,
    clock: f64,
    wander: f64,
    before: Option<usize>,
    config: &Config,
) -> Vote {
    let mut standings: Vec<Standing> = sources
        .iter()
        .map(|s| readiness(s, now, wander, config))
        .collect();
    if let Some(local) = config.local.filter(|l| l.orphan) {
        local::pass_over_orphans(&local, sources, &mut standings);
    }
    let mut vote = Vote {
        standings: Vec::new(),
        best: None,
        interval: None,
    };
    let claims: Vec<(usize, Claim)> = sources
        .iter()
        .enumerate()
        .filter(|(i, _)| standings.get(*i) == Some(&Standing::Truechimer))
        .filter_map(|(i, s)| Some((i, claim(s, now, clock, wander)?)))
        .collect();
    let only: Vec<Claim> = claims.iter().map(|c| c.1).collect();
    vote.interval = select::intersection(&only);
    let (within, touching) = vote
        .interval
        .map_or_else(Default::default, |i| select::agreeing(&only, i));
    let mut agree = Vec::new();
    // A preferred source that admits to be as far off as it is: what all agree on is within its bounds.
    let mut wide = Vec::new();
    for (place, (index, claim)) in claims.iter().enumerate() {
        let preferred = sources.get(*index).is_some_and(|s| s.select.prefer);
        if within.contains(&place) {
            agree.push(*index);
        } else if preferred && vote.interval.is_some_and(|i| claim.holds(i)) {
            wide.push(*index);
        } else if let Some(standing) = standings.get_mut(*index) {
            *standing = if touching.contains(&place) {
                Standing::Outlier
            } else {
                Standing::Falseticker
            };
        }
    }
    // Who is followed already is not left for one that comes back or is new.
    let settled = before.is_some_and(|best| agree.contains(&best) || wide.contains(&best));
    let waiting = if settled {
        0
    } else {
        sources.iter().filter(|s| hopeful(s)).count()
    };
    let trusted = agree
        .iter()
        .any(|&i| sources.get(i).is_some_and(|s| s.select.trust));
    let count = agree.len() + wide.len();
    let enough =
        count >= config.min_sources.max(1) && (trusted || 2 * count > claims.len() + waiting);
    let stray = outliers(sources, &agree, now, wander);
    for &index in &stray {
        if let Some(standing) = standings.get_mut(index) {
            *standing = Standing::Outlier;
        }
    }
    agree.retain(|i| !stray.contains(i));
    agree.extend(wide);
    let required = sources.iter().any(|s| s.select.require);
    let allowed = !required
        || agree
            .iter()
            .any(|&i| sources.get(i).is_some_and(|s| s.select.require));
    if enough && allowed {
        for index in combined(sources, &agree, before, config) {
            if let Some(standing) = standings.get_mut(index) {
                *standing = Standing::Combined;
            }
            vote.best = vote.best.or(Some(index));
        }
    }
    vote.standings = standings;
    vote
}

/// A source that has not been heard yet but may still answer.
fn hopeful(source: &Source) -> bool {
    !source.silent
        && !source.nowhere
        && !source.select.no_select
        && source.refclock.as_ref().is_none_or(|c| c.suspect.is_none())
        && source.samples.len() < ENOUGH
        && source.unanswered < PATIENCE
}

fn readiness(source: &Source, now: Monotonic, wander: f64, config: &Config) -> Standing {
    let Some(track) = &source.track else {
        return Standing::Unready;
    };
    let suspect = source
        .refclock
        .as_ref()
        .is_some_and(|c| c.suspect.is_some());
    let stratum = stratum(source);
    let outside = stratum < config.strata.0 || stratum > config.strata.1;
    if source.select.no_select || suspect || outside {
        return Standing::NotSelectable;
    }
    if source.samples.len() < ENOUGH || source.reach == 0 {
        return Standing::Unready;
    }
    let sd = track.moved_to(now, wander).var_phase.sqrt();
    if source.root_distance() + sd > config.max_distance
        || source.median_excess() > config.max_jitter
    {
        return Standing::TooFar;
    }
    Standing::Truechimer
}

/// The stratum that a source counts as.
fn stratum(source: &Source) -> u8 {
    let said = source.remote.map_or(16, |r| r.stratum);
    said.max(source.config.min_stratum)
}

fn claim(source: &Source, now: Monotonic, clock: f64, wander: f64) -> Option<Claim> {
    let state = source.track.as_ref()?.moved_to(now, wander);
    let half = source.root_distance() + 3.0 * state.var_phase.sqrt();
    let middle = state.phase - clock;
    Some(Claim {
        low: middle - half,
        middle,
        high: middle + half,
        trusted: source.select.trust,
    })
}

/// Sources whose estimate is farther from what the others say together than all their
/// uncertainties explain; at least three sources and a majority stay.
fn outliers(sources: &[Source], agree: &[usize], now: Monotonic, wander: f64) -> Vec<usize> {
    let mut kept: Vec<(usize, f64, f64)> = agree
        .iter()
        .filter_map(|&i| {
            let source = sources.get(i)?;
            let state = source.track.as_ref()?.moved_to(now, wander);
            let doubt = DOUBT * source.median_excess();
            Some((i, state.phase, state.var_phase + doubt * doubt))
        })
        .collect();
    let mut dropped = Vec::new();
    while kept.len() >= 3 && 2 * (kept.len() - 1) > agree.len() {
        let mut worst = (0.0, 0);
        for (place, &(_, phase, variance)) in kept.iter().enumerate() {
            let mut others = kept.clone();
            others.remove(place);
            let (centre, spread) = centre(&others);
            let far = (phase - centre).abs() / (variance + spread).sqrt();
            if far > worst.0 {
                worst = (far, place);
            }
        }
        if worst.0 < OUTLYING {
            break;
        }
        dropped.push(kept.remove(worst.1).0);
    }
    // Several that agree with each other hide one another from a look at one at a time.
    kept.sort_by(|a, b| a.1.total_cmp(&b.1));
    let known = |i: usize| sources.get(i).is_some_and(|s| s.outlying);
    if let Some(core) = dense(&kept, agree.len(), known) {
        let far = |&(place, _): &(usize, &(usize, f64, f64))| !core.contains(&place);
        dropped.extend(kept.iter().enumerate().filter(far).map(|(_, t)| t.0));
    }
    dropped
}

/// The largest part of the sources, in the order of their phases, that is a majority of so many
/// and as far from each of the others as it is dense. `known` are those that were not in it before.
fn dense(
    sorted: &[(usize, f64, f64)],
    voters: usize,
    known: impl Fn(usize) -> bool,
) -> Option<std::ops::Range<usize>> {
    let sizes = (3..sorted.len().saturating_sub(1)).rev();
    for size in sizes.take_while(|size| 2 * size > voters) {
        let apart = |from: usize| {
            let core = from..from + size;
            let (centre, spread) = centre(sorted.get(core.clone())?);
            let rest = sorted.iter().enumerate();
            let nearest = rest
                .filter(|(place, _)| !core.contains(place))
                .map(|(_, t)| {
                    let far = (t.1 - centre).abs() / (t.2 + spread).sqrt();
                    far / if known(t.0) { STILL } else { 1.0 }
                })
                .fold(f64::INFINITY, f64::min);
            Some((nearest, core))
        };
        let best = (0..=sorted.len() - size)
            .filter_map(apart)
            .max_by(|a, b| a.0.total_cmp(&b.0))?;
        if best.0 > COLLUDING {
            return Some(best.1);
        }
    }
    None
}

/// Weighted mean of the sources, and the variance of one source around it plus that of the mean.
fn centre(tracks: &[(usize, f64, f64)]) -> (f64, f64) {
    let between = between_variance(tracks);
    let weight = |t: &(usize, f64, f64)| 1.0 / (t.2 + between).max(1e-24);
    let total: f64 = tracks.iter().map(weight).sum();
    let mean = tracks.iter().map(|t| weight(t) * t.1).sum::<f64>() / total;
    (mean, between + 1.0 / total)
}

/// By what the sources that agree are ordered, the least first, in seconds: how far they are.
pub(super) fn rank(source: &Source, config: &Config) -> f64 {
    source.root_distance()
        + source.median_excess()
        + f64::from(stratum(source)) * config.stratum_weight
}

/// The sources to combine, the best one first: the preferred if any agree, else those that are
/// not much farther away than the nearest.
///
/// The one that was the best `before` stays it while no other is nearer by `reselectdist`.
fn combined(
    sources: &[Source],
    agree: &[usize],
    before: Option<usize>,
    config: &Config,
) -> Vec<usize> {
    let preferred = agree
        .iter()
        .any(|&i| sources.get(i).is_some_and(|s| s.select.prefer));
    let mut ranked: Vec<(f64, usize)> = agree
        .iter()
        .filter_map(|&i| {
            let source = sources.get(i)?;
            if preferred && !source.select.prefer {
                return None;
            }
            Some((rank(source, config), i))
        })
        .collect();
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
    let Some(&(nearest, _)) = ranked.first() else {
        return Vec::new();
    };
    let old = ranked.iter().position(|r| Some(r.1) == before);
    if let Some(old) = old
        && ranked
            .get(old)
            .is_some_and(|r| r.0 <= nearest + config.reselect_distance)
    {
        let kept = ranked.remove(old);
        ranked.insert(0, kept);
    }
    ranked
        .iter()
        .filter(|(distance, _)| *distance <= config.combine_limit * nearest)
        .map(|(_, i)| *i)
        .collect()
}

/// Estimates phase and frequency from the combined sources' measurements together.
pub(crate) fn estimate(
    sources: &mut [Source],
    chosen: &[usize],
    now: Monotonic,
    wander: &mut Wander,
    memory: &Memory,
) -> Option<Estimate> {
    let differing = settle_biases(sources, chosen, now, wander.now());
    let mut seen: Vec<Observation> = Vec::new();
    let mut rate = 0.0;
    let (mut insert, mut delete) = (0, 0);
    for &index in chosen {
        let source = sources.get(index)?;
        seen.extend(source.observations(source.bias).map(|o| Observation {
            slack: o.slack.hypot(UNSETTLED * differing),
            ..o
        }));
        rate += (-f64::from(source.poll)).exp2();
        match source.remote.map(|r| r.leap) {
            Some(Leap::Insert) => insert += 1,
            Some(Leap::Delete) => delete += 1,
            _ => {}
        }
    }
    seen.sort_by_key(|o| o.at);
    let prior = memory.before(seen.first()?.at, wander.smooth());
    wander.learn(&seen, prior);
    let (state, _) = run(&seen, wander.now(), prior, |_, _, _| ())?;
    let leap = if 2 * insert > chosen.len() {
        Leap::Insert
    } else if 2 * delete > chosen.len() {
        Leap::Delete
    } else {
        Leap::None
    };
    Some(Estimate {
        state,
        interval: 1.0 / rate.max(1e-9),
        span: state.at.seconds_since(seen.first()?.at),
        leap,
    })
}

/// Sources that differ from each other by more than their noise explains have each a constant
/// error of their own: an asymmetric path. Those errors are estimated as random effects around
/// the weighted mean and taken off, so that the mean alone decides (DerSimonian and Laird). Gives
/// their standard deviation, in seconds.
fn settle_biases(sources: &mut [Source], chosen: &[usize], now: Monotonic, wander: f64) -> f64 {
    let tracks: Vec<(usize, f64, f64)> = chosen
        .iter()
        .filter_map(|&i| {
            let state = sources.get(i)?.track.as_ref()?.moved_to(now, wander);
            Some((i, state.phase, state.var_phase))
        })
        .collect();
    let between = between_variance(&tracks);
    let weight = |variance: f64| 1.0 / (variance + between).max(1e-24);
    let total: f64 = tracks.iter().map(|t| weight(t.2)).sum();
    let centre = tracks.iter().map(|t| weight(t.2) * t.1).sum::<f64>() / total.max(1e-30);
    for (index, phase, variance) in tracks {
        let Some(source) = sources.get_mut(index) else {
            continue;
        };
        let share = between / (between + variance).max(1e-30);
        source.bias += 0.2 * (share * (phase - centre) - source.bias);
    }
    between.sqrt()
}

/// Variance of the sources' own errors; zero while chance explains the differences.
fn between_variance(tracks: &[(usize, f64, f64)]) -> f64 {
    if tracks.len() < 2 {
        return 0.0;
    }
    let weight = |t: &(usize, f64, f64)| 1.0 / t.2.max(1e-24);
    let sum: f64 = tracks.iter().map(weight).sum();
    let squares: f64 = tracks.iter().map(|t| weight(t).powi(2)).sum();
    let mean = tracks.iter().map(|t| weight(t) * t.1).sum::<f64>() / sum;
    let scatter: f64 = tracks
        .iter()
        .map(|t| weight(t) * (t.1 - mean).powi(2))
        .sum();
    let freedom = (tracks.len() - 1) as f64;
    if scatter < freedom + 3.0 * (2.0 * freedom).sqrt() {
        return 0.0;
    }
    (scatter - freedom) / (sum - squares / sum)
}
