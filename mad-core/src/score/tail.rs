//! From a robust z to a probability.

use crate::robust::normal_log10_sf;

/// Degrees of freedom a MAD of `points` values is worth: its asymptotic efficiency under a normal
/// distribution is 0.3675 (Rousseeuw and Croux, 1993), so it knows the scale as well as a
/// standard deviation of that share of the values.
pub(super) fn mad_degrees_of_freedom(points: usize) -> f64 {
    (0.3675 * points as f64).max(1.0)
}

/// The normal deviate that is as unlikely as `z` under Student's t with `dof` degrees of freedom:
/// `u = sqrt(dof ln(1 + z^2/dof)) (8 dof + 1)/(8 dof + 3)` (Wallace, 1959, Ann. Math. Stat. 30).
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
pub fn evidence_of(u: f64) -> f64 {
    if u.is_nan() {
        return 0.0;
    }
    (-normal_log10_sf(u)).clamp(0.0, 300.0)
}

/// The normal deviate whose one-sided evidence is `evidence`, by bisection.
pub(super) fn deviate_of(evidence: f64) -> f64 {
    let (mut low, mut high) = (-40.0_f64, 40.0_f64);
    for _ in 0..64 {
        let middle = 0.5 * (low + high);
        if evidence_of(middle) < evidence {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}
