//! The grouping of flagged rows into incidents.
//!
//! The file is longer than others because its methods share one set of open and pending incidents.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fault::Fault;
use super::{CloseReason, Incident, IncidentChange, IncidentStatus, RowOutcome, Topology};
use crate::config::{GuardConfig, IncidentConfig};
use crate::error::{Error, Result};
use crate::history::{FlaggedRow, FlaggedSignal};
use crate::series::{Entity, EntityId};
use crate::time::{HOUR, Timestamp, nanos_of};

/// Services that share an incident if the same kind of fault begins in all of them at the same time,
/// without known calls between them. Two are a coincidence now and then.
const SERVICES: usize = 3;
/// Longest quiet time that a flapping incident stays open for.
const LONGEST_QUIET: i64 = 6 * HOUR;

/// Groups flagged rows into incidents.
///
/// - An incident opens when `open_rows` flagged rows lie within `open_steps` steps. It also opens for
///   a single row with `open_threshold` and `open_effective_n`. It starts at the first of these rows.
/// - Flagged rows join the open incident of their entity. Entities of the same or of neighbouring
///   services ([`Topology`]) share an incident if their anomalies start within `merge_minutes`.
/// - An unflagged row with `sustain_threshold` keeps an incident open without joining it. Rows that
///   come `n` times a minute need `log10 n` more.
/// - An incident closes after `resolve_after_minutes` without a flagged row, after `ttl_minutes`
///   without any row, or by command.
/// - If anomalies return within `cooldown_minutes`, the same incident opens again, unless it was
///   closed by command.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use mad_core::history::{FlaggedRow, FlaggedSignal};
/// use mad_core::incident::RowOutcome;
/// use mad_core::{Entity, EntityId, IncidentConfig, IncidentGrouper, Signal, Timestamp};
///
/// let mut grouper = IncidentGrouper::new(IncidentConfig::default(), Duration::ZERO, 100)?;
/// let pay = Entity::new("payments", "/pay");
/// let mut changes = Vec::new();
/// for minute in 10..13 {
///     let row = FlaggedRow::new(EntityId(0), Timestamp::from_seconds(60 * minute))
///         .requests(50, 3)
///         .effective_n(10.0)
///         .signal(FlaggedSignal::new(Signal::P95Latency, 900.0, 6.0));
///     grouper.take(&pay, RowOutcome::Alarm(row), &(), &mut changes);
/// }
/// let incident = grouper.incidents()[0];
/// assert_eq!((incident.rows, incident.requests), (3, 150));
/// assert_eq!(incident.start, Timestamp::from_seconds(600));
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct IncidentGrouper {
    pub(super) config: IncidentConfig,
    lateness: i64,
    pub(super) keep_closed: usize,
    pub(super) critical_error_rate: f64,
    /// Flagged rows that have not opened an incident yet.
    pub(super) pending: BTreeMap<EntityId, VecDeque<FlaggedRow>>,
    /// By the entity that opened it.
    pub(super) open: BTreeMap<EntityId, Incident>,
    /// The entity whose incident another one joined.
    pub(super) joined: BTreeMap<EntityId, EntityId>,
    /// The entities that opened the incidents which a service is part of.
    pub(super) in_service: BTreeMap<Arc<str>, BTreeSet<EntityId>>,
    pub(super) closed: VecDeque<Incident>,
    pub(super) closed_dropped: u64,
}

impl IncidentGrouper {
    /// A grouper without incidents. `lateness` is the allowed lateness of the rows, and
    /// `keep_closed` is the number of closed incidents that are kept.
    ///
    /// # Errors
    ///
    /// A config field outside its range.
    pub fn new(config: IncidentConfig, lateness: Duration, keep_closed: usize) -> Result<Self> {
        config.validate()?;
        Ok(Self {
            config,
            lateness: nanos_of(lateness),
            keep_closed,
            critical_error_rate: GuardConfig::default().critical_error_rate,
            pending: BTreeMap::new(),
            open: BTreeMap::new(),
            joined: BTreeMap::new(),
            in_service: BTreeMap::new(),
            closed: VecDeque::new(),
            closed_dropped: 0,
        })
    }

    /// Sets the error rate from which an incident with a rise of errors is critical.
    #[must_use]
    pub fn with_critical_error_rate(mut self, share: f64) -> Self {
        self.critical_error_rate = share;
        self
    }

