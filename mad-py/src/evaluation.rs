//! A run's files against a truth.

use mad_core::evaluate::{EvaluatedIncident, Evaluator, Truth};
use mad_core::time::ZonePolicy;
use mad_core::{FeatureConfig, Timestamp};
use pyo3::prelude::*;
use serde::Deserialize;

use crate::config::to_json;
use crate::csv_rows::ScoredFile;
use crate::errors::{to_py, value_error};

#[derive(Deserialize)]
struct IncidentsFile {
    #[serde(default)]
    step_seconds: Option<f64>,
    incidents: Vec<IncidentEntry>,
}

#[derive(Deserialize)]
struct IncidentEntry {
    service: String,
    endpoint: String,
    start: String,
    end: String,
    opened_at: Option<String>,
    #[serde(default)]
    ranking: Option<RankingEntry>,
}

#[derive(Deserialize)]
struct RankingEntry {
    culprits: Vec<CulpritEntry>,
}

#[derive(Deserialize)]
struct CulpritEntry {
    service: String,
    endpoint: String,
}

/// Precision, recall, F1, delay and culprit rank as JSON. `scored` iterates over the bytes of a
/// scored file; `incidents_json` is incidents.json, `truth_json` truth.json.
#[pyfunction]
#[pyo3(signature = (scored, incidents_json, truth_json))]
pub fn evaluate(
    scored: &Bound<'_, PyAny>,
    incidents_json: Option<&str>,
    truth_json: &str,
) -> PyResult<String> {
    let truth = Truth::from_json(truth_json).map_err(to_py)?;
    let incidents: IncidentsFile = match incidents_json {
        Some(json) => serde_json::from_str(json)
            .map_err(|error| value_error(format!("incidents.json: {error}")))?,
        None => IncidentsFile { step_seconds: None, incidents: Vec::new() },
    };
    let mut config = FeatureConfig::default();
    config.step_seconds = incidents.step_seconds.unwrap_or(config.step_seconds);
    config.validate().map_err(to_py)?;
    let mut evaluator = Evaluator::new(config.step(), config.lateness(), &truth);
    let needed = ["bucket_ts", "service", "endpoint", "is_anomaly"];
    let mut file = ScoredFile::open(scored, &needed)?;
    while file.next()? {
        let bucket = file.bucket()?;
        evaluator.push_row(bucket, file.text("service"), file.text("endpoint"), file.flagged());
    }
    let found = incidents.incidents.into_iter().map(read).collect::<PyResult<Vec<_>>>()?;
    to_json(&evaluator.finish(&found))
}

fn read(entry: IncidentEntry) -> PyResult<EvaluatedIncident> {
    let time = |field: &str, text: &str| {
        Timestamp::parse(text, ZonePolicy::Offset(0))
            .map_err(|error| value_error(format!("incidents.json: {field} = {text:?}: {error}")))
    };
    let end = time("end", &entry.end)?;
    let culprits = entry.ranking.map(|ranking| ranking.culprits).unwrap_or_default();
    Ok(EvaluatedIncident {
        start: time("start", &entry.start)?,
        end,
        opened_at: match &entry.opened_at {
            Some(text) => time("opened_at", text)?,
            None => end,
        },
        service: entry.service,
        endpoint: entry.endpoint,
        rank_of_culprits: culprits
            .into_iter()
            .map(|culprit| (culprit.service, culprit.endpoint))
            .collect(),
    })
}
