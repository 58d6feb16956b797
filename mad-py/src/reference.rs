//! The original system's numbers.

use mad_core::pipeline::{
    Counters, Document, EntityDocument, IncidentDocument, RankingDocument, RejectedDocument,
    SCHEMA_VERSION,
};
use mad_core::reference::{
    self, ReferenceConfig, ReferenceIncident, ReferenceReport, ReferenceRow,
};
use mad_core::time::{MINUTE, ZonePolicy};
use mad_core::{Explanation, Limits, Rejections, Request};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::config::to_json;
use crate::errors::to_py;
use crate::read::RequestTable;
use crate::sources::Sources;
use crate::table::{Table, flags, floats, integers, strings, times};

/// A's detector over request logs: everything is held, since it scores in hindsight.
#[pyclass(module = "mad._core")]
pub struct ReferenceRun {
    sources: Sources,
    rejections: Rejections,
    requests: u64,
    config: ReferenceConfig,
    report: Option<ReferenceReport>,
    features: Vec<u8>,
    scored: Vec<u8>,
}

#[pymethods]
impl ReferenceRun {
    /// `config` holds A's settings: `min_points`, `warmup`, `min_requests`, `threshold`.
    /// `sort` changes nothing: A takes requests in any order.
    #[new]
    #[pyo3(signature = (config, sources, sort=false))]
    fn new(config: Option<&Bound<'_, PyAny>>, sources: usize, sort: bool) -> PyResult<Self> {
        let _ = sort;
        let config = match config {
            Some(config) => serde_json::from_str(&crate::config::text(config)?)
                .map_err(|error| crate::errors::value_error(format!("config: {error}")))?,
            None => ReferenceConfig::default(),
        };
        config.validate().map_err(|error| to_py(&error))?;
        // the original takes naive times as they are
        let zone = ZonePolicy::Offset(0);
        Ok(Self {
            sources: Sources::new(sources, zone, Some(Limits::default().sort_records)),
            rejections: Rejections::default(),
            requests: 0,
            config,
            report: None,
            features: Vec::new(),
            scored: Vec::new(),
        })
    }

    /// Reads bytes of a source.
    fn feed(&mut self, py: Python<'_>, source: usize, chunk: &[u8]) -> PyResult<()> {
        py.detach(|| self.take(source, Some(chunk))).map_err(|error| to_py(&error))
    }

    /// That source has ended.
    fn end(&mut self, py: Python<'_>, source: usize) -> PyResult<()> {
        py.detach(|| self.take(source, None)).map_err(|error| to_py(&error))
    }

    /// Which source has to be read next; None when all have ended.
    fn wants(&self) -> Option<usize> {
        self.sources.wants()
    }

    /// Detects.
    fn finish(&mut self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| {
            let held = self.sources.sorted();
            self.requests = held.len() as u64;
            let requests = held.iter().filter_map(|record| self.sources.request(record));
            let report = reference::detect(requests, &self.config)?;
            report.write_features_csv(&mut self.features);
            report.write_scored_csv(&mut self.scored);
            self.rejections.merge(report.rejected.clone());
            self.report = Some(report);
            Ok(())
        })
        .map_err(|error| to_py(&error))
    }

    /// Lines of the features file since the last call.
    fn take_features_csv<'py>(&mut self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &std::mem::take(&mut self.features))
    }

    /// Lines of the scored file since the last call.
    fn take_scored_csv<'py>(&mut self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &std::mem::take(&mut self.scored))
    }

    /// The scored rows; none before `finish`.
    fn scored(&self) -> PyResult<Table> {
        scored_table(self.report.as_ref().map_or(&[], |report| &report.rows))
    }

    /// Requests taken.
    #[getter]
    fn requests(&self) -> u64 {
        self.requests
    }

    /// Everything a report shows, as JSON.
    fn document(&self) -> PyResult<String> {
        to_json(&self.report.as_ref().map(|report| document(report, &self.rejections)))
    }
}

impl ReferenceRun {
    fn take(&mut self, source: usize, bytes: Option<&[u8]>) -> mad_core::Result<()> {
        let mut never = |_: Request<'_>, _: u64| {};
        self.sources.feed(source, bytes, &mut never, &mut self.rejections)
    }
}

fn document(report: &ReferenceReport, rejections: &Rejections) -> Document {
    let rows = &report.rows;
    let counters = Counters {
        requests: rows.iter().map(|row| row.req_count).sum(),
        errors: rows.iter().map(|row| row.error_count).sum(),
        rows: rows.len() as u64,
        flagged: rows.iter().filter(|row| row.is_anomaly).count() as u64,
        first: rows.first().map(|row| row.bucket),
        last: rows.last().map(|row| row.bucket.plus(MINUTE)),
        ..Counters::default()
    };
    Document {
        schema_version: SCHEMA_VERSION,
        generator: concat!("mad ", env!("CARGO_PKG_VERSION")).to_owned(),
        mode: "reference",
        first: counters.first.map(|time| time.to_string()),
        last: counters.last.map(|time| time.to_string()),
        step_seconds: 60.0,
        requests: counters.requests,
        errors: counters.errors,
        rows: counters.rows,
        flagged: counters.flagged,
        entities: 0,
        suppressed: std::collections::BTreeMap::new(),
        rejected: RejectedDocument::new(rejections),
        incidents: report.incidents.iter().map(|one| incident(report, one)).collect(),
        ranking: ranking(report, None),
        timeline: Vec::new(),
        counters,
    }
}

