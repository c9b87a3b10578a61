//! Randomness as an argument: a generator that is seeded once, by the operating system in
//! production and by a number in tests (Blackman and Vigna's xoshiro256**).

/// A seeded generator of 64-bit words.
#[derive(Clone, Debug)]
pub struct Random([u64; 4]);

impl Random {
    /// From 256 bits of seed; an all-zero seed is replaced.
    #[must_use]
    pub fn new(seed: [u64; 4]) -> Self {
        if seed == [0; 4] {
            return Self::from_number(0);
        }
        Self(seed)
    }

    /// From one number, for tests and simulations (SplitMix64).
    #[must_use]
    pub fn from_number(number: u64) -> Self {
        let mut state = number;
        let mut next = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        Self([next(), next(), next(), next()])
    }

    /// The next word.
    pub fn word(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.0;
        let result = b.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let t = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= t;
        *d = d.rotate_left(45);
        result
    }

    /// Uniform between 0 and 1, both excluded.
    pub fn uniform(&mut self) -> f64 {
        ((self.word() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    /// Exponential with mean 1.
    pub fn exponential(&mut self) -> f64 {
        -self.uniform().ln()
    }

    /// Normal with mean 0 and variance 1 (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_right() {
        let mut random = Random::from_number(1);
        let n = 100_000;
        let (mut u, mut e, mut z, mut zz) = (0.0, 0.0, 0.0, 0.0);
        for _ in 0..n {
            u += random.uniform();
            e += random.exponential();
            let x = random.normal();
            z += x;
            zz += x * x;
        }
        let n = f64::from(n);
        assert!((u / n - 0.5).abs() < 0.01 && (e / n - 1.0).abs() < 0.02);
        assert!((z / n).abs() < 0.02 && (zz / n - 1.0).abs() < 0.03);
    }
}