    /// Applies another configuration. Open incidents stay open.
    ///
    /// # Errors
    ///
    /// A config field outside its range.
    pub fn reconfigure(&mut self, config: IncidentConfig) -> Result<()> {
        config.validate()?;
        self.config = config;
        Ok(())
    }

    /// Takes the outcome of a row and appends the changes of incidents. `topology` gives the services
    /// that call each other. Rows of one entity come in the order of their time.
    pub fn take(
        &mut self,
        entity: &Entity,
        outcome: RowOutcome,
        topology: &impl Topology,
        changes: &mut Vec<IncidentChange>,
    ) {
        match outcome {
            RowOutcome::Alarm(row) if self.is_absorbed(&row) && !self.is_listed(entity, &row) => {
                self.absorb_service(row, topology, changes);
            }
            RowOutcome::Alarm(row) => self.alarm(entity, row, topology, changes),
            RowOutcome::Flagged(row) => {
                if !self.extend(entity, &row, changes) {
                    self.wait(row);
                }
            }
            RowOutcome::Weak(row) => {
                let (id, at, step, evidence) = (row.entity, row.bucket, row.step, row.neg_log10_p);
                self.quiet(id, at, step, evidence, changes);
                match self.open.get_mut(&self.lead(id)) {
                    Some(incident) => incident.wait(row),
                    None => self.wait(row),
                }
            }
            RowOutcome::Quiet { entity, at, step, neg_log10_p } => {
                self.quiet(entity, at, step, neg_log10_p, changes);
            }
        }
    }

    /// Keeps a row that cannot open an incident with the rows that may open one soon. Before one of
    /// these only the rows of the newest step are kept, because it may be the first step of an incident.
    fn wait(&mut self, row: FlaggedRow) {
        let own = self.reach(&row);
        let mut pending = self.pending.remove(&row.entity).unwrap_or_default();
        pending.retain(|earlier| row.bucket.since(earlier.bucket) < own.max(self.reach(earlier)));
        if !pending.iter().any(|row| row.opens) {
            pending.retain(|earlier| earlier.bucket == row.bucket);
        }
        let entity = row.entity;
        pending.push_back(FlaggedRow { opens: false, ..row });
        self.pending.insert(entity, pending);
    }

    /// Takes a row that can open an incident.
    pub(super) fn alarm(
        &mut self,
        entity: &Entity,
        row: FlaggedRow,
        topology: &impl Topology,
        changes: &mut Vec<IncidentChange>,
    ) {
        if self.extend(entity, &row, changes) {
            return;
        }
        let id = row.entity;
        let (bucket, step) = (row.bucket, nanos_of(row.step));
        let known = (bucket + row.step + row.delay).plus(self.lateness);
        // One row opens an incident by itself only with enough evidence from enough observations.
        let decisive = row.neg_log10_p >= self.config.open_threshold
            && row.effective_n >= self.config.open_effective_n;
        let reach = self.reach(&row);
        let pending = self.pending.entry(id).or_default();
        // Rows beyond the reach are forgotten: two rare rows far apart are two chances.
        pending.retain(|earlier| row.bucket.since(earlier.bucket) < reach);
        pending.push_back(row);
        if !decisive && distinct_steps(pending) < self.config.open_rows {
            return;
        }
        let rows = self.pending.remove(&id).unwrap_or_default();
        let mut rows = Vec::from(rows);
        // rows of several kinds of one entity arrive one kind after the other
        rows.sort_by_key(|row| (row.bucket, !row.opens));
        let from = rows.iter().position(|row| row.opens).unwrap_or(rows.len());
        rows.drain(..from);
        let Some(first) = rows.first() else { return };
        let is_silent = Fault::of(&first.signals) == Fault::Silence;
        let since = (first.bucket, is_silent);
        if let Some(lead) = self.tied(entity, since, step, bucket, topology, changes)
            && let Some(incident) = self.open.get_mut(&lead)
        {
            // a service in the incident of one of its endpoints is no further entity, unless a
            // metric of the service is anomalous: no endpoint has that
            let is_part = entity.is_service()
                && incident.is_about_service(&entity.service)
                && !rows.iter().any(FlaggedRow::is_of_metrics);
            if !is_part && incident.join(entity, &rows, known) {
                changes.push(IncidentChange::Updated(incident.clone()));
            }
            self.joined.insert(id, lead);
            self.place(&entity.service, lead);
            return;
        }
        if self.reopen(entity, &rows, known, changes) {
            return;
        }
        if let Some(lead) = self.same_time(entity, &rows, bucket, topology, changes)
            && let Some(incident) = self.open.get_mut(&lead)
        {
            incident.by_time = true;
            incident.join(entity, &rows, known);
            changes.push(IncidentChange::Updated(incident.clone()));
            self.joined.insert(id, lead);
            self.place(&entity.service, lead);
            return;
        }
        let mut incident = Incident::open(entity.clone(), first, known);
        for row in &rows {
            incident.add(row, self.critical_error_rate);
        }
        self.note_recurrence(&mut incident);
        changes.push(IncidentChange::Opened(incident.clone()));
        self.open.insert(id, incident);
        self.place(&entity.service, id);
    }

