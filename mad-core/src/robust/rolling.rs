//! The rolling window with the exact median and MAD of the last values.

use serde::{Deserialize, Serialize};

use super::ranked::Ranked;
use super::sorted::{mad_sorted, mean_abs_deviation_about, median_sorted, quantile_sorted};
use crate::error::{Error, Result};
use crate::limits::MAX_WINDOW;

/// Exact median and median absolute deviation (MAD) of the last `window` finite values.
///
/// # Method
///
/// The values are kept in order of arrival and sorted. A new value replaces the oldest in the sorted
/// array by one `memmove` of the values between both places, which is O(w) with a very small constant.
/// The median is the middle of the sorted array. The MAD takes O(log w), because the values nearest the
/// median are adjacent.
///
/// # Special values
///
/// * [`push`](Self::push) ignores a value that is not finite and returns `false`.
/// * For ties and constants the MAD is often 0;
///   [`mean_abs_deviation`](Self::mean_abs_deviation) is then the next scale.
/// * -0.0 counts as 0.0.
/// * Every statistic of an empty window is NaN.
///
/// # Limits
///
/// A value takes 9 bytes in a window of at most 256 values, else 16. The memory grows with the number
/// of values, at most to the window.
///
/// Saved with serde as the window and the values from oldest to newest, and checked when it is
/// restored. The format must keep every bit of a float (`serde_json` does with `float_roundtrip`).
///
/// # Examples
///
/// ```
/// use mad_core::robust::RollingMad;
///
/// let mut latency = RollingMad::new(5)?;
/// for ms in [12.0, 11.0, 13.0, 12.0, 250.0, 14.0] {
///     latency.push(ms);
/// }
/// // of 11, 13, 12, 250, 14
/// assert_eq!(latency.median_mad(), (13.0, 1.0));
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Saved", into = "Saved")]
pub struct RollingMad {
    values: Ranked<f64>,
    window: u32,
}

/// The saved form. The sorted array is restored from it.
#[derive(Serialize, Deserialize)]
#[serde(rename = "RollingMad", deny_unknown_fields)]
struct Saved {
    window: usize,
    #[serde(with = "crate::packed")]
    values: Vec<f64>,
}

impl RollingMad {
    /// An empty window for `window` values.
    ///
    /// # Errors
    ///
    /// A window of 0 or above [`MAX_WINDOW`].
    pub fn new(window: usize) -> Result<Self> {
        if !(1..=MAX_WINDOW).contains(&window) {
            let expected = format!("an integer from 1 to {MAX_WINDOW}");
            return Err(Error::argument("window", window, &expected));
        }
        Ok(Self { values: Ranked::new(window), window: window as u32 })
    }

    /// Adds a value and removes the oldest one if the window is full.
    ///
    /// Returns `false` for a value that is not finite, which changes nothing.
    #[inline]
    pub fn push(&mut self, x: f64) -> bool {
        if !x.is_finite() {
            return false;
        }
        // -0.0 becomes 0.0, so that equal values are the same value
        let x = x + 0.0;
        if self.values.len() < self.window() {
            self.values.push(x, self.window());
        } else {
            self.values.replace_oldest(x);
        }
        true
    }

    /// Number of values in the window.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether the window is empty.
    pub fn is_empty(&self) -> bool {
        self.values.len() == 0
    }

    /// Whether the window is full.
    pub fn is_full(&self) -> bool {
        self.values.len() == self.window()
    }

    /// The size of the window.
    pub fn window(&self) -> usize {
        self.window as usize
    }

    /// Bytes allocated for the values.
    pub fn heap_bytes(&self) -> usize {
        self.values.heap_bytes()
    }

    /// The median, in the unit of the values: the mean of the middle two of an even number, without
    /// overflow. NaN when empty.
    pub fn median(&self) -> f64 {
        median_sorted(self.sorted())
    }

    /// The raw MAD, the median of |x - median|, in the unit of the values. NaN when empty.
    ///
    /// It equals the median of all computed deviations to the bit and never overflows.
    pub fn mad(&self) -> f64 {
        self.median_mad().1
    }

    /// Median and raw MAD; NaN when empty.
    #[inline]
    pub fn median_mad(&self) -> (f64, f64) {
        let median = self.median();
        (median, mad_sorted(self.sorted(), median))
    }

    /// The mean of |x - median| in the unit of the values: the scale to use if the MAD is 0. NaN when
    /// empty; 0 only if all values are equal (or differ by less than 1e-320). O(w).
    pub fn mean_abs_deviation(&self) -> f64 {
        mean_abs_deviation_about(self.sorted(), self.median())
    }

    /// A quantile by linear interpolation, as [`quantile_sorted`]. NaN when empty or if `q` is
    /// outside 0 to 1.
    pub fn quantile(&self, q: f64) -> f64 {
        quantile_sorted(self.sorted(), q)
    }

    /// The values from oldest to newest.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = f64> + Clone + '_ {
        self.values.iter()
    }

    /// The values in ascending order.
    pub fn sorted(&self) -> &[f64] {
        self.values.sorted()
    }

    /// Removes all values and keeps the memory.
    pub fn clear(&mut self) {
        self.values.clear();
    }
}

