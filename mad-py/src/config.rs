//! Configuration as JSON text.

use mad_core::PipelineConfig;
use pyo3::prelude::*;
use serde_json::{Value, json};

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
    let config: PipelineConfig =
        serde_json::from_str(json).map_err(|error| value_error(fault(json, &error)))?;
    // serde takes a list for a struct, field after field; no field is one
    if json.contains('[') {
        return Err(value_error("config: expected fields by name, not a list"));
    }
    config.validate().map_err(|error| to_py(&error))?;
    Ok(config)
}

/// Names the field that could not be read: the first that cannot be read alone either.
fn fault(json: &str, error: &serde_json::Error) -> String {
    let stages = match serde_json::from_str(json) {
        Ok(Value::Object(stages)) => stages,
        Ok(_) => return "config: expected fields by name".to_owned(),
        Err(error) => return no_json(json, &error),
    };
    let alone = |stage: &str, value: Value| {
        serde_json::from_value::<PipelineConfig>(json!({ stage: value })).err()
    };
    for (stage, value) in &stages {
        if let Some(error) = alone(stage, json!({}))
            && let Some((_, known)) = error.to_string().split_once(", expected one of ")
        {
            return format!("config field `{stage}` does not exist; there are {known}");
        }
        for (field, value) in value.as_object().into_iter().flatten() {
            if let Some(error) = alone(stage, json!({ field: value })) {
                return say(&format!("{stage}.{field}"), value, &error);
            }
        }
        if let Some(error) = alone(stage, value.clone()) {
            return say(stage, value, &error);
        }
    }
    format!("config: {error}")
}

/// Python and TOML have numbers that JSON has not.
fn no_json(json: &str, error: &serde_json::Error) -> String {
    let before = json.get(..error.column().saturating_sub(1)).unwrap_or_default();
    let after = json.get(before.len()..).unwrap_or_default().trim_start_matches('-');
    if after.starts_with("NaN") || after.starts_with("Infinity") {
        let field = before.rsplit('"').nth(1).unwrap_or_default();
        return format!("config field `{field}` is not a finite number");
    }
    format!("config: {error}")
}

fn say(field: &str, value: &Value, error: &serde_json::Error) -> String {
    let error = error.to_string();
    if let Some((_, known)) = error.split_once(", expected one of ") {
        return format!("config field `{field}` does not exist; there are {known}");
    }
    let expected = match error.split_once(", expected ").map_or("another value", |parts| parts.1) {
        "usize" | "u64" | "u32" => "an integer, 0 or more",
        "i32" => "an integer",
        "f64" => "a number",
        stage if stage.starts_with("struct") => "fields by name",
        other => other,
    };
    format!("config field `{field}` is {value}; expected {expected}")
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
