//! An Isolation Forest that is fitted again and again on the newest rows of a stream.

use std::collections::VecDeque;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::{ForestConfig, IsolationForest};
use crate::error::{Error, Result};
use crate::model::WindowConfig;

/// Settings of a [`WindowedForest`].
///
/// # Examples
///
/// ```
/// use mad_core::forest::WindowedForestConfig;
///
/// let config = WindowedForestConfig::default();
/// assert_eq!((config.forest.trees, config.window.rows), (100, 400));
/// assert!(config.validate().is_ok());
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct WindowedForestConfig {
    /// The forest.
    pub forest: ForestConfig,
    /// The rows that it is fitted on, and when.
    pub window: WindowConfig,
}

impl WindowedForestConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// Names the first field out of its range.
    pub fn validate(&self) -> Result<()> {
        self.forest.validate()?;
        self.window.validate()
    }
}

/// How much the rows since a fit differ from those of the fit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ForestDrift {
    /// Largest distance between the two distributions of a feature, 0 to 1: that of the feature that
    /// differs most.
    pub distance: f64,
    /// The distance above which it is a drift: that of one case in a thousand if nothing changed.
    pub limit: f64,
}

impl ForestDrift {
    /// Whether the rows differ.
    pub fn is_drift(&self) -> bool {
        self.distance > self.limit
    }
}

/// An Isolation Forest over the newest rows of a stream.
///
/// # Method
///
/// The forest is fitted on the last `rows` rows, first after `warm_up` rows and then after each
/// `every` rows. Each row is scored by a forest of earlier rows only.
///
/// When it is fitted again, the rows since the last fit are compared with the older rows of the window,
/// feature by feature: the two-sample statistic of Kolmogorov and Smirnov, `D`. It is a drift if
/// `D > c sqrt((n + m) / (n m))`, with `c = sqrt(-ln(a / 2) / 2)` and `a = 0.001` over the number of
/// features. Features with fewer than ten known values on a side are left out.
///
/// # Limits
///
/// Rows that follow each other resemble each other, so that a drift is found more often than that.
///
/// # Examples
///
/// ```
/// use mad_core::forest::{WindowedForest, WindowedForestConfig};
///
/// let mut forest = WindowedForest::new(WindowedForestConfig::default())?;
/// for row in 0..120 {
///     assert_eq!(forest.score(&[1.0, 2.0]), None);
///     forest.learn(&[f64::from(row * 37 % 50), f64::from(row * 11 % 40)]);
/// }
/// let (usual, far) = (forest.score(&[25.0, 20.0]), forest.score(&[500.0, 20.0]));
/// assert!(far > usual);
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WindowedForest {
    config: WindowedForestConfig,
    rows: VecDeque<Vec<f64>>,
    /// Rows since the last fit.
    since: usize,
    forest: Option<IsolationForest>,
    drift: Option<ForestDrift>,
}

impl WindowedForest {
    /// A forest that has not seen a row.
    ///
    /// # Errors
    ///
    /// A setting out of its range.
    pub fn new(config: WindowedForestConfig) -> Result<Self> {
        config.validate()?;
        Ok(Self { config, rows: VecDeque::new(), since: 0, forest: None, drift: None })
    }

    /// The score of a row, 0 to 1; `None` during the warm-up. A row that is shorter or longer than those
    /// of the fit lacks values, or has values that are not looked at.
    pub fn score(&self, row: &[f64]) -> Option<f64> {
        Some(self.forest.as_ref()?.score_row(row))
    }

    /// The score above which its forest flags a row; `None` during the warm-up.
    pub fn threshold(&self) -> Option<f64> {
        Some(self.forest.as_ref()?.threshold())
    }

