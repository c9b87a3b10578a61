//! The protocol's floating-point number: 7 bits of signed exponent e, 25 bits of signed
//! coefficient c; the value is c * 2^(e-25). There is no infinity and nothing that is no number.

const COEFFICIENT_BITS: u32 = 25;
const COEFFICIENT_MAX: i64 = (1 << (COEFFICIENT_BITS - 1)) - 1;
const EXPONENT_MIN: i32 = -(1 << 6);
const EXPONENT_MAX: i32 = (1 << 6) - 1;

/// The value of the 32 bits: at most 2^62 in size.
#[must_use]
pub fn decode(bits: u32) -> f64 {
    // Arithmetic shifts carry the signs.
    let exponent = (bits as i32) >> COEFFICIENT_BITS;
    let coefficient = ((bits << 7) as i32) >> 7;
    f64::from(coefficient) * f64::from(exponent - COEFFICIENT_BITS as i32).exp2()
}

/// The 32 bits nearest to the value: what is too large becomes the largest, what is too small and
/// what is no number becomes 0.
#[must_use]
pub fn encode(value: f64) -> u32 {
    if value == 0.0 || value.is_nan() {
        return 0;
    }
    let limit = COEFFICIENT_MAX + i64::from(value < 0.0);
    let size = value.abs();
    if size >= limit as f64 * f64::from(EXPONENT_MAX - COEFFICIENT_BITS as i32).exp2() {
        return pack(EXPONENT_MAX, limit, value);
    }
    // The least exponent that leaves the coefficient within its bits.
    let mut exponent = (size.log2().floor() as i32 + 2).clamp(EXPONENT_MIN, EXPONENT_MAX);
    let scaled = |exponent: i32| {
        (size * f64::from(COEFFICIENT_BITS as i32 - exponent).exp2()).round() as i64
    };
    while exponent > EXPONENT_MIN && scaled(exponent - 1) <= limit {
        exponent -= 1;
    }
    let mut coefficient = scaled(exponent);
    if coefficient > limit {
        exponent += 1;
        coefficient = scaled(exponent);
    }
    if coefficient == 0 {
        return 0;
    }
    pack(exponent, coefficient, value)
}

fn pack(exponent: i32, size: i64, value: f64) -> u32 {
    let coefficient = if value < 0.0 { -size } else { size } as u32;
    ((exponent as u32) << COEFFICIENT_BITS) | (coefficient & ((1 << COEFFICIENT_BITS) - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_that_chronyd_sends_are_read() {
        // 1.0 is 2^23 * 2^(2-25); -1.0 is -(2^24) * 2^(1-25).
        assert_eq!(decode(0x0480_0000), 1.0);
        assert_eq!(decode(0x0300_0000), -1.0);
        assert_eq!(decode(0), 0.0);
        assert_eq!(encode(0.0), 0);
        assert_eq!(encode(f64::NAN), 0);
    }

    #[test]
    fn what_does_not_fit_becomes_the_largest() {
        assert_eq!(decode(encode(f64::INFINITY)), decode(encode(1e200)));
        assert!(decode(encode(-1e200)) < -1e18);
        assert_eq!(encode(1e-200), 0);
    }

    proptest! {
        #[test]
        fn every_pattern_keeps_its_value(bits in any::<u32>()) {
            let value = decode(bits);
            prop_assert!(value.is_finite());
            prop_assert_eq!(decode(encode(value)), value);
        }

        #[test]
        fn a_value_keeps_seven_digits(value in prop_oneof![-1e12..1e12f64, -1e-6..1e-6f64]) {
            let got = decode(encode(value));
            prop_assert!((got - value).abs() <= value.abs() * 2f64.powi(-23) + 1e-26, "{} {}", got, value);
        }
    }
}
