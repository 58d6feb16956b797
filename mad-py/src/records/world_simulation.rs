//! Simulated systems as bytes of files.

use mad_core::simulate::{
    Api, ApiConfig, LoadPattern, Melt, MeltConfig, RadarConfig, RadarScenario, RadarWorld,
    TraceScenario, Traces, TracesConfig, World,
};
use mad_core::{Error, Result};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde::de::DeserializeOwned;

use crate::border::detached;
use crate::errors::to_py;

/// All telemetry of a simulated system and the truth about it.
#[pyclass(module = "mad._core", frozen)]
pub struct WorldSimulation {
    world: World,
}

#[pymethods]
impl WorldSimulation {
    /// `system`: melt, api, radar or aiops. `settings` are the fields of its configuration as JSON.
    #[new]
    fn new(py: Python<'_>, system: &str, settings: &str) -> PyResult<Self> {
        let world = detached(py, || run(system, settings))?.map_err(|error| to_py(&error))?;
        Ok(Self { world })
    }

    /// Name and content of each file of records.
    fn files<'py>(
        &self,
        py: Python<'py>,
        labels: bool,
    ) -> PyResult<Vec<(&'static str, Bound<'py, PyBytes>)>> {
        let files = detached(py, || self.world.files(labels))?;
        Ok(files.into_iter().map(|(name, bytes)| (name, PyBytes::new(py, &bytes))).collect())
    }

    /// The injected anomalies, as JSON.
    fn truth_json(&self) -> PyResult<String> {
        self.world.truth.to_json().map_err(|error| to_py(&error))
    }

    /// Number of records of all kinds.
    fn __len__(&self) -> usize {
        let World { requests, metrics, logs, changes, spans, .. } = &self.world;
        requests.len() + metrics.len() + logs.len() + changes.len() + spans.len()
    }
}

fn run(system: &str, settings: &str) -> Result<World> {
    Ok(match system {
        "melt" => Melt::new(read::<MeltConfig>(settings)?)?.run(),
        "api" => {
            let pattern = |text: &str| text.parse::<LoadPattern>().map(|_| ());
            Api::new(read::<ApiConfig>(checked(settings, "pattern", pattern)?)?)?.run()
        }
        "radar" => {
            let scenario = |text: &str| text.parse::<RadarScenario>().map(|_| ());
            RadarWorld::new(read::<RadarConfig>(checked(settings, "scenario", scenario)?)?)?.run()
        }
        "aiops" => {
            let scenario = |text: &str| text.parse::<TraceScenario>().map(|_| ());
            let settings = checked(settings, "scenario", scenario)?;
            let traces = Traces::new(read::<TracesConfig>(settings)?)?;
            let telemetry = traces.run();
            World {
                requests: telemetry.requests,
                spans: telemetry.spans,
                truth: traces.truth(),
                ..World::default()
            }
        }
        other => {
            let expected = "one of melt, api, radar, aiops";
            return Err(Error::argument("system", format!("{other:?}"), expected));
        }
    })
}

/// The settings, after a check of the name that a field has, whose error is clearer than that of
/// reading the whole.
fn checked<'a>(
    settings: &'a str,
    field: &str,
    check: impl Fn(&str) -> Result<()>,
) -> Result<&'a str> {
    let value = read::<serde_json::Value>(settings)?;
    value.get(field).and_then(serde_json::Value::as_str).map_or(Ok(()), check)?;
    Ok(settings)
}

fn read<T: DeserializeOwned>(settings: &str) -> Result<T> {
    serde_json::from_str(settings).map_err(|error| Error::input(format!("settings: {error}")))
}
