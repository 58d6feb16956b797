//! The pipeline as an object of Python.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use mad_core::export::ClockFaultDocument;
use mad_core::telemetry::RequestTime;
use mad_core::time::ZonePolicy;
use mad_core::wire::ColumnMap;
use mad_core::wire::formats::TelemetryMemory;
use mad_core::{Command, Document, Entity};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::border::detached;
use crate::config::{parse, to_json};
use crate::errors::{to_py, value_error};
use crate::moment::Moment;
use crate::pickle::{self, Reduced, SavedPipeline};
use crate::records::batch::{Batch, Records};
use crate::records::command::parse_command;
use crate::records::kinds::parse_kind;
use crate::records::rejected;
use crate::results::catalogue::{Catalogue, language};
use crate::results::explanation::Explanation;
use crate::results::incident::Incident;
use crate::results::ranking::Ranking;
use crate::results::report;
use crate::results::states;
use crate::results::update::Update;
use crate::shared::Shared;
use crate::tables::table::Table;

/// Telemetry in, batch by batch; judged rows and changes of incidents out.
///
/// `ingest` takes tables of requests, metrics, spans, logs, changes or edges in the order in which
/// they arrive, and gives the rows that closed, their verdicts and the changes of incidents. Times
/// in and out are aware (UTC), latencies are in ms. Records that cannot be read are counted in
/// `rejected` and stop nothing; an empty table changes nothing. Run to its end, a pipeline gives
/// what `mad.detect` gives.
///
/// Threads can share a pipeline: each call waits for its turn, with the GIL released. After a call
/// that failed half-way, calls raise RuntimeError. A pipeline can be pickled and copied.
///
/// >>> from datetime import datetime, timedelta, timezone
/// >>> import mad
/// >>> start = datetime(2026, 1, 6, 10, tzinfo=timezone.utc)
/// >>> pipeline = mad.Pipeline()
/// >>> update = pipeline.ingest({
/// ...     "timestamp": [start + timedelta(seconds=second) for second in range(300)],
/// ...     "service": ["shop" for _ in range(300)],
/// ...     "endpoint": ["/pay" for _ in range(300)],
/// ...     "status_code": [200 for _ in range(300)],
/// ...     "latency_ms": [40.0 for _ in range(300)],
/// ... })
/// >>> update.rows["req_count"].tolist(), str(pipeline.watermark)
/// ([60, 60, 60, 60], '2026-01-06 10:04:32.040000+00:00')
/// >>> again = mad.Pipeline.restore(None, pipeline.checkpoint())
/// >>> again.finish().rows["req_count"].tolist()
/// [60]
#[pyclass(module = "mad._core", frozen)]
pub struct Pipeline {
    core: Shared<mad_core::Pipeline>,
    zone: ZonePolicy,
    columns: ColumnMap,
}

#[pymethods]
impl Pipeline {
    #[new]
    #[pyo3(signature = (config=None))]
    fn new(config: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let core = mad_core::Pipeline::new(parse(config)?).map_err(|error| to_py(&error))?;
        Ok(Self::of(core))
    }

    /// Takes a batch of a kind in the order in which it stands: a table, or bytes of CSV or JSON
    /// Lines.
    ///
    /// Each `partition` has its own clock. Of batches with the same `batch_id` only the first
    /// is taken. `watermark` then closes every older step.
    /// `request_time` is `start` or `end` where it differs from `features.request_time`.
    #[pyo3(signature = (table, kind="requests", *, partition="", batch_id=None, watermark=None, request_time=None))]
    #[allow(clippy::too_many_arguments, reason = "they are named in Python")]
    fn ingest(
        &self,
        py: Python<'_>,
        table: &Bound<'_, PyAny>,
        kind: &str,
        partition: &str,
        batch_id: Option<&str>,
        watermark: Option<Moment>,
        request_time: Option<&str>,
    ) -> PyResult<Update> {
        let (kind, zone) = (parse_kind(kind)?, self.zone);
        // read before the lock is taken, because reading a table runs Python code
        let columns = &self.columns;
        let records = Records::new(table, kind, zone, columns)?;
        let request_time = match request_time {
            None => None,
            Some("start") => Some(RequestTime::Start),
            Some("end") => Some(RequestTime::End),
            Some(other) => {
                let message = format!("request_time = {other:?}; expected \"start\" or \"end\"");
                return Err(value_error(message));
            }
        };
        let batch = Batch { kind, records, partition, id: batch_id, zone, columns, request_time };
        self.change(py, |core| {
            let mut update = batch.ingest(core, None, &mut TelemetryMemory::default())?.update;
            if let Some(at) = watermark {
                let mut closed = core.advance(at.0);
                update.rows.append(&mut closed.rows);
                update.changes.append(&mut closed.changes);
                update.rejected.merge(closed.rejected);
            }
            Ok(update)
        })
    }