    /// Learns a row, and fits the forest if enough rows have come. Returns the comparison of the rows
    /// since the last fit with those before them, each time that the forest is fitted again.
    pub fn learn(&mut self, row: &[f64]) -> Option<ForestDrift> {
        if self.rows.len() == self.config.window.rows {
            self.rows.pop_front();
        }
        self.rows.push_back(row.iter().copied().map(known).collect());
        self.since += 1;
        let is_first = self.forest.is_none();
        let needed = if is_first { self.config.window.warm_up } else { self.config.window.every };
        if self.since < needed {
            return None;
        }
        let drift = if is_first { None } else { self.compared() };
        self.since = 0;
        self.drift = drift.or(self.drift);
        if let Ok(forest) = self.fit() {
            self.forest = Some(forest);
        }
        drift
    }

    /// The comparison at the last fit; `None` before the second one.
    pub fn drift(&self) -> Option<ForestDrift> {
        self.drift
    }

    /// The smallest and the largest known value of a feature in the window.
    pub fn range(&self, feature: usize) -> Option<(f64, f64)> {
        let values = self.rows.iter().filter_map(|row| row.get(feature)).copied();
        let values = values.filter(|value| *value != MISSING);
        values.fold(None, |range, value| {
            let (low, high) = range.unwrap_or((value, value));
            Some((f64::min(low, value), f64::max(high, value)))
        })
    }

    /// Rows in the window.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether the window is empty.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn fit(&self) -> Result<IsolationForest> {
        let features = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let value = |(row, feature): (usize, usize)| {
            let value = self.rows.get(row).and_then(|row| row.get(feature)).copied();
            value.filter(|value| *value != MISSING).unwrap_or(f64::NAN)
        };
        let rows = Array2::from_shape_fn((self.rows.len(), features), value);
        IsolationForest::fit(self.config.forest, rows.view())
    }

    /// Compares the rows since the last fit with the older rows of the window; `None` without a feature
    /// that enough of both have.
    fn compared(&self) -> Option<ForestDrift> {
        let features = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let older = self.rows.len().saturating_sub(self.since);
        let known = |from: usize, to: usize, feature: usize| {
            let rows = self.rows.iter().skip(from).take(to - from);
            let values = rows.filter_map(|row| row.get(feature)).copied();
            let mut values: Vec<f64> = values.filter(|value| *value != MISSING).collect();
            values.sort_unstable_by(f64::total_cmp);
            values
        };
        let critical = (-(P / 2.0 / features.max(1) as f64).ln() / 2.0).sqrt();
        let of_feature = |feature| {
            let (before, since) =
                (known(0, older, feature), known(older, self.rows.len(), feature));
            let (n, m) = (before.len() as f64, since.len() as f64);
            let limit = critical * ((n + m) / (n * m)).sqrt();
            let is_enough = before.len().min(since.len()) >= LEAST;
            is_enough.then(|| ForestDrift { distance: distance(&before, &since), limit })
        };
        let ratio = |drift: &ForestDrift| drift.distance / drift.limit;
        let found = (0..features).filter_map(of_feature);
        found.max_by(|a, b| ratio(a).total_cmp(&ratio(b)))
    }

    /// Checks a restored state.
    ///
    /// # Errors
    ///
    /// A setting out of its range, a window that is too long, or a damaged forest.
    pub fn check(&self) -> Result<()> {
        self.config.validate()?;
        if self.rows.len() > self.config.window.rows {
            return Err(Error::config("window.rows", self.rows.len(), "the configured rows"));
        }
        self.forest.as_ref().map_or(Ok(()), IsolationForest::check)
    }
}

/// Probability of a drift if nothing changed.
const P: f64 = 0.001;
/// Known values of a feature on each side that a comparison needs.
const LEAST: usize = 10;
/// A missing value in the window: the smallest number, because saved state has no NaN.
const MISSING: f64 = f64::MIN;

/// A value as the window keeps it.
fn known(value: f64) -> f64 {
    if value.is_nan() { MISSING } else { value.clamp(-f64::MAX / 2.0, f64::MAX) }
}

/// The two-sample statistic of Kolmogorov and Smirnov of two sorted samples.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    let share = |sorted: &[f64], value: f64| {
        sorted.partition_point(|one| *one <= value) as f64 / sorted.len().max(1) as f64
    };
    let gap = |value: &f64| (share(a, *value) - share(b, *value)).abs();
    a.iter().chain(b).map(gap).fold(0.0, f64::max)
}
