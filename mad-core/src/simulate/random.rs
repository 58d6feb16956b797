//! Random numbers whose every bit is defined here.
//!
//! Generator: xoshiro256++ (Blackman and Vigna, "Scrambled linear pseudorandom number generators",
//! 2021), seeded from 64 bits by `SplitMix64`. Stream `k` of a seed is that generator after `k`
//! jumps of 2^128 steps. Only IEEE additions, multiplications and divisions follow, no system
//! mathematics library: the same seed gives the same bytes everywhere.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// One stream of random numbers.
#[derive(Debug, Clone)]
pub(super) struct Draws(Xoshiro256PlusPlus);

impl Draws {
    /// Stream 0 of a seed.
    pub(super) fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    /// The next stream of the same seed.
    #[must_use]
    pub(super) fn following(&self) -> Self {
        let mut next = self.0.clone();
        next.jump();
        Self(next)
    }

    /// 64 random bits.
    pub(super) fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in [0, 1): the upper 53 bits times 2^-53.
    pub(super) fn unit(&mut self) -> f64 {
        const STEP: f64 = 1.0 / (1_u64 << 53) as f64;
        (self.bits() >> 11) as f64 * STEP
    }

    /// Uniform in [low, high).
    pub(super) fn within(&mut self, low: f64, high: f64) -> f64 {
        low + self.unit() * (high - low)
    }

    /// Exponential with mean 1: `-ln(1 - u)`.
    pub(super) fn exponential(&mut self) -> f64 {
        -ln(1.0 - self.unit())
    }
}

/// Natural logarithm of a normal positive number, to about 1 ulp.
///
/// `x = m 2^e` with `m` in [sqrt(1/2), sqrt(2)); `ln m = 2 artanh((m - 1) / (m + 1))` by its
/// series, whose first neglected term is below 1e-18.
fn ln(x: f64) -> f64 {
    const SQRT_HALF_BITS: u64 = 0x3fe6_a09e_667f_3bcd;
    let shifted = x.to_bits().wrapping_sub(SQRT_HALF_BITS);
    let exponent = (shifted as i64) >> 52;
    let m = f64::from_bits(x.to_bits().wrapping_sub((exponent << 52) as u64));
    let f = (m - 1.0) / (m + 1.0);
    let s = f * f;
    let mut series = 0.0;
    for odd in [21.0, 19.0, 17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0] {
        series = (series + 1.0 / odd) * s;
    }
    exponent as f64 * std::f64::consts::LN_2 + 2.0 * f * (1.0 + series)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logarithm_is_one() {
        let mut draws = Draws::new(3);
        for _ in 0..100_000 {
            let x = 1.0 - draws.unit();
            assert!((ln(x) - x.ln()).abs() <= 4.0 * f64::EPSILON * x.ln().abs(), "{x}");
        }
        assert_eq!(ln(1.0), 0.0);
        let least = 1.0 / (1_u64 << 53) as f64;
        assert!((ln(least) - least.ln()).abs() < 1e-14);
    }

    #[test]
    fn streams_are_different_and_repeatable() {
        let first = Draws::new(1);
        let second = first.following();
        let take = |draws: &Draws| {
            let mut draws = draws.clone();
            [draws.bits(), draws.bits(), draws.bits()]
        };
        assert_eq!(take(&first), take(&Draws::new(1)));
        assert_eq!(take(&second), take(&Draws::new(1).following()));
        assert_ne!(take(&first), take(&second));
        assert_ne!(take(&first), take(&Draws::new(2)));
    }

    #[test]
    fn exponentials_have_mean_and_variance_one() {
        let mut draws = Draws::new(11);
        let n = 200_000;
        let values: Vec<f64> = (0..n).map(|_| draws.exponential()).collect();
        let mean = values.iter().sum::<f64>() / f64::from(n);
        let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / f64::from(n);
        // five standard errors: 1 / sqrt(n) of the mean, sqrt(8 / n) of the variance
        assert!((mean - 1.0).abs() < 0.0112, "{mean}");
        assert!((variance - 1.0).abs() < 0.0317, "{variance}");
    }
}