    /// Moves the watermark to `at`: the tick of a source that went idle.
    fn advance(&self, py: Python<'_>, at: Moment) -> PyResult<Update> {
        self.change(py, |core| Ok(core.advance(at.0)))
    }

    /// Closes every open step: the stream has ended.
    fn finish(&self, py: Python<'_>) -> PyResult<Update> {
        self.change(py, |core| Ok(core.finish()))
    }

    /// Applies a command, a dict with its name (`acknowledge` or `resolve` with the incident's
    /// `id`; `mute` with `service`, `endpoint` and `until`; `unmute` with `service` and
    /// `endpoint`) as `command`, and its time as `at`.
    fn apply(&self, py: Python<'_>, command: &Bound<'_, PyDict>) -> PyResult<Update> {
        let command = parse_command(command)?;
        self.change(py, |core| core.apply(&command))
    }

    /// Starts (`True`) or ends (`False`) a backfill, in which rows are learnt but never flagged.
    fn backfill(&self, py: Python<'_>, on: bool) -> PyResult<()> {
        self.core.with(py, |core| core.backfill(on))
    }

    /// The state of one entity, `(service, endpoint)`, as bytes: its baselines, its recent rows
    /// and its open incident.
    fn export(&self, py: Python<'_>, entity: (String, String)) -> PyResult<Cow<'static, [u8]>> {
        let part = self.core.with(py, |core| core.export(&Entity::new(&entity.0, &entity.1)))?;
        Ok(part.map_err(|error| to_py(&error))?.into())
    }

    /// Takes over the state of an entity that another pipeline exported, under this name.
    fn load(&self, py: Python<'_>, entity: (String, String), part: &[u8]) -> PyResult<()> {
        let entity = Entity::new(&entity.0, &entity.1);
        self.core.with(py, |core| core.load(&entity, part))?.map_err(|error| to_py(&error))
    }

    /// Takes over the state of a pipeline of other entities; both have to be finished.
    fn merge(&self, py: Python<'_>, other: &Self) -> PyResult<()> {
        // the clone releases the lock of the other one, so that two merges cannot block each other
        let other = other.core.with(py, |core| core.clone())?;
        self.core.with(py, |core| core.merge(other))?.map_err(|error| to_py(&error))
    }

    /// The whole state as bytes, with version and checksum.
    fn checkpoint<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let saved = self.core.with(py, |core| core.checkpoint())?;
        Ok(PyBytes::new(py, &saved.map_err(|error| to_py(&error))?))
    }

