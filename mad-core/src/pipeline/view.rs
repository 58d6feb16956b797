//! The parts of a pipeline that rankings and explanations read, borrowed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::ingest::Ingest;
use super::names::Names;
use crate::config::{CulpritConfig, PipelineConfig};
use crate::culprit::{CulpritRanker, Evidence, Ranking, RankingContext};
use crate::error::Result;
use crate::explain::{FrontDoor, Link, TemplateExplainer};
use crate::graph::ServiceGraph;
use crate::guard::Reason;
use crate::history::{FlaggedRow, FlaggedSignal, History, HistoryRow};
use crate::incident::{Incident, IncidentGrouper, Topology};
use crate::logs::LogChange;
use crate::series::{Entity, EntityId, Signal, SignalName};
use crate::telemetry::ChangeEvent;
use crate::time::{MINUTE, Timestamp, nanos_of};

/// Time before the start of a long incident whose flagged rows its ranking considers, minutes. A
/// cause may be anomalous some rows before the entity that opened the incident.
const LEAD_MINUTES: f64 = 5.0;

/// The parts that grouping and ranking read beside the log.
#[derive(Clone, Copy)]
pub(super) struct Shared<'a> {
    pub config: &'a PipelineConfig,
    pub names: &'a Names,
    pub graph: &'a ServiceGraph,
    pub ingest: &'a Ingest,
}

/// Names, calls, recent rows, flagged rows and changes, as they are now.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) shared: Shared<'a>,
    pub(super) grouper: &'a IncidentGrouper,
    pub(super) history: &'a History,
}

/// A view with the results that one ranking needs besides it.
struct Context<'a> {
    view: &'a View<'a>,
    /// Score of each service by its metrics, 0 to 1; empty where they were not ranked.
    by_metrics: BTreeMap<Arc<str>, f64>,
    /// Entities of other incidents that no call connects with this one.
    in_other_incident: BTreeSet<EntityId>,
}

