//! A one-class support vector machine over rows of numbers.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

use super::solver::{Solution, kernel, solve};
use crate::error::{Error, Result};
use crate::limits::MAX_WINDOW;
use crate::model::{RowModel, StandardScaler};

/// Most features of a row.
const MAX_FEATURES: usize = 4_096;
/// How far below the border a row has to be to be flagged, as a share of the border: the rows on the
/// border have its sum of kernels up to rounding and the end of the optimisation.
const TOLERANCE: f64 = 1e-5;

/// Settings of a [`OneClassSvm`].
///
/// # Examples
///
/// ```
/// use mad_core::svm::SvmConfig;
///
/// assert!(SvmConfig { nu: 0.05, gamma: None }.validate().is_ok());
/// assert!(SvmConfig { nu: 0.0, gamma: None }.validate().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SvmConfig {
    /// Upper bound of the share of fitted rows outside the region, and lower bound of the share of
    /// support vectors: above 0, at most 1.
    pub nu: f64,
    /// Width of the kernel: a finite number above 0. `None` is 1 over the number of features and the
    /// variance of the standardised rows, as `gamma="scale"` of scikit-learn.
    pub gamma: Option<f64>,
}

impl Default for SvmConfig {
    fn default() -> Self {
        Self { nu: 0.05, gamma: None }
    }
}

impl SvmConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// Names the first field out of its range.
    pub fn validate(&self) -> Result<()> {
        if !(self.nu > 0.0 && self.nu <= 1.0) {
            return Err(Error::config("svm.nu", self.nu, "above 0, at most 1"));
        }
        match self.gamma {
            Some(gamma) if !(gamma.is_finite() && gamma > 0.0) => {
                Err(Error::config("svm.gamma", gamma, "a finite number above 0, or none"))
            }
            _ => Ok(()),
        }
    }
}

/// Finds the region of most rows by a one-class support vector machine (Schölkopf and others, 2001).
///
/// # Method
///
/// Each feature is standardised. The decision of a row `x` is `sum_i w_i exp(-gamma |x - x_i|^2) - rho`
/// over the fitted rows `x_i`: positive inside the region, negative outside. The weights `w_i` minimise
/// `w K w / 2` under `0 <= w_i <= 1` and `sum w_i = nu n`; most of them are 0. `rho` is the sum of the
/// rows on the border. It is the decision function of scikit-learn's `OneClassSVM` over standardised rows.
///
/// # Small samples and limits
///
/// About a share `nu` of the rows of usual data is outside, however usual they are. A value that is
/// missing (NaN) counts as the mean of its feature. A constant feature does not separate rows; later
/// values of it are compared in their own unit. Of rows that are all equal, and of a single row, only
/// others are outside. The time of a fit grows with the rows times the support vectors.
///
/// # Examples
///
/// ```
/// use mad_core::svm::{OneClassSvm, SvmConfig};
/// use ndarray::Array2;
///
/// let rows = Array2::from_shape_fn((200, 2), |(row, column)| ((row * 37 + column * 11) % 100) as f64);
/// let svm = OneClassSvm::fit(SvmConfig::default(), rows.view())?;
/// assert!(svm.is_outside(&[500.0, 50.0]) && !svm.is_outside(&[50.0, 50.0]));
/// assert!(svm.score_row(&[500.0, 50.0]) > 0.5);
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct OneClassSvm {
    scaler: StandardScaler,
    gamma: f64,
    rho: f64,
    /// The standardised rows with a weight, and their weights.
    vectors: Array2<f64>,
    weights: Vec<f64>,
}

impl OneClassSvm {
    /// Fits it to rows (first axis) of features (second axis).
    ///
    /// # Errors
    ///
    /// A setting out of its range; no row or more than 100,000, no feature or more than 4,096.
    #[expect(clippy::needless_pass_by_value, reason = "a view is a reference")]
    pub fn fit(config: SvmConfig, rows: ArrayView2<'_, f64>) -> Result<Self> {
        config.validate()?;
        let (count, features) = rows.dim();
        if !(1..=MAX_WINDOW).contains(&count) {
            return Err(Error::argument("rows", format!("{count} rows"), "1 to 100000 rows"));
        }
        if !(1..=MAX_FEATURES).contains(&features) {
            let expected = "1 to 4096 features in a row";
            return Err(Error::argument("rows", format!("{features} features"), expected));
        }
        let scaler = StandardScaler::fit(rows);
        let mut standard = Array2::zeros((count, features));
        for (mut to, from) in standard.rows_mut().into_iter().zip(rows.rows()) {
            to.assign(&Array1::from(scaler.apply(&from.to_vec())));
        }
        let gamma = config.gamma.unwrap_or_else(|| scale(&standard));
        let Solution { weights, rho } = solve(&standard, gamma, config.nu);
        let used: Vec<usize> = weights
            .iter()
            .enumerate()
            .filter(|(_, one)| **one > 0.0)
            .map(|(place, _)| place)
            .collect();
        let vectors = standard.select(ndarray::Axis(0), &used);
        let weights = weights.into_iter().filter(|weight| *weight > 0.0).collect();
        Ok(Self { scaler, gamma, rho, vectors, weights })
    }

    /// The decision of a row: positive inside the region, negative outside, 0 on its border. A row
    /// that is shorter or longer than those of the fit lacks values, or has values that are left out.
    pub fn decision(&self, row: &[f64]) -> f64 {
        self.sum(row) - self.rho
    }

    /// Whether a row is outside the region.
    pub fn is_outside(&self, row: &[f64]) -> bool {
        self.score_row(row) > 0.5
    }

    /// The score of a row, 0 to 1: `b / (b + s)` for its sum of kernels `s` and that of the border `b`,
    /// so that it is 0.5 on the border, and 1 far away from all rows.
    pub fn score_row(&self, row: &[f64]) -> f64 {
        let border = (self.rho * (1.0 - TOLERANCE)).max(f64::MIN_POSITIVE);
        border / (border + self.sum(row))
    }

    /// Number of features of a row.
    pub fn features(&self) -> usize {
        self.scaler.features()
    }

    /// Number of fitted rows with a weight.
    pub fn support_vectors(&self) -> usize {
        self.weights.len()
    }

    fn sum(&self, row: &[f64]) -> f64 {
        let row = self.scaler.apply(row);
        let row = ArrayView1::from(row.as_slice());
        let vectors = self.vectors.rows().into_iter().zip(&self.weights);
        vectors.map(|(vector, weight)| weight * kernel(self.gamma, &vector, &row)).sum()
    }
}

impl RowModel for OneClassSvm {
    type Config = SvmConfig;

    fn fit(config: SvmConfig, rows: &Array2<f64>) -> Result<Self> {
        Self::fit(config, rows.view())
    }

    fn score(&self, rows: &[&[f64]]) -> f64 {
        rows.last().map_or(0.0, |row| self.score_row(row))
    }

    fn rows_before(&self) -> usize {
        0
    }
}

/// The width of the kernel that is 1 for features of variance 1, over their number.
fn scale(standard: &Array2<f64>) -> f64 {
    let variance = standard.var(0.0);
    let features = standard.ncols() as f64;
    1.0 / (features * if variance > 0.0 { variance } else { 1.0 })
}
