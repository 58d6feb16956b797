//! The pipeline as a service holds it: bytes in, records for tables and bytes of JSON out.
//!
//! The file is longer than others because all methods of a class of Python stand in one block.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use mad_core::export::{ClockFaultDocument, RankingDocument, SeriesDocument, prometheus_text};
use mad_core::pipeline::{DeltaCheckpoint, Handover, HandoverPlace};
use mad_core::time::ZonePolicy;
use mad_core::wire::ColumnMap;
use mad_core::wire::formats::TelemetryMemory;
use mad_core::{ChangeEvent, CulpritConfig, Pipeline, Timestamp};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use serde::Serialize;

use crate::border::detached;
use crate::config::{json_bytes, parse};
use crate::errors::{to_py, value_error};
use crate::records::batch::{Batch, Records};
use crate::records::command::parse_command;
use crate::records::kinds::parse_kind;
use crate::results::catalogue::Catalogue;
use crate::results::states::documents;
use crate::service::engine_update::EngineUpdate;
use crate::service::seen::{Seen, SeenBatch};
use crate::shared::Shared;

/// Parts of a delta checkpoint by key; `None` removes one.
type Parts<'py, K> = Vec<(K, Option<Bound<'py, PyBytes>>)>;
/// A delta checkpoint: the global part, parts of entities by number, closed incidents by id.
type Delta<'py> = (Bound<'py, PyBytes>, Parts<'py, u32>, Parts<'py, String>);

/// A pipeline that threads share: each call waits for its turn, with the GIL released. Times are
/// nanoseconds since 1970 UTC; answers are JSON as files have it.
#[pyclass(module = "mad._core", frozen)]
pub struct EnginePipeline {
    served: Shared<Served>,
    zone: ZonePolicy,
    columns: ColumnMap,
}

/// A pipeline, and what the service shows beside it.
struct Served {
    core: Pipeline,
    seen: Seen,
    /// What decoders remember of cumulative metrics and versions.
    memory: TelemetryMemory,
    /// Whether `memory` has changed since the last delta checkpoint.
    is_memory_dirty: bool,
}

/// The number under which the memory of decoders is stored beside the parts of entities.
const MEMORY: u32 = u32::MAX;

#[pymethods]
impl EnginePipeline {
    #[new]
    #[pyo3(signature = (config=None))]
    fn new(config: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let core = Pipeline::new(parse(config)?).map_err(|error| to_py(&error))?;
        Ok(Self::of(core))
    }

    /// Restores a pipeline from the newest global part and the newest part of each entity and closed
    /// incident that `take_delta` returned.
    #[staticmethod]
    #[pyo3(signature = (config, global_part, entities, incidents))]
    fn restore(
        py: Python<'_>,
        config: Option<&Bound<'_, PyAny>>,
        global_part: &[u8],
        entities: Vec<(u32, Bound<'_, PyBytes>)>,
        incidents: Vec<(String, Bound<'_, PyBytes>)>,
    ) -> PyResult<Self> {
        let config = parse(config)?;
        let memory = entities.iter().find(|(id, _)| *id == MEMORY);
        let memory = memory.map(|(_, part)| TelemetryMemory::from_bytes(part.as_bytes()));
        let memory = memory.transpose().map_err(|error| to_py(&error))?.unwrap_or_default();
        let incidents: Vec<(&str, &[u8])> =
            incidents.iter().map(|(id, part)| (id.as_str(), part.as_bytes())).collect();
        let entities: Vec<(u32, &[u8])> = entities
            .iter()
            .filter(|(id, _)| *id != MEMORY)
            .map(|(id, part)| (*id, part.as_bytes()))
            .collect();
        let restore = || Pipeline::restore_delta(config, global_part, entities, incidents);
        let core = detached(py, restore)?;
        Ok(Self::with_memory(core.map_err(|error| to_py(&error))?, memory))
    }

    /// Takes what changed since the last call: the global part, and the parts of entities and of
    /// closed incidents.
    fn take_delta<'py>(&self, py: Python<'py>) -> PyResult<Delta<'py>> {
        let (delta, memory) = self
            .served
            .with(py, |served| {
                let is_dirty = std::mem::take(&mut served.is_memory_dirty);
                let memory = is_dirty.then(|| served.memory.to_bytes()).transpose()?;
                Ok::<_, mad_core::Error>((served.core.take_delta(), memory))
            })?
            .map_err(|error| to_py(&error))?;
        let DeltaCheckpoint { global, entities, incidents } =
            delta.map_err(|error| to_py(&error))?;
        let bytes = |part: &Vec<u8>| PyBytes::new(py, part);
        let entities = entities.iter().map(|(id, part)| (*id, part.as_ref().map(bytes)));
        let memory = memory.map(|part| (MEMORY, Some(PyBytes::new(py, &part))));
        let entities = entities.chain(memory);
        let incidents = incidents.into_iter().map(|(id, part)| (id, part.as_ref().map(bytes)));
        Ok((PyBytes::new(py, &global), entities.collect(), incidents.collect()))
    }

