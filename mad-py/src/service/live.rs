//! The pipeline as a service holds it: bytes in, records for tables and bytes of JSON out.

use std::sync::{Mutex, MutexGuard, PoisonError};

use mad_core::export::RankingDocument;
use mad_core::pipeline::DeltaCheckpoint;
use mad_core::time::ZonePolicy;
use mad_core::{CulpritConfig, Timestamp};
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyBytes, PyDict};

use crate::config::{json, parse};
use crate::errors::to_py;
use crate::records::batch::Batch;
use crate::records::command::parse_command;
use crate::records::kinds::parse_kind;
use crate::results::states::documents;
use crate::service::live_update::LiveUpdate;
use crate::service::seen::Seen;

/// A delta checkpoint: the global part, and parts of entities by number; `None` removes one.
type Delta<'py> = (Bound<'py, PyBytes>, Vec<(u32, Option<Bound<'py, PyBytes>>)>);

/// A pipeline that any thread may use: one at a time, with the GIL released. Times are nanoseconds
/// since 1970 UTC; answers are JSON as files have it.
#[pyclass(module = "mad._core", frozen)]
pub struct LivePipeline {
    live: Mutex<Live>,
}

/// A pipeline and what is told beside it.
struct Live {
    core: mad_core::Pipeline,
    seen: Seen,
}

#[pymethods]
impl LivePipeline {
    #[new]
    #[pyo3(signature = (config=None))]
    fn new(config: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let core = mad_core::Pipeline::new(parse(config)?).map_err(|error| to_py(&error))?;
        Ok(Self::of(core))
    }

    /// Restores a pipeline from the newest global part and the newest part of each entity that
    /// `take_delta` returned.
    #[staticmethod]
    #[pyo3(signature = (config, global_part, entities))]
    fn restore(
        py: Python<'_>,
        config: Option<&Bound<'_, PyAny>>,
        global_part: &[u8],
        entities: Vec<(u32, Bound<'_, PyBytes>)>,
    ) -> PyResult<Self> {
        let config = parse(config)?;
        let entities: Vec<(u32, &[u8])> =
            entities.iter().map(|(id, part)| (*id, part.as_bytes())).collect();
        let core = py.detach(|| mad_core::Pipeline::restore_delta(config, global_part, entities));
        Ok(Self::of(core.map_err(|error| to_py(&error))?))
    }

    /// Takes what changed since the last call: the global part, and the parts of entities.
    fn take_delta<'py>(&self, py: Python<'py>) -> PyResult<Delta<'py>> {
        let mut live = self.lock(py);
        let core = &mut live.core;
        let delta = py.detach(|| core.take_delta());
        let DeltaCheckpoint { global, entities } = delta.map_err(|error| to_py(&error))?;
        let bytes = |part: &Vec<u8>| PyBytes::new(py, part);
        let entities = entities.iter().map(|(id, part)| (*id, part.as_ref().map(bytes)));
        Ok((PyBytes::new(py, &global), entities.collect()))
    }

    /// DeltaCheckpoint of these numbers could not be stored: `changed` gives them again.
    fn mark_dirty(&self, py: Python<'_>, ids: Vec<u32>) {
        self.lock(py).core.mark_dirty(ids);
    }

    /// The whole state as bytes, as `Pipeline.checkpoint` gives it.
    fn checkpoint<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let live = self.lock(py);
        let core = &live.core;
        let saved = py.detach(|| core.checkpoint()).map_err(|error| to_py(&error))?;
        Ok(PyBytes::new(py, &saved))
    }

    /// Takes a batch as `Pipeline.ingest` does. `naive_offset_seconds` is the zone of times that
    /// carry none, where it is not the configuration's.
    #[pyo3(signature = (table, kind="requests", *, partition="", naive_offset_seconds=None))]
    fn ingest(
        &self,
        py: Python<'_>,
        table: &Bound<'_, PyAny>,
        kind: &str,
        partition: &str,
        naive_offset_seconds: Option<i32>,
    ) -> PyResult<LiveUpdate> {
        let zone = naive_offset_seconds.map(ZonePolicy::Offset);
        let batch = Batch { kind: parse_kind(kind)?, partition, id: None, zone };
        let Live { core, seen } = &mut *self.lock(py);
        let ingested = batch.ingest(py, core, table, Some(seen))?;
        LiveUpdate::new(core, ingested.update, ingested.accepted, seen.take_failures())
    }

    /// Moves the watermark: a tick.
    fn advance(&self, py: Python<'_>, at: i64) -> PyResult<LiveUpdate> {
        let core = &mut self.lock(py).core;
        let update = py.detach(|| core.advance(Timestamp::from_nanos(at)));
        LiveUpdate::new(core, update, 0, Vec::new())
    }

    /// Does what somebody says: see `Pipeline.apply`.
    fn apply(&self, py: Python<'_>, command: &Bound<'_, PyDict>) -> PyResult<LiveUpdate> {
        let command = parse_command(command)?;
        let core = &mut self.lock(py).core;
        let update = core.apply(&command).map_err(|error| to_py(&error))?;
        LiveUpdate::new(core, update, 0, Vec::new())
    }

    /// The newest event time taken; None before the first.
    #[getter]
    fn newest(&self, py: Python<'_>) -> Option<i64> {
        self.lock(py).core.newest().map(Timestamp::nanos)
    }

    /// Everything before this moment is closed; None before the first record.
    #[getter]
    fn watermark(&self, py: Python<'_>) -> Option<i64> {
        let core = &self.lock(py).core;
        core.newest().map(|_| core.watermark().nanos())
    }

    /// The ranking by the flagged rows of the `minutes` up to `at` (default: the newest row).
    #[pyo3(signature = (at=None, minutes=15.0, top_k=3))]
    fn culprits<'py>(
        &self,
        py: Python<'py>,
        at: Option<i64>,
        minutes: f64,
        top_k: usize,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let core = &self.lock(py).core;
        let config = CulpritConfig { minutes, top_k };
        let ranking = core.culprits_with(config, at.map(Timestamp::from_nanos));
        json(py, &RankingDocument::new(&ranking.map_err(|error| to_py(&error))?))
    }

    /// What each entity and series is now, and why: all, or those of a service and endpoint.
    #[pyo3(signature = (service=None, endpoint=None, metric=None))]
    fn states<'py>(
        &self,
        py: Python<'py>,
        service: Option<&str>,
        endpoint: Option<&str>,
        metric: Option<&str>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let live = self.lock(py);
        let core = &live.core;
        json(py, &py.detach(|| documents(core, [service, endpoint, metric])))
    }

    /// What was taken, flagged, suppressed and dropped.
    fn counters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        json(py, &self.lock(py).core.counters())
    }

    /// Requests by endpoint and status code, of the minutes from a moment on; at most the last ten.
    fn status_codes<'py>(&self, py: Python<'py>, since: i64) -> PyResult<Bound<'py, PyBytes>> {
        let live = self.lock(py);
        json(py, &live.seen.codes(live.core.entities(), since))
    }

    /// Who calls whom.
    fn graph<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let graph = self.lock(py).core.graph().settled().document();
        json(py, &graph)
    }

    /// Scores and expected bands of every entity's and series' newest row, in the text format of
    /// Prometheus.
    fn exposition<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let live = self.lock(py);
        let core = &live.core;
        let text = py.detach(|| crate::service::exposition::exposition(core));
        PyBytes::new(py, text.as_bytes())
    }
}

impl LivePipeline {
    fn of(core: mad_core::Pipeline) -> Self {
        Self { live: Mutex::new(Live { core, seen: Seen::default() }) }
    }

    fn lock(&self, py: Python<'_>) -> MutexGuard<'_, Live> {
        self.live.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner)
    }
}