impl View<'_> {
    /// Ranks by the flagged rows known by `at`.
    pub fn rank(&self, config: CulpritConfig, at: Timestamp) -> Result<Ranking> {
        let ranker = CulpritRanker::new(config)?;
        let rows: Vec<&FlaggedRow> = self.history.flagged(ranker.from(at), at).collect();
        let by_metrics = self.by_metrics(&rows, at);
        let context = Context { view: self, by_metrics, in_other_incident: BTreeSet::new() };
        Ok(ranker.rank_with(rows, &self.shared.names.entities, at, &context))
    }

    /// Ranks the flagged rows of the first minutes of an incident, as many as the look-back has, and
    /// those shortly before it. The first rows show the cause and its onset: later on the cause may
    /// have ended, and every symptom is as anomalous as the cause.
    pub fn rank_incident(&self, incident: &Incident) -> Ranking {
        let last = incident.end - incident.step;
        let config = self.shared.config.culprit;
        let Ok(mut ranker) = CulpritRanker::new(config) else { return abstained(last) };
        let mut at = last;
        let mut rows: Vec<&FlaggedRow> = self.history.flagged(ranker.from(at), at).collect();
        let until = incident.start.plus((config.minutes * MINUTE as f64) as i64);
        let minutes = config.minutes + LEAD_MINUTES;
        if until < last
            && let Ok(wider) = CulpritRanker::new(CulpritConfig { minutes, ..config })
        {
            let first: Vec<_> = self.history.flagged(wider.from(until), until).collect();
            // the first rows of a long incident may have been dropped for newer ones
            if first.iter().any(|row| row.entity == incident.entity_id) {
                (ranker, at, rows) = (wider, until, first);
            }
        }
        let recovered = self.recovered(incident, &rows);
        let begun = self.begun(incident);
        rows.retain(|row| {
            let is_earlier = begun.get(&row.entity).is_some_and(|start| row.bucket < *start);
            !(is_earlier || recovered.contains(&row.entity))
        });
        let by_metrics = self.by_metrics(&rows, at);
        let in_other_incident = self.in_other_incidents(incident, &by_metrics);
        let context = Context { view: self, by_metrics, in_other_incident };
        let mut ranking = ranker.rank_with(rows, &self.shared.names.entities, at, &context);
        for culprit in &mut ranking.culprits {
            culprit.log = self.log_change(&culprit.entity.service, incident);
        }
        ranking
    }

    /// The template of a service's log whose lines changed most in an incident. A service whose log is
    /// read in several partitions has the clearest change of them.
    fn log_change(&self, service: &str, incident: &Incident) -> Option<LogChange> {
        let id = self.shared.names.entities.find(service, "")?;
        let logs = self.shared.ingest.templates_of(id);
        let changes = logs.filter_map(|logs| logs.change(incident.start, incident.end));
        changes.max_by(|a, b| a.evidence().total_cmp(&b.evidence()))
    }

    /// When each entity of an incident began to be anomalous in it. A row flagged before that was another
    /// fault, or none, and is neither its onset nor evidence.
    fn begun(&self, incident: &Incident) -> BTreeMap<EntityId, Timestamp> {
        let own = (incident.entity_id, incident.start);
        let members = incident.members.iter().filter_map(|member| {
            let Entity { service, endpoint } = &member.entity;
            Some((self.shared.names.entities.find(service, endpoint)?, member.start))
        });
        members.chain(std::iter::once(own)).collect()
    }

    /// The entities that were normal again before an incident began, which no longer can cause it.
    ///
    /// The onset of an incident is certain to a step. The effect of a service that its services call,
    /// directly or through others, may outlast it, as a queue does that has to be worked off. Such a
    /// service counts until [`LEAD_MINUTES`] after its last anomalous row.
    fn recovered(&self, incident: &Incident, rows: &[&FlaggedRow]) -> BTreeSet<EntityId> {
        // the last and the strongest row of each entity
        let mut last: BTreeMap<EntityId, (&FlaggedRow, &FlaggedRow)> = BTreeMap::new();
        for row in rows {
            let (last, strongest) = last.entry(row.entity).or_insert((row, row));
            if row.bucket > last.bucket {
                *last = row;
            }
            if row.neg_log10_p > strongest.neg_log10_p {
                *strongest = row;
            }
        }
        let step = nanos_of(incident.step);
        let before = |row: &FlaggedRow| {
            incident.start.since(row.bucket + row.step) > step.max(nanos_of(row.step))
        };
        last.retain(|_, (row, _)| before(row));
        if last.is_empty() {
            return BTreeSet::new();
        }
        let services: BTreeSet<&Arc<str>> = incident.entities().map(|one| &one.service).collect();
        let called =
            services.iter().flat_map(|name| self.shared.graph.downstream(name, usize::MAX));
        let called: BTreeSet<Arc<str>> = called.map(|(name, _)| name).collect();
        let lead = (LEAD_MINUTES * MINUTE as f64) as i64;
        let is_over = |(entity, (row, strongest)): &(EntityId, (&FlaggedRow, &FlaggedRow))| {
            let name = self.shared.names.entities.get(*entity);
            let is_called = name.is_some_and(|name| called.contains(&name.service));
            let quiet = incident.start.since(row.bucket + row.step);
            let counts =
                is_called && quiet <= lead || self.persists(strongest, row.bucket, incident.start);
            !counts
        };
        last.into_iter().filter(is_over).map(|(entity, _)| entity).collect()
    }

    /// Whether most rows of an entity from `after` to `to` are as anomalous as a flagged row before them,
    /// without a flag: their values are beyond the middle between its expected and its anomalous value.
    fn persists(&self, flagged: &FlaggedRow, after: Timestamp, to: Timestamp) -> bool {
        flagged.signals.iter().any(|signal| {
            let FlaggedSignal { signal, value, expected, .. } = signal;
            let is_quiet = |row: &HistoryRow<'_>| row.at > after && row.at < to;
            let (mut rows, mut beyond) = (0_usize, 0_usize);
            let mut count = |stays: bool| {
                rows += 1;
                beyond += usize::from(stays);
            };
            if let SignalName::Metric(metric) = signal {
                let all = self.shared.names.series.iter();
                let own =
                    all.filter(|(_, name)| name.entity == flagged.entity && name.metric == *metric);
                for point in own.flat_map(|(id, _)| self.history.points(id)).filter(is_quiet) {
                    count(is_beyond_half(f64::from(point.value(0)), *value, *expected));
                }
            } else {
                for row in self.history.recent(flagged.entity).filter(is_quiet) {
                    count(has_half(&row, signal, *value, *expected));
                }
            }
            2 * beyond > rows
        })
    }

    /// The entities of other incidents whose services neither call nor are called by those of this
    /// one. A service that was ranked by its metrics counts only where the graph has calls of it.
    fn in_other_incidents(
        &self,
        incident: &Incident,
        by_metrics: &BTreeMap<Arc<str>, f64>,
    ) -> BTreeSet<EntityId> {
        let own: BTreeSet<&Entity> = incident.entities().collect();
        let services: BTreeSet<&Arc<str>> = own.iter().map(|entity| &entity.service).collect();
        let near = services.iter().flat_map(|service| self.shared.graph.neighbours(service));
        let near: BTreeSet<Arc<str>> = near.collect();
        let in_other_incident = |entity: &&Entity| {
            let service = &entity.service;
            let is_tied = services.contains(service) || near.contains(service);
            let is_known = !by_metrics.contains_key(service)
                || !near.is_empty() && !self.shared.graph.neighbours(service).is_empty();
            !own.contains(*entity) && !is_tied && is_known
        };
        let overlapping = self.grouper.incidents().into_iter().filter(|other| {
            other.id != incident.id && other.start < incident.end && incident.start < other.end
        });
        let entities = overlapping.flat_map(Incident::entities).filter(in_other_incident);
        entities
            .filter_map(|entity| self.shared.names.entities.find(&entity.service, &entity.endpoint))
            .collect()
    }

    /// The first anomalies of an incident's entities in order of time.
    pub fn chain(&self, incident: &Incident) -> Vec<Link> {
        let (by_metrics, in_other_incident) = (BTreeMap::new(), BTreeSet::new());
        let context = Context { view: self, by_metrics, in_other_incident };
        TemplateExplainer.chain(incident, &context)
    }

    /// Where the requests of an incident enter.
    pub fn front_door(&self, incident: &Incident) -> FrontDoor {
        let (by_metrics, in_other_incident) = (BTreeMap::new(), BTreeSet::new());
        let context = Context { view: self, by_metrics, in_other_incident };
        TemplateExplainer.front_door(incident, &context)
    }
}

