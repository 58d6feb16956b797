//! Configuration as JSON text.

use mad_core::PipelineConfig;
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
    config.py().import("json")?.call_method1("dumps", (config,))?.extract()
}

fn read(json: &str) -> PyResult<PipelineConfig> {
    let config: PipelineConfig = named(json)?;
    config.validate().map_err(|error| to_py(&error))?;
    Ok(config)
}

/// Reads JSON; an error names the field.
pub fn named<T: serde::de::DeserializeOwned>(json: &str) -> PyResult<T> {
    let mut reader = serde_json::Deserializer::from_str(json);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let field = error.path().to_string();
        let place = if field == "." { String::new() } else { format!(" field `{field}`") };
        let why = error.into_inner().to_string();
        let why = why.split(" at line ").next().unwrap_or_default().to_owned();
        value_error(format!("config{place}: {why}"))
    })
}

/// Checks a configuration in JSON and gives it back with every default filled in.
#[pyfunction]
pub fn check_config(json: &str) -> PyResult<String> {
    to_json(&read(json)?)
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
