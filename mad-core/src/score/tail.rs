//! From a robust z to a probability.

use statrs::function::gamma::ln_gamma;

use crate::robust::normal_log10_sf;

/// Degrees of freedom a MAD of `points` values is worth: its asymptotic efficiency under a normal
/// distribution is 0.3675 (Rousseeuw and Croux, 1993), so it knows the scale as well as a
/// standard deviation of that share of the values.
pub(super) fn mad_degrees_of_freedom(points: usize) -> f64 {
    (0.3675 * points as f64).max(1.0)
}

/// The normal deviate that is as unlikely as `z` under Student's t with `dof` degrees of freedom:
/// `u = sqrt(dof ln(1 + z^2/dof)) (8 dof + 1)/(8 dof + 3)` (Wallace, 1959, Ann. Math. Stat. 30).
/// Too small by less than 0.08 up to `u` = 4 from 4 degrees of freedom on, by less than 0.05 up to
/// `u` = 6 from 10 on, by 0.2 at `u` = 6 with 4: it errs towards less evidence.
///
/// Signed, monotone in `z`, total: NaN gives NaN, an infinite `z` or overflow the largest deviate.
pub fn normal_equivalent(z: f64, dof: f64) -> f64 {
    if z.is_nan() || dof.is_infinite() {
        return z;
    }
    let magnitude = z.abs().min(1e150);
    let shrink = (8.0 * dof + 1.0) / (8.0 * dof + 3.0);
    (dof * (magnitude * magnitude / dof).ln_1p()).sqrt() * shrink * z.signum()
}

/// The inverse of [`normal_equivalent`]: how many scales out a value has to be to be as unlikely
/// as the normal deviate `u`. Infinite where no value is.
pub fn band_z(u: f64, dof: f64) -> f64 {
    if dof.is_infinite() {
        return u;
    }
    let stretched = u * (8.0 * dof + 3.0) / (8.0 * dof + 1.0);
    (dof * (stretched * stretched / dof).exp_m1()).sqrt()
}

/// Evidence of a one-sided normal deviate: minus log10 of the upper tail, 0 to 300.
pub fn neg_log10_sf(u: f64) -> f64 {
    if u.is_nan() {
        return 0.0;
    }
    // + 0.0: certainty is no evidence, and no negative zero
    (-normal_log10_sf(u)).clamp(0.0, 300.0) + 0.0
}

/// Observations that lie at or above the `q`-quantile of `n` values (type 7): as many as have to
/// be large for the quantile to be large. At least 1.
pub(super) fn observations_above(q: f64, n: u64) -> f64 {
    let h = (n.max(1) - 1) as f64 * q;
    let above = n as f64 - h.floor() - if h.fract() > 0.0 { 1.0 } else { 0.0 };
    above.max(1.0)
}

/// Evidence that `needed` of `n` single values exceed e^`excess` times a level which the share
/// `1 - q` of them usually exceeds, when the chance to exceed a level falls as its power
/// `-index`: minus log10 of the binomial tail P(X >= needed) with probability
/// `(1 - q) e^(-index excess)`.
pub(super) fn exceedance_neg_log10_p(q: f64, n: u64, needed: f64, excess: f64, index: f64) -> f64 {
    let p = ((1.0 - q) * (-index * excess.max(0.0)).exp()).clamp(1e-300, 1.0);
    let n = n as f64;
    if needed <= n * p {
        return 0.0;
    }
    let start = ln_gamma(n + 1.0) - ln_gamma(needed + 1.0) - ln_gamma(n - needed + 1.0)
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

/// The normal deviate whose one-sided evidence is `neg_log10_p`, by bisection.
pub(super) fn deviate_of(neg_log10_p: f64) -> f64 {
    let (mut low, mut high) = (-40.0_f64, 40.0_f64);
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
