//! Robust statistics of whole arrays, and the rolling window run over an array.
//!
//! Values come as anything that iterates over `&f64`: a slice, a `Vec`, an
//! `ndarray::ArrayView1<f64>` with any stride.

use super::rolling::RollingMad;
use super::sorted::{between, mean_abs_deviation_about, quantile_rank};
use crate::error::{Error, Result};

/// The MAD of a normal distribution with standard deviation 1 (Iglewicz and Hoaglin, 1993). Dividing a
/// MAD by it gives a standard deviation.
pub const MAD_OF_SIGMA: f64 = 0.6745;
/// The standard deviation of a normal distribution whose mean absolute deviation is 1: sqrt(pi / 2).
pub const SIGMA_OF_MEAN_AD: f64 = 1.253_314;

/// The median: the middle value, or the mean of the middle two.
///
/// Values that are not finite are ignored; NaN if none is left. No overflow. O(n).
///
/// # Examples
///
/// ```
/// use mad_core::robust::median;
///
/// assert_eq!(median(&[3.0, f64::NAN, 1.0, 2.0, 100.0]), 2.5);
/// let table = ndarray::arr2(&[[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]]);
/// assert_eq!(median(table.column(1)), 20.0);
/// ```
pub fn median<'a>(values: impl IntoIterator<Item = &'a f64>) -> f64 {
    select_median(&mut finite(values))
}

/// The raw median absolute deviation: the median of |x - median|.
///
/// Values that are not finite are ignored; NaN if none is left. No overflow. O(n).
///
/// # Examples
///
/// ```
/// use mad_core::robust::{MAD_OF_SIGMA, mad};
///
/// let sigma = mad(&[1.0, 2.0, 4.0, 9.0, 3.0]) / MAD_OF_SIGMA;
/// assert!((sigma - 1.4826).abs() < 1e-4);
/// assert!(mad(&[]).is_nan());
/// ```
pub fn mad<'a>(values: impl IntoIterator<Item = &'a f64>) -> f64 {
    median_mad(values).1
}

/// Median and raw median absolute deviation.
///
/// Values that are not finite are ignored; NaN if none is left. No overflow. O(n).
///
/// # Examples
///
/// ```
/// assert_eq!(mad_core::robust::median_mad(&[1.0, 2.0, 4.0, 9.0, 3.0]), (3.0, 1.0));
/// ```
pub fn median_mad<'a>(values: impl IntoIterator<Item = &'a f64>) -> (f64, f64) {
    select_median_mad(&mut finite(values))
}

/// A quantile by linear interpolation, type 7 of Hyndman and Fan (1996), as
/// [`quantile_sorted`](super::quantile_sorted).
///
/// Values that are not finite are ignored; NaN if none is left or `q` is outside 0 to 1. O(n).
///
/// # Examples
///
/// ```
/// assert_eq!(mad_core::robust::quantile(&[40.0, 10.0, 30.0, 20.0], 0.9), 37.0);
/// ```
pub fn quantile<'a>(values: impl IntoIterator<Item = &'a f64>, q: f64) -> f64 {
    let mut values = finite(values);
    let Some((low, fraction)) = quantile_rank(values.len(), q) else { return f64::NAN };
    // the next order statistic is the smallest of the values above
    let (_, low, above) = values.select_nth_unstable_by(low, f64::total_cmp);
    let next = above.iter().copied().min_by(f64::total_cmp);
    between(*low, next.unwrap_or(*low), fraction)
}

/// The mean absolute deviation about the median: the mean of |x - median|.
///
/// It replaces the MAD as a scale if more than half of the values are equal. Values that are not finite
/// are ignored; NaN if none is left. No overflow. 0 if all values are equal.
///
/// # Examples
///
/// ```
/// use mad_core::robust::{mad, mean_abs_deviation};
///
/// let mostly_equal = [5.0, 5.0, 5.0, 5.0, 15.0];
/// assert_eq!((mad(&mostly_equal), mean_abs_deviation(&mostly_equal)), (0.0, 2.0));
/// ```
pub fn mean_abs_deviation<'a>(values: impl IntoIterator<Item = &'a f64>) -> f64 {
    let mut values = finite(values);
    let center = select_median(&mut values);
    mean_abs_deviation_about(&values, center)
}

