//! Where several parts together begin to find a value anomalous.

use super::Score;
use super::long_memory::Baseline;

/// Newton steps at most; a handful is enough.
const STEPS: usize = 40;

/// The values whose product of `1 + z` over the parts stays below `limit`: lower end, middle, upper
/// end. The middle is the median of the centers.
pub(super) fn band(parts: &[Option<Baseline>; 4], limit: f64) -> (f64, f64, f64) {
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
    let each = limit.powf(1.0 / count as f64) - 1.0;
    let up = edge(parts, limit, each, middle, 1.0);
    let down = edge(parts, limit, each, middle, -1.0);
    ((middle - down).max(f64::MIN), middle, (middle + up).min(f64::MAX))
}

/// How far from the middle the product reaches the limit on one side; `each` is the distance in
/// scales at which all parts alike would. Beyond the farthest center the product is a convex
/// polynomial, so Newton's method from beyond the root falls onto it; where the root lies before
/// that center, the way is halved instead.
fn edge(parts: &[Option<Baseline>; 4], limit: f64, each: f64, middle: f64, side: f64) -> f64 {
    // a part's factor at `reach` is `at_middle + reach * slope`, beyond its center
    let (mut at_middle, mut slopes) = ([1.0; 4], [0.0; 4]);
    let (mut far, mut start) = (0.0_f64, 0.0_f64);
    for ((part, base), slope) in parts.iter().zip(&mut at_middle).zip(&mut slopes) {
        if let Some(part) = part {
            let away = (part.center - middle) * side;
            far = far.max(away);
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
    if product(far) >= limit {
        let (mut inside, mut beyond) = (0.0, far);
        for _ in 0..STEPS {
            let half = f64::midpoint(inside, beyond);
            if product(half) < limit { inside = half } else { beyond = half }
        }
        return inside;
    }
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

/// Makes band and flag say the same: a flagged value is outside, another inside, whatever rounding
/// did. A value exactly in the middle is never flagged.
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