/// Whether the latency or the errors of a row are beyond the middle between an expected and an
/// anomalous value of that signal.
fn has_half(row: &HistoryRow<'_>, signal: &SignalName, value: f64, expected: f64) -> bool {
    let signal = signal.request().filter(|signal| *signal != Signal::RequestCount);
    signal.is_some_and(|signal| {
        let there = f64::from(row.value(signal.index()));
        is_beyond_half(there, value, expected) && row.reason != Reason::Muted
    })
}

/// Whether a value is beyond the middle between an expected and an anomalous value.
fn is_beyond_half(there: f64, value: f64, expected: f64) -> bool {
    (there - expected) / ((value - expected) / 2.0) >= 1.0
}

/// The ranking without a culprit.
pub(super) fn abstained(at: Timestamp) -> Ranking {
    Ranking { from: at, at, rows: 0, culprits: Vec::new(), abstained: true }
}

impl RankingContext for Context<'_> {
    fn callees(&self, service: &str) -> Vec<Arc<str>> {
        self.view.shared.graph.callees(service)
    }

    fn changes(&self, service: &str, from: Timestamp, to: Timestamp) -> Vec<ChangeEvent> {
        let meant = |change: &&ChangeEvent| {
            *change.service == *service && change.at >= from && change.at < to
        };
        let mut found: Vec<ChangeEvent> =
            self.view.history.changes().filter(meant).cloned().collect();
        if found.is_empty() {
            return found;
        }
        // a change during an open incident of the service answers it and did not cause it
        let incidents = self.view.grouper.incidents();
        let own = |incident: &&&Incident| *incident.entity.service == *service;
        let own: Vec<&&Incident> = incidents.iter().filter(own).collect();
        found.retain(|change| {
            !own.iter().any(|incident| {
                incident.start + incident.step <= change.at && change.at < incident.end
            })
        });
        ChangeEvent::sort(&mut found);
        found
    }

    fn metric_share(&self, service: &str) -> Option<f64> {
        self.by_metrics.get(service).copied()
    }

    fn persisting_rows(&self, entity: EntityId, evidence: &Evidence, to: Timestamp) -> u64 {
        let Evidence { signal, value, expected, .. } = evidence;
        let persists = |row: &HistoryRow<'_>| has_half(row, signal, *value, *expected);
        let after = self.view.history.recent(entity).skip_while(|row| row.at <= evidence.at);
        let rows = after.take_while(|row| row.at <= to).take_while(persists);
        rows.filter(|row| !row.is_anomaly).count() as u64
    }

    fn is_onset_known(&self, entity: EntityId, first: Timestamp) -> bool {
        let is_unjudged = |row: Option<HistoryRow<'_>>| {
            row.is_some_and(|row| matches!(row.reason, Reason::WarmUp | Reason::TooFewPoints))
        };
        let mut rows = self.view.history.recent(entity).rev();
        let mut series =
            self.view.shared.names.series.iter().filter(|(_, name)| name.entity == entity);
        !is_unjudged(rows.find(|row| row.at < first))
            && !series.any(|(id, _)| {
                let mut points = self.view.history.points(id).rev();
                is_unjudged(points.find(|point| point.at < first))
            })
    }

    fn failing_since(&self, entity: EntityId, first: Timestamp) -> Timestamp {
        let before = self.view.history.recent(entity).take_while(|row| row.at < first);
        let mut since = before.skip_while(|row| row.errors() == 0).peekable();
        let Some(start) = since.peek().map(|row| row.at) else { return first };
        let counts = since.map(|row| (u64::from(row.errors()), u64::from(row.requests())));
        let (errors, requests) = counts.fold((0, 0), |all, row| (all.0 + row.0, all.1 + row.1));
        if 4 * errors >= requests { start } else { first }
    }

    fn in_other_incident(&self, entity: EntityId) -> bool {
        self.in_other_incident.contains(&entity)
    }
}

impl Topology for ServiceGraph {
    fn neighbours(&self, service: &str) -> Vec<Arc<str>> {
        let mut names = self.callers(service);
        names.extend(self.callees(service));
        names
    }
}