/// The modified z-score of every value, `0.6745 (x - median) / MAD` (Iglewicz and Hoaglin, 1993).
///
/// The result has one z-score for each value. If the MAD is 0, because more than half of the values are
/// equal, the score is `(x - median) / (1.253314 mean|x - median|)` as the authors advise. If all values
/// are equal, it is 0. A value that is not finite gets NaN and does not count in the median and MAD. A
/// score may overflow to an infinity, never to NaN.
///
/// # Examples
///
/// ```
/// let z = mad_core::robust::modified_z(&[1.0, 2.0, 3.0, 4.0, 100.0]);
/// assert_eq!(z[2], 0.0);
/// assert_eq!(z[4], 0.6745 * 97.0);
/// assert_eq!(mad_core::robust::modified_z(&[5.0, 5.0]), [0.0, 0.0]);
/// ```
pub fn modified_z<'a>(values: impl IntoIterator<Item = &'a f64>) -> Vec<f64> {
    let mut z: Vec<f64> = values.into_iter().copied().collect();
    // the selection reorders its input, so it works on a copy of the finite values
    let mut scratch = finite(&z);
    let (center, mad) = select_median_mad(&mut scratch);
    let mean_ad = if mad > 0.0 { 0.0 } else { mean_abs_deviation_about(&finite(&z), center) };
    // MAD, then mean absolute deviation, then a constant series
    for x in &mut z {
        *x = if !x.is_finite() {
            f64::NAN
        } else if mad > 0.0 {
            MAD_OF_SIGMA * ratio(*x, center, mad)
        } else if mean_ad > 0.0 {
            ratio(*x, center, mean_ad) / SIGMA_OF_MEAN_AD
        } else {
            0.0
        };
    }
    z
}

/// Median and MAD of each value and the `window - 1` values before it.
///
/// Row `i` is NaN unless the rows `i - window + 1` to `i` are all there and all finite, as in pandas
/// with `min_periods = window`. Exact; see [`RollingMad`] for the cost.
///
/// # Errors
///
/// A window of 0 or above [`MAX_WINDOW`](crate::limits::MAX_WINDOW).
///
/// # Examples
///
/// ```
/// let (median, mad) = mad_core::robust::rolling_mad(&[1.0, 2.0, 4.0, 8.0], 3)?;
/// assert!(median[1].is_nan());
/// assert_eq!((median[2], mad[2]), (2.0, 1.0));
/// assert_eq!((median[3], mad[3]), (4.0, 2.0));
/// # Ok::<(), mad_core::Error>(())
/// ```
pub fn rolling_mad<'a>(
    values: impl IntoIterator<Item = &'a f64>,
    window: usize,
) -> Result<(Vec<f64>, Vec<f64>)> {
    let mut rolling = RollingMad::new(window)?;
    Ok(values.into_iter().map(|x| rolling_row(&mut rolling, *x)).unzip())
}

/// [`rolling_mad`] into existing arrays.
///
/// # Errors
///
/// As [`rolling_mad`]; also if `median` or `mad` is not as long as `values`. Nothing is written then.
///
/// # Examples
///
/// ```
/// let (mut median, mut mad) = ([0.0; 4], [0.0; 4]);
/// mad_core::robust::rolling_mad_into(&[1.0, 2.0, 4.0, 8.0], 3, &mut median, &mut mad)?;
/// assert_eq!((median[3], mad[3]), (4.0, 2.0));
/// # Ok::<(), mad_core::Error>(())
/// ```
pub fn rolling_mad_into<'a, I>(
    values: I,
    window: usize,
    median: &mut [f64],
    mad: &mut [f64],
) -> Result<()>
where
    I: IntoIterator<Item = &'a f64, IntoIter: ExactSizeIterator>,
{
    let values = values.into_iter();
    let mut rolling = RollingMad::new(window)?;
    for (name, found) in [("median", median.len()), ("mad", mad.len())] {
        if found != values.len() {
            let expected = format!("{} rows, as many as the values", values.len());
            return Err(Error::argument(name, format_args!("of {found} rows"), &expected));
        }
    }
    for ((x, median), mad) in values.zip(median).zip(mad) {
        (*median, *mad) = rolling_row(&mut rolling, *x);
    }
    Ok(())
}

