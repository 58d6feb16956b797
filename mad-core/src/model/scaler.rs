//! Standardisation of the features of rows.

use ndarray::ArrayView2;

/// Largest magnitude of a value that is used: its square and the sum of such squares are finite.
const MOST: f64 = 1e150;
/// Largest distance from the mean in standard deviations that is used. A fitted value is at most the
/// square root of the number of rows away.
const FARTHEST: f64 = 1e3;

/// Subtracts the mean of each feature and divides by its standard deviation.
///
/// # Small samples and limits
///
/// A value that is not finite is not learnt; in a row it counts as the mean, and an infinity as a very
/// distant value. A constant feature, and one without a known value, is divided by 1, so that other
/// values of it keep their distance in their own unit. Results lie within ±1,000.
///
/// # Examples
///
/// ```
/// use mad_core::model::StandardScaler;
/// use ndarray::array;
///
/// let scaler = StandardScaler::fit(array![[1.0, 5.0], [3.0, 5.0]].view());
/// assert_eq!(scaler.apply(&[5.0, 7.0]), [3.0, 2.0]);
/// assert_eq!(scaler.apply(&[f64::NAN]), [0.0, 0.0]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct StandardScaler {
    /// Mean and standard deviation of each feature.
    features: Vec<(f64, f64)>,
}

impl StandardScaler {
    /// Learns mean and standard deviation (population) of each feature, the second axis.
    #[expect(clippy::needless_pass_by_value, reason = "a view is a reference")]
    pub fn fit(rows: ArrayView2<'_, f64>) -> Self {
        let features = rows.columns().into_iter().map(|column| {
            let known =
                || column.iter().filter(|value| value.is_finite()).map(|value| bounded(*value));
            let count = known().count().max(1) as f64;
            let mean = known().sum::<f64>() / count;
            let variance = known().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
            let deviation = variance.sqrt();
            // a deviation below the rounding of the mean is that of a constant
            let is_constant = !(deviation > 1e-12 * mean.abs() && deviation > f64::MIN_POSITIVE);
            (mean, if is_constant { 1.0 } else { deviation })
        });
        Self { features: features.collect() }
    }

    /// Number of features.
    pub fn features(&self) -> usize {
        self.features.len()
    }

    /// A row in standard deviations from the means. A row that is too short lacks values, and the
    /// surplus of one that is too long is left out.
    pub fn apply(&self, row: &[f64]) -> Vec<f64> {
        let values = row.iter().copied().chain(std::iter::repeat(f64::NAN));
        let standard = |(value, (mean, deviation)): (f64, &(f64, f64))| {
            let distance = (bounded(value) - mean) / deviation;
            if value.is_nan() { 0.0 } else { distance.clamp(-FARTHEST, FARTHEST) }
        };
        values.zip(&self.features).map(standard).collect()
    }
}

fn bounded(value: f64) -> f64 {
    value.clamp(-MOST, MOST)
}