/// Windows are equal if size, values and order of arrival are.
impl PartialEq for RollingMad {
    fn eq(&self, other: &Self) -> bool {
        self.window == other.window && self.values().eq(other.values())
    }
}

impl From<RollingMad> for Saved {
    fn from(rolling: RollingMad) -> Self {
        Self { window: rolling.window(), values: rolling.values().collect() }
    }
}

impl TryFrom<Saved> for RollingMad {
    type Error = Error;

    fn try_from(saved: Saved) -> Result<Self> {
        let mut rolling = Self::new(saved.window)?;
        if saved.values.len() > saved.window {
            let expected = format!("at most the window of {} values", saved.window);
            return Err(Error::argument("values", saved.values.len(), &expected));
        }
        if let Some(bad) = saved.values.iter().find(|value| !value.is_finite()) {
            return Err(Error::argument("values", bad, "finite numbers"));
        }
        let values = saved.values.iter().map(|value| value + 0.0).collect();
        rolling.values = Ranked::of(values, saved.window);
        Ok(rolling)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(window: usize, values: &[f64]) -> RollingMad {
        let mut rolling = RollingMad::new(window).unwrap();
        for value in values {
            rolling.push(*value);
        }
        rolling
    }

    #[test]
    fn window_is_checked() {
        for window in [0, MAX_WINDOW + 1, usize::MAX] {
            let error = RollingMad::new(window).unwrap_err();
            assert!(error.to_string().contains("window"), "{error}");
        }
        assert!(RollingMad::new(MAX_WINDOW).is_ok());
    }

    #[test]
    fn empty_and_single() {
        let mut rolling = RollingMad::new(3).unwrap();
        assert!(rolling.median().is_nan() && rolling.mad().is_nan());
        assert!(rolling.mean_abs_deviation().is_nan() && rolling.quantile(0.5).is_nan());
        assert!(rolling.push(7.0));
        assert_eq!(rolling.median_mad(), (7.0, 0.0));
        assert_eq!(rolling.mean_abs_deviation(), 0.0);
    }

    #[test]
    fn evicts_the_oldest() {
        let rolling = filled(4, &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0]);
        assert!(rolling.values().eq([4.0, 8.0, 16.0, 32.0]));
        assert_eq!(rolling.median_mad(), (12.0, 8.0 - 2.0));
        assert_eq!(rolling.sorted(), [4.0, 8.0, 16.0, 32.0]);
    }

    #[test]
    fn ignores_what_is_not_finite() {
        let mut rolling = filled(3, &[1.0, 2.0, 3.0]);
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(!rolling.push(value));
        }
        assert_eq!(rolling.median_mad(), (2.0, 1.0));
    }

    #[test]
    fn zeros_are_one_value() {
        let mut rolling = filled(3, &[-0.0, 0.0, -0.0]);
        assert!(rolling.sorted().iter().all(|value| value.is_sign_positive()));
        rolling.push(1.0);
        rolling.push(-1.0);
        assert_eq!(rolling.sorted(), [-1.0, 0.0, 1.0]);
    }

    #[test]
    fn extremes_do_not_overflow() {
        assert_eq!(filled(2, &[1.7e308, 1.7e308]).median(), 1.7e308);
        assert_eq!(filled(2, &[-1.7e308, 1.7e308]).median_mad(), (0.0, 1.7e308));
        let skewed = filled(3, &[-f64::MAX, f64::MAX, f64::MAX]);
        assert_eq!(skewed.median_mad(), (f64::MAX, 0.0));
        assert!(skewed.mean_abs_deviation() > 1e308 && skewed.mean_abs_deviation().is_finite());
    }

    #[test]
    fn memory_grows_with_content() {
        let mut rolling = filled(60, &[]);
        assert_eq!(rolling.heap_bytes(), 0);
        for i in 0..1000 {
            rolling.push(f64::from(i));
        }
        assert_eq!(rolling.heap_bytes(), 60 * 9);
        assert!(rolling.heap_bytes() + size_of::<RollingMad>() <= 1024);
        rolling.clear();
        assert!(rolling.is_empty() && rolling.values().next().is_none());
    }

    #[test]
    fn corrupt_state_is_refused() {
        for text in [
            r#"{"window":0,"values":[]}"#,
            r#"{"window":100001,"values":[]}"#,
            r#"{"window":-1,"values":[]}"#,
            r#"{"window":2,"values":[1.0,2.0,3.0]}"#,
            r#"{"window":2,"values":[1.0,null]}"#,
            r#"{"window":2,"values":[1.0],"sorted":[1.0]}"#,
            r#"{"window":2}"#,
        ] {
            assert!(serde_json::from_str::<RollingMad>(text).is_err(), "{text}");
        }
        let saved = Saved { window: 2, values: vec![1.0, f64::INFINITY] };
        assert!(RollingMad::try_from(saved).is_err());
    }
}
