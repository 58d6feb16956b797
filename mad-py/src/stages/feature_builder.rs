//! The stage that turns requests into rows of features.

use mad_core::time::ZonePolicy;
use mad_core::wire::ColumnMap;
use mad_core::{
    EntityTable, FeatureRow, FeatureSink, IntakeConfig, Rejections, Request, RowBuffer, RowKind,
    SeriesTable, Source,
};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde::{Deserialize, Serialize};

use crate::config::parse;
use crate::errors::to_py;
use crate::pickle::pickled;
use crate::records::rejected;
use crate::results::rows::Rows;
use crate::shared::Shared;
use crate::tables::record_table::RequestTable;

/// Turns requests into one row of features per service, endpoint and step.
///
/// A row has the number of requests and errors of its step (a minute, unless
/// `features.step_seconds` says otherwise) and the mean, the percentiles and the maximum of their
/// latencies in ms. Percentiles are exact, by linear interpolation. A step without requests has no
/// row. Of `config`, `features`, `limits`, `intake.map`, `intake.service` and `naive_offset_seconds`
/// matter.
///
/// Records that cannot be read are counted in `rejected` and stop nothing; an empty table gives no
/// rows. A builder can be pickled and copied, and threads can share it.
///
/// >>> import mad
/// >>> requests = {
/// ...     "timestamp": ["2026-01-06T10:00:05Z", "2026-01-06T10:00:20Z", "2026-01-06T10:01:02Z"],
/// ...     "service": ["shop", "shop", "shop"],
/// ...     "endpoint": ["/pay", "/pay", "/pay"],
/// ...     "status_code": [200, 500, 200],
/// ...     "latency_ms": [40.0, 60.0, 45.0],
/// ... }
/// >>> rows = mad.FeatureBuilder().build(requests)
/// >>> rows.to_table()["req_count"].tolist(), rows.to_table()["error_count"].tolist()
/// ([2, 1], [1, 0])
/// >>> rows.to_table()["avg_latency_ms"].tolist()
/// [50.0, 45.0]
#[pyclass(module = "mad._core", frozen)]
pub struct FeatureBuilder {
    state: Shared<Building>,
}

#[derive(Serialize, Deserialize)]
struct Building {
    core: mad_core::FeatureBuilder,
    entities: EntityTable,
    series: SeriesTable,
    naive_offset_seconds: Option<i32>,
    intake: IntakeConfig,
    rejections: Rejections,
}

#[pymethods]
impl FeatureBuilder {
    #[new]
    #[pyo3(signature = (config=None))]
    fn new(config: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let config = parse(config)?;
        let core = mad_core::FeatureBuilder::new(config.features, &config.limits)
            .map_err(|error| to_py(&error))?;
        let entities = EntityTable::new(config.limits.entities);
        let series = SeriesTable::new(config.limits.series);
        let naive_offset_seconds = config.naive_offset_seconds;
        let (intake, rejections) = (config.intake, Rejections::default());
        let state = Building { core, entities, series, naive_offset_seconds, intake, rejections };
        Ok(Self { state: Shared::new(state) })
    }

    /// Takes all requests of a table and gives their rows: `push`, then `finish`.
    ///
    /// Raises ValueError when the table as a whole cannot be read: a missing column, or times
    /// without a zone.
    fn build(&self, py: Python<'_>, requests: &Bound<'_, PyAny>) -> PyResult<Rows> {
        let table = self.read(py, requests)?;
        self.state.with(py, |state| {
            let mut rows = RowBuffer::default();
            state.push(&table, &mut rows);
            state.finish(&mut rows);
            state.rows(&rows)
        })
    }

    /// Takes requests in the order in which they stand and gives the rows of the steps that
    /// closed. A step closes when the watermark, which follows the newest request at a distance of
    /// `features.lateness_seconds`, has passed its end.
    fn push(&self, py: Python<'_>, requests: &Bound<'_, PyAny>) -> PyResult<Rows> {
        let table = self.read(py, requests)?;
        self.state.with(py, |state| {
            let mut rows = RowBuffer::default();
            state.push(&table, &mut rows);
            state.rows(&rows)
        })
    }

    /// Closes every open step and gives its rows.
    fn finish(&self, py: Python<'_>) -> PyResult<Rows> {
        self.state.with(py, |state| {
            let mut rows = RowBuffer::default();
            state.finish(&mut rows);
            state.rows(&rows)
        })
    }

    /// Records that were not taken: total, counts by reason, and the first of each.
    #[getter]
    fn rejected<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let rejections = self.state.with(py, |state| state.rejections.clone())?;
        rejected::rejected(py, &rejections)
    }
}

impl FeatureBuilder {
    fn read(&self, py: Python<'_>, requests: &Bound<'_, PyAny>) -> PyResult<RequestTable> {
        let (offset, columns) = self
            .state
            .with(py, |state| (state.naive_offset_seconds, ColumnMap::new(&state.intake)))?;
        let zone = offset.map_or(ZonePolicy::Refuse, ZonePolicy::Offset);
        RequestTable::read_mapped(requests, zone, &columns)
    }
}

impl Building {
    fn push(&mut self, table: &RequestTable, rows: &mut RowBuffer) {
        let mut late = Rejections::default();
        let Self { core, entities, series, rejections, .. } = self;
        let mut sink = FeatureSink { entities, series, rows, rejections: &mut late };
        let mut push = |request: Request<'_>, position: u64| {
            core.push(request, &Source::at(position), &mut sink);
        };
        table.in_order(&mut push, rejections);
        rejections.merge(late);
    }

    fn finish(&mut self, rows: &mut RowBuffer) {
        let Self { core, entities, series, rejections, .. } = self;
        core.finish(&mut FeatureSink { entities, series, rows, rejections });
    }

    fn rows(&self, rows: &RowBuffer) -> Rows {
        let of_endpoints = rows.iter().filter(|row| row.head.kind == RowKind::Requests);
        let features = of_endpoints.map(FeatureRow::from).collect();
        Rows { entities: self.entities.clone(), features, ..Rows::default() }
    }
}

pickled!(shared FeatureBuilder);
