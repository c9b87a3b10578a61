//! Which sources tell the truth, and what they say together: the intersection and clustering of
//! RFC 5905 §11.2.1 and §11.2.2, and the combining of §11.2.3.
//!
//! A majority decides. The result carries a bound: if the majority is truthful, true time lies in
//! the intersection of its intervals.

/// Survivors that clustering leaves (NMIN, RFC 5905 §11.2.2).
const MIN_SURVIVORS: usize = 3;

/// What a source says. Seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Offset θ.
    pub offset: f64,
    /// Root distance λ: the truth is within it, if the source is truthful.
    pub root_distance: f64,
    /// Jitter ψ of its samples.
    pub jitter: f64,
    /// Stratum.
    pub stratum: u8,
}

/// What became of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A survivor, and the one with the best metric.
    Selected,
    /// A survivor: part of the combined offset.
    Combined,
    /// Truthful, but further from the others than they from each other.
    Outlier,
    /// It contradicts the majority.
    Falseticker,
}

/// What the majority says. Seconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Agreement {
    /// The combined offset Θ.
    pub offset: f64,
    /// The truth is no further than this from `offset`, if the majority is truthful.
    pub bound: f64,
    /// System jitter Ψ: RMS distance of the survivors from the selected one, and its own jitter.
    pub jitter: f64,
    /// One for each candidate, in order.
    pub roles: Vec<Role>,
    /// Candidates that agree with each other.
    pub truechimers: usize,
}

/// The common interval of the largest majority clique, `None` when there is no majority that agrees.
///
/// RFC 5905 §11.2.1 wants, besides overlapping intervals, that no more midpoints lie outside the
/// common interval than there are falsetickers. That finds a liar whose wide interval still reaches
/// the others; but where paths are noisier than the root distances are wide it finds nobody at all,
/// although all intervals overlap. So its condition is tried first, and where it finds no majority,
/// overlapping alone (Marzullo's) decides, as in ntpd and chronyd: the truth lies in the overlap of
/// truthful intervals either way.
#[must_use]
pub fn intersect(candidates: &[Candidate]) -> Option<(f64, f64)> {
    let mut edges: Vec<(f64, i32)> = Vec::with_capacity(candidates.len() * 3);
    for c in candidates {
        edges.push((c.offset - c.root_distance, -1));
        edges.push((c.offset, 0));
        edges.push((c.offset + c.root_distance, 1));
    }
    // Where edges coincide, intervals that touch intersect: lower edges first, upper ones last.
    edges.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    clique(&edges, candidates.len(), true).or_else(|| clique(&edges, candidates.len(), false))
}

fn clique(edges: &[(f64, i32)], m: usize, midpoints: bool) -> Option<(f64, f64)> {
    for allow in (0..m).take_while(|allow| 2 * allow < m) {
        let needed = i32::try_from(m - allow).ok()?;
        let (low, below) = scan(edges.iter().copied(), needed, -1);
        let (high, above) = scan(edges.iter().rev().copied(), needed, 1);
        if let (Some(low), Some(high)) = (low, high)
            && (!midpoints || below + above <= allow)
            && low <= high
        {
            return Some((low, high));
        }
    }
    None
}

/// Walks over the edges until `needed` intervals overlap; gives the edge where that begins, and how
/// many midpoints were passed. `open` is the kind of edge that opens an interval on this way.
fn scan(edges: impl Iterator<Item = (f64, i32)>, needed: i32, open: i32) -> (Option<f64>, usize) {
    let (mut chime, mut midpoints) = (0, 0);
    for (edge, kind) in edges {
        chime += kind * open;
        if chime >= needed {
            return (Some(edge), midpoints);
        }
        midpoints += usize::from(kind == 0);
    }
    (None, midpoints)
}

/// The vote. `None` when no majority of the candidates agrees (or there are none).
#[must_use]
pub fn vote(candidates: &[Candidate]) -> Option<Agreement> {
    let (low, high) = intersect(candidates)?;
    let mut roles = vec![Role::Falseticker; candidates.len()];
    let mut survivors: Vec<usize> = (0..candidates.len())
        .filter(|&i| {
            let c = &candidates[i];
            c.offset + c.root_distance >= low && c.offset - c.root_distance <= high
        })
        .collect();
    let truechimers = survivors.len();
    if 2 * truechimers <= candidates.len() {
        return None;
    }
    for &i in &survivors {
        roles[i] = Role::Outlier;
    }
    cluster(candidates, &mut survivors);
    // RFC 5905 §11.2.2: the metric is the stratum, then the root distance.
    let metric = |i: &usize| {
        f64::from(candidates[*i].stratum) * super::checks::MAX_DISTANCE
            + candidates[*i].root_distance
    };
    survivors.sort_by(|a, b| metric(a).total_cmp(&metric(b)));
    for &i in &survivors {
        roles[i] = Role::Combined;
    }
    let best = *survivors.first()?;
    roles[best] = Role::Selected;
    let (offset, jitter) = combine(candidates, &survivors, best);
    let offset = offset.clamp(low, high);
    let bound = (high - offset).max(offset - low);
    Some(Agreement {
        offset,
        bound,
        jitter,
        roles,
        truechimers,
    })
}

