//! The standard normal distribution cut to an interval: mass, mean and variance, good to six
//! digits however far in the tail the interval lies. The filter updates with these.

use std::f64::consts::PI;
use std::f64::consts::SQRT_2;

/// A standard normal variable that is known to lie between two bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Truncated {
    /// Mean given the bounds.
    pub(super) mean: f64,
    /// Variance given the bounds; positive, at most 1.
    pub(super) variance: f64,
    /// Natural logarithm of the probability that the bounds hold.
    pub(super) log_mass: f64,
}

/// Up to this many units of change of the logarithm a density is smooth enough for the rule of
/// eight points.
const SMOOTH: f64 = 2.0;
/// The same for the rule of four.
const SMOOTHER: f64 = 0.5;

impl Truncated {
    /// Cuts the standard normal to `[low, high]`; `low` must not exceed `high`.
    pub(super) fn new(low: f64, high: f64) -> Self {
        if low + high < 0.0 {
            let mirrored = Self::new(-high, -low);
            return Self {
                mean: -mirrored.mean,
                ..mirrored
            };
        }
        // In the tail nothing matters that is this far from its start.
        let high = if low > 3.0 {
            high.min(low + 24.0 / low)
        } else {
            high
        };
        let change = (high - low) * low.max(1.0);
        if change < SMOOTHER {
            Self::summed(low, high, 1.0, &FOUR)
        } else if low > 3.0 {
            Self::summed(low, high, (change / SMOOTH).ceil(), &EIGHT)
        } else {
            Self::body(low, high)
        }
    }

    /// Gauss and Legendre's rule in as many panels as it takes.
    fn summed(low: f64, high: f64, panels: f64, rule: &[(f64, f64)]) -> Self {
        let half = 0.5 * (high - low) / panels;
        // Densities relative to the one at the near end, positions from there: nothing underflows
        // or cancels.
        let (mut mass, mut first, mut second) = (0.0, 0.0, 0.0);
        let mut panel = 0.0;
        while panel < panels {
            let middle = (2.0 * panel + 1.0) * half;
            for &(node, weight) in rule {
                for y in [middle + half * node, middle - half * node] {
                    let density = weight * (-y * (low + 0.5 * y)).exp();
                    mass += density;
                    first += density * y;
                    second += density * y * y;
                }
            }
            panel += 1.0;
        }
        let shift = first / mass;
        Self {
            mean: low + shift,
            variance: (second / mass - shift * shift).max(1e-30),
            log_mass: (mass * half).max(1e-300).ln() - 0.5 * low * low - 0.5 * (2.0 * PI).ln(),
        }
    }

    /// Closed form near the middle.
    fn body(low: f64, high: f64) -> Self {
        let mass = (upper(low) - upper(high)).max(1e-300);
        let mean = (density(low) - density(high)) / mass;
        let variance = 1.0 + (low * density(low) - high * density(high)) / mass - mean * mean;
        Self {
            mean: mean.clamp(low, high),
            variance: variance.clamp(1e-3, 1.0),
            log_mass: mass.ln(),
        }
    }
}

/// Density of the standard normal distribution.
fn density(x: f64) -> f64 {
    (-0.5 * x * x).exp() / (2.0 * PI).sqrt()
}

/// Probability of more than `x`.
fn upper(x: f64) -> f64 {
    if x < 0.0 {
        return 1.0 - upper(-x);
    }
    0.5 * scaled_erfc(x / SQRT_2) * (-0.5 * x * x).exp()
}

/// exp(x²) erfc(x) for x ≥ 0. The fraction is Shepherd and Laframboise's kind of approximation:
/// relative error below 1.2e-7 everywhere.
fn scaled_erfc(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.5 * x);
    let mut sum = 0.0;
    for coefficient in ERFC.iter().rev() {
        sum = sum * t + coefficient;
    }
    t * sum.exp()
}

/// Chebyshev fit of ln(exp(x²) erfc(x) / t) in powers of t = 1 / (1 + x/2).
const ERFC: [f64; 10] = [
    -1.265_512_23,
    1.000_023_68,
    0.374_091_96,
    0.096_784_18,
    -0.186_288_06,
    0.278_868_07,
    -1.135_203_98,
    1.488_515_87,
    -0.822_152_23,
    0.170_872_77,
];

/// Positive nodes of the four-point rule with their weights.
const FOUR: [(f64, f64); 2] = [
    (0.339_981_043_584_856_3, 0.652_145_154_862_546_1),
    (0.861_136_311_594_052_6, 0.347_854_845_137_453_85),
];

/// Positive nodes of the eight-point rule with their weights.
const EIGHT: [(f64, f64); 4] = [
    (0.183_434_642_495_649_8, 0.362_683_783_378_362),
    (0.525_532_409_916_329, 0.313_706_645_877_887_3),
    (0.796_666_477_413_626_7, 0.222_381_034_453_374_48),
    (0.960_289_856_497_536_3, 0.101_228_536_290_376_26),
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Mean and variance by brute force.
    fn reference(low: f64, high: f64) -> (f64, f64, f64) {
        let n = 200_000;
        let (mut m0, mut m1, mut m2) = (0.0, 0.0, 0.0);
        let anchor = if low > 0.0 {
            low
        } else if high < 0.0 {
            high
        } else {
            0.0
        };
        for i in 0..n {
            let x = low + (high - low) * (f64::from(i) + 0.5) / f64::from(n);
            let p = (0.5 * (anchor * anchor - x * x)).exp();
            m0 += p;
            m1 += p * (x - anchor);
            m2 += p * (x - anchor) * (x - anchor);
        }
        let mean = m1 / m0;
        let mass =
            (m0 * (high - low) / f64::from(n)).ln() - 0.5 * anchor * anchor - 0.5 * (2.0 * PI).ln();
        (mean + anchor, m2 / m0 - mean * mean, mass)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn moments_agree_with_a_plain_sum(low in -30.0f64..30.0, width in 1e-6f64..12.0) {
            let high = low + width;
            let cut = Truncated::new(low, high);
            let (mean, variance, mass) = reference(low, high);
            let sd = variance.sqrt();
            prop_assert!((cut.mean - mean).abs() < 2e-3 * sd, "{cut:?} {mean} {variance}");
            prop_assert!((cut.variance / variance - 1.0).abs() < 0.02, "{cut:?} {mean} {variance}");
            prop_assert!((cut.log_mass - mass).abs() < 2e-3, "{cut:?} {mass}");
        }
    }

    #[test]
    fn no_bounds_change_nothing() {
        let cut = Truncated::new(-50.0, 50.0);
        assert!(cut.mean.abs() < 1e-6 && (cut.variance - 1.0).abs() < 1e-6);
    }
}