/// A's ranking has no evidence per signal and is told in the incidents; the list stays empty.
fn ranking(report: &ReferenceReport, now: Option<mad_core::Timestamp>) -> RankingDocument {
    let told = report.culprit(15, now, 3);
    let at = told.window_end.unwrap_or_default();
    RankingDocument {
        at: at.to_string(),
        from: told.window_start.unwrap_or_default().to_string(),
        minutes: told.window_minutes as f64,
        rows: told.total_anomalies,
        abstained: told.culprit.is_none(),
        culprits: told
            .top
            .iter()
            .map(|culprit| mad_core::pipeline::CulpritDocument {
                service: culprit.service.to_string(),
                endpoint: culprit.endpoint.to_string(),
                metric: "p95_latency_ms",
                score: culprit.peak_abs_mad,
                onset: culprit.first_anomaly.to_string(),
                last: culprit.last_anomaly.to_string(),
                rows: culprit.points,
                severity: culprit.peak_severity.as_str(),
                evidence: Vec::new(),
            })
            .collect(),
    }
}

fn incident(report: &ReferenceReport, one: &ReferenceIncident) -> IncidentDocument {
    let told = report.explain(&one.service, &one.endpoint, one.start, one.end).ok();
    let ranking = ranking(report, Some(one.end));
    let id = format!("{} {} {}", one.service, one.endpoint, one.start);
    let summary = format!(
        "{} {}: {} flagged minutes, p95 latency up to {:.1} ms, error rate up to {:.1} %.",
        one.service,
        one.endpoint,
        one.count_points,
        one.max_p95_latency_ms,
        100.0 * one.max_error_rate,
    );
    let confidence = told.as_ref().map_or(mad_core::Confidence::Low, |told| told.confidence);
    let (requests, errors) = report
        .rows
        .iter()
        .filter(|row| row.service == one.service && row.endpoint == one.endpoint)
        .filter(|row| row.is_anomaly && (one.start..=one.end).contains(&row.bucket))
        .fold((0, 0), |(n, e), row| (n + row.req_count, e + row.error_count));
    IncidentDocument {
        fingerprint: id.clone(),
        id,
        service: one.service.to_string(),
        endpoint: one.endpoint.to_string(),
        start: one.start.to_string(),
        end: one.end.plus(MINUTE).to_string(),
        opened_at: one.start.plus(MINUTE).to_string(),
        closed_at: None,
        severity: one.peak_severity.as_str(),
        status: "resolved",
        signals: vec!["p95_latency_ms"],
        rows: one.count_points,
        requests,
        errors,
        peaks: std::collections::BTreeMap::new(),
        affected: vec![format!("{} {}", one.service, one.endpoint)],
        culprit: ranking.culprits.first().map(|culprit| EntityDocument {
            service: culprit.service.clone(),
            endpoint: culprit.endpoint.clone(),
        }),
        explanation: Explanation {
            line: summary.clone(),
            summary,
            why_flagged: Vec::new(),
            impact: Vec::new(),
            likely_causes: Vec::new(),
            recommended_actions: Vec::new(),
            confidence,
            confidence_rule:
                "the original's: High with 5 flagged rows and z above 5, Medium with 3 \
                              and z above 3.5"
                    .to_owned(),
        },
        ranking,
        series: None,
    }
}

/// A's numbers over a request table: a table with the columns of its scored file.
#[pyfunction]
#[pyo3(signature = (requests, min_points=20, warmup=15, min_requests=20, threshold=3.5))]
pub fn reference_detect(
    py: Python<'_>,
    requests: &Bound<'_, PyAny>,
    min_points: u64,
    warmup: u64,
    min_requests: u64,
    threshold: f64,
) -> PyResult<Table> {
    let config =
        ReferenceConfig { min_points, warmup, min_requests, threshold, ..Default::default() };
    let table = RequestTable::read(requests, ZonePolicy::Offset(0))?;
    let report = py.detach(|| {
        let (mut held, mut rejections) = (Vec::new(), Rejections::default());
        table.in_order(
            &mut |request, _| {
                let names = (request.service.to_owned(), request.endpoint.to_owned());
                held.push((names, request.timestamp, request.status_code, request.latency_ms));
            },
            &mut rejections,
        );
        let requests = held.iter().map(|((service, endpoint), at, status, latency)| {
            Request::new(*at, service, endpoint, *status, *latency)
        });
        reference::detect(requests, &config)
    });
    scored_table(&report.map_err(|error| to_py(&error))?.rows)
}

fn scored_table(rows: &[ReferenceRow]) -> PyResult<Table> {
    Table::new(vec![
        ("bucket_ts", times(rows.iter().map(|row| row.bucket))),
        ("service", strings(rows.iter().map(|row| &*row.service))),
        ("endpoint", strings(rows.iter().map(|row| &*row.endpoint))),
        ("req_count", integers(rows.iter().map(|row| row.req_count))),
        ("error_count", integers(rows.iter().map(|row| row.error_count))),
        ("error_rate", floats(rows.iter().map(|row| row.error_rate))),
        ("avg_latency_ms", floats(rows.iter().map(|row| row.avg_latency_ms))),
        ("p95_latency_ms", floats(rows.iter().map(|row| row.p95_latency_ms))),
        ("mad_z", floats(rows.iter().map(|row| row.mad_z))),
        ("is_anomaly", flags(rows.iter().map(|row| row.is_anomaly))),
        ("severity", strings(rows.iter().map(|row| row.severity.as_str()))),
    ])
}