    /// The parts of these entities and incidents could not be stored: `take_delta` gives them again.
    fn mark_dirty(
        &self,
        py: Python<'_>,
        entities: Vec<u32>,
        incidents: Vec<String>,
    ) -> PyResult<()> {
        self.served.with(py, |served| {
            served.is_memory_dirty |= entities.contains(&MEMORY);
            let entities = entities.into_iter().filter(|id| *id != MEMORY);
            served.core.mark_dirty(entities, incidents);
        })
    }

    /// Sets the language of the explanations of incidents. It is not part of the state.
    fn use_catalogue(&self, py: Python<'_>, catalogue: &Catalogue) -> PyResult<()> {
        self.served.with(py, |served| served.core.set_catalogue(Arc::clone(&catalogue.core)))
    }

    /// The whole state as bytes, as `Pipeline.checkpoint` gives it.
    fn checkpoint(&self, py: Python<'_>) -> PyResult<Cow<'static, [u8]>> {
        let saved = self.served.with(py, |served| served.core.checkpoint())?;
        Ok(saved.map_err(|error| to_py(&error))?.into())
    }

    /// Checks whether a batch can be read, as far as its format decides that, without taking it. Raises
    /// the error that `ingest` would raise.
    #[pyo3(signature = (table, kind="requests", format="text"))]
    fn check(&self, table: &Bound<'_, PyAny>, kind: &str, format: &str) -> PyResult<()> {
        let kind = parse_kind(kind)?;
        let records = Records::of_format(table, format, kind, self.zone, &self.columns)?;
        records.check(kind, self.zone, &self.columns).map_err(|error| to_py(&error))
    }

    /// Takes a batch as `Pipeline.ingest` does. `naive_offset_seconds` is the zone of times that
    /// carry none; the default is the configuration's. `format` names the format of `bytes`.
    #[pyo3(signature = (
        table, kind="requests", *, partition="", naive_offset_seconds=None, format="text"
    ))]
    fn ingest(
        &self,
        py: Python<'_>,
        table: &Bound<'_, PyAny>,
        kind: &str,
        partition: &str,
        naive_offset_seconds: Option<i32>,
        format: &str,
    ) -> PyResult<EngineUpdate> {
        let zone = naive_offset_seconds.map_or(self.zone, ZonePolicy::Offset);
        let kind = parse_kind(kind)?;
        // read before the lock is taken, because reading a table runs Python code
        let columns = &self.columns;
        let records = Records::of_format(table, format, kind, zone, columns)?;
        let is_formatted = matches!(records, Records::Formatted(..));
        let batch = Batch { kind, records, partition, id: None, zone, columns, request_time: None };
        self.served.with(py, |Served { core, seen, memory, is_memory_dirty }| {
            *is_memory_dirty |= is_formatted;
            let ingested = batch.ingest(core, Some(seen), memory);
            let seen = seen.take_batch();
            let ingested = ingested.map_err(|error| to_py(&error))?;
            EngineUpdate::new(core, ingested.update, ingested.accepted, seen)
        })?
    }

    /// Holds the watermarks back, or lets them follow the clock again.
    fn pause_watermarks(&self, py: Python<'_>, on: bool) -> PyResult<()> {
        self.served.with(py, |served| served.core.pause_watermarks(on))
    }

    /// Refuses records that only a jump of the clocks could take, or takes them again.
    fn refuse_jumps(&self, py: Python<'_>, on: bool) -> PyResult<()> {
        self.served.with(py, |served| served.core.refuse_jumps(on))
    }

    /// Whether records that only a jump of the clocks could take are refused.
    #[getter]
    fn refuses_jumps(&self, py: Python<'_>) -> PyResult<bool> {
        self.served.with(py, |served| served.core.refuses_jumps())
    }

    /// Whether the watermarks are paused.
    #[getter]
    fn is_paused(&self, py: Python<'_>) -> PyResult<bool> {
        self.served.with(py, |served| served.core.is_paused())
    }

    /// Moves the watermark: a tick.
    fn advance(&self, py: Python<'_>, at: i64) -> PyResult<EngineUpdate> {
        self.served.with(py, |Served { core, .. }| {
            let update = core.advance(Timestamp::from_nanos(at));
            EngineUpdate::new(core, update, 0, SeenBatch::default())
        })?
    }

    /// Applies a command: see `Pipeline.apply`.
    fn apply(&self, py: Python<'_>, command: &Bound<'_, PyDict>) -> PyResult<EngineUpdate> {
        let command = parse_command(command)?;
        self.served.with(py, |Served { core, .. }| {
            let update = core.apply(&command).map_err(|error| to_py(&error))?;
            EngineUpdate::new(core, update, 0, SeenBatch::default())
        })?
    }

    /// Judges for a second stage elsewhere from now on: see `Pipeline.hand_over` of the core.
    fn hand_over(
        &self,
        py: Python<'_>,
        topic: String,
        number: u32,
        partitions: u32,
        stream: u64,
    ) -> PyResult<()> {
        let place = HandoverPlace { topic, number, partitions };
        let begun = self.served.with(py, |served| served.core.hand_over(place, stream))?;
        begun.map_err(|error| to_py(&error))
    }

    /// Whether there is something to hand over.
    #[getter]
    fn has_handovers(&self, py: Python<'_>) -> PyResult<bool> {
        self.served.with(py, |served| served.core.has_handovers())
    }

    /// Takes the events that were not handed over yet, in order.
    fn take_handovers<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyBytes>>> {
        let taken = self.served.with(py, |served| served.core.take_handovers())?;
        let taken = taken.map_err(|error| to_py(&error))?;
        Ok(taken.iter().map(|bytes| PyBytes::new(py, bytes)).collect())
    }

    /// Checks hand-overs without taking them. Raises the error that `receive` would raise.
    fn check_handovers(&self, py: Python<'_>, handovers: Vec<Bound<'_, PyBytes>>) -> PyResult<()> {
        let read = read_handovers(&handovers)?;
        let check = |served: &mut Served| {
            read.iter().try_for_each(|handover| handover.check(served.core.config()))
        };
        self.served.with(py, check)?.map_err(|error| to_py(&error))
    }

    /// Takes what members of a group handed over.
    fn receive(
        &self,
        py: Python<'_>,
        handovers: Vec<Bound<'_, PyBytes>>,
    ) -> PyResult<EngineUpdate> {
        let read = read_handovers(&handovers)?;
        self.served.with(py, |Served { core, .. }| {
            let update = core.receive(read).map_err(|error| to_py(&error))?;
            EngineUpdate::new(core, update, 0, SeenBatch::default())
        })?
    }

    /// Groups what waits without a partition, until it has caught up.
    fn continue_without(&self, py: Python<'_>, partition: &str) -> PyResult<EngineUpdate> {
        self.served.with(py, |Served { core, .. }| {
            let update = core.continue_without(partition).map_err(|error| to_py(&error))?;
            EngineUpdate::new(core, update, 0, SeenBatch::default())
        })?
    }

    /// The state of the live second stage; `null` before the first hand-over.
    fn fleet(&self, py: Python<'_>) -> PyResult<Cow<'static, [u8]>> {
        self.json(py, |served| served.core.fleet_status())
    }

    /// The event time that a quorum of sources agrees on; None before there is one.
    #[getter]
    fn clock(&self, py: Python<'_>) -> PyResult<Option<i64>> {
        self.served.with(py, |served| served.core.clock().map(Timestamp::nanos))
    }

    /// The newest event time taken; None before the first.
    #[getter]
    fn newest(&self, py: Python<'_>) -> PyResult<Option<i64>> {
        self.served.with(py, |served| served.core.newest().map(Timestamp::nanos))
    }

    /// Everything before this moment is closed; None before the first record.
    #[getter]
    fn watermark(&self, py: Python<'_>) -> PyResult<Option<i64>> {
        self.served.with(py, |Served { core, .. }| core.newest().map(|_| core.watermark().nanos()))
    }

    /// The time up to which steps are judged, for the kind of records that is furthest on; None before
    /// the first record.
    #[getter]
    fn furthest_watermark(&self, py: Python<'_>) -> PyResult<Option<i64>> {
        self.served.with(py, |served| served.core.furthest_watermark().map(Timestamp::nanos))
    }

    /// The ranking by the flagged rows of the `minutes` up to `at` (default: the newest row).
    #[pyo3(signature = (at=None, minutes=15.0, top_k=3))]
    fn culprits(
        &self,
        py: Python<'_>,
        at: Option<i64>,
        minutes: f64,
        top_k: usize,
    ) -> PyResult<Cow<'static, [u8]>> {
        let (config, at) = (CulpritConfig { minutes, top_k }, at.map(Timestamp::from_nanos));
        let ranking = self.served.with(py, |served| served.core.culprits_with(config, at))?;
        let ranking = ranking.map_err(|error| to_py(&error))?;
        Ok(json_bytes(&RankingDocument::new(&ranking))?.into())
    }

    /// The state of each entity and series, and its reason: of all, or of a service and endpoint.
    #[pyo3(signature = (service=None, endpoint=None, metric=None))]
    fn states(
        &self,
        py: Python<'_>,
        service: Option<&str>,
        endpoint: Option<&str>,
        metric: Option<&str>,
    ) -> PyResult<Cow<'static, [u8]>> {
        self.json(py, |served| documents(&served.core, [service, endpoint, metric]))
    }

    /// A page of these states, each as JSON: at most `limit` after the first `offset`.
    fn states_page(
        &self,
        py: Python<'_>,
        service: Option<&str>,
        endpoint: Option<&str>,
        offset: usize,
        limit: usize,
    ) -> PyResult<Vec<String>> {
        let page = self.served.with(py, |served| {
            let states = documents(&served.core, [service, endpoint, None]).into_iter();
            let page = states.skip(offset).take(limit);
            page.map(|state| serde_json::to_string(&state)).collect::<Result<Vec<_>, _>>()
        })?;
        page.map_err(|error| value_error(error.to_string()))
    }

    /// Counts of records taken, and of rows flagged, suppressed and dropped.
    fn counters(&self, py: Python<'_>) -> PyResult<Cow<'static, [u8]>> {
        self.json(py, |served| served.core.counters().clone())
    }

    /// The sources whose records have wrong times.
    fn clock_faults(&self, py: Python<'_>) -> PyResult<Cow<'static, [u8]>> {
        self.json(py, |served| {
            let faults = served.core.clock_faults();
            let document = |fault| ClockFaultDocument::new(fault, served.core.entities());
            faults.iter().map(document).collect::<Vec<_>>()
        })
    }

    /// The routes that were learnt from paths without a bound, by service.
    fn learnt_routes(&self, py: Python<'_>) -> PyResult<Cow<'static, [u8]>> {
        self.json(py, |served| {
            let learnt = served.core.learnt_routes();
            learnt
                .map(|(service, routes)| (service.to_owned(), routes))
                .collect::<BTreeMap<String, Vec<String>>>()
        })
    }

    /// Requests by endpoint and status code, of the minutes from a moment on; at most the last ten.
    fn status_codes(&self, py: Python<'_>, since: i64) -> PyResult<Cow<'static, [u8]>> {
        self.json(py, |served| served.seen.codes(served.core.entities(), since))
    }

    /// The recent rows of an entity or metric with their expected ranges; `null` without any.
    #[pyo3(signature = (service, endpoint, metric=None))]
    fn recent(
        &self,
        py: Python<'_>,
        service: &str,
        endpoint: &str,
        metric: Option<&str>,
    ) -> PyResult<Cow<'static, [u8]>> {
        self.json(py, |served| SeriesDocument::of_entity(&served.core, service, endpoint, metric))
    }

    /// The known changes of some services from a moment up to another, the oldest first.
    fn changes(
        &self,
        py: Python<'_>,
        services: Vec<String>,
        start: i64,
        end: i64,
    ) -> PyResult<Cow<'static, [u8]>> {
        self.json(py, |served| {
            let within = Timestamp::from_nanos(start)..=Timestamp::from_nanos(end);
            let changes = served.core.history().changes().filter(|change| {
                within.contains(&change.at) && services.iter().any(|one| **one == *change.service)
            });
            let document = |change: &ChangeEvent| ChangeRow {
                at: change.at.to_string(),
                service: change.service.to_string(),
                kind: change.kind.clone(),
                name: change.name.clone(),
                version: change.version.clone(),
            };
            changes.map(document).collect::<Vec<_>>()
        })
    }

    /// The service graph: nodes, edges and counters.
    fn graph(&self, py: Python<'_>) -> PyResult<Cow<'static, [u8]>> {
        self.json(py, |served| served.core.graph().settled().document())
    }

    /// Scores and expected bands of the newest rows of at most `most` entities and series, the most
    /// anomalous first, in the text format of Prometheus.
    fn exposition(&self, py: Python<'_>, most: usize) -> PyResult<Cow<'static, [u8]>> {
        Ok(self.served.with(py, |served| prometheus_text(&served.core, most))?.into_bytes().into())
    }
}

/// The hand-overs of their bytes.
fn read_handovers(handovers: &[Bound<'_, PyBytes>]) -> PyResult<Vec<Handover>> {
    let read = handovers.iter().map(|one| Handover::from_bytes(one.as_bytes()));
    read.collect::<Result<_, _>>().map_err(|error| to_py(&error))
}

/// A change of a service.
#[derive(Serialize)]
struct ChangeRow {
    at: String,
    service: String,
    kind: String,
    name: String,
    version: String,
}

impl EnginePipeline {
    fn of(core: Pipeline) -> Self {
        Self::with_memory(core, TelemetryMemory::default())
    }

    fn with_memory(core: Pipeline, memory: TelemetryMemory) -> Self {
        let (zone, columns) = (core.config().zone(), ColumnMap::new(&core.config().intake));
        let served = Served { core, seen: Seen::default(), memory, is_memory_dirty: false };
        Self { served: Shared::new(served), zone, columns }
    }

    /// The answer of a query as JSON.
    fn json<T: Serialize>(
        &self,
        py: Python<'_>,
        query: impl FnOnce(&Served) -> T + Send,
    ) -> PyResult<Cow<'static, [u8]>> {
        Ok(self.served.with(py, |served| json_bytes(&query(served)))??.into())
    }
}
