//! Order statistics of sorted values, and the mean absolute deviation about a known center.

use std::hint::select_unpredictable;

/// The bisection of [`nearest_from`] stops at this many candidates and compares them all at once. 16
/// doubles are compared in a few vector instructions.
const RUN: usize = 16;

/// The quantile of values in ascending order, by linear interpolation.
///
/// Type 7 of Hyndman and Fan (1996), the default of R, numpy and pandas: with
/// `h = (n - 1) q`, the value between the order statistics `floor(h)` and `floor(h) + 1`
/// (counted from 0) at the fraction `h - floor(h)`. `q` = 0.5 is exactly the median.
///
/// `sorted` must be in ascending order and finite; otherwise the result has no meaning. NaN if it is
/// empty or `q` is outside 0 to 1.
///
/// # Examples
///
/// ```
/// use mad_core::robust::quantile_sorted;
///
/// assert_eq!(quantile_sorted(&[10.0, 20.0, 30.0, 40.0], 0.9), 37.0);
/// assert!(quantile_sorted(&[], 0.5).is_nan());
/// ```
pub fn quantile_sorted(sorted: &[f64], q: f64) -> f64 {
    let Some((low, fraction)) = quantile_rank(sorted.len(), q) else { return f64::NAN };
    match (sorted.get(low), sorted.get(low + 1)) {
        (Some(a), Some(b)) => between(*a, *b, fraction),
        (Some(a), None) => *a,
        _ => f64::NAN,
    }
}

/// Sorts numbers in the order of [`f64::total_cmp`], as integers, which takes half the time. `keys` is
/// room to work in.
pub(crate) fn sort_by_keys(values: &mut [f64], keys: &mut Vec<i64>) {
    // negative numbers are ordered by their other bits the wrong way round; the flip is its own inverse
    let flip = |bits: i64| bits ^ ((bits >> 63) as u64 >> 1) as i64;
    keys.clear();
    keys.extend(values.iter().map(|value| flip(value.to_bits() as i64)));
    keys.sort_unstable();
    for (value, key) in values.iter_mut().zip(keys) {
        *value = f64::from_bits(flip(*key) as u64);
    }
}

/// Index of the lower order statistic of a quantile, and the fraction of the way to the next one.
pub(super) fn quantile_rank(n: usize, q: f64) -> Option<(usize, f64)> {
    let last = n.checked_sub(1)?;
    if !(0.0..=1.0).contains(&q) {
        return None;
    }
    let h = last as f64 * q;
    let low = (h.floor() as usize).min(last);
    Some((low, h - low as f64))
}

/// Linear interpolation between `a` and `b`; never outside of them, never NaN.
pub(super) fn between(a: f64, b: f64, fraction: f64) -> f64 {
    // from the nearer end, so that the result never passes the other end by rounding
    let width = b - a;
    if fraction == 0.5 || a == b {
        f64::midpoint(a, b)
    } else if !width.is_finite() {
        a * (1.0 - fraction) + b * fraction
    } else if fraction < 0.5 {
        a + width * fraction
    } else {
        b - width * (1.0 - fraction)
    }
}

/// Median of values in ascending order; the mean of the middle two of an even number.
pub(crate) fn median_sorted(sorted: &[f64]) -> f64 {
    let upper = sorted.len() / 2;
    match (
        sorted.get(upper.wrapping_sub(usize::from(sorted.len().is_multiple_of(2)))),
        sorted.get(upper),
    ) {
        (Some(a), Some(b)) => f64::midpoint(*a, *b),
        _ => f64::NAN,
    }
}

/// Median of |x - median| of values in ascending order with a known median, in O(log n).
///
/// # Method
///
/// The `n / 2 + 1` values nearest the median are adjacent. A bisection finds their left edge. The
/// largest two of their distances, which are the middle two of all distances, are at the ends of this
/// run. The result equals the median of all computed distances to the bit.
///
/// # Limits
///
/// It cannot overflow: at least `n / 2 + 1` values lie between the median and the largest number of the
/// same sign, so the distance sought is at most `f64::MAX`. The two sides of a comparison cannot both
/// be infinite, because they add up to at most `2 f64::MAX`.
pub(crate) fn mad_sorted(sorted: &[f64], median: f64) -> f64 {
    let upper = sorted.len() / 2;
    let even = sorted.len().is_multiple_of(2);
    let (Some(left), Some(right)) =
        (sorted.get(..upper.wrapping_sub(usize::from(even))), sorted.get(upper + 1..))
    else {
        // fewer than two values
        return if sorted.is_empty() { f64::NAN } else { 0.0 };
    };
    let edge = nearest_from(left, right, median);
    match sorted.get(edge..=edge + upper) {
        Some([first, inner @ .., last]) => {
            // the largest distance is at one end of the run
            let (below, above) = (median - first, last - median);
            let largest = below.max(above);
            if !even {
                return largest;
            }
            // an even number needs the second largest too: at the other end, or next to this one
            let next = if below >= above {
                above.max(median - inner.first().unwrap_or(last))
            } else {
                below.max(inner.last().unwrap_or(first) - median)
            };
            f64::midpoint(next, largest)
        }
        _ => 0.0,
    }
}

