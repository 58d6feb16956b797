//! Detection over an input that is split into partitions: survey, plan, judge, combine.

use std::borrow::Cow;

use mad_core::pipeline::{Part, Plan, Survey};
use mad_core::wire::ColumnMap;
use mad_core::{EntityTable, Pipeline, PipelineConfig, Record, RecordKind, Rejections, Source};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde::{Deserialize, Serialize};

use crate::border::detached;
use crate::config::{parse, to_json};
use crate::errors::{to_py, value_error};
use crate::pickle::pickled;
use crate::records::intake::Intake;
use crate::records::reading::Reading;
use crate::results::opinions::Opinions;
use crate::results::report::Report;
use crate::results::rows::Rows;
use crate::stages::detect::{Sink, Tables};
use crate::tables::record_table::RequestTable;

/// Looks at the times of the records of one partition; returns them as bytes for `partition_plan`.
#[pyfunction]
#[pyo3(signature = (name, config=None, *, requests=None, metrics=None, spans=None, logs=None, changes=None, edges=None))]
#[allow(clippy::too_many_arguments, reason = "one a table")]
pub fn partition_survey(
    py: Python<'_>,
    name: &str,
    config: Option<&Bound<'_, PyAny>>,
    requests: Option<&Bound<'_, PyAny>>,
    metrics: Option<&Bound<'_, PyAny>>,
    spans: Option<&Bound<'_, PyAny>>,
    logs: Option<&Bound<'_, PyAny>>,
    changes: Option<&Bound<'_, PyAny>>,
    edges: Option<&Bound<'_, PyAny>>,
) -> PyResult<Cow<'static, [u8]>> {
    let config = parse(config)?;
    let (zone, map) = (config.zone(), &ColumnMap::new(&config.intake));
    let given = Tables::read(zone, map, requests, metrics, spans, logs, changes, edges)?;
    let bytes = detached(py, || {
        let survey = Survey::new(name, &config);
        let mut looking = Looking { survey, config };
        given.by_time(&mut looking);
        looking.survey.to_bytes()
    })?;
    Ok(bytes.map_err(|error| to_py(&error))?.into())
}

/// A survey on its way through the tables.
struct Looking {
    survey: Survey,
    config: PipelineConfig,
}

impl Sink for Looking {
    #[inline]
    fn push(&mut self, record: &Record<'_>, source: Source) {
        self.survey.see(record, &source, &self.config);
    }

    fn note(&mut self, _: RecordKind, _: Rejections) {}
}

/// The settings that fit a short recording, as JSON; `None` where those in use fit.
#[pyfunction]
#[pyo3(signature = (surveys, config=None))]
pub fn partition_config(
    surveys: Vec<Bound<'_, PyBytes>>,
    config: Option<&Bound<'_, PyAny>>,
) -> PyResult<Option<String>> {
    let config = parse(config)?;
    let surveys = surveys.iter().map(|survey| Survey::from_bytes(survey.as_bytes()));
    let surveys = surveys.collect::<Result<Vec<_>, _>>().map_err(|error| to_py(&error))?;
    Survey::short_recording(&config, &surveys).map(|short| to_json(&short)).transpose()
}

/// The plan of all partitions as bytes, from their surveys.
#[pyfunction]
#[pyo3(signature = (surveys, config=None, partitions=None))]
pub fn partition_plan(
    surveys: Vec<Bound<'_, PyBytes>>,
    config: Option<&Bound<'_, PyAny>>,
    partitions: Option<Vec<String>>,
) -> PyResult<Cow<'static, [u8]>> {
    let surveys = surveys.iter().map(|survey| Survey::from_bytes(survey.as_bytes()));
    let plan = surveys
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| to_py(&error))
        .and_then(|surveys| Ok((surveys, parse(config)?)))
        .and_then(|(surveys, config)| Plan::new(config, surveys).map_err(|error| to_py(&error)))?;
    let plan = match partitions {
        Some(names) => plan.with_partitions(names),
        None => plan,
    };
    Ok(plan.to_bytes().map_err(|error| to_py(&error))?.into())
}

/// Judges one partition by a plan; returns its part as bytes for `partition_combine`.
#[pyfunction]
#[pyo3(signature = (plan, name, *, requests=None, metrics=None, spans=None, logs=None, changes=None, edges=None))]
#[allow(clippy::too_many_arguments, reason = "one a table")]
pub fn partition_judge<'py>(
    py: Python<'py>,
    plan: &[u8],
    name: &str,
    requests: Option<&Bound<'_, PyAny>>,
    metrics: Option<&Bound<'_, PyAny>>,
    spans: Option<&Bound<'_, PyAny>>,
    logs: Option<&Bound<'_, PyAny>>,
    changes: Option<&Bound<'_, PyAny>>,
    edges: Option<&Bound<'_, PyAny>>,
) -> PyResult<Bound<'py, PyBytes>> {
    let plan = Plan::from_bytes(plan).map_err(|error| to_py(&error))?;
    let (zone, map) = (plan.config().zone(), &ColumnMap::new(&plan.config().intake));
    let given = Tables::read(zone, map, requests, metrics, spans, logs, changes, edges)?;
    let pipeline = Pipeline::of_partition(plan).map_err(|error| to_py(&error))?;
    let bytes = detached(py, || {
        let mut intake = Intake::of(pipeline);
        given.by_time(&mut intake);
        // sorted by time: nothing is late, and so nothing is an error
        let _ = intake.settle(false);
        intake.finish();
        // the rows are in the part; this notes the levels that became normal
        intake.judged();
        let mut part = intake.pipeline.part(name)?;
        part.attachment = rmp_serde::to_vec_named(&intake.reading).map_err(|error| {
            mad_core::Error::state(format!("the counts of the records cannot be saved: {error}"))
        })?;
        part.to_bytes()
    })?;
    Ok(PyBytes::new(py, &bytes.map_err(|error| to_py(&error))?))
}

