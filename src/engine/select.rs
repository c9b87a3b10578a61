//! Which sources tell the truth: the largest set whose intervals have a point in common and that
//! is a majority (RFC 5905 §11.2.1). Its second condition, that no more midpoints lie outside of
//! the common interval than there are falsetickers, finds a liar whose wide interval still reaches
//! the others. Where intervals are as narrow as the paths are asymmetric (a loopback, a fast local
//! network) it finds nobody at all, although all intervals overlap; then overlapping alone
//! (Marzullo's algorithm) decides, for the truth is where truthful intervals overlap either way.

/// What a source claims: the true offset lies between the bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Claim {
    /// Lower bound, in seconds.
    pub low: f64,
    /// Best guess.
    pub middle: f64,
    /// Upper bound.
    pub high: f64,
    /// Is believed whatever the others say.
    pub trusted: bool,
}

impl Claim {
    /// Whether an interval is within the bounds.
    pub(crate) const fn holds(&self, (low, high): (f64, f64)) -> bool {
        self.low <= low && self.high >= high
    }
}

/// The interval in which a majority of the claims agree; nothing when there is no majority.
///
/// Trusted claims, if there are any, are the only ones that vote.
#[must_use]
pub fn intersection(claims: &[Claim]) -> Option<(f64, f64)> {
    let trusted: Vec<Claim> = claims.iter().filter(|c| c.trusted).copied().collect();
    if trusted.is_empty() {
        majority(claims)
    } else {
        majority(&trusted)
    }
}

fn majority(claims: &[Claim]) -> Option<(f64, f64)> {
    let m = claims.len();
    let mut points: Vec<(f64, i32)> = Vec::with_capacity(3 * m);
    for claim in claims {
        points.extend([(claim.low, -1), (claim.middle, 0), (claim.high, 1)]);
    }
    // At equal offsets an interval begins before another ends.
    points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    clique(&points, m, true).or_else(|| clique(&points, m, false))
}

fn clique(points: &[(f64, i32)], m: usize, midpoints: bool) -> Option<(f64, f64)> {
    let mut false_allowed = 0;
    while 2 * false_allowed < m {
        let needed = m - false_allowed;
        let (low, outside_below) = edge(points.iter().copied(), needed, -1);
        let (high, outside_above) = edge(points.iter().rev().copied(), needed, 1);
        if let (Some(low), Some(high)) = (low, high)
            && low <= high
            && (!midpoints || outside_below + outside_above <= false_allowed)
        {
            return Some((low, high));
        }
        false_allowed += 1;
    }
    None
}

/// Those that agree, and those that only touch the interval with their edges: not combined, but not
/// false either, unless the first are no majority; then their edges decide.
#[must_use]
pub fn agreeing(claims: &[Claim], (low, high): (f64, f64)) -> (Vec<usize>, Vec<usize>) {
    let overlaps = |c: &Claim| c.low <= high && c.high >= low;
    let (within, touching): (Vec<usize>, Vec<usize>) = (0..claims.len())
        .filter(|&i| claims.get(i).is_some_and(overlaps))
        .partition(|&i| {
            claims
                .get(i)
                .is_some_and(|c| (low..=high).contains(&c.middle))
        });
    let trusted = |i: &usize| claims.get(*i).is_some_and(|c| c.trusted);
    if 2 * within.len() > claims.len() || within.iter().any(trusted) {
        return (within, touching);
    }
    let mut all = within;
    all.extend(touching);
    all.sort_unstable();
    (all, Vec::new())
}

/// Walks until enough intervals are open at once; counts the midpoints passed on the way.
fn edge(
    points: impl Iterator<Item = (f64, i32)>,
    needed: usize,
    opens: i32,
) -> (Option<f64>, usize) {
    let (mut open, mut passed) = (0usize, 0usize);
    for (at, kind) in points {
        if kind == opens {
            open += 1;
            if open >= needed {
                return (Some(at), passed);
            }
        } else if kind == 0 {
            passed += 1;
        } else {
            open = open.saturating_sub(1);
        }
    }
    (None, passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(middle: f64, half: f64) -> Claim {
        Claim {
            low: middle - half,
            middle,
            high: middle + half,
            trusted: false,
        }
    }

    #[test]
    fn falseticker_is_outvoted() {
        let claims = [
            claim(0.0, 0.02),
            claim(0.001, 0.02),
            claim(-0.001, 0.02),
            claim(0.1, 0.02),
        ];
        let (low, high) = intersection(&claims).unwrap();
        assert!(low > -0.02 && high < 0.02 && low < high);
    }

    #[test]
    fn two_that_disagree_are_no_majority() {
        assert_eq!(intersection(&[claim(0.0, 0.02), claim(0.1, 0.02)]), None);
    }

    #[test]
    fn colluding_minority_selects_nothing_of_its_own() {
        let claims = [
            claim(0.0, 0.01),
            claim(0.002, 0.01),
            claim(0.001, 0.01),
            claim(0.3, 0.01),
            claim(0.3, 0.01),
        ];
        let (low, high) = intersection(&claims).unwrap();
        assert!(low.abs() < 0.02 && high.abs() < 0.02);
        assert_eq!(intersection(&claims[2..]), {
            // One against two: now the two are the majority.
            Some((0.29, 0.31))
        });
        assert_eq!(intersection(&claims[1..]), None);
    }

    #[test]
    fn narrow_intervals_of_asymmetric_paths_agree_by_their_edges() {
        // Microseconds: one path is slow up, the other down.
        let claims = [claim(-4e-6, 5e-6), claim(4e-6, 5e-6)];
        let interval = intersection(&claims).unwrap();
        assert!((interval.0 + 1e-6).abs() < 1e-12 && (interval.1 - 1e-6).abs() < 1e-12);
        assert_eq!(agreeing(&claims, interval), (vec![0, 1], vec![]));
        // Two whose middles are in the common interval are a majority: the third only touches it.
        let claims = [claim(0.0, 1.0), claim(0.1, 1.0), claim(1.5, 1.0)];
        let interval = intersection(&claims).unwrap();
        assert_eq!(agreeing(&claims, interval), (vec![0, 1], vec![2]));
    }

    #[test]
    fn one_source_is_its_own_majority() {
        assert_eq!(intersection(&[claim(1.0, 0.5)]), Some((0.5, 1.5)));
        assert_eq!(intersection(&[]), None);
    }

    #[test]
    fn a_trusted_source_overrules_the_rest() {
        let mut claims = [claim(0.0, 0.01), claim(0.0, 0.01), claim(0.5, 0.01)];
        claims[2].trusted = true;
        assert_eq!(intersection(&claims), Some((0.49, 0.51)));
    }
}