/// Mean of |x - center| of finite values; NaN if there are none.
pub(super) fn mean_abs_deviation_about(values: &[f64], center: f64) -> f64 {
    let n = values.len() as f64;
    let sum: f64 = values.iter().map(|x| (x - center).abs()).sum();
    if sum.is_finite() || values.is_empty() {
        return sum / n;
    }
    // the sum overflowed: add up halves, each already divided by the count
    let half: f64 = values.iter().map(|x| (0.5 * x - 0.5 * center).abs() / n).sum();
    (2.0 * half).min(f64::MAX)
}

/// The number of leading values that are not among the nearest to the median.
///
/// If the run of nearest values moves up by one, `left[i]` leaves it and `right[i]` enters. The move
/// is right while the leaving value is farther away. This holds up to some `i` and not beyond it, so
/// the edge is found by bisection, without a branch that depends on the data.
fn nearest_from(left: &[f64], right: &[f64], median: f64) -> usize {
    let len = left.len().min(right.len());
    let (Some(left), Some(right)) = (left.get(..len), right.get(..len)) else { return 0 };
    let (mut base, mut size) = (0, len);
    while size > RUN {
        let half = size / 2;
        let middle = base + half;
        let farther = match (left.get(middle - 1), right.get(middle - 1)) {
            (Some(leaves), Some(enters)) => median - leaves > enters - median,
            _ => false,
        };
        base = select_unpredictable(farther, middle, base);
        size -= half;
    }
    let base = base.min(len.saturating_sub(RUN));
    let run = |side: &[f64]| side.get(base..).and_then(<[f64]>::first_chunk::<RUN>).copied();
    let farther = |(leaves, enters): (&f64, &f64)| median - leaves > enters - median;
    match (run(left), run(right)) {
        // a fixed length is compared in a few vector instructions
        (Some(left), Some(right)) => {
            base + left.iter().zip(&right).map(|pair| u64::from(farther(pair))).sum::<u64>()
                as usize
        }
        _ => left.iter().zip(right).filter(|pair| farther((pair.0, pair.1))).count(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_type_7() {
        // numpy.quantile([1, 2, 4, 8, 16], q)
        let values = [1.0, 2.0, 4.0, 8.0, 16.0];
        for (q, expected) in [(0.0, 1.0), (0.1, 1.4), (0.5, 4.0), (0.9, 12.8), (1.0, 16.0)] {
            assert!((quantile_sorted(&values, q) - expected).abs() < 1e-12, "{q}");
        }
        for q in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert!(quantile_sorted(&values, q).is_nan(), "{q}");
        }
        assert_eq!(quantile_sorted(&[3.0], 0.7), 3.0);
    }

    #[test]
    fn quantiles_do_not_overflow() {
        let values = [-1.7e308, 1.7e308];
        assert_eq!(quantile_sorted(&values, 0.5), 0.0);
        assert!((quantile_sorted(&values, 0.25) + 0.85e308).abs() < 1e294);
        assert_eq!(quantile_sorted(&values, 1.0), 1.7e308);
    }

    #[test]
    fn mad_of_few_values() {
        assert!(mad_sorted(&[], f64::NAN).is_nan());
        assert_eq!(mad_sorted(&[5.0], 5.0), 0.0);
        assert_eq!(mad_sorted(&[1.0, 4.0], 2.5), 1.5);
        assert_eq!(mad_sorted(&[1.0, 2.0, 9.0], 2.0), 1.0);
        assert_eq!(mad_sorted(&[1.0, 2.0, 4.0, 9.0], 3.0), 1.5);
        assert_eq!(mad_sorted(&[1.0, 1.0, 1.0, 1.0, 9.0], 1.0), 0.0);
    }

    #[test]
    fn keys_sort_like_numbers() {
        let mut values =
            vec![3.0, -0.0, f64::MIN, 0.0, f64::MAX, -1e-300, -7.5, 1e-300, f64::INFINITY, -7.5];
        let mut expected = values.clone();
        expected.sort_by(f64::total_cmp);
        sort_by_keys(&mut values, &mut vec![1]);
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&values), bits(&expected));
    }
}
