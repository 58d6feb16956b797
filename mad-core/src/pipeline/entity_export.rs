//! The state of one entity, to move it from one pipeline into another.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::IncidentWindow;
use super::incident_log::IncidentLog;
use super::ingest::Ingest;
use super::judge::{EntityState, Judge, SeriesState};
use super::names::Names;
use crate::config::PipelineConfig;
use crate::error::Error;
use crate::feature::{EntityCursor, LogCursor, ServiceRoutes, StepFinder};
use crate::history::HistoryRing;
use crate::incident::OpenState;
use crate::series::{Entity, EntityId};

/// Everything that belongs to one entity, by name.
#[derive(Serialize, Deserialize)]
pub(super) struct EntityExport {
    config: PipelineConfig,
    cursor: Option<EntityCursor>,
    last_log: Option<LogCursor>,
    /// The paths of its service: with the service as a whole, and with an endpoint that is alone.
    routes: Option<ServiceRoutes>,
    is_retired: bool,
    requests: Option<Box<EntityState>>,
    recent: HistoryRing,
    series: Vec<SeriesExport>,
    incident: OpenState,
    window: Option<IncidentWindow>,
}

/// Everything that belongs to one series of the entity.
#[derive(Serialize, Deserialize)]
struct SeriesExport {
    metric: Arc<str>,
    step: StepFinder,
    state: Option<Box<SeriesState>>,
    points: HistoryRing,
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
        let series = series.map(|(series, name)| SeriesExport {
            metric: Arc::clone(&name.metric),
            step: ingest.step_of(series),
            state: judge.series(series).cloned().map(Box::new),
            points: incidents.history().points(series).collect(),
        });
        let (cursor, last_log) = ingest.cursors(id);
        let (incident, window) = incidents.open_state(id);
        Self {
            config: config.clone(),
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
            requests: judge.exported(id),
            recent: incidents.history().recent(id).collect(),
            series: series.collect(),
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
        self.series.len()
    }

    /// Puts the state into the parts of a pipeline under a name. Returns the id of the entity.
    pub fn put(
        self,
        entity: &Entity,
        names: &mut Names,
        (ingest, judge, incidents): (&mut Ingest, &mut Judge, &mut IncidentLog),
    ) -> EntityId {
        let is_whole_service = entity.is_service() && self.requests.is_some();
        let id = if is_whole_service {
            names.entities.service(&entity.service)
        } else {
            names.entities.id(&entity.service, &entity.endpoint)
        };
        if self.is_retired {
            names.entities.retire(id);
        }
        if let Some(routes) = self.routes {
            ingest.set_routes(&entity.service, routes);
        }
        judge.put_exported(id, self.requests);
        ingest.set_cursors(id, self.cursor, self.last_log);
        incidents.put_rows(id, &self.recent);
        for SeriesExport { metric, step, state, points } in self.series {
            let Some(series) = names.series.id(id, &metric, &names.entities) else { continue };
            judge.put_series(series, state);
            ingest.set_step(series, step);
            incidents.put_points(series, &points);
        }
        incidents.put_open_state(id, self.incident, self.window);
        id
    }
}

pub(super) fn known_already(entity: &Entity) -> Error {
    Error::state(format!(
        "`{entity}` is known here already: two histories of one entity cannot be merged"
    ))
}
