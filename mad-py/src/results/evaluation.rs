//! The evaluation of a run's files by a truth.

use std::collections::HashMap;

use mad_core::evaluate::{EvaluatedIncident, Evaluator, JudgedKind, Truth};
use mad_core::time::ZonePolicy;
use mad_core::{FeatureConfig, Timestamp};
use pyo3::prelude::*;
use serde::Deserialize;

use crate::config::to_json;
use crate::errors::{to_py, value_error};
use crate::results::report::Report;
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

/// Precision, recall, F1, delay and culprit rank as JSON. `scored` are iterators over the bytes of
/// scored files, of requests or metrics; `incidents_json` is incidents.json, `culprits_json` culprits.json, `truth_json`
/// truth.json; `methods` iterates over the bytes of methods.csv.
#[pyfunction]
#[pyo3(signature = (scored, incidents_json, culprits_json, truth_json, methods=None))]
pub fn evaluate(
    scored: Vec<Bound<'_, PyAny>>,
    incidents_json: Option<&str>,
    culprits_json: Option<&str>,
    truth_json: &str,
    methods: Option<&Bound<'_, PyAny>>,
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
    let mut evaluator = started(incidents.step_seconds, &truth)?;
    for chunks in &scored {
        let mut file = ScoredFile::open(chunks, &["bucket_ts", "service", "is_anomaly"])?;
        let has_metrics = file.has("metric");
        if !has_metrics && !file.has("endpoint") {
            return Err(value_error("the scored file has neither `endpoint` nor `metric`"));
        }
        while file.next()? {
            let (bucket, service, flagged) = (file.bucket()?, file.text("service"), file.flagged());
            if has_metrics {
                let (resource, metric) = (file.text("resource"), file.text("metric"));
                evaluator.push_point(bucket, service, resource, metric, flagged);
            } else {
                evaluator.push_row(bucket, service, file.text("endpoint"), flagged);
            }
        }
    }
    if let Some(chunks) = methods {
        let mut file = ScoredFile::open(chunks, &["bucket_ts", "service", "method", "kind"])?;
        while file.next()? {
            let kind = JudgedKind::parse(file.text("kind"))
                .ok_or_else(|| value_error(format!("methods.csv: kind {:?}", file.text("kind"))))?;
            let row = (file.text("service"), file.text("endpoint"), file.text("signal"));
            let (bucket, method) = (file.bucket()?, file.text("method"));
            evaluator.push_opinion(method, kind, bucket, row, file.flagged());
        }
    }
    let found = incidents
        .incidents
        .into_iter()
        .map(|entry| read(entry, &rankings))
        .collect::<PyResult<Vec<_>>>()?;
    to_json(&evaluator.finish(&found))
}

/// The same of a report in memory.
#[pyfunction]
pub fn evaluate_report(
    py: Python<'_>,
    report: &Bound<'_, Report>,
    truth_json: &str,
) -> PyResult<String> {
    let truth = Truth::from_json(truth_json).map_err(|error| to_py(&error))?;
    let report = report.get();
    let document = report.document(py)?;
    let incidents: IncidentsFile = serde_json::from_str(&document)
        .map_err(|error| value_error(format!("incidents: {error}")))?;
    let mut evaluator = started(incidents.step_seconds, &truth)?;
    for (row, _, verdict) in report.rows.judged()? {
        if let Some(entity) = report.rows.entities.get(row.entity) {
            let (service, endpoint) = (&entity.service, &entity.endpoint);
            evaluator.push_row(row.bucket, service, endpoint, verdict.is_anomaly);
        }
    }
    for point in &report.points.0 {
        let (entity, signal) = (&point.entity, &point.signal);
        let (service, resource) = (&entity.service, &entity.endpoint);
        let metric = signal.name.as_str();
        evaluator.push_point(point.at, service, resource, metric, signal.is_anomaly);
    }
    for opinion in &report.opinions.rows {
        let (method, entity) = (opinion.method.as_str(), &opinion.entity);
        if let Some(kind) = JudgedKind::parse(opinion.kind()) {
            let row = (&*entity.service, &*entity.endpoint, &*opinion.judgement.signal);
            evaluator.push_opinion(method, kind, opinion.at, row, opinion.judgement.is_anomaly);
        }
    }
    let none = CulpritsFile::default();
    let found = incidents.incidents.into_iter().map(|entry| read(entry, &none));
    to_json(&evaluator.finish(&found.collect::<PyResult<Vec<_>>>()?))
}

/// The truth of a CSV file with a column of labels, as JSON. `chunks` iterates over its bytes.
#[pyfunction]
pub fn truth_of_labels(py: Python<'_>, chunks: &Bound<'_, PyAny>) -> PyResult<String> {
    let with_forms =
        |error: PyErr| value_error(format!("truth: {}; {}", error.value(py), Truth::FORMS));
    labels(chunks).map_err(with_forms)
}

fn labels(chunks: &Bound<'_, PyAny>) -> PyResult<String> {
    let mut file = ScoredFile::open(chunks, &[])?;
    if !file.has("service") {
        return Err(value_error("the file has no column `service`"));
    }
    let one_of = |names: &[&'static str]| names.iter().copied().find(|name| file.has(name));
    let label = one_of(&["is_anomaly", "artificial_anomaly", "anomaly", "label"]);
    let time = one_of(&["timestamp", "bucket_ts", "start", "time"]);
    let (Some(label), Some(time)) = (label, time) else {
        return Err(value_error(
            "the file has no column of times (timestamp, bucket_ts, start, time) or of labels (is_anomaly, \
             artificial_anomaly, anomaly, label)",
        ));
    };
    let endpoint = one_of(&["metric", "endpoint", "operation"]).unwrap_or("");
    let kind = match () {
        () if file.has("metric") => "metric",
        () if file.has("body") => "log",
        () if file.has("kind") => "event",
        () if file.has("endpoint") => "request",
        () => "",
    };
    let mut records = Vec::new();
    while file.next()? {
        if is_anomalous(label, file.text(label))? {
            let text = file.text(time);
            let at = Timestamp::parse(text, ZonePolicy::Offset(0))
                .map_err(|error| value_error(format!("{time} = {text:?}: {error}")))?;
            records.push((file.text("service").to_owned(), file.text(endpoint).to_owned(), at));
        }
    }
    let records = records.iter().map(|(service, endpoint, at)| (&**service, &**endpoint, *at));
    Truth::from_labels(records, kind).to_json().map_err(|error| to_py(&error))
}

/// Whether a label says that a record is anomalous. An empty label says that it is not.
fn is_anomalous(column: &str, text: &str) -> PyResult<bool> {
    let label = text.trim();
    let is_one_of = |words: [&str; 3]| words.iter().any(|word| label.eq_ignore_ascii_case(word));
    match label.parse::<f64>() {
        _ if is_one_of(["true", "yes", "t"]) => Ok(true),
        _ if label.is_empty() || is_one_of(["false", "no", "f"]) => Ok(false),
        Ok(1.0) => Ok(true),
        Ok(number) if number == 0.0 || number.is_nan() => Ok(false),
        _ => Err(value_error(format!("{column} = {text:.100?}; expected true, false, 1 or 0"))),
    }
}

/// An evaluator of rows with a step.
fn started(step_seconds: Option<f64>, truth: &Truth) -> PyResult<Evaluator<'_>> {
    let mut config = FeatureConfig::default();
    config.step_seconds = step_seconds.unwrap_or(config.step_seconds);
    config.validate().map_err(|error| to_py(&error))?;
    Ok(Evaluator::new(config.step(), config.lateness(), truth))
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
