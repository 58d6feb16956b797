//! The requests of one step, before it closes.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::event_time_window::{Accumulator, ClosedStep, FeatureSink};
use super::request_facts::RequestFacts;
use super::request_figures::{RequestFigures, Requests};
use super::route_learner::RouteLearner;
use super::row_buffer::{RowHead, RowKind};
use super::service_row::{EndpointStep, ServiceLevels, ServicePool, UsualLatency};
use super::subset::{Subset, SubsetNumbers, Subsets};
use super::subset_names::SubsetNames;
use super::tail_reference::TailReference;
use super::window_clock::Timed;
use crate::limits::Limits;
use crate::robust::quantile_sorted;
use crate::series::{EntityId, Signal};
use crate::telemetry::Status;
use crate::time::{Timestamp, duration_of};

/// What a request adds to its step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Served {
    pub status: Status,
    /// NaN where it is unknown.
    #[serde(deserialize_with = "crate::time::unknown::number")]
    pub latency_ms: f64,
    /// Its version and host.
    pub subsets: SubsetNumbers,
}

/// What outlives a step of one entity's requests.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct EntityCursor {
    /// Start of the newest closed step.
    pub last: Option<Timestamp>,
    tail: TailReference,
    /// Of an endpoint.
    usual: UsualLatency,
    /// Of a service.
    service: Option<ServiceLevels>,
}

/// One step of all entities, indexed by entity id.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct RequestStep {
    entities: Vec<Requests>,
}

/// What outlives a step of requests.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct RequestMemory {
    /// Latencies kept for one entity and step.
    pub window_samples: usize,
    /// By entity.
    cursors: Vec<EntityCursor>,
    /// Latency objective in ms, and that of the entities with their own.
    pub objective_ms: f64,
    pub objective_of: BTreeMap<EntityId, f64>,
    pub requests: u64,
    pub errors: u64,
    /// Latencies beyond `window_samples`.
    pub dropped: u64,
    /// Whether routes are learnt.
    pub learns_routes: bool,
    pub routes: RouteLearner,
    /// Versions and hosts.
    pub subset_names: SubsetNames,
    /// A buffer that is reused.
    #[serde(skip)]
    pool: ServicePool,
}

impl RequestMemory {
    pub fn new(limits: &Limits, objective_ms: f64) -> Self {
        Self {
            window_samples: limits.window_samples,
            cursors: Vec::new(),
            objective_ms,
            objective_of: BTreeMap::new(),
            requests: 0,
            errors: 0,
            dropped: 0,
            learns_routes: false,
            routes: RouteLearner::default(),
            subset_names: SubsetNames::new(limits.sources),
            pool: ServicePool::default(),
        }
    }

    /// What outlives the steps of an entity.
    pub fn cursor(&self, entity: EntityId) -> Option<&EntityCursor> {
        self.cursors.get(entity.index()).filter(|cursor| cursor.last.is_some())
    }

    /// The same, made if it is not there.
    fn cursor_mut(&mut self, entity: EntityId) -> &mut EntityCursor {
        cursor_of(&mut self.cursors, entity)
    }

    /// Sets what outlives the steps of an entity; `None` forgets it.
    pub fn set_cursor(&mut self, entity: EntityId, cursor: Option<EntityCursor>) {
        if cursor.is_some() {
            self.cursor_mut(entity);
        }
        if let Some(known) = self.cursors.get_mut(entity.index()) {
            *known = cursor.unwrap_or_default();
        }
    }
}

/// What outlives the steps of an entity, made if it is not there.
#[expect(clippy::indexing_slicing, reason = "the place was made before")]
fn cursor_of(cursors: &mut Vec<EntityCursor>, entity: EntityId) -> &mut EntityCursor {
    if cursors.len() <= entity.index() {
        cursors.resize_with(entity.index() + 1, EntityCursor::default);
    }
    &mut cursors[entity.index()]
}

impl RequestStep {
    /// The entities with requests.
    pub fn entities(&self) -> impl Iterator<Item = EntityId> {
        let ids = (0..).map(EntityId);
        ids.zip(&self.entities).filter(|(_, requests)| requests.count > 0).map(|(id, _)| id)
    }
}