/// Casts out the one that is furthest from the rest while that helps (RFC 5905 §11.2.2).
fn cluster(candidates: &[Candidate], survivors: &mut Vec<usize>) {
    while survivors.len() > MIN_SURVIVORS {
        let spread = |i: usize| {
            let sum: f64 = survivors
                .iter()
                .map(|&j| (candidates[i].offset - candidates[j].offset).powi(2))
                .sum();
            (sum / (survivors.len() - 1) as f64).sqrt()
        };
        let worst = survivors
            .iter()
            .copied()
            .map(|i| (spread(i), i))
            .max_by(|a, b| a.0.total_cmp(&b.0));
        let Some((select_jitter, worst)) = worst else {
            return;
        };
        let least = survivors
            .iter()
            .map(|&i| candidates[i].jitter)
            .fold(f64::INFINITY, f64::min);
        if select_jitter <= least {
            return;
        }
        survivors.retain(|&i| i != worst);
    }
}

/// Weighted mean, weights 1/λ (RFC 5905 §11.2.3), and system jitter.
fn combine(candidates: &[Candidate], survivors: &[usize], best: usize) -> (f64, f64) {
    let first = candidates[best].offset;
    let (mut sum, mut weights, mut squares) = (0.0, 0.0, 0.0);
    for &i in survivors {
        let weight = 1.0 / candidates[i].root_distance.max(1e-9);
        let difference = candidates[i].offset - first;
        sum += weight * difference;
        weights += weight;
        squares += weight * difference * difference;
    }
    let spread = squares / weights;
    (
        first + sum / weights,
        (spread + candidates[best].jitter.powi(2)).sqrt(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn source(offset: f64, root_distance: f64) -> Candidate {
        Candidate {
            offset,
            root_distance,
            jitter: 1e-6,
            stratum: 2,
        }
    }

    #[test]
    fn one_falseticker_in_four_is_outvoted_and_named() {
        let all = [
            source(0.001, 0.01),
            source(-0.001, 0.011),
            source(0.1, 0.01),
            source(0.0, 0.01),
        ];
        let agreed = vote(&all).expect("three of four agree");
        assert_eq!(agreed.roles[2], Role::Falseticker);
        assert_eq!(agreed.truechimers, 3);
        assert!(agreed.offset.abs() < 0.001, "{agreed:?}");
    }

    #[test]
    fn two_against_two_is_no_majority() {
        let all = [
            source(0.0, 0.01),
            source(0.001, 0.01),
            source(0.5, 0.01),
            source(0.501, 0.01),
        ];
        assert_eq!(vote(&all), None);
        assert_eq!(vote(&all[1..3]), None);
        assert_eq!(vote(&[]), None);
    }

    #[test]
    fn one_source_is_its_own_majority_and_its_bound_is_its_root_distance() {
        let agreed = vote(&[source(3.0, 0.02)]).expect("agrees with itself");
        assert_eq!(agreed.roles, [Role::Selected]);
        assert!((agreed.bound - 0.02).abs() < 1e-12 && (agreed.offset - 3.0).abs() < 1e-12);
    }

    #[test]
    fn overlapping_intervals_agree_even_when_their_middles_are_apart() {
        let all = [
            source(34.984, 0.028),
            source(35.016, 0.019),
            source(35.006, 0.009),
        ];
        let agreed = vote(&all).expect("all three overlap");
        assert_eq!(agreed.truechimers, 3);
        assert!((34.997..35.012).contains(&agreed.offset), "{agreed:?}");
    }

    #[test]
    fn a_wide_liar_that_reaches_the_others_is_still_found() {
        let all = [
            source(0.0, 0.06),
            source(0.001, 0.06),
            source(-0.001, 0.06),
            source(0.1, 0.06),
        ];
        let agreed = vote(&all).expect("three agree closely");
        assert!(agreed.offset.abs() < 0.02, "{agreed:?}");
    }

    #[test]
    fn two_colluding_falsetickers_of_five_lose() {
        let all = [0.0, 0.002, -0.002, 0.3, 0.3].map(|offset| source(offset, 0.01));
        let agreed = vote(&all).expect("three of five agree");
        assert_eq!(agreed.roles[3..], [Role::Falseticker; 2]);
    }

    proptest! {
        /// If a majority's intervals hold the truth, the truth is within the bound.
        #[test]
        fn the_bound_holds_while_a_majority_is_truthful(
            truth in -1e3f64..1e3,
            honest in prop::collection::vec((0.0001f64..0.5, -1.0f64..1.0), 3..8),
            liars in prop::collection::vec((0.0001f64..0.5, 10.0f64..1e4), 0..3),
        ) {
            let mut all: Vec<Candidate> =
                honest.iter().map(|&(d, at)| source(truth + d * at, d)).collect();
            // Each liar is alone: far from the truth and from the other liars.
            all.extend(liars.iter().enumerate().map(|(i, &(d, far))| source(truth + far * (i + 1) as f64 * 100.0, d)));
            if let Some(agreed) = vote(&all) {
                prop_assert!((agreed.offset - truth).abs() <= agreed.bound + 1e-9, "{:?}", agreed);
                for role in &agreed.roles[honest.len()..] {
                    prop_assert_eq!(*role, Role::Falseticker);
                }
            }
        }
    }
}
