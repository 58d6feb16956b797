//! The result of a detection.

use std::borrow::Cow;

use mad_core::time::SECOND;
use mad_core::{CulpritConfig, Document, JudgedRow};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::border::detached;
use crate::config::to_json;
use crate::errors::to_py;
use crate::moment::Moment;
use crate::pickle::{self, Reduced, SavedPipeline};
use crate::records::reading::{ROW, Reading, shared_names};
use crate::results::catalogue::{Catalogue, language};
use crate::results::explanation::Explanation;
use crate::results::incident::Incident;
use crate::results::opinions::Opinions;
use crate::results::points::Points;
use crate::results::ranking::Ranking;
use crate::results::rows::{Rows, features_table, split};
use crate::results::states;
use crate::tables::html;
use crate::tables::table::Table;

/// The result of a detection: rows, incidents, rankings and explanations.
///
/// >>> import mad
/// >>> requests = {
/// ...     "timestamp": [f"2026-01-06T10:{minute:02}:00Z" for minute in range(5)],
/// ...     "service": ["shop"] * 5,
/// ...     "endpoint": ["/pay"] * 5,
/// ...     "status_code": [200, 200, 500, 200, 200],
/// ...     "latency_ms": [40.0, 42.0, 41.0, 39.0, 40.0],
/// ... }
/// >>> report = mad.detect(requests)
/// >>> report.features["req_count"].tolist(), report.incidents
/// ([1, 1, 1, 1, 1], [])
#[pyclass(module = "mad._core", frozen)]
pub struct Report {
    pub pipeline: mad_core::Pipeline,
    pub rows: Rows,
    pub services: Rows,
    pub points: Points,
    pub opinions: Opinions,
    pub reading: Reading,
}

impl Report {
    /// From a pipeline that has ended, the rows it judged, and the counts of records.
    pub fn new(
        pipeline: mad_core::Pipeline,
        judged: Vec<JudgedRow>,
        opinions: Opinions,
        reading: Reading,
    ) -> Self {
        let (rows, services, points) = split(judged);
        Self { pipeline, rows, services, points, opinions, reading }
    }
}

#[pymethods]
impl Report {
    /// One row per service, endpoint and step.
    #[getter]
    fn features(&self) -> PyResult<Table> {
        features_table(&self.rows.features, &self.rows.entities)
    }

    /// The rows with scores and verdicts: of requests; where there are none, of metrics.
    #[getter]
    fn scored(&self) -> PyResult<Table> {
        if self.rows.features.is_empty() && !self.points.0.is_empty() {
            return self.points.to_table();
        }
        self.rows.to_table(false)
    }

    /// The rows of services with two endpoints or more, across their endpoints, with scores and
    /// verdicts. Their requests are those of `scored`; their latencies are adjusted for the mix of
    /// endpoints.
    #[getter]
    fn services(&self) -> PyResult<Table> {
        self.services.to_table(false)
    }

    /// The points of metrics with scores and verdicts.
    #[getter]
    fn scored_metrics(&self) -> PyResult<Table> {
        self.points.to_table()
    }

    /// The opinions of the methods that were chosen by `scorers`, one for each method and row, with the
    /// columns of methods.csv; empty without any.
    #[getter]
    fn methods(&self) -> PyResult<Table> {
        self.opinions.to_table()
    }

    /// What each of these methods flagged: rows, flagged rows, entities with flagged rows, the first
    /// one, and drifts of its model.
    #[getter]
    fn method_summaries(&self) -> PyResult<Table> {
        self.opinions.summary_table()
    }

    /// Incidents, newest first.
    #[getter]
    fn incidents(&self) -> Vec<Incident> {
        incidents(&self.pipeline)
    }

    /// Ranks by the flagged rows of the `minutes` up to `at` (default: the newest row).
    #[pyo3(signature = (at=None, minutes=15.0, top_k=3))]
    fn culprits(&self, at: Option<Moment>, minutes: f64, top_k: usize) -> PyResult<Ranking> {
        culprits(&self.pipeline, at, minutes, top_k)
    }

    /// Explains an incident. `catalogue` is the language of the sentences; English without one.
    #[pyo3(signature = (incident, catalogue=None))]
    fn explain(&self, incident: &Incident, catalogue: Option<&Catalogue>) -> Explanation {
        let phrases = self.pipeline.explain_phrases(&incident.core);
        phrases.in_language(language(catalogue)).into()
    }

    /// The state of each service and endpoint, and of each metric, at the end; worst first.
    #[getter]
    fn states(&self, py: Python<'_>) -> PyResult<Table> {
        detached(py, || states::states(&self.pipeline))?
    }