impl Accumulator for RequestStep {
    type Item = Served;
    type Memory = RequestMemory;

    fn add(&mut self, record: Timed<Served>, memory: &mut RequestMemory) {
        let Served { status, latency_ms, subsets } = record.item;
        let error = status.is_error();
        memory.requests += 1;
        memory.errors += u64::from(error);
        let index = record.entity.index();
        if self.entities.len() <= index {
            self.entities.resize_with(index + 1, Requests::default);
        }
        let Some(requests) = self.entities.get_mut(index) else { return };
        requests.count += 1;
        requests.errors += u64::from(error);
        requests.no_response += u64::from(status.is_no_response());
        let client_error = status.is_client_error();
        requests.client_errors += u64::from(client_error);
        if error || client_error {
            requests.count_status(status, 1);
        }
        requests.subsets.count(subsets, error, latency_ms);
        if latency_ms.is_nan() {
            return;
        }
        // The first ones are kept. A reservoir would need a random source or depend on order.
        if requests.latencies.len() < memory.window_samples {
            requests.latencies.push(latency_ms);
        } else {
            memory.dropped += 1;
        }
    }

    fn close(&mut self, step: ClosedStep, memory: &mut RequestMemory, sink: &mut FeatureSink<'_>) {
        // By name, because ids depend on the order of arrival and rows must not.
        let order = sink.entities.in_order().to_vec();
        let same_service = |a: &EntityId, b: &EntityId| {
            let service = |id| sink.entities.get(id).map(|entity| &entity.service);
            service(*a) == service(*b)
        };
        let services: Vec<&[EntityId]> = order.chunk_by(same_service).collect();
        for endpoints in services {
            self.close_service(endpoints, step, memory, sink);
        }
    }
}

impl RequestStep {
    /// Writes the rows of the endpoints of one service, then that of the service if it has two
    /// endpoints or more.
    fn close_service(
        &mut self,
        endpoints: &[EntityId],
        step: ClosedStep,
        memory: &mut RequestMemory,
        sink: &mut FeatureSink<'_>,
    ) {
        let is_open = |id: &EntityId| {
            self.entities.get(id.index()).is_some_and(|requests| requests.count > 0)
        };
        let Some(first) = endpoints.iter().find(|id| is_open(id)) else { return };
        let Some(service) = sink.entities.get(*first).map(|one| one.service.clone()) else {
            return;
        };
        let routed;
        let endpoints =
            if memory.learns_routes && self.learn_routes(endpoints, &service, memory, sink) {
                routed = sink.entities.of_service(&service).collect::<Vec<_>>();
                routed.as_slice()
            } else {
                endpoints
            };
        let is_open = |id: &EntityId| {
            self.entities.get(id.index()).is_some_and(|requests| requests.count > 0)
        };
        let whole = sink.entities.find(&service, "");
        let is_endpoint = |id: &&EntityId| Some(**id) != whole;
        let has_row = |id: &&EntityId| is_open(id) || memory.cursor(**id).is_some();
        // a service that had a row keeps it when endpoints are forgotten, so that it is not silent
        let had_row = whole.is_some_and(|id| memory.cursor(id).is_some());
        let mut with_rows = endpoints.iter().filter(is_endpoint).filter(has_row);
        let has_several = had_row || with_rows.nth(1).is_some();
        let mut pool = std::mem::take(&mut memory.pool);
        pool.clear();
        let (mut total, mut subsets) = (RequestFacts::NONE, Subsets::default());
        for id in endpoints {
            let requests = self.entities.get_mut(id.index());
            let Some(requests) = requests.filter(|requests| requests.count > 0) else { continue };
            let own = memory.objective_of.get(id).copied();
            let objective_ms = own.unwrap_or(memory.objective_ms);
            let cursor = cursor_of(&mut memory.cursors, *id);
            let row = requests.close(objective_ms, &mut cursor.tail, step.step);
            let (usual, p50_ms) = (cursor.usual, row.p50_ms);
            // Learnt after `usual` was read, so that the step is adjusted by earlier steps only.
            cursor.usual.learn_median(p50_ms, step.step);
            let own = requests.subsets.close(&memory.subset_names);
            if has_several {
                subsets.add(&own);
            }
            add_row(RowKind::Requests, *id, &row, own, step, cursor, sink);
            if has_several {
                total = total.plus(&row.facts);
                let measured = requests.latencies.len();
                pool.endpoints.push(EndpointStep { usual, p50_ms, measured });
                pool.latencies.append(&mut requests.latencies);
            }
            requests.latencies.clear();
        }
        if has_several {
            let id = sink.entities.service(&service);
            let cursor = memory.cursor_mut(id);
            pool.adjust(cursor.service.get_or_insert_default(), step.step);
            let sorted = pool.latencies.as_slice();
            // As for endpoints: the limit is read before the step is learnt.
            let tail_ms = cursor.tail.limit_ms();
            cursor.tail.learn(sorted, step.step);
            let beyond = |limit: f64| {
                (sorted.len() - sorted.partition_point(|latency| *latency <= limit)) as u64
            };
            let row = RequestFigures {
                facts: RequestFacts {
                    p99_ms: quantile_sorted(sorted, 0.99),
                    beyond_tail: tail_ms.map_or(0, beyond),
                    tail_ms,
                    ..total
                },
                p50_ms: quantile_sorted(sorted, 0.50),
                p95_ms: quantile_sorted(sorted, 0.95),
            };
            add_row(RowKind::Services, id, &row, subsets.into_kept(), step, cursor, sink);
        }
        memory.pool = pool;
    }
}

