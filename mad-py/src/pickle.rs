//! Results as bytes and back, for `pickle` and `copy`.

use mad_core::Timestamp;
use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use pyo3::{PyClass, PyClassInitializer};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::errors::{to_py, value_error};
use crate::results::explanation::Explanation;
use crate::results::incident::Incident;
use crate::results::metric_ranking::{MetricCulprit, MetricRanking};
use crate::results::ranking::{Culprit, Ranking};
use crate::results::report::Report;
use crate::results::rows::Rows;
use crate::results::update::Update;
use crate::stages::mad_scorer::Score;
use crate::stages::pipeline::Pipeline;
use crate::stages::score_series::SeriesScores;
use crate::tables::table::{self, Table};

/// What `__reduce__` answers: the function that makes the object again, and its arguments.
pub type Reduced<'py, Arguments> = PyResult<(Bound<'py, PyAny>, Arguments)>;
/// The name of a class and its state.
pub type Whole<'py> = (&'static str, Bound<'py, PyBytes>);
/// A configuration as JSON, and a saved state.
pub type Saved<'py> = (String, Bound<'py, PyBytes>);

/// Adds the functions that make objects again; they are for `pickle` alone, so not in `__all__`.
pub fn add_makers(module: &Bound<'_, PyModule>) -> PyResult<()> {
    for function in [
        wrap_pyfunction!(_restored, module)?,
        wrap_pyfunction!(_restored_pipeline, module)?,
        wrap_pyfunction!(_restored_report, module)?,
        wrap_pyfunction!(_restored_series, module)?,
        wrap_pyfunction!(_restored_table, module)?,
    ] {
        let name: String = function.getattr("__name__")?.extract()?;
        module.setattr(name, function)?;
    }
    Ok(())
}

/// The function of this module that makes an object again.
pub fn maker<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    py.import("mad._core")?.getattr(name)
}

/// An object that is nothing but its state.
pub fn reduce<'py>(
    py: Python<'py>,
    class: &'static str,
    state: &(impl Serialize + Sync),
) -> Reduced<'py, Whole<'py>> {
    Ok((maker(py, "_restored")?, (class, bytes(py, state)?)))
}

/// Any state as bytes.
pub fn bytes<'py>(
    py: Python<'py>,
    state: &(impl Serialize + Sync),
) -> PyResult<Bound<'py, PyBytes>> {
    let written = py.detach(|| rmp_serde::to_vec(state));
    Ok(PyBytes::new(py, &written.map_err(|error| value_error(error.to_string()))?))
}

/// A state from its bytes.
pub fn read<T: DeserializeOwned>(state: &[u8]) -> PyResult<T> {
    let fault = |error: rmp_serde::decode::Error| {
        value_error(format!("this was pickled by another version of mad: {error}"))
    };
    rmp_serde::from_slice(state).map_err(fault)
}

/// A pipeline as its configuration and its checkpoint.
pub fn saved<'py>(py: Python<'py>, pipeline: &mad_core::Pipeline) -> PyResult<Saved<'py>> {
    let saved = py.detach(|| pipeline.checkpoint()).map_err(|error| to_py(&error))?;
    Ok((crate::config::to_json(pipeline.config())?, PyBytes::new(py, &saved)))
}

/// A pipeline from its configuration and its checkpoint.
pub fn pipeline(py: Python<'_>, config: &str, saved: &[u8]) -> PyResult<mad_core::Pipeline> {
    let config = crate::config::read(config)?;
    py.detach(|| mad_core::Pipeline::restore(config, saved)).map_err(|error| to_py(&error))
}

/// The object of a class from its state.
#[pyfunction]
pub fn _restored(py: Python<'_>, class: &str, state: &[u8]) -> PyResult<Py<PyAny>> {
    match class {
        "Culprit" => object::<Culprit>(py, state),
        "Explanation" => object::<Explanation>(py, state),
        "Incident" => object::<Incident>(py, state),
        "MetricCulprit" => object::<MetricCulprit>(py, state),
        "MetricRanking" => object::<MetricRanking>(py, state),
        "Ranking" => object::<Ranking>(py, state),
        "Rows" => object::<Rows>(py, state),
        "Score" => object::<Score>(py, state),
        "Update" => object::<Update>(py, state),
        _ => Err(value_error(format!("there is no class {class:?} here"))),
    }
}

fn object<T>(py: Python<'_>, state: &[u8]) -> PyResult<Py<PyAny>>
where
    T: PyClass + DeserializeOwned + Into<PyClassInitializer<T>>,
{
    Ok(Py::new(py, read::<T>(state)?)?.into_any())
}

/// A pipeline from its configuration and its checkpoint.
#[pyfunction]
pub fn _restored_pipeline(py: Python<'_>, config: &str, saved: &[u8]) -> PyResult<Pipeline> {
    Ok(Pipeline { core: pipeline(py, config, saved)? })
}

/// A report from its pipeline and what it judged.
#[pyfunction]
pub fn _restored_report(
    py: Python<'_>,
    pipeline: (String, Vec<u8>),
    judged: &[u8],
) -> PyResult<Report> {
    let core = self::pipeline(py, &pipeline.0, &pipeline.1)?;
    let (rows, points, reading) = read(judged)?;
    Ok(Report { pipeline: core, rows, points, reading })
}

/// Scores of a series from their arrays.
#[pyfunction]
#[allow(clippy::too_many_arguments, reason = "one an array")]
pub fn _restored_series(
    score: Py<PyArray1<f64>>,
    is_anomaly: Py<PyArray1<bool>>,
    alarm_score: Py<PyArray1<f64>>,
    is_alarm: Py<PyArray1<bool>>,
    z: Py<PyArray1<f64>>,
    expected_low: Py<PyArray1<f64>>,
    expected_high: Py<PyArray1<f64>>,
) -> SeriesScores {
    SeriesScores { score, is_anomaly, alarm_score, is_alarm, z, expected_low, expected_high }
}

/// A table from its columns: arrays, or lists of text.
#[pyfunction]
pub fn _restored_table(columns: Vec<(String, Bound<'_, PyAny>)>) -> PyResult<Table> {
    let mut read = Vec::new();
    for (name, column) in &columns {
        let kind = column.getattr_opt("dtype")?.map(|dtype| dtype.getattr("kind")).transpose()?;
        let kind: Option<String> = kind.map(|kind| kind.extract()).transpose()?;
        let values = match kind.as_deref() {
            Some("f") => table::floats(column.extract::<Vec<f64>>()?.into_iter()),
            Some("b") => table::flags(column.extract::<Vec<bool>>()?.into_iter()),
            Some("M") => {
                let nanos: Vec<i64> = column.call_method1("view", ("int64",))?.extract()?;
                table::times(nanos.into_iter().map(Timestamp::from_nanos))
            }
            Some(_) => table::signed(column.extract()?),
            None => {
                let names: Vec<String> = column.extract()?;
                table::strings(names.iter().map(String::as_str))
            }
        };
        read.push((name.as_str(), values));
    }
    Table::new(read)
}
