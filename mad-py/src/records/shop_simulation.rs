//! The simulated shop as bytes.

use mad_core::Timestamp;
use mad_core::simulate::{IncidentSpec, Shop, ShopConfig, ShopRequests, write_csv_header};
use mad_core::time::ZonePolicy;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::border::detached;
use crate::errors::{to_py, value_error};

/// Traffic of system A's shop, as CSV, with a truth.
#[pyclass(module = "mad._core")]
pub struct ShopSimulation {
    shop: Shop,
    requests: ShopRequests,
    labels: bool,
    begun: bool,
}

#[pymethods]
impl ShopSimulation {
    /// `incidents` None is A's fixed incident, at the same share of a shorter run; an empty list is
    /// none. `start` is RFC 3339.
    #[new]
    #[pyo3(signature = (
        rows=10_000, services=4, duration_seconds=7200.0, start=None, seed=0, incidents=None,
        labels=true,
    ))]
    fn new(
        rows: u64,
        services: u32,
        duration_seconds: f64,
        start: Option<&str>,
        seed: u64,
        incidents: Option<Vec<String>>,
        labels: bool,
    ) -> PyResult<Self> {
        let mut config =
            ShopConfig { rows, services, duration_seconds, seed, ..ShopConfig::default() };
        config.incidents = vec![IncidentSpec::default_within(duration_seconds)];
        if let Some(start) = start {
            config.start = Timestamp::parse(start, ZonePolicy::Refuse)
                .map_err(|error| value_error(format!("start = {start:?}: {error}")))?;
        }
        if let Some(specs) = incidents {
            config.incidents = specs
                .iter()
                .map(|spec| spec.parse())
                .collect::<mad_core::Result<_>>()
                .map_err(|error| to_py(&error))?;
        }
        let shop = Shop::new(config).map_err(|error| to_py(&error))?;
        let requests = shop.requests();
        Ok(Self { shop, requests, labels, begun: false })
    }

    /// Rows asked for; an incident that thins traffic leaves fewer.
    #[getter]
    fn rows(&self) -> u64 {
        self.shop.config().rows
    }

    /// The next rows as CSV, the header before the first; empty at the end.
    fn take_csv<'py>(&mut self, py: Python<'py>, max_rows: usize) -> PyResult<Bound<'py, PyBytes>> {
        let out = detached(py, || {
            let mut out = Vec::new();
            if !self.begun {
                self.begun = true;
                write_csv_header(&mut out, self.labels);
            }
            for request in self.requests.by_ref().take(max_rows) {
                request.write_csv(&mut out, self.labels);
            }
            out
        })?;
        Ok(PyBytes::new(py, &out))
    }

    /// The incidents in it, as JSON.
    fn truth_json(&self) -> PyResult<String> {
        self.shop.truth().to_json().map_err(|error| to_py(&error))
    }
}
