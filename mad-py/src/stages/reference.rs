//! The original system's numbers.

use mad_core::reference::{self, ReferenceConfig, ReferenceReport, ReferenceRow};
use mad_core::telemetry::KindCounts;
use mad_core::time::ZonePolicy;
use mad_core::{IntakeConfig, Limits, PipelineConfig, Record, RecordKind, Rejections, Request};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::border::detached;
use crate::config::to_json;
use crate::errors::to_py;
use crate::records::reading::{LINE, Reading};
use crate::records::source::Piece;
use crate::records::source::Source;
use crate::records::sources::{SourceReader, Sources, reader};
use crate::results::reference_document::document;
use crate::tables::record_table::RequestTable;
use crate::tables::table::{Table, flags, floats, integers, strings, times};

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
        Ok(Self {
            sources: Sources::new(
                (0..sources).map(|_| Source::new(RecordKind::Requests)).collect(),
                &PipelineConfig { naive_offset_seconds: Some(0), ..PipelineConfig::default() },
                Some(Limits::default().sort_records),
            ),
            rejections: Rejections::default(),
            requests: 0,
            config,
            report: None,
            features: Vec::new(),
            scored: Vec::new(),
        })
    }

    /// Detects.
    fn finish(&mut self, py: Python<'_>) -> PyResult<()> {
        detached(py, || {
            let held = self.sources.sorted();
            self.requests = held.len() as u64;
            let requests = held.iter().filter_map(|record| match self.sources.record(record)? {
                (Record::Request(request), _) => Some(request),
                _ => None,
            });
            let report = reference::detect(requests, &self.config)?;
            report.write_features_csv(&mut self.features);
            report.write_scored_csv(&mut self.scored);
            self.rejections.merge(report.rejected.clone());
            self.report = Some(report);
            Ok(())
        })?
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
        let Some(report) = &self.report else { return to_json(&None::<()>) };
        let mut reading = Reading::default();
        let rejected = self.rejections.clone();
        *reading.of_mut(RecordKind::Requests) = KindCounts { records: self.requests, rejected };
        let problem = reading.problem(IntakeConfig::default().min_accepted, LINE);
        to_json(&reading.document(
            document(report, &self.rejections),
            problem,
            Vec::new(),
            &[],
            LINE,
        ))
    }
}

reader!(ReferenceRun);

impl SourceReader for ReferenceRun {
    fn sources(&self) -> &Sources {
        &self.sources
    }

    fn take(&mut self, source: usize, piece: &Piece<'_>) -> mad_core::Result<()> {
        let mut never = |_: Record<'_>, _| {};
        self.sources.feed(source, piece, &mut never, &mut self.rejections)
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
    let report = detached(py, || {
        let (mut held, mut rejections) = (Vec::new(), Rejections::default());
        table.in_order(
            &mut |request, _| {
                let names = (request.service.to_owned(), request.endpoint.to_owned());
                held.push((names, request.timestamp, request.status, request.latency_ms));
            },
            &mut rejections,
        );
        let requests = held.iter().map(|((service, endpoint), at, status, latency)| {
            Request::new(*at, service, endpoint, *status, *latency)
        });
        reference::detect(requests, &config)
    })?;
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
