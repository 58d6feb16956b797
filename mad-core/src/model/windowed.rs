//! A model that is fitted again and again on the newest rows of a stream.

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::limits::MAX_WINDOW;

/// Rows that a model is fitted on, and when.
///
/// # Examples
///
/// ```
/// use mad_core::model::WindowConfig;
///
/// let config = WindowConfig::default();
/// assert_eq!((config.rows, config.every, config.warm_up), (400, 200, 120));
/// assert!(config.validate().is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowConfig {
    /// Rows that the model is fitted on, 2 to 100,000.
    pub rows: usize,
    /// Rows after which it is fitted again, 1 or more.
    pub every: usize,
    /// Rows before it is first fitted, 2 to `rows`.
    pub warm_up: usize,
}

impl Default for WindowConfig {
    fn default() -> Self {
        Self { rows: 400, every: 200, warm_up: 120 }
    }
}

impl WindowConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// Names the first field out of its range.
    pub fn validate(&self) -> Result<()> {
        if !(2..=MAX_WINDOW).contains(&self.rows) {
            return Err(Error::config("window.rows", self.rows, "2 to 100000"));
        }
        if self.every == 0 {
            return Err(Error::config("window.every", self.every, "1 or more"));
        }
        if !(2..=self.rows).contains(&self.warm_up) {
            let range = format!("2 to {}, the rows", self.rows);
            return Err(Error::config("window.warm_up", self.warm_up, &range));
        }
        Ok(())
    }
}

/// A model of rows of numbers.
pub trait RowModel: Sized {
    /// Its settings.
    type Config: Copy + std::fmt::Debug;

    /// Fits it to rows (first axis, oldest first) of features (second axis). Missing values are NaN.
    ///
    /// # Errors
    ///
    /// A setting out of its range, or rows that it cannot be fitted to.
    fn fit(config: Self::Config, rows: &Array2<f64>) -> Result<Self>;

    /// The score of the last of some rows, 0 to 1, with 0.5 at the threshold of the model. `rows` are
    /// at least as many as [`RowModel::rows_before`] and one, oldest first, unless there were fewer.
    fn score(&self, rows: &[&[f64]]) -> f64;

    /// Earlier rows that a score depends on.
    fn rows_before(&self) -> usize;
}

/// A model over the newest rows of a stream: it is fitted on the last `rows` rows, first after
/// `warm_up` rows and then after each `every` rows. Each row is scored by a model of earlier rows only.
///
/// # Examples
///
/// ```
/// use mad_core::model::{WindowConfig, WindowedModel};
/// use mad_core::svm::{OneClassSvm, SvmConfig};
///
/// let mut svm: WindowedModel<OneClassSvm> =
///     WindowedModel::new(WindowConfig::default(), SvmConfig::default())?;
/// for row in 0..120 {
///     assert_eq!(svm.observe(&[f64::from(row * 37 % 50), f64::from(row * 11 % 40)]), None);
/// }
/// assert!(svm.observe(&[500.0, 20.0]) > Some(0.5));
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct WindowedModel<M: RowModel> {
    window: WindowConfig,
    config: M::Config,
    /// The last rows, oldest first. The front is cut off when twice a window is there.
    rows: Vec<Vec<f64>>,
    /// Rows since the last fit.
    since: usize,
    model: Option<M>,
}

impl<M: RowModel> WindowedModel<M> {
    /// A model that has not seen a row.
    ///
    /// # Errors
    ///
    /// A setting of the window out of its range.
    pub fn new(window: WindowConfig, config: M::Config) -> Result<Self> {
        window.validate()?;
        Ok(Self { window, config, rows: Vec::new(), since: 0, model: None })
    }

    /// Scores a row, and then learns it: `None` during the warm-up. A row may be longer than those
    /// before it, which then lack its last features.
    pub fn observe(&mut self, row: &[f64]) -> Option<f64> {
        self.rows.push(row.to_vec());
        let score = self.model.as_ref().map(|model| {
            let from = self.rows.len().saturating_sub(model.rows_before() + 1);
            let last: Vec<&[f64]> = self.rows.iter().skip(from).map(Vec::as_slice).collect();
            model.score(&last)
        });
        if self.rows.len() >= 2 * self.window.rows {
            self.rows.drain(..self.window.rows);
        }
        self.since += 1;
        let needed = if self.model.is_none() { self.window.warm_up } else { self.window.every };
        if self.since >= needed {
            self.since = 0;
            self.fit();
        }
        score
    }

    /// The model; `None` during the warm-up.
    pub fn model(&self) -> Option<&M> {
        self.model.as_ref()
    }

    /// Fits the model to the window. It stays as it was where that is not possible.
    fn fit(&mut self) {
        let from = self.rows.len().saturating_sub(self.window.rows);
        let rows = self.rows.get(from..).unwrap_or_default();
        let features = rows.iter().map(Vec::len).max().unwrap_or(0);
        let value = |(row, feature): (usize, usize)| {
            rows.get(row).and_then(|row| row.get(feature)).copied().unwrap_or(f64::NAN)
        };
        let rows = Array2::from_shape_fn((rows.len(), features), value);
        if let Ok(model) = M::fit(self.config, &rows) {
            self.model = Some(model);
        }
    }
}
