//! The Isolation Forest over arrays.

use mad_core::forest::{ForestConfig, IsolationForest as Core};
use numpy::{AllowTypeChange, PyArray1, PyArrayLike2};
use pyo3::prelude::*;
use serde::{Deserialize, Serialize};

use crate::errors::{to_py, value_error};
use crate::pickle::pickled;
use crate::shared::Shared;

/// The settings, and the forest once it is fitted.
#[derive(Serialize, Deserialize)]
struct State {
    config: ForestConfig,
    forest: Option<Core>,
}

/// An Isolation Forest (Liu, Ting and Zhou, 2008).
///
/// >>> import numpy as np
/// >>> import mad
/// >>> usual = np.random.default_rng(1).normal(size=(500, 3))
/// >>> forest = mad.IsolationForest(contamination=0.01).fit(usual)
/// >>> forest.predict([[0.0, 0.0, 0.0], [9.0, 9.0, 9.0]]).tolist()
/// [False, True]
#[pyclass(module = "mad._core", frozen)]
pub struct IsolationForest {
    state: Shared<State>,
}

/// Rows of numbers: an array, or anything that numpy makes one of.
type Table<'py> = PyArrayLike2<'py, f64, AllowTypeChange>;

#[pymethods]
impl IsolationForest {
    #[new]
    #[pyo3(signature = (n_trees=100, sample_size=256, contamination=None, seed=42))]
    fn new(
        n_trees: usize,
        sample_size: usize,
        contamination: Option<f64>,
        seed: u64,
    ) -> PyResult<Self> {
        let config = ForestConfig { trees: n_trees, sample_size, contamination, seed };
        config.validate().map_err(|error| to_py(&error))?;
        Ok(Self { state: Shared::new(State { config, forest: None }) })
    }

    /// Fits the forest to rows of features, in place of an earlier fit.
    fn fit<'py>(
        slf: PyRef<'py, Self>,
        py: Python<'py>,
        rows: Table<'py>,
    ) -> PyResult<PyRef<'py, Self>> {
        let rows = rows.as_array();
        let fitted = slf.state.with(py, |state| {
            state.forest = Some(Core::fit(state.config, rows)?);
            Ok(())
        })?;
        fitted.map_err(|error: mad_core::Error| to_py(&error))?;
        Ok(slf)
    }

    /// The score of each row, 0 to 1: the higher, the easier it is to separate.
    fn score<'py>(&self, py: Python<'py>, rows: Table<'py>) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let (scores, _) = self.scored(py, &rows)?;
        Ok(PyArray1::from_vec(py, scores))
    }

    /// Whether each row has a score above the threshold.
    fn predict<'py>(
        &self,
        py: Python<'py>,
        rows: Table<'py>,
    ) -> PyResult<Bound<'py, PyArray1<bool>>> {
        let (scores, threshold) = self.scored(py, &rows)?;
        Ok(PyArray1::from_vec(py, scores.iter().map(|score| *score > threshold).collect()))
    }

    /// Score above which a row is flagged; None before `fit`.
    #[getter]
    fn threshold(&self, py: Python<'_>) -> PyResult<Option<f64>> {
        self.state.with(py, |state| state.forest.as_ref().map(Core::threshold))
    }

    /// Features of a row; None before `fit`.
    #[getter]
    fn n_features(&self, py: Python<'_>) -> PyResult<Option<usize>> {
        self.state.with(py, |state| state.forest.as_ref().map(Core::features))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        self.state.with(py, |State { config, forest }| {
            let share = config.contamination.map_or("None".to_owned(), |share| share.to_string());
            let fitted = if forest.is_some() { "fitted" } else { "not fitted" };
            format!(
                "IsolationForest(n_trees={}, sample_size={}, contamination={share}, seed={}), {fitted}",
                config.trees, config.sample_size, config.seed
            )
        })
    }
}

impl IsolationForest {
    /// Scores and the threshold.
    fn scored(&self, py: Python<'_>, rows: &Table<'_>) -> PyResult<(Vec<f64>, f64)> {
        let rows = rows.as_array();
        let scored = self.state.with(py, |state| {
            let forest = state.forest.as_ref()?;
            Some(forest.score(rows).map(|scores| (scores, forest.threshold())))
        })?;
        let scored = scored.ok_or_else(|| {
            value_error("the forest is not fitted: call fit(rows) with usual rows first")
        })?;
        scored.map_err(|error| to_py(&error))
    }
}

pickled!(shared IsolationForest);
