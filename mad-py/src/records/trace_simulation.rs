//! Simulated traces as bytes.

use mad_core::Timestamp;
use mad_core::simulate::{
    Traces, TracesConfig, TracesTelemetry, write_csv_header, write_spans_header,
};
use mad_core::time::ZonePolicy;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::border::detached;
use crate::errors::{to_py, value_error};

/// Spans and requests of a small system with a faulty service, as CSV, and the truth about it.
#[pyclass(module = "mad._core", frozen)]
pub struct TraceSimulation {
    traces: Traces,
    telemetry: TracesTelemetry,
}

#[pymethods]
impl TraceSimulation {
    #[new]
    #[pyo3(signature = (
        scenario="slow-payment", traces=900, duration_seconds=1800.0, start=None, seed=0, depth=4,
        missing=0.0, skew_ms=0.0,
    ))]
    #[allow(clippy::too_many_arguments, reason = "one a setting")]
    fn new(
        py: Python<'_>,
        scenario: &str,
        traces: u32,
        duration_seconds: f64,
        start: Option<&str>,
        seed: u64,
        depth: u32,
        missing: f64,
        skew_ms: f64,
    ) -> PyResult<Self> {
        let scenario = scenario.parse().map_err(|error| to_py(&error))?;
        let mut config = TracesConfig {
            scenario,
            traces,
            duration_seconds,
            seed,
            depth,
            missing,
            skew_ms,
            ..TracesConfig::default()
        };
        if let Some(start) = start {
            config.start = Timestamp::parse(start, ZonePolicy::Refuse)
                .map_err(|error| value_error(format!("start = {start:?}: {error}")))?;
        }
        let traces = Traces::new(config).map_err(|error| to_py(&error))?;
        let telemetry = detached(py, || traces.run())?;
        Ok(Self { traces, telemetry })
    }

    /// The spans that were not lost, as CSV with a header.
    fn spans_csv<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let mut out = Vec::new();
        write_spans_header(&mut out);
        for span in &self.telemetry.spans {
            span.write_csv(&mut out);
        }
        PyBytes::new(py, &out)
    }

    /// A request per call of a service, as CSV with a header.
    #[pyo3(signature = (labels=true))]
    fn requests_csv<'py>(&self, py: Python<'py>, labels: bool) -> Bound<'py, PyBytes> {
        let mut out = Vec::new();
        write_csv_header(&mut out, labels);
        for request in &self.telemetry.requests {
            request.write_csv(&mut out, labels);
        }
        PyBytes::new(py, &out)
    }

    /// The fault, as JSON.
    fn truth_json(&self) -> PyResult<String> {
        self.traces.truth().to_json().map_err(|error| to_py(&error))
    }

    /// Spans that were not lost.
    fn __len__(&self) -> usize {
        self.telemetry.spans.len()
    }
}
