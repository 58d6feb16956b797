//! Root causes of failing traces.

use chrono::{DateTime, Utc};
use mad_core::telemetry::KindCounts;
use mad_core::{Limits, RecordKind, TraceRanker, TraceRankerConfig, TraceWindow};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::border::detached;
use crate::errors::to_py;
use crate::records::reading::LINE;
use crate::records::rejected::rejected;
use crate::records::span_pieces::{given, read};

/// Ranks services by the share of failing traces whose first cause they are.
#[pyfunction]
#[pyo3(signature = (spans, reference=None, *, slow_effect=6.0, slow_ms=5_000.0, min_traces=1, top_k=10))]
pub fn rank_traces(
    py: Python<'_>,
    spans: &Bound<'_, PyAny>,
    reference: Option<&Bound<'_, PyAny>>,
    slow_effect: f64,
    slow_ms: f64,
    min_traces: u64,
    top_k: usize,
) -> PyResult<TraceRanking> {
    let config = TraceRankerConfig { slow_effect, slow_ms, min_traces, top_k };
    let ranker = TraceRanker::new(config).map_err(|error| to_py(&error))?;
    let incident = given(spans)?;
    let normal = reference.map(given).transpose()?.unwrap_or_default();
    detached(py, || {
        let mut window = TraceWindow::new(&Limits::default());
        let (mut usual, mut spans) = (KindCounts::default(), KindCounts::default());
        read(&normal, |span| window.reference(span), &mut usual)?;
        read(&incident, |span| window.span(span), &mut spans)?;
        Ok(TraceRanking { core: ranker.rank(&window), spans, reference: usual })
    })?
}

/// Culprits by failing traces, best first.
///
/// >>> import mad
/// >>> spans = {
/// ...     "trace_id": ["a", "a", "b", "b"],
/// ...     "span_id": ["1", "2", "3", "4"],
/// ...     "parent_id": ["", "1", "", "3"],
/// ...     "service": ["front", "db", "front", "db"],
/// ...     "operation": ["GET /", "query", "GET /", "query"],
/// ...     "start": ["2026-01-06T10:00:00Z"] * 4,
/// ...     "duration_ms": [10.0, 5.0, 12.0, 6.0],
/// ...     "status": ["error", "error", "ok", "ok"],
/// ... }
/// >>> ranking = mad.rank_traces(spans)
/// >>> len(ranking.culprits)
/// 1
#[pyclass(module = "mad._core", frozen)]
pub struct TraceRanking {
    core: mad_core::TraceRanking,
    spans: KindCounts,
    reference: KindCounts,
}

#[pymethods]
impl TraceRanking {
    /// The suspects, one a service, operation and fault.
    #[getter]
    fn culprits(&self) -> Vec<TraceCulprit> {
        self.core.culprits.iter().map(|core| TraceCulprit { core: core.clone() }).collect()
    }

    /// Whether no culprit is named because nothing fails, or no more than usual.
    #[getter]
    fn abstained(&self) -> bool {
        self.core.abstained
    }

    /// Traces looked at.
    #[getter]
    fn traces(&self) -> u64 {
        self.core.traces
    }

    /// Those in which a call fails, is slow or is missing.
    #[getter]
    fn failing(&self) -> u64 {
        self.core.failing
    }

    /// Rows that were not taken: counts by reason, and the first positions.
    #[getter]
    fn rejected<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let mut all = self.reference.rejected.clone();
        all.merge(self.spans.rejected.clone());
        rejected(py, &all)
    }

    /// The number of accepted spans, without those of the reference.
    #[getter]
    fn accepted(&self) -> u64 {
        self.spans.records
    }

    /// Why the spans, or those of the reference, were not read: nothing or less than the share
    /// `min_accepted` was accepted; None when enough was accepted.
    #[pyo3(signature = (min_accepted=0.95))]
    fn problem(&self, min_accepted: f64) -> Option<String> {
        let short = |spans: &KindCounts| {
            spans.falls_short(min_accepted).then(|| spans.shortfall(RecordKind::Spans, LINE))
        };
        let reference = short(&self.reference).map(|text| format!("reference: {text}"));
        short(&self.spans).or(reference)
    }

    fn __len__(&self) -> usize {
        self.core.culprits.len()
    }

    fn __repr__(&self) -> String {
        let name = |one: &mad_core::TraceCulprit| {
            format!("{} {} {:.2}", one.service, one.fault.as_str(), one.share)
        };
        let names: Vec<String> = self.core.culprits.iter().map(name).collect();
        format!("TraceRanking([{}])", names.join(", "))
    }
}

/// A culprit of a ranking over traces.
///
/// >>> import mad
/// >>> spans = {
/// ...     "trace_id": ["a", "a", "b", "b"],
/// ...     "span_id": ["1", "2", "3", "4"],
/// ...     "parent_id": ["", "1", "", "3"],
/// ...     "service": ["front", "db", "front", "db"],
/// ...     "operation": ["GET /", "query", "GET /", "query"],
/// ...     "start": ["2026-01-06T10:00:00Z"] * 4,
/// ...     "duration_ms": [10.0, 5.0, 12.0, 6.0],
/// ...     "status": ["error", "error", "ok", "ok"],
/// ... }
/// >>> (culprit,) = mad.rank_traces(spans).culprits
/// >>> culprit.service, culprit.fault, culprit.chain
/// ('db', 'error', ['front', 'db'])
#[pyclass(module = "mad._core", frozen)]
pub struct TraceCulprit {
    core: mad_core::TraceCulprit,
}

#[pymethods]
impl TraceCulprit {
    #[getter]
    fn service(&self) -> &str {
        &self.core.service
    }

    /// The operation that fails, is slow or is missing.
    #[getter]
    fn operation(&self) -> &str {
        &self.core.operation
    }

    /// error, slow, network or missing.
    #[getter]
    fn fault(&self) -> &'static str {
        self.core.fault.as_str()
    }

    /// Its share of the failing traces, 0 to 1.
    #[getter]
    fn share(&self) -> f64 {
        self.core.share
    }

    /// Failing traces in which it is the first cause.
    #[getter]
    fn traces(&self) -> u64 {
        self.core.traces
    }

    /// The first failing call.
    #[getter]
    fn onset(&self) -> DateTime<Utc> {
        self.core.onset.into()
    }

    /// Median duration of the failing calls, ms.
    #[getter]
    fn duration_ms(&self) -> f64 {
        self.core.duration_ms
    }

    /// Its usual duration, ms.
    #[getter]
    fn expected_ms(&self) -> f64 {
        self.core.expected_ms
    }

    /// The first failing traces, at most five.
    #[getter]
    fn sample_traces(&self) -> Vec<String> {
        self.core.sample_traces.iter().map(ToString::to_string).collect()
    }

    /// Services from the entry to the culprit.
    #[getter]
    fn chain(&self) -> Vec<String> {
        self.core.chain.iter().map(ToString::to_string).collect()
    }

    fn __repr__(&self) -> String {
        let core = &self.core;
        let (fault, share) = (core.fault.as_str(), core.share);
        format!("TraceCulprit({} {}, {fault}, share {share:.2})", core.service, core.operation)
    }
}
