//! What a feature builder holds of entities and series beyond open steps: cursors, counts, and
//! which of them are in flight.

use std::collections::{BTreeMap, BTreeSet};

use super::feature_builder::FeatureBuilder;
use super::log_step::{LogCursor, LogStep};
use super::metric_points::MetricPoints;
use super::point::StepFinder;
use super::request_step::{EntityCursor, RequestStep};
use super::service_logs::{LearntForms, ServiceLogs};
use crate::series::{EntityId, SeriesId};
use crate::time::Timestamp;

/// The log templates of services.
pub(crate) type LogTemplatesOfServices = BTreeMap<EntityId, Box<ServiceLogs>>;

impl FeatureBuilder {
    /// Sets all counts to 0.
    pub(crate) fn reset_counts(&mut self) {
        let Self { requests, metrics, logs, .. } = self;
        let requests = &mut requests.memory;
        (requests.requests, requests.errors, requests.dropped) = (0, 0, 0);
        (metrics.memory.points, metrics.memory.overflowed) = (0, 0);
        (metrics.memory.merged, metrics.memory.merged_series) = (0, None);
        (logs.memory.lines, logs.memory.overflowed) = (0, 0);
        self.requests.quorum_mut().sources.reset();
        self.metrics.quorum_mut().sources.reset();
        self.logs.quorum_mut().sources.reset();
    }

    /// The entities with a record in an open step or with a held record.
    pub(crate) fn entities_in_flight(&self) -> impl Iterator<Item = EntityId> {
        let Self { requests, metrics, logs, .. } = self;
        let open = requests.open().flat_map(RequestStep::entities);
        let held = requests.held().map(|record| record.entity);
        let lines = logs.open().flat_map(LogStep::entities);
        let held_lines = logs.held().map(|record| record.entity);
        let points = metrics.open().flat_map(MetricPoints::iter).chain(metrics.held());
        open.chain(held).chain(lines).chain(held_lines).chain(points.map(|record| record.entity))
    }

    /// The series with an open or held point.
    pub(crate) fn series_in_flight(&self) -> impl Iterator<Item = SeriesId> {
        let points = self.metrics.open().flat_map(MetricPoints::iter).chain(self.metrics.held());
        points.map(|record| record.item.series)
    }

    /// Keeps steps open (`true`) or lets them close again, see
    /// [`EventTimeWindow`](super::event_time_window::EventTimeWindow).
    pub(crate) fn pause(&mut self, on: bool) {
        self.requests.pause(on);
        self.metrics.pause(on);
        self.logs.pause(on);
    }

    /// Whether steps are kept open.
    pub(crate) fn is_paused(&self) -> bool {
        self.requests.is_paused()
    }

    /// Raises the watermarks while no step is open.
    pub(crate) fn raise(&mut self, watermark: Timestamp) {
        self.requests.raise(watermark);
        self.metrics.raise(watermark);
        self.logs.raise(watermark);
    }

    /// Forgets entities and series, because their ids are given to others.
    pub(crate) fn forget(&mut self, entities: &BTreeSet<EntityId>, series: &BTreeSet<SeriesId>) {
        self.requests.forget(entities);
        self.metrics.forget(entities);
        self.logs.forget(entities);
        for id in entities {
            self.requests.memory.set_cursor(*id, None);
            self.requests.memory.objective_of.remove(id);
            self.logs.memory.services.remove(id);
            self.logs.memory.templates.remove(id);
        }
        self.metrics.memory.forget(series);
    }

    /// What outlives the steps of an entity with requests.
    pub(crate) fn request_cursor(&self, entity: EntityId) -> Option<&EntityCursor> {
        self.requests.memory.cursor(entity)
    }

    /// Sets what outlives the steps of an entity with requests.
    pub(crate) fn set_request_cursor(&mut self, entity: EntityId, cursor: Option<EntityCursor>) {
        self.requests.memory.set_cursor(entity, cursor);
    }

    /// The memory of a service with log lines.
    pub(crate) fn log_cursor(&self, entity: EntityId) -> Option<&LogCursor> {
        self.logs.memory.services.get(&entity)
    }

    /// Sets the memory of a service with log lines.
    pub(crate) fn set_log_cursor(&mut self, entity: EntityId, cursor: Option<LogCursor>) {
        match cursor {
            Some(cursor) => drop(self.logs.memory.services.insert(entity, cursor)),
            None => drop(self.logs.memory.services.remove(&entity)),
        }
    }

    /// The log templates of a service.
    pub(crate) fn templates_of(&self, entity: EntityId) -> Option<&ServiceLogs> {
        self.logs.memory.templates.get(&entity).map(Box::as_ref)
    }

    /// The log templates of all services.
    pub(crate) fn templates_mut(&mut self) -> &mut LogTemplatesOfServices {
        &mut self.logs.memory.templates
    }

    /// Keeps the forms that log templates learn from now on, until they are taken.
    pub(crate) fn keep_log_forms(&mut self) {
        self.logs.memory.learnt.get_or_insert_default();
    }

    /// The forms that log templates have learnt since they were last taken.
    pub(crate) fn take_log_forms(&mut self) -> Vec<LearntForms> {
        self.logs.memory.learnt.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The step of a series as it is known so far.
    pub(crate) fn step_of(&self, series: SeriesId) -> StepFinder {
        self.metrics.memory.step_of(series)
    }

    /// Sets the step of a series as it is known so far.
    pub(crate) fn set_step(&mut self, series: SeriesId, step: StepFinder) {
        self.metrics.memory.set_step(series, step);
    }
}
