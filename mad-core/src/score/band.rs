//! The expected band of several views together, and its agreement with the flag.

use super::Score;
use super::long_memory::Baseline;

/// Most steps of Newton's method; it converges within a few.
const STEPS: usize = 40;

/// The interval of values whose product of `1 + z` over the views is below `limit`: lower end,
/// middle, upper end. The middle is the median of the centers. Unbounded without a view.
pub(super) fn band(parts: &[Option<Baseline>; 4], limit: f64) -> (f64, f64, f64) {
    // Median of the known centers.
    let mut centers = [f64::NAN; 4];
    let mut count = 0;
    for part in parts.iter().flatten() {
        if let Some(slot) = centers.get_mut(count) {
            *slot = part.center;
            count += 1;
        }
    }
    let Some(known @ [_, ..]) = centers.get_mut(..count) else { return (f64::MIN, 0.0, f64::MAX) };
    known.sort_unstable_by(f64::total_cmp);
    let middle = crate::robust::quantile_sorted(known, 0.5);
    if !middle.is_finite() {
        return (f64::MIN, 0.0, f64::MAX);
    }
    // If all views agreed, each would contribute the same factor.
    let each = limit.powf(1.0 / count as f64) - 1.0;
    let up = edge(parts, limit, each, middle, 1.0);
    let down = edge(parts, limit, each, middle, -1.0);
    ((middle - down).max(f64::MIN), middle, (middle + up).min(f64::MAX))
}

/// Distance from the middle at which the product reaches the limit on one side. `each` is the
/// distance in scales at which equal views would reach it.
///
/// Beyond the farthest center the product is a convex polynomial, so that Newton's method from beyond
/// the root converges monotonically. If the root lies before that center, bisection finds it.
fn edge(parts: &[Option<Baseline>; 4], limit: f64, each: f64, middle: f64, side: f64) -> f64 {
    // Beyond its center the factor of a view at `reach` is `at_middle + reach * slope`.
    let (mut at_middle, mut slopes) = ([1.0; 4], [0.0; 4]);
    let (mut far, mut start) = (0.0_f64, 0.0_f64);
    for ((part, base), slope) in parts.iter().zip(&mut at_middle).zip(&mut slopes) {
        if let Some(part) = part {
            let away = (part.center - middle) * side;
            far = far.max(away);
            // Beyond every root: the farthest edge of a view that alone had its share.
            start = start.max(away + part.scale * each);
            *slope = 1.0 / part.scale;
            *base = 1.0 - away * *slope;
        }
    }
    let product = |reach: f64| {
        let factor = |(base, slope): (&f64, &f64)| 1.0 + (base - 1.0 + reach * slope).abs();
        at_middle.iter().zip(&slopes).map(factor).product::<f64>()
    };
    if start.is_nan() || start > 1e300 || limit > 1e300 {
        return f64::MAX;
    }
    // The root lies before the farthest center: bisection, since the product is not convex there.
    if product(far) >= limit {
        let (mut inside, mut beyond) = (0.0, far);
        for _ in 0..STEPS {
            let half = f64::midpoint(inside, beyond);
            if product(half) < limit { inside = half } else { beyond = half }
        }
        return inside;
    }
    // Newton's method, with the value and the slope of the product.
    let mut reach = start;
    for _ in 0..STEPS {
        let (mut value, mut growth) = (1.0, 0.0);
        for (base, slope) in at_middle.iter().zip(&slopes) {
            let factor = base + reach * slope;
            growth = growth * factor + value * slope;
            value *= factor;
        }
        let step = (value - limit) / growth;
        reach = (reach - step).max(far);
        if step.is_nan() || step <= reach * 1e-6 {
            break;
        }
    }
    reach
}

/// Makes band and flag agree: a flagged value lies outside the band and any other value inside it,
/// whatever rounding did. A value exactly at the expected one is never flagged.
pub(super) fn outside_if(flagged: bool, mut score: Score, value: f64, neg_log10_p: f64) -> Score {
    if flagged && value == score.expected {
        score.neg_log10_p = score.neg_log10_p.min(neg_log10_p * 0.999);
    } else if flagged && value > score.expected {
        score.high = score.high.min(value.next_down()).max(score.expected);
    } else if flagged {
        score.low = score.low.max(value.next_up()).min(score.expected);
    } else {
        score.high = score.high.max(value);
        score.low = score.low.min(value);
    }
    score
}