    /// Why the newest row by `at` (default: of all) was flagged or not, in sentences; of a metric,
    /// `endpoint` is its resource. KeyError where there are no such rows.
    #[pyo3(signature = (service, endpoint="", at=None, *, metric=None))]
    fn why(
        &self,
        service: &str,
        endpoint: &str,
        at: Option<Moment>,
        metric: Option<&str>,
    ) -> PyResult<String> {
        let entity = mad_core::Entity::new(service, endpoint);
        let question = mad_core::status::Question { entity, metric, at: at.map(|at| at.0) };
        let rows = if endpoint.is_empty() { &self.services } else { &self.rows };
        states::why(&self.pipeline, rows, &self.points, &question)
    }

    /// Records that were not taken: total, counts by reason, and the first of each.
    #[getter]
    fn rejected<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.reading.rejected(py)
    }

    /// The records read, by kind: the number of good `records`, and the `rejected` ones.
    #[getter]
    fn read<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.reading.by_kind(py)
    }

    /// The state at the end, for `Pipeline.restore`.
    fn checkpoint(&self, py: Python<'_>) -> PyResult<Cow<'static, [u8]>> {
        let state = detached(py, || self.pipeline.checkpoint())?;
        Ok(state.map_err(|error| to_py(&error))?.into())
    }

    /// Everything a report shows, as JSON.
    pub fn document(&self, py: Python<'_>) -> PyResult<String> {
        detached(py, || {
            let config = self.pipeline.config();
            let problem = self.reading.problem(config.intake.min_accepted, ROW);
            let mut warnings = self.reading.warnings(&config.features);
            warnings.extend(shared_names(&self.pipeline));
            let step = (config.features.step_seconds * SECOND as f64) as i64;
            let document = Document::with_overview(&self.pipeline, &self.rows.overview(step));
            let methods = &self.opinions.summaries;
            to_json(&self.reading.document(document, problem, warnings, methods, ROW))
        })?
    }

    /// Writes the report as one self-contained page with plots.
    fn to_html(&self, py: Python<'_>, path: &Bound<'_, PyAny>) -> PyResult<()> {
        let document = py.import("json")?.call_method1("loads", (self.document(py)?,))?;
        py.import("mad.report")?.call_method1("write_html", (document, path))?;
        Ok(())
    }

    fn __reduce__<'py>(
        &self,
        py: Python<'py>,
    ) -> Reduced<'py, (SavedPipeline<'py>, Bound<'py, PyBytes>)> {
        let judged = (&self.rows, &self.services, &self.points, &self.opinions, &self.reading);
        let judged = pickle::bytes(py, &judged)?;
        let saved = detached(py, || pickle::saved(&self.pipeline))??;
        pickle::reduce_with::<Self, _>(py, (pickle::to_python(py, saved), judged))
    }

    #[staticmethod]
    fn _from_state(py: Python<'_>, pipeline: (String, Vec<u8>), judged: &[u8]) -> PyResult<Self> {
        let pipeline = pickle::pipeline(py, &pipeline.0, &pipeline.1)?;
        let (rows, services, points, opinions, reading) = pickle::read(judged)?;
        Ok(Self { pipeline, rows, services, points, opinions, reading })
    }

    fn _repr_html_(&self) -> String {
        let found = incidents(&self.pipeline);
        let (all, rows) = (found.len(), found.iter().map(Incident::cells));
        html::table(&self.__repr__(), &Incident::CELLS, rows, all)
    }

    fn __repr__(&self) -> String {
        let counters = self.pipeline.counters();
        format!(
            "Report({} requests, {} points, {} rows, {} flagged, {} incidents)",
            counters.requests,
            counters.points,
            counters.rows + counters.points,
            counters.flagged + counters.flagged_points,
            self.pipeline.incidents().len(),
        )
    }
}

/// Incidents of a pipeline, newest first.
pub fn incidents(pipeline: &mad_core::Pipeline) -> Vec<Incident> {
    let all = pipeline.incidents().into_iter();
    all.map(|incident| Incident::of(pipeline, incident.clone())).collect()
}

/// A ranking of a pipeline.
pub fn culprits(
    pipeline: &mad_core::Pipeline,
    at: Option<Moment>,
    minutes: f64,
    top_k: usize,
) -> PyResult<Ranking> {
    let config = CulpritConfig { minutes, top_k };
    let ranking =
        pipeline.culprits_with(config, at.map(|at| at.0)).map_err(|error| to_py(&error))?;
    Ok(ranking.into())
}