/// Combines the parts of all partitions of a plan into the report of the whole input.
#[pyfunction]
pub fn partition_combine(
    py: Python<'_>,
    plan: &[u8],
    parts: Vec<Bound<'_, PyBytes>>,
) -> PyResult<Report> {
    let plan = Plan::from_bytes(plan).map_err(|error| to_py(&error))?;
    let parts: Vec<&[u8]> = parts.iter().map(PyBytesMethods::as_bytes).collect();
    let report = detached(py, || {
        let parts = read_all(&parts)?;
        let mut reading = Reading::default();
        let mut read = std::collections::BTreeSet::new();
        for part in parts.iter().filter(|part| read.insert(part.partition().to_owned())) {
            let own: Reading = rmp_serde::from_slice(&part.attachment).map_err(|error| {
                mad_core::Error::state(format!(
                    "the part of partition `{}` cannot be read: {error}",
                    part.partition()
                ))
            })?;
            reading.merge(own);
        }
        let (pipeline, update) = Pipeline::combine(&plan, parts)?;
        Ok(Report::new(pipeline, update.rows, Opinions::default(), reading))
    })?;
    report.map_err(|error: mad_core::Error| to_py(&error))
}

/// Reads parts on as many threads as there are processors.
fn read_all(parts: &[&[u8]]) -> mad_core::Result<Vec<Part>> {
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let of_thread = parts.len().div_ceil(workers).max(1);
    let read = |bytes: &&[u8]| Part::from_bytes(bytes);
    std::thread::scope(|scope| {
        let threads: Vec<_> = parts
            .chunks(of_thread)
            .map(|own| scope.spawn(move || own.iter().map(read).collect::<Vec<_>>()))
            .collect();
        let found = threads.into_iter().flat_map(|thread| match thread.join() {
            Ok(found) => found,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        found.collect()
    })
}

/// Counts of requests by service, endpoint and step, which merge in any order. It is for one endpoint
/// with too many requests for one process: each shard counts its own.
///
/// Counts, extremes and means are exact. Percentiles are at most 0.2 % from the exact ones, and their
/// rank is at most the share of requests that lie within 0.2 % of one latency from the wanted one. The
/// rows have no share of slow requests, statuses, versions or hosts. Sketches can be pickled and copied.
///
/// Records that cannot be read are left out.
///
/// >>> import mad
/// >>> requests = {
/// ...     "timestamp": ["2026-01-06T10:00:05Z", "2026-01-06T10:00:20Z", "2026-01-06T10:01:02Z"],
/// ...     "service": ["shop", "shop", "shop"],
/// ...     "endpoint": ["/pay", "/pay", "/pay"],
/// ...     "status_code": [200, 500, 200],
/// ...     "latency_ms": [40.0, 60.0, 45.0],
/// ... }
/// >>> merged = mad.StepSketches(requests).merge(mad.StepSketches(requests))
/// >>> merged.rows().to_table()["req_count"].tolist()
/// [4, 2]
#[pyclass(module = "mad._core", frozen)]
#[derive(Clone, Serialize, Deserialize)]
pub struct StepSketches {
    steps: mad_core::feature::StepSketches,
}

#[pymethods]
impl StepSketches {
    #[new]
    #[pyo3(signature = (requests, config=None))]
    fn new(
        py: Python<'_>,
        requests: &Bound<'_, PyAny>,
        config: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let config = parse(config)?;
        let (zone, map) = (config.zone(), &ColumnMap::new(&config.intake));
        let table = RequestTable::read_mapped(requests, zone, map)?;
        detached(py, || {
            let features = &config.features;
            let mut steps = mad_core::feature::StepSketches::new(features);
            let mut bad = Rejections::default();
            let mut add = |request: mad_core::Request<'_>, at: u64| {
                steps.add(&request, &Source::at(at), features);
            };
            table.in_order(&mut add, &mut bad);
            Self { steps }
        })
    }

    /// The counts of both. ValueError for steps of different lengths.
    fn merge(&self, other: &Self) -> PyResult<Self> {
        if !self.steps.has_steps_of(&other.steps) {
            return Err(value_error("the sketches have steps of different lengths"));
        }
        let mut steps = self.steps.clone();
        steps.merge(&other.steps);
        Ok(Self { steps })
    }

    /// The rows by time, for `RowScorer` and the stages after it.
    fn rows(&self) -> Rows {
        let mut entities = EntityTable::new(usize::MAX);
        let features = self.steps.rows(&mut entities);
        Rows { entities, features, scores: None, verdicts: None }
    }
}

pickled!(StepSketches);