/// One row of [`rolling_mad`]. A gap empties the window, so that a full window has no gap.
#[inline]
fn rolling_row(rolling: &mut RollingMad, x: f64) -> (f64, f64) {
    if !rolling.push(x) {
        rolling.clear();
    }
    if rolling.is_full() { rolling.median_mad() } else { (f64::NAN, f64::NAN) }
}

/// The modified z-score of each value relative to the values before it, without lookahead.
///
/// Median and MAD are those of the at most `window` finite values before the value. The scale falls
/// back as in [`modified_z`]. If all these values are equal, the scale is [`scale_floor`] of the median,
/// so that the score of a value after a constant stretch reflects how far it moved. The result is NaN
/// for a value that is not finite and for one with fewer than `min_points` finite values before it. A
/// score may overflow to an infinity.
///
/// # Errors
///
/// A window of 0 or above [`MAX_WINDOW`](crate::limits::MAX_WINDOW); `min_points` of 0 or above
/// the window.
///
/// # Examples
///
/// ```
/// let z = mad_core::robust::rolling_z(&[10.0, 11.0, 12.0, 15.0, f64::NAN], 60, 3)?;
/// assert!(z[2].is_nan() && z[4].is_nan());
/// assert_eq!(z[3], 0.6745 * 4.0);
/// # Ok::<(), mad_core::Error>(())
/// ```
pub fn rolling_z<'a>(
    values: impl IntoIterator<Item = &'a f64>,
    window: usize,
    min_points: usize,
) -> Result<Vec<f64>> {
    let mut rolling = RollingMad::new(window)?;
    if !(1..=window).contains(&min_points) {
        let expected = format!("an integer from 1 to the window of {window}");
        return Err(Error::argument("min_points", min_points, &expected));
    }
    let judge = |x: &f64| {
        let z = if x.is_finite() && rolling.len() >= min_points {
            z_against(&rolling, *x)
        } else {
            f64::NAN
        };
        rolling.push(*x);
        z
    };
    Ok(values.into_iter().map(judge).collect())
}

/// z-score with the same fallbacks of the scale as [`modified_z`], and the floor below them.
fn z_against(rolling: &RollingMad, x: f64) -> f64 {
    let (center, mad) = rolling.median_mad();
    if mad > 0.0 {
        return MAD_OF_SIGMA * ratio(x, center, mad);
    }
    let mean_ad = rolling.mean_abs_deviation();
    if mean_ad > 0.0 {
        ratio(x, center, mean_ad) / SIGMA_OF_MEAN_AD
    } else {
        ratio(x, center, scale_floor(center))
    }
}

/// The scale of a series of equal values: a thousandth of its level, at least 1e-9.
///
/// # Examples
///
/// ```
/// use mad_core::robust::scale_floor;
///
/// assert_eq!(scale_floor(-200.0), 0.2);
/// assert_eq!(scale_floor(0.0), 1e-9);
/// ```
pub fn scale_floor(center: f64) -> f64 {
    (1e-3 * center.abs()).max(1e-9)
}

/// (x - center) / scale without NaN where the difference overflows.
fn ratio(x: f64, center: f64, scale: f64) -> f64 {
    let distance = x - center;
    if distance.is_finite() {
        distance / scale
    } else {
        // the halves cannot overflow
        (0.5 * x - 0.5 * center) / (0.5 * scale)
    }
}

/// The finite values, -0.0 as 0.0.
fn finite<'a>(values: impl IntoIterator<Item = &'a f64>) -> Vec<f64> {
    let values = values.into_iter();
    let mut kept = Vec::with_capacity(values.size_hint().0);
    // adding 0.0 turns -0.0 into 0.0, so that equal values have one order
    kept.extend(values.filter(|x| x.is_finite()).map(|x| x + 0.0));
    kept
}

