//! The state of one entity, to move it from one pipeline into another.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::IncidentWindow;
use super::entity_part::{EntityPart, SeriesPart, filled};
use super::incident_log::IncidentLog;
use super::ingest::Ingest;
use super::judge::Judge;
use super::names::Names;
use crate::config::PipelineConfig;
use crate::error::Error;
use crate::feature::{EntityCursor, LogCursor, ServiceLogs, ServiceRoutes, StepFinder};
use crate::incident::OpenState;
use crate::series::{Entity, EntityId};

/// Everything that belongs to one entity, by name.
#[derive(Serialize, Deserialize)]
pub(super) struct EntityExport {
    config: PipelineConfig,
    learnt: EntityPart<'static, NamedSeries>,
    cursor: Option<EntityCursor>,
    last_log: Option<LogCursor>,
    /// The paths of its service: with the service as a whole, and with an endpoint that is alone.
    routes: Option<ServiceRoutes>,
    is_retired: bool,
    incident: OpenState,
    window: Option<IncidentWindow>,
}

/// The name of a series of the entity, and its step.
#[derive(Serialize, Deserialize)]
struct NamedSeries {
    metric: Arc<str>,
    step: StepFinder,
}

impl EntityExport {
    /// The state of an entity in the parts of a pipeline.
    pub fn new(
        id: EntityId,
        config: &PipelineConfig,
        names: &Names,
        (ingest, judge, incidents): (&Ingest, &Judge, &IncidentLog),
    ) -> Self {
        let series = names.series.iter().filter(|(_, name)| name.entity == id);
        let series = series.map(|(series, name)| SeriesPart {
            id: NamedSeries { metric: Arc::clone(&name.metric), step: ingest.step_of(series) },
            state: judge.series(series).cloned().map(Cow::Owned),
            points: filled(incidents.history().points(series).collect()),
        });
        let learnt = EntityPart {
            rows: judge.exported(id).map(|state| Cow::Owned(*state)),
            joint: judge.joint(id).cloned().map(Cow::Owned),
            recent: filled(incidents.history().recent(id).collect()),
            series: series.collect(),
            logs: ingest
                .templates_of(id)
                .take(1)
                .map(|logs| (0, Cow::Owned(logs.clone())))
                .collect(),
        };
        let (cursor, last_log) = ingest.cursors(id);
        let (incident, window) = incidents.open_state(id);
        Self {
            config: config.clone(),
            learnt,
            cursor,
            last_log,
            routes: names
                .entities
                .get(id)
                .filter(|entity| {
                    entity.is_service() || names.entities.find(&entity.service, "").is_none()
                })
                .and_then(|entity| ingest.routes_of(&entity.service)),
            is_retired: names.entities.is_retired(id),
            incident,
            window,
        }
    }

    /// The configuration under which the state was learnt.
    pub fn config(&self) -> &PipelineConfig {
        &self.config
    }

    /// Number of series of metrics.
    pub fn series(&self) -> usize {
        self.learnt.series.len()
    }

    /// The log templates of a service.
    pub fn templates(&self) -> Option<&ServiceLogs> {
        self.learnt.logs.first().map(|(_, logs)| &**logs)
    }

    /// Whether it has the rows of a service across its endpoints.
    pub fn is_whole_service(&self, entity: &Entity) -> bool {
        entity.is_service() && self.learnt.rows.is_some()
    }

    /// Whether nothing was learnt.
    pub fn is_empty(&self) -> bool {
        self.learnt.is_empty()
    }

    /// The names of its series of metrics.
    pub fn metrics(&self) -> impl Iterator<Item = &Arc<str>> {
        self.learnt.series.iter().map(|series| &series.id.metric)
    }

    /// Puts all but the open incident into the parts of a pipeline that knows the entity by this id.
    pub fn put_learnt(
        self,
        id: EntityId,
        entity: &Entity,
        names: &mut Names,
        (ingest, judge): (&mut Ingest, &mut Judge),
    ) {
        if self.is_retired {
            names.entities.retire(id);
        }
        if let Some(routes) = self.routes {
            ingest.set_routes(&entity.service, routes);
        }
        judge.put_exported(id, self.learnt.rows.map(|state| Box::new(state.into_owned())));
        judge.put_joint(id, self.learnt.joint.map(|state| Box::new(state.into_owned())));
        ingest.set_cursors(id, self.cursor, self.last_log);
        for (_, logs) in self.learnt.logs {
            ingest.set_templates(id, logs.into_owned());
        }
        for SeriesPart { id: NamedSeries { metric, step }, state, .. } in self.learnt.series {
            let Some(series) = names.series.find(id, &metric) else { continue };
            judge.put_series(series, state.map(|state| Box::new(state.into_owned())));
            ingest.set_step(series, step);
        }
    }

    /// Puts the state into the parts of a pipeline under a name. Returns the id of the entity.
    pub fn put(
        mut self,
        entity: &Entity,
        names: &mut Names,
        (ingest, judge, incidents): (&mut Ingest, &mut Judge, &mut IncidentLog),
    ) -> EntityId {
        let id = if self.is_whole_service(entity) {
            names.entities.service(&entity.service)
        } else {
            names.entities.id(&entity.service, &entity.endpoint)
        };
        if let Some(recent) = &self.learnt.recent {
            incidents.put_rows(id, recent);
        }
        for SeriesPart { id: NamedSeries { metric, .. }, points, .. } in &self.learnt.series {
            let series = names.series.id(id, metric, &names.entities);
            if let (Some(series), Some(points)) = (series, points) {
                incidents.put_points(series, points);
            }
        }
        let Self { incident, window, .. } = &mut self;
        incidents.put_open_state(id, std::mem::take(incident), window.take());
        self.put_learnt(id, entity, names, (ingest, judge));
        id
    }
}

pub(super) fn known_already(entity: &Entity) -> Error {
    Error::state(format!(
        "`{entity}` is known here already: two histories of one entity cannot be merged"
    ))
}