    /// How long flagged rows wait for others to open an incident with, nanoseconds.
    pub(super) fn reach(&self, row: &FlaggedRow) -> i64 {
        nanos_of(row.step.max(row.rhythm).saturating_mul(self.config.open_steps))
    }

    /// Adds a flagged row to the open incident of its entity. Returns whether there is one.
    fn extend(
        &mut self,
        entity: &Entity,
        row: &FlaggedRow,
        changes: &mut Vec<IncidentChange>,
    ) -> bool {
        self.expire(self.lead(row.entity), row.bucket, nanos_of(row.step), changes);
        let lead = self.lead(row.entity);
        let Some(incident) = self.open.get_mut(&lead) else { return false };
        let changed = if lead == row.entity {
            incident.add(row, self.critical_error_rate);
            true
        } else {
            incident.add_other(entity, row)
        };
        if changed {
            changes.push(IncidentChange::Updated(incident.clone()));
        }
        true
    }

    /// The open incident that an entity with anomalies since `start` belongs to: the oldest one that
    /// includes its service or a neighbour and that spread within the merge time. Other such
    /// incidents are merged into it.
    fn tied(
        &mut self,
        entity: &Entity,
        (start, is_silent): (Timestamp, bool),
        step: i64,
        now: Timestamp,
        topology: &impl Topology,
        changes: &mut Vec<IncidentChange>,
    ) -> Option<EntityId> {
        let merge = self.config.merge(step);
        if merge == 0 || self.open.is_empty() {
            return None;
        }
        let mut services = topology.neighbours(&entity.service);
        services.push(Arc::clone(&entity.service));
        let mut leads: Vec<EntityId> = services
            .iter()
            .filter_map(|service| self.in_service.get(service))
            .flatten()
            .copied()
            .filter(|lead| {
                self.open.get(lead).is_some_and(|incident| {
                    // an endpoint that has few requests is missed long after the others
                    let same_silence = is_silent
                        && incident.entity.service == entity.service
                        && incident.fault() == Fault::Silence;
                    // a service and its endpoints count the same requests
                    let same_requests = incident.requests > 0
                        && incident.entity.service == entity.service
                        && incident.entity.is_service() != entity.is_service();
                    same_silence
                        || same_requests
                        || start.since(incident.last_joined).abs() <= merge
                        || start.since(incident.start).abs() <= merge
                })
            })
            .collect();
        leads.sort_unstable();
        leads.dedup();
        // By start, then by id: the sort is stable, so that ties do not depend on the map.
        leads.sort_by_key(|lead| self.open.get(lead).map(|incident| incident.start));
        let (oldest, others) = leads.split_first()?;
        for other in others {
            self.merge(*oldest, *other, now, changes);
        }
        Some(*oldest)
    }

    /// The oldest open incident that an entity joins because services have a fault of the same kind
    /// since the same time: three of them, its own included. The other such incidents are merged into
    /// it. Only services without any known call count, because known calls without a connection speak
    /// against a common cause.
    fn same_time(
        &mut self,
        entity: &Entity,
        rows: &[FlaggedRow],
        now: Timestamp,
        topology: &impl Topology,
        changes: &mut Vec<IncidentChange>,
    ) -> Option<EntityId> {
        let first = rows.first()?;
        let merge = self.config.merge(nanos_of(first.step));
        let is_alone = |service: &str| topology.neighbours(service).is_empty();
        let signals: Vec<_> = rows.iter().flat_map(|row| row.signals.iter().cloned()).collect();
        let fault = Fault::of(&signals);
        if merge == 0 || !fault.can_be_shared() || !is_alone(&entity.service) {
            return None;
        }
        let mut services = BTreeSet::from([&*entity.service]);
        let mut leads: Vec<(Timestamp, EntityId)> = Vec::new();
        for (lead, incident) in &self.open {
            let is_near = first.bucket.since(incident.start).abs() <= merge;
            let is_like = is_near && incident.reopened == 0 && incident.fault() == fault;
            if is_like && is_alone(&incident.entity.service) {
                services.extend(incident.entities().map(|entity| &*entity.service));
                leads.push((incident.start, *lead));
            }
        }
        // Two services coincide by chance often enough; three of the same fault rarely.
        if services.len() < SERVICES {
            return None;
        }
        leads.sort_unstable();
        let (&(_, oldest), others) = leads.split_first()?;
        for (_, other) in others {
            self.merge(oldest, *other, now, changes);
        }
        Some(oldest)
    }