/// Median by selection; reorders the values.
pub(crate) fn select_median(values: &mut [f64]) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    let even = values.len().is_multiple_of(2);
    let (below, upper, _) = values.select_nth_unstable_by(values.len() / 2, f64::total_cmp);
    // an even number has two middle values: the selected one and the largest below it
    match below.iter().copied().max_by(f64::total_cmp) {
        Some(lower) if even => f64::midpoint(lower, *upper),
        _ => *upper,
    }
}

/// Median and MAD by selection; leaves the deviations in the place of the values.
fn select_median_mad(values: &mut [f64]) -> (f64, f64) {
    let center = select_median(values);
    for x in &mut *values {
        *x = (*x - center).abs();
    }
    (center, select_median(values))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gives_nan() {
        for values in [&[][..], &[f64::NAN, f64::INFINITY]] {
            assert!(median(values).is_nan() && mad(values).is_nan());
            assert!(quantile(values, 0.5).is_nan() && mean_abs_deviation(values).is_nan());
            assert!(modified_z(values).iter().all(|z| z.is_nan()));
        }
        assert!(quantile(&[1.0], 1.5).is_nan() && quantile(&[1.0], f64::NAN).is_nan());
    }

    #[test]
    fn strided_views() {
        let table = ndarray::arr2(&[[1.0, -1.0], [2.0, -5.0], [4.0, -2.0]]);
        assert_eq!(median_mad(table.column(1)), (-2.0, 1.0));
        assert_eq!(median_mad(&table), (0.0, 2.0));
        let (mut m, mut d) = ([0.0; 3], [0.0; 3]);
        rolling_mad_into(table.column(0), 2, &mut m, &mut d).unwrap();
        assert_eq!((m[1], d[2]), (1.5, 1.0));
    }

    #[test]
    fn the_scale_falls_back() {
        // median 5, MAD 0, mean absolute deviation 10 / 5
        let z = modified_z(&[5.0, 5.0, 5.0, 5.0, 15.0]);
        assert_eq!(z[0], 0.0);
        assert!((z[4] - 10.0 / (SIGMA_OF_MEAN_AD * 2.0)).abs() < 1e-12);
        // constant 200: the floor is 0.2
        assert_eq!(rolling_z(&[200.0, 200.0, 200.0, 201.0], 9, 3).unwrap()[3], 5.0);
        assert_eq!(rolling_z(&[0.0, 0.0, 0.0], 9, 2).unwrap()[2], 0.0);
        let z = rolling_z(&[1.0, 1.0, 1.0, 3.0, 2.0], 9, 3).unwrap()[4];
        assert!((z - 1.0 / (SIGMA_OF_MEAN_AD * 0.5)).abs() < 1e-12);
    }

    #[test]
    fn extremes_saturate() {
        let wide = [-f64::MAX, -f64::MAX, f64::MAX, f64::MAX, f64::MAX];
        assert_eq!(median_mad(&wide), (f64::MAX, 0.0));
        assert!(mean_abs_deviation(&wide).is_finite());
        assert!(modified_z(&wide).iter().all(|z| z.is_finite()));
        assert_eq!(modified_z(&[0.0, 5e-324, -5e-324, f64::MAX, 0.0, 1e-9])[3], f64::INFINITY);
    }

    #[test]
    fn arguments_are_checked() {
        let error = rolling_mad(&[1.0], 0).unwrap_err();
        assert!(error.to_string().contains("`window` is 0"), "{error}");
        for points in [0, 4] {
            let error = rolling_z(&[1.0], 3, points).unwrap_err();
            assert!(error.to_string().contains("min_points"), "{error}");
        }
        let error = rolling_mad_into(&[1.0, 2.0], 2, &mut [0.0; 2], &mut [0.0]).unwrap_err();
        assert!(error.to_string().contains("`mad` is of 1 rows"), "{error}");
    }
}