    /// A pipeline that continues where the saved one stopped. Thresholds, guardrails and most other
    /// fields of the config may differ: they apply from now on, and the baselines stay. ValueError
    /// names a field that has to be the same.
    #[staticmethod]
    fn restore(py: Python<'_>, config: Option<&Bound<'_, PyAny>>, saved: &[u8]) -> PyResult<Self> {
        let config = parse(config)?;
        let core = detached(py, || mad_core::Pipeline::restore(config, saved))?;
        Ok(Self::of(core.map_err(|error| to_py(&error))?))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> Reduced<'py, SavedPipeline<'py>> {
        let saved = self.core.with(py, |core| pickle::saved(core))??;
        pickle::reduce_with::<Self, _>(py, pickle::to_python(py, saved))
    }

    #[staticmethod]
    fn _from_state(py: Python<'_>, config: &str, saved: &[u8]) -> PyResult<Self> {
        Ok(Self::of(pickle::pipeline(py, config, saved)?))
    }

    /// Marks an incident as acknowledged.
    fn acknowledge(&self, py: Python<'_>, id: &str, at: Moment) -> PyResult<Update> {
        let command = Command::Acknowledge { id: id.to_owned(), at: at.0 };
        self.change(py, |core| core.apply(&command))
    }

    /// Resolves an incident.
    fn resolve(&self, py: Python<'_>, id: &str, at: Moment) -> PyResult<Update> {
        let command = Command::Resolve { id: id.to_owned(), at: at.0 };
        self.change(py, |core| core.apply(&command))
    }

    /// Incidents, newest first.
    #[getter]
    fn incidents(&self, py: Python<'_>) -> PyResult<Vec<Incident>> {
        self.core.with(py, |core| report::incidents(core))
    }

    /// Ranks by the flagged rows of the `minutes` up to `at` (default: the newest row).
    #[pyo3(signature = (at=None, minutes=15.0, top_k=3))]
    fn culprits(
        &self,
        py: Python<'_>,
        at: Option<Moment>,
        minutes: f64,
        top_k: usize,
    ) -> PyResult<Ranking> {
        self.core.with(py, |core| report::culprits(core, at, minutes, top_k))?
    }

    /// Explains an incident. `catalogue` is the language of the sentences; English without one.
    #[pyo3(signature = (incident, catalogue=None))]
    fn explain(
        &self,
        py: Python<'_>,
        incident: &Incident,
        catalogue: Option<&Catalogue>,
    ) -> PyResult<Explanation> {
        let phrases = self.core.with(py, |core| core.explain_phrases(&incident.core))?;
        Ok(phrases.in_language(language(catalogue)).into())
    }

    /// The state of each service and endpoint, and of each metric, and its reason; worst first.
    fn states(&self, py: Python<'_>) -> PyResult<Table> {
        self.core.with(py, |core| states::states(core))?
    }

    /// Records that were not taken since the beginning.
    #[getter]
    fn rejected<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let rejections = self.core.with(py, |core| core.rejected().clone())?;
        rejected::rejected(py, &rejections)
    }

    /// The sources whose records have wrong times, as a list of dicts: host, or service and
    /// endpoint; wrong of records; offset_seconds from and to; frozen; text.
    #[getter]
    fn clock_faults<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let text = self.core.with(py, |core| {
            let document = |fault| ClockFaultDocument::new(fault, core.entities());
            to_json(&core.clock_faults().iter().map(document).collect::<Vec<_>>())
        })??;
        py.import("json")?.call_method1("loads", (text,))
    }

    /// Everything a report shows, as JSON.
    fn document(&self, py: Python<'_>) -> PyResult<String> {
        self.core.with(py, |core| to_json(&Document::new(core)))?
    }

    /// Everything before this moment is closed; None before the first record.
    #[getter]
    fn watermark(&self, py: Python<'_>) -> PyResult<Option<DateTime<Utc>>> {
        let at = self.core.with(py, |core| core.watermark())?;
        Ok((at != mad_core::Timestamp::MIN).then(|| at.into()))
    }
}

impl Pipeline {
    fn of(core: mad_core::Pipeline) -> Self {
        let (zone, columns) = (core.config().zone(), ColumnMap::new(&core.config().intake));
        Self { core: Shared::new(core), zone, columns }
    }

    /// Changes the core and gives what came of it.
    fn change(
        &self,
        py: Python<'_>,
        call: impl FnOnce(&mut mad_core::Pipeline) -> mad_core::Result<mad_core::Update> + Send,
    ) -> PyResult<Update> {
        let update = self.core.with(py, |core| {
            let update = call(core)?;
            Ok(Update::new(core, update))
        })?;
        update.map_err(|error: mad_core::Error| to_py(&error))
    }
}