    /// Merges one incident into another.
    fn merge(
        &mut self,
        into: EntityId,
        from: EntityId,
        at: Timestamp,
        changes: &mut Vec<IncidentChange>,
    ) {
        let Some(mut merged) = self.open.remove(&from) else { return };
        merged.end_at(at, CloseReason::Merged);
        if let Some(incident) = self.open.get_mut(&into) {
            merged.merged_into = Some(incident.id.clone());
            incident.absorb(merged.clone());
        }
        changes.push(IncidentChange::Closed(merged));
        for of in self.joined.values_mut().filter(|of| **of == from) {
            *of = into;
        }
        self.joined.insert(from, into);
        for leads in self.in_service.values_mut() {
            if leads.remove(&from) {
                leads.insert(into);
            }
        }
    }

    /// The entity that opened the incident of `entity`, or `entity` itself.
    pub(super) fn lead(&self, entity: EntityId) -> EntityId {
        self.joined.get(&entity).copied().unwrap_or(entity)
    }

    /// Notes that a service is part of an incident.
    pub(super) fn place(&mut self, service: &Arc<str>, lead: EntityId) {
        self.in_service.entry(Arc::clone(service)).or_default().insert(lead);
    }

    /// Takes a row that was not flagged.
    fn quiet(
        &mut self,
        entity: EntityId,
        bucket: Timestamp,
        step: Duration,
        neg_log10_p: f64,
        changes: &mut Vec<IncidentChange>,
    ) {
        let entity = self.lead(entity);
        let Some(incident) = self.open.get_mut(&entity) else { return };
        let (end, step) = (bucket + step, nanos_of(step));
        if neg_log10_p >= self.config.sustain(step)
            // Close below the threshold, and the incident has not been quiet for too long.
            && end.since(incident.last_active) <= gap(&self.config, incident, 0)
        {
            incident.last_active = end;
            return;
        }
        self.expire(entity, end, step, changes);
    }

    /// Leaves a hole of the collection of `hole` nanoseconds, which ended at `at`, out of the time of
    /// incidents: nothing is known of it, so that it ends none, and uses up no cooldown.
    pub(crate) fn pause(&mut self, at: Timestamp, hole: i64) {
        let began = at.plus(-hole);
        for incident in self.open.values_mut() {
            incident.last_active = incident.last_active.plus(hole).min(at);
        }
        for incident in &mut self.closed {
            if let Some(until) = incident.reopens_until.as_mut().filter(|until| **until >= began) {
                *until = until.plus(hole);
            }
        }
    }

    /// Closes the incidents of entities that sent nothing for `ttl_minutes` before `at`.
    pub fn advance(&mut self, at: Timestamp, changes: &mut Vec<IncidentChange>) {
        let silent: Vec<EntityId> = self
            .open
            .iter()
            .filter(|(_, incident)| {
                at.since(incident.last_active) >= self.config.ttl().max(self.gap(incident, 0))
            })
            .map(|(id, _)| *id)
            .collect();
        for id in silent {
            self.close(id, at, CloseReason::Expired, changes);
        }
    }

    /// Acknowledges an open incident. Returns `None` when it is acknowledged already.
    ///
    /// # Errors
    ///
    /// No open incident has this id.
    pub fn acknowledge(&mut self, id: &str, at: Timestamp) -> Result<Option<IncidentChange>> {
        let incident = self.open.values_mut().find(|incident| incident.id == id);
        let incident = incident.ok_or_else(|| unknown(id))?;
        if incident.status == IncidentStatus::Acknowledged {
            return Ok(None);
        }
        incident.status = IncidentStatus::Acknowledged;
        incident.acknowledged_at = incident.acknowledged_at.or(Some(at));
        Ok(Some(IncidentChange::Acknowledged(incident.clone())))
    }

