//! The evaluation of a run's files by a truth.

use std::collections::HashMap;

use mad_core::evaluate::{EvaluatedIncident, Evaluator, Truth};
use mad_core::time::ZonePolicy;
use mad_core::{FeatureConfig, Timestamp};
use pyo3::prelude::*;
use serde::Deserialize;

use crate::config::to_json;
use crate::errors::{to_py, value_error};
use crate::results::scored_file::ScoredFile;

#[derive(Deserialize)]
struct IncidentsFile {
    #[serde(default)]
    step_seconds: Option<f64>,
    incidents: Vec<IncidentEntry>,
}

/// Rankings of incidents, for incident files that have none.
#[derive(Default, Deserialize)]
struct CulpritsFile {
    #[serde(default)]
    by_incident: HashMap<String, Option<RankingEntry>>,
}

#[derive(Deserialize)]
struct IncidentEntry {
    #[serde(default)]
    id: String,
    service: String,
    endpoint: String,
    start: String,
    end: String,
    opened_at: Option<String>,
    #[serde(default)]
    ranking: Option<RankingEntry>,
    #[serde(default)]
    members: Vec<MemberEntry>,
}

#[derive(Deserialize)]
struct MemberEntry {
    service: String,
    endpoint: String,
    joined_at: String,
}

#[derive(Clone, Deserialize)]
struct RankingEntry {
    culprits: Vec<CulpritEntry>,
}

#[derive(Clone, Deserialize)]
struct CulpritEntry {
    service: String,
    endpoint: String,
}

/// Precision, recall, F1, delay and culprit rank as JSON. `scored` iterates over the bytes of a
/// scored file; `incidents_json` is incidents.json, `culprits_json` culprits.json, `truth_json`
/// truth.json.
#[pyfunction]
#[pyo3(signature = (scored, incidents_json, culprits_json, truth_json))]
pub fn evaluate(
    scored: &Bound<'_, PyAny>,
    incidents_json: Option<&str>,
    culprits_json: Option<&str>,
    truth_json: &str,
) -> PyResult<String> {
    let truth = Truth::from_json(truth_json).map_err(|error| to_py(&error))?;
    let incidents: IncidentsFile = match incidents_json {
        Some(json) => serde_json::from_str(json)
            .map_err(|error| value_error(format!("incidents.json: {error}")))?,
        None => IncidentsFile { step_seconds: None, incidents: Vec::new() },
    };
    let rankings = match culprits_json {
        Some(json) => serde_json::from_str::<CulpritsFile>(json)
            .map_err(|error| value_error(format!("culprits.json: {error}")))?,
        None => CulpritsFile::default(),
    };
    let mut config = FeatureConfig::default();
    config.step_seconds = incidents.step_seconds.unwrap_or(config.step_seconds);
    config.validate().map_err(|error| to_py(&error))?;
    let mut evaluator = Evaluator::new(config.step(), config.lateness(), &truth);
    let needed = ["bucket_ts", "service", "endpoint", "is_anomaly"];
    let mut file = ScoredFile::open(scored, &needed)?;
    while file.next()? {
        let bucket = file.bucket()?;
        evaluator.push_row(bucket, file.text("service"), file.text("endpoint"), file.flagged());
    }
    let found = incidents
        .incidents
        .into_iter()
        .map(|entry| read(entry, &rankings))
        .collect::<PyResult<Vec<_>>>()?;
    to_json(&evaluator.finish(&found))
}

fn read(entry: IncidentEntry, rankings: &CulpritsFile) -> PyResult<EvaluatedIncident> {
    let time = |field: &str, text: &str| {
        Timestamp::parse(text, ZonePolicy::Offset(0))
            .map_err(|error| value_error(format!("incidents.json: {field} = {text:?}: {error}")))
    };
    let end = time("end", &entry.end)?;
    let elsewhere = || rankings.by_incident.get(&entry.id).cloned().flatten();
    let ranking = entry.ranking.or_else(elsewhere);
    let culprits = ranking.map(|ranking| ranking.culprits).unwrap_or_default();
    let member = |member: MemberEntry| {
        Ok((member.service, member.endpoint, time("members.joined_at", &member.joined_at)?))
    };
    let members = entry.members.into_iter().map(member).collect::<PyResult<_>>()?;
    Ok(EvaluatedIncident {
        start: time("start", &entry.start)?,
        end,
        opened_at: match &entry.opened_at {
            Some(text) => time("opened_at", text)?,
            None => end,
        },
        members,
        service: entry.service,
        endpoint: entry.endpoint,
        rank_of_culprits: culprits
            .into_iter()
            .map(|culprit| (culprit.service, culprit.endpoint))
            .collect(),
    })
}