impl RequestStep {
    /// Learns the routes of a service from its endpoints in the step, and moves the requests of
    /// endpoints that share a learnt route to it. Returns whether a route is learnt.
    fn learn_routes(
        &mut self,
        endpoints: &[EntityId],
        service: &Arc<str>,
        memory: &mut RequestMemory,
        sink: &mut FeatureSink<'_>,
    ) -> bool {
        let mut became = false;
        for id in endpoints {
            let requests = self.entities.get(id.index()).map_or(0, |requests| requests.count);
            let Some(entity) = sink.entities.get(*id).filter(|_| requests > 0) else { continue };
            if !sink.entities.is_overflow(*id) {
                became |= memory.routes.observe(service, &entity.endpoint, requests);
            }
        }
        let mut moves = Vec::new();
        for id in endpoints {
            let is_open = self.entities.get(id.index()).is_some_and(|requests| requests.count > 0);
            let Some(entity) = sink.entities.get(*id).filter(|_| is_open || became) else {
                continue;
            };
            // Endpoints without requests move too, when their position has just become `{*}`.
            if let Some(route) = memory.routes.route(service, &entity.endpoint) {
                moves.push((*id, route, is_open));
            }
        }
        for (id, ..) in &moves {
            sink.entities.retire(*id);
        }
        for (id, route, _) in moves.iter().filter(|(.., is_open)| *is_open) {
            let to = sink.entities.id(service, route);
            let from = self.entities.get_mut(id.index()).map(std::mem::take).unwrap_or_default();
            if self.entities.len() <= to.index() {
                self.entities.resize_with(to.index() + 1, Requests::default);
            }
            if let Some(to) = self.entities.get_mut(to.index()) {
                to.append(from, memory.window_samples, &mut memory.dropped);
            }
        }
        !moves.is_empty()
    }
}

/// Writes a row of requests.
fn add_row(
    kind: RowKind,
    id: EntityId,
    row: &RequestFigures,
    subsets: Vec<Subset>,
    step: ClosedStep,
    cursor: &mut EntityCursor,
    sink: &mut FeatureSink<'_>,
) {
    let last = cursor.last.replace(step.at);
    // Adjacent steps differ by one step and have no gap.
    let gap = last.map_or(0, |last| (step.at.since(last) / step.step - 1).max(0));
    let head = RowHead {
        step: duration_of(step.step),
        gap: u32::try_from(gap).unwrap_or(u32::MAX),
        whole: step.whole,
        ..RowHead::new(kind, id, step.at)
    };
    let sample = |signal: Signal| row.sample(signal, step.whole);
    let signals = Signal::ALL.map(|signal| (signal, sample(signal)));
    sink.rows.add_row(head, signals, row.facts, subsets);
}