    /// Closes an open incident by command.
    ///
    /// # Errors
    ///
    /// No open incident has this id.
    pub fn resolve(&mut self, id: &str, at: Timestamp) -> Result<IncidentChange> {
        let found = self.open.iter().find(|(_, incident)| incident.id == id);
        let entity = *found.ok_or_else(|| unknown(id))?.0;
        let mut changes = Vec::new();
        self.close(entity, at, CloseReason::Command, &mut changes);
        changes.pop().ok_or_else(|| unknown(id))
    }

    /// Settles the fingerprint of an incident by its culprit.
    pub(crate) fn settle_fingerprint(
        &mut self,
        changed: &mut Incident,
        culprit: Option<(&Entity, Vec<FlaggedSignal>)>,
    ) {
        changed.settle_fingerprint(culprit);
        let closed = self.closed.iter_mut().rev().find(|incident| incident.id == changed.id);
        let open = self.open.get_mut(&changed.entity_id);
        if let Some(incident) = open.filter(|incident| incident.id == changed.id).or(closed) {
            incident.fingerprint.clone_from(&changed.fingerprint);
            incident.is_settled = true;
        }
    }

    /// Forgets the pending rows of entities. Their ids are given to other entities.
    pub fn forget(&mut self, gone: &BTreeSet<EntityId>) {
        self.pending.retain(|id, _| !gone.contains(id));
        self.end_cooldown(gone);
    }

    /// The entities with an open incident.
    pub fn open_entities(&self) -> impl Iterator<Item = EntityId> {
        self.open.keys().chain(self.joined.keys()).copied()
    }

    /// The open incident of an entity.
    pub fn open_of(&self, entity: EntityId) -> Option<&Incident> {
        self.open.get(&self.lead(entity))
    }

    /// All incidents, the newest start first, and by entity for equal starts.
    pub fn incidents(&self) -> Vec<&Incident> {
        let mut all: Vec<&Incident> = self.closed.iter().chain(self.open.values()).collect();
        all.sort_by(|a, b| b.start.cmp(&a.start).then_with(|| a.entity.cmp(&b.entity)));
        all
    }

    /// Closed incidents that were dropped for newer ones.
    pub fn closed_dropped(&self) -> u64 {
        self.closed_dropped
    }

    /// The time without a flagged row after which an incident closes.
    fn gap(&self, incident: &Incident, step: i64) -> i64 {
        gap(&self.config, incident, step)
    }

    fn expire(
        &mut self,
        entity: EntityId,
        at: Timestamp,
        step: i64,
        changes: &mut Vec<IncidentChange>,
    ) {
        let gap = |open: &Incident| self.gap(open, step);
        if self.open.get(&entity).is_some_and(|open| at.since(open.last_active) > gap(open)) {
            self.close(entity, at, CloseReason::Quiet, changes);
        }
    }

    fn close(
        &mut self,
        entity: EntityId,
        at: Timestamp,
        reason: CloseReason,
        changes: &mut Vec<IncidentChange>,
    ) {
        let Some(mut incident) = self.open.remove(&entity) else { return };
        incident.end_at(at, reason);
        changes.push(IncidentChange::Closed(incident.clone()));
        self.joined.retain(|_, lead| *lead != entity);
        for leads in self.in_service.values_mut() {
            leads.remove(&entity);
        }
        self.in_service.retain(|_, leads| !leads.is_empty());
        if self.closed.len() >= self.keep_closed {
            self.closed.pop_front();
            self.closed_dropped += 1;
        }
        self.closed.push_back(incident);
    }
}

/// The time without a flagged row after which an incident closes. A flapping one stays open between
/// its occurrences.
fn gap(config: &IncidentConfig, incident: &Incident, step: i64) -> i64 {
    let usual = config.gap(step.max(nanos_of(incident.step)), nanos_of(incident.rhythm));
    if incident.is_flapping() {
        usual.max((nanos_of(incident.longest_quiet) / 2).saturating_mul(3).min(LONGEST_QUIET))
    } else {
        usual
    }
}

/// The number of different steps among rows. Several rows of one step count once.
fn distinct_steps(rows: &VecDeque<FlaggedRow>) -> u32 {
    let mut counted: Option<Timestamp> = None;
    let mut steps = 0;
    for row in rows.iter().filter(|row| row.opens) {
        if counted.is_none_or(|last| row.bucket.since(last).abs() > nanos_of(row.step) / 2) {
            counted = Some(row.bucket);
            steps += 1;
        }
    }
    steps
}

fn unknown(id: &str) -> Error {
    Error::not_found(format!(
        "no open incident has the id `{id}`; list them to see which there are"
    ))
}
