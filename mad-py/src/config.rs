//! Configuration as JSON text.

use mad_core::PipelineConfig;
use pyo3::prelude::*;

use crate::errors::{to_py, value_error};

/// Reads and checks a configuration; `None` is the default.
pub fn parse(json: Option<&str>) -> PyResult<PipelineConfig> {
    let Some(json) = json else { return Ok(PipelineConfig::default()) };
    let config: PipelineConfig =
        serde_json::from_str(json).map_err(|error| value_error(format!("config: {error}")))?;
    config.validate().map_err(to_py)?;
    Ok(config)
}

/// Checks a configuration in JSON and gives it back with every default filled in.
#[pyfunction]
pub fn check_config(json: &str) -> PyResult<String> {
    to_json(&parse(Some(json))?)
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
