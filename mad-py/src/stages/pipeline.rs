//! The pipeline as a live object.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use mad_core::{Command, Document, Entity};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::config::{parse, to_json};
use crate::errors::to_py;
use crate::moment::Moment;
use crate::pickle::{self, Reduced, SavedPipeline};
use crate::records::batch::Batch;
use crate::records::command::parse_command;
use crate::records::kinds::parse_kind;
use crate::records::rejected;
use crate::results::explanation::Explanation;
use crate::results::incident::Incident;
use crate::results::ranking::Ranking;
use crate::results::report;
use crate::results::states;
use crate::results::update::Update;
use crate::tables::table::Table;

/// Requests in, batch by batch; judged rows and incident changes out.
#[pyclass(module = "mad._core")]
pub struct Pipeline {
    pub core: mad_core::Pipeline,
}

#[pymethods]
impl Pipeline {
    #[new]
    #[pyo3(signature = (config=None))]
    fn new(config: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let core = mad_core::Pipeline::new(parse(config)?).map_err(|error| to_py(&error))?;
        Ok(Self { core })
    }

    /// Takes a batch of a kind in the order in which it stands: a table, or bytes of CSV or JSON
    /// Lines.
    ///
    /// Each `partition` has a time of its own. Of batches with one `batch_id` the first is taken,
    /// and the others are left out. `watermark` then closes what is older.
    #[pyo3(signature = (table, kind="requests", *, partition="", batch_id=None, watermark=None))]
    fn ingest(
        &mut self,
        py: Python<'_>,
        table: &Bound<'_, PyAny>,
        kind: &str,
        partition: &str,
        batch_id: Option<&str>,
        watermark: Option<Moment>,
    ) -> PyResult<Update> {
        let batch = Batch { kind: parse_kind(kind)?, partition, id: batch_id, zone: None };
        let mut update = batch.ingest(py, &mut self.core, table, None)?.update;
        if let Some(at) = watermark {
            let mut closed = self.core.advance(at.0);
            update.rows.append(&mut closed.rows);
            update.points.append(&mut closed.points);
            update.changes.append(&mut closed.changes);
            update.rejected.merge(closed.rejected);
        }
        Ok(Update::new(&self.core, update))
    }

    /// Moves the watermark to `at`: a tick of a source that went idle.
    fn advance(&mut self, py: Python<'_>, at: Moment) -> Update {
        let update = py.detach(|| self.core.advance(at.0));
        Update::new(&self.core, update)
    }

    /// Closes every open step: the stream has ended.
    fn finish(&mut self, py: Python<'_>) -> Update {
        let update = py.detach(|| self.core.finish());
        Update::new(&self.core, update)
    }

    /// Does what somebody says: a dict with the `command` (`acknowledge` or `resolve` with the
    /// incident's `id`; `mute` with `service`, `endpoint` and `until`; `unmute` with `service` and
    /// `endpoint`) and the time, `at`.
    fn apply(&mut self, command: &Bound<'_, PyDict>) -> PyResult<Update> {
        self.command(&parse_command(command)?)
    }

    /// Starts (`True`) or ends (`False`) a backfill, in which rows are learnt but never flagged.
    fn backfill(&mut self, on: bool) {
        self.core.backfill(on);
    }

    /// The state of one entity, `(service, endpoint)`, as bytes: what was learnt, its recent rows
    /// and its open incident.
    fn export(&self, entity: (String, String)) -> PyResult<Cow<'static, [u8]>> {
        let part = self.core.export(&Entity::new(&entity.0, &entity.1));
        Ok(part.map_err(|error| to_py(&error))?.into())
    }

    /// Takes over what another pipeline knew of an entity, under this name.
    fn load(&mut self, entity: (String, String), part: &[u8]) -> PyResult<()> {
        let loaded = self.core.load(&Entity::new(&entity.0, &entity.1), part);
        loaded.map_err(|error| to_py(&error))
    }

    /// Takes over all that a pipeline of other entities knows; both have to be finished.
    fn merge(&mut self, py: Python<'_>, other: &Self) -> PyResult<()> {
        py.detach(|| self.core.merge(other.core.clone())).map_err(|error| to_py(&error))
    }

    /// The whole state as bytes, with version and checksum.
    fn checkpoint<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let saved = py.detach(|| self.core.checkpoint()).map_err(|error| to_py(&error))?;
        Ok(PyBytes::new(py, &saved))
    }

    /// A pipeline that goes on where the saved one stopped. `features`, `score` and `limits` of
    /// the config have to be those it was saved with.
    #[staticmethod]
    fn restore(py: Python<'_>, config: Option<&Bound<'_, PyAny>>, saved: &[u8]) -> PyResult<Self> {
        let config = parse(config)?;
        let core = py.detach(|| mad_core::Pipeline::restore(config, saved));
        Ok(Self { core: core.map_err(|error| to_py(&error))? })
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> Reduced<'py, SavedPipeline<'py>> {
        pickle::reduce_with::<Self, _>(py, pickle::saved(py, &self.core)?)
    }

    #[staticmethod]
    fn _from_state(py: Python<'_>, config: &str, saved: &[u8]) -> PyResult<Self> {
        Ok(Self { core: pickle::pipeline(py, config, saved)? })
    }

    /// Somebody takes an incident.
    fn acknowledge(&mut self, id: &str, at: Moment) -> PyResult<Update> {
        self.command(&Command::Acknowledge { id: id.to_owned(), at: at.0 })
    }

    /// Somebody says that an incident is over.
    fn resolve(&mut self, id: &str, at: Moment) -> PyResult<Update> {
        self.command(&Command::Resolve { id: id.to_owned(), at: at.0 })
    }

    /// Incidents, newest first.
    #[getter]
    fn incidents(&self) -> Vec<Incident> {
        report::incidents(&self.core)
    }

    /// Ranks by the flagged rows of the `minutes` up to `at` (default: the newest row).
    #[pyo3(signature = (at=None, minutes=15.0, top_k=3))]
    fn culprits(&self, at: Option<Moment>, minutes: f64, top_k: usize) -> PyResult<Ranking> {
        report::culprits(&self.core, at, minutes, top_k)
    }

    /// Explains an incident.
    fn explain(&self, incident: &Incident) -> Explanation {
        self.core.explain(&incident.core).into()
    }

    /// What each service and endpoint, and each metric, is now, and why; worst first.
    fn states(&self, py: Python<'_>) -> PyResult<Table> {
        states::states(py, &self.core)
    }

    /// Records that were not taken since the beginning.
    #[getter]
    fn rejected<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        rejected::rejected(py, self.core.rejected())
    }

    /// Everything a report shows, as JSON.
    fn document(&self, py: Python<'_>) -> PyResult<String> {
        py.detach(|| to_json(&Document::new(&self.core)))
    }

    /// Everything before this moment is closed; None before the first request.
    #[getter]
    fn watermark(&self) -> Option<DateTime<Utc>> {
        let at = self.core.watermark();
        (at != mad_core::Timestamp::MIN).then(|| at.into())
    }
}

impl Pipeline {
    fn command(&mut self, command: &Command) -> PyResult<Update> {
        let update = self.core.apply(command).map_err(|error| to_py(&error))?;
        Ok(Update::new(&self.core, update))
    }
}
