//! Tail probabilities: from a robust z to `-log10 p`.

use crate::robust::{ln_factorial, normal_log10_sf};

/// Degrees of freedom of the MAD of `points` values, at least 1. The asymptotic efficiency of the MAD
/// under a normal distribution is 0.3675 (Rousseeuw and Croux, 1993): it knows the scale as well as the
/// standard deviation of that share of the values.
pub(super) fn mad_degrees_of_freedom(points: usize) -> f64 {
    (0.3675 * points as f64).max(1.0)
}

/// The normal deviate with the same tail probability as `z` under Student's t with `dof` degrees of
/// freedom: `u = sqrt(dof ln(1 + z^2/dof)) (8 dof + 1)/(8 dof + 3)` (Wallace, 1959, Ann. Math. Stat.
/// 30).
///
/// The result is too small by less than 0.08 up to `u` = 4 from 4 degrees of freedom on, by less than
/// 0.05 up to `u` = 6 from 10 on, and by 0.2 at `u` = 6 with 4. It therefore errs towards larger
/// probabilities.
///
/// It has the sign of `z` and is monotone in `z`. NaN gives NaN; an infinite `z` gives the largest
/// deviate.
///
/// # Examples
///
/// ```
/// use mad_core::score::normal_equivalent;
///
/// // with few degrees of freedom a distance is less surprising
/// assert!(normal_equivalent(4.0, 5.0) < normal_equivalent(4.0, 50.0));
/// assert_eq!(normal_equivalent(4.0, f64::INFINITY), 4.0);
/// ```
pub fn normal_equivalent(z: f64, dof: f64) -> f64 {
    if z.is_nan() || dof.is_infinite() {
        return z;
    }
    // Squares must not overflow.
    let magnitude = z.abs().min(1e150);
    let shrink = (8.0 * dof + 1.0) / (8.0 * dof + 3.0);
    (dof * (magnitude * magnitude / dof).ln_1p()).sqrt() * shrink * z.signum()
}

/// The inverse of [`normal_equivalent`]: the distance in scales that is as unlikely as the normal
/// deviate `u`. Infinite if no distance is.
///
/// # Examples
///
/// ```
/// use mad_core::score::{band_z, normal_equivalent};
///
/// assert!((normal_equivalent(band_z(3.5, 12.0), 12.0) - 3.5).abs() < 1e-9);
/// ```
pub fn band_z(u: f64, dof: f64) -> f64 {
    if dof.is_infinite() {
        return u;
    }
    // The inverse of the shrinkage, then of the logarithm.
    let stretched = u * (8.0 * dof + 3.0) / (8.0 * dof + 1.0);
    (dof * (stretched * stretched / dof).exp_m1()).sqrt()
}

/// `-log10` of the upper tail probability of a normal deviate, 0 to 300. 0 for NaN.
///
/// # Examples
///
/// ```
/// use mad_core::score::neg_log10_sf;
///
/// assert!((neg_log10_sf(3.719_016) - 4.0).abs() < 1e-5);
/// ```
pub fn neg_log10_sf(u: f64) -> f64 {
    if u.is_nan() {
        return 0.0;
    }
    // + 0.0 turns the negative zero of a certain event into zero.
    (-normal_log10_sf(u)).clamp(0.0, 300.0) + 0.0
}

/// Number of `n` values at or above their `q`-quantile (type 7), at least 1: these have to be large
/// for the quantile to be large.
pub(super) fn observations_above(q: f64, n: u64) -> f64 {
    // Position of the quantile between two order statistics.
    let h = (n.max(1) - 1) as f64 * q;
    let above = n as f64 - h.floor() - if h.fract() > 0.0 { 1.0 } else { 0.0 };
    above.max(1.0)
}

/// `-log10` of the probability that at least `needed` of `n` values exceed e^`excess` times a level.
///
/// A share `1 - q` of the values usually exceeds the level, and the probability falls off with the power
/// `-index` of the distance. The result is that of the binomial tail `P(X >= needed)` with the
/// probability `(1 - q) e^(-index excess)`.
pub(super) fn exceedance_neg_log10_p(q: f64, n: u64, needed: f64, excess: f64, index: f64) -> f64 {
    let p = ((1.0 - q) * (-index * excess.max(0.0)).exp()).clamp(1e-300, 1.0);
    let n = n as f64;
    // At or below the mean nothing is unlikely.
    if needed <= n * p {
        return 0.0;
    }
    // Logarithm of the first term; the others follow by their ratio.
    let start = ln_factorial(n) - ln_factorial(needed) - ln_factorial(n - needed)
        + needed * p.ln()
        + (n - needed) * (-p).ln_1p();
    let (mut term, mut sum, mut k) = (1.0, 0.0, needed);
    while k <= n && term > sum * 1e-12 {
        sum += term;
        term *= (n - k) / (k + 1.0) * p / (1.0 - p);
        k += 1.0;
    }
    (-(start + sum.ln()) / std::f64::consts::LN_10).clamp(0.0, 300.0)
}

/// The normal deviate with the upper tail probability `10^-neg_log10_p`, by bisection.
pub(super) fn deviate_of(neg_log10_p: f64) -> f64 {
    let (mut low, mut high) = (-40.0_f64, 40.0_f64);
    // 64 halvings reach the precision of a f64.
    for _ in 0..64 {
        let middle = 0.5 * (low + high);
        if neg_log10_sf(middle) < neg_log10_p {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}
