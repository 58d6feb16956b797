//! Configuration as JSON text.

use mad_core::PipelineConfig;
use mad_core::config::problems;
use pyo3::prelude::*;

use crate::errors::{to_py, value_error};

/// Reads and checks a configuration: JSON text, a mapping, or an object with `to_json`; `None` is
/// the default.
pub fn parse(config: Option<&Bound<'_, PyAny>>) -> PyResult<PipelineConfig> {
    let Some(config) = config else { return Ok(PipelineConfig::default()) };
    read(&text(config)?)
}

/// A configuration as JSON text.
pub fn text(config: &Bound<'_, PyAny>) -> PyResult<String> {
    if let Ok(json) = config.extract::<String>() {
        return Ok(json);
    }
    if config.hasattr("to_json")? {
        return config.call_method0("to_json")?.extract();
    }
    config.py().import("mad.config")?.call_method1("as_json", (config,))?.extract()
}

/// Reads and checks a configuration in JSON.
pub fn read(json: &str) -> PyResult<PipelineConfig> {
    if let Some(problem) = problems(json).into_iter().next() {
        return Err(value_error(problem.message));
    }
    let config: PipelineConfig =
        serde_json::from_str(json).map_err(|error| value_error(format!("config: {error}")))?;
    config.validate().map_err(|error| to_py(&error))?;
    Ok(config)
}

/// Checks a configuration in JSON and gives it back with every default filled in.
#[pyfunction]
pub fn check_config(json: &str) -> PyResult<String> {
    to_json(&read(json)?)
}

/// Every problem of a configuration in JSON: the field's dotted path, and a message.
#[pyfunction]
pub fn config_problems(json: &str) -> Vec<(String, String)> {
    problems(json).into_iter().map(|problem| (problem.field, problem.message)).collect()
}

/// The default configuration in JSON.
#[pyfunction]
pub fn default_config() -> PyResult<String> {
    to_json(&PipelineConfig::default())
}

/// Any serializable value as JSON.
pub fn to_json(value: &impl serde::Serialize) -> PyResult<String> {
    serde_json::to_string(value).map_err(|error| value_error(error.to_string()))
}

/// Any serializable value as bytes of JSON.
pub fn json_bytes(value: &impl serde::Serialize) -> PyResult<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| value_error(error.to_string()))
}
