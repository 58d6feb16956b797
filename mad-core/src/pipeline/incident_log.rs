//! The part that keeps incidents: grouping, flagged rows, changes and the rows around incidents.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::IncidentWindow;
use super::closed_incidents::ClosedIncidents;
use super::names::Names;
use super::view::{Shared, View};
use crate::config::PipelineConfig;
use crate::culprit::Ranking;
use crate::error::Result;
use crate::feature::RowHead;
use crate::guard::{JudgedRow, JudgedSignal};
use crate::history::{FlaggedRow, FlaggedSignal, History, HistoryRing, HistoryRow, NewHistoryRow};
use crate::incident::{
    CloseReason, Incident, IncidentChange, IncidentGrouper, OpenState, RowOutcome,
};
use crate::series::{Entity, EntityId, SeriesId, SignalName};
use crate::telemetry::ChangeEvent;
use crate::time::Timestamp;

/// Flagged rows of an incident with which its fingerprint is settled: those of the cause have arrived
/// by then.
const SETTLED_ROWS: u64 = 5;

/// Incidents with the rows around them, recent rows, flagged rows and changes of services.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct IncidentLog {
    grouper: IncidentGrouper,
    history: History,
    /// Windows of incidents by the incident's id.
    windows: BTreeMap<String, IncidentWindow>,
    /// Ids of the incidents whose windows still take rows, by entity.
    open_windows: BTreeMap<EntityId, String>,
}

impl IncidentLog {
    pub fn new(config: &PipelineConfig) -> Result<Self> {
        let closed = config.limits.closed_incidents;
        let grouper = IncidentGrouper::new(config.incident, config.features.lateness(), closed)?;
        Ok(Self {
            grouper: grouper.with_critical_error_rate(config.guard.critical_error_rate),
            history: History::new(&config.limits),
            windows: BTreeMap::new(),
            open_windows: BTreeMap::new(),
        })
    }

    /// Applies another configuration.
    pub fn reconfigure(mut self, config: &PipelineConfig) -> Result<Self> {
        self.grouper.reconfigure(config.incident)?;
        self.grouper = self.grouper.with_critical_error_rate(config.guard.critical_error_rate);
        Ok(self)
    }

    pub fn history(&self) -> &History {
        &self.history
    }

    pub fn grouper(&self) -> &IncidentGrouper {
        &self.grouper
    }

    /// A view of incidents and history with the other parts.
    pub fn view<'a>(&'a self, shared: Shared<'a>) -> View<'a> {
        View { shared, grouper: &self.grouper, history: &self.history }
    }

    /// The rows around an incident and its final ranking.
    pub fn window(&self, id: &str) -> Option<&IncidentWindow> {
        self.windows.get(id)
    }

    /// Remembers a change of a service.
    pub fn push_change(&mut self, change: ChangeEvent) {
        self.history.push_change(change);
    }

    /// Remembers a judged row of requests.
    pub fn push_row(&mut self, judged: &JudgedRow) {
        self.push_recent(judged.head.entity, NewHistoryRow::of_requests(judged).row());
    }

    /// Remembers a row of requests of an entity.
    pub fn push_recent(&mut self, entity: EntityId, row: HistoryRow<'_>) {
        if let Some(id) = self.open_windows.get(&entity) {
            let wants_more = self.windows.get_mut(id).is_some_and(|window| window.push(row));
            if !wants_more {
                self.open_windows.remove(&entity);
            }
        }
        self.history.push(entity, row);
    }

    /// Remembers a judged value of a series.
    pub fn push_point(&mut self, head: &RowHead, judged: &JudgedSignal) {
        let Some(series) = judged.id.series() else { return };
        let kept = NewHistoryRow::of_series(head.at, judged);
        self.push_recent_point((head.entity, series), judged.name.as_str(), kept.row());
    }

    /// Remembers a value of a series of an entity.
    pub fn push_recent_point(
        &mut self,
        (entity, series): (EntityId, SeriesId),
        metric: &str,
        point: HistoryRow<'_>,
    ) {
        if let Some(id) = self.open_windows.get(&entity)
            && let Some(window) = self.windows.get_mut(id)
        {
            window.push_point(metric, point);
        }
        self.history.push_point(series, point);
    }

    /// Groups the outcome of a row.
    pub fn take(
        &mut self,
        entity: &Arc<Entity>,
        outcome: RowOutcome,
        shared: Shared<'_>,
        changes: &mut Vec<IncidentChange>,
    ) {
        let before = changes.len();
        // a row of a service that its endpoint explains would count that evidence twice
        if let RowOutcome::Alarm(row) | RowOutcome::Flagged(row) = &outcome
            && !self.grouper.is_absorbed(row)
        {
            let (others, subsets) = (Vec::new(), Vec::new());
            self.history.push_flagged(FlaggedRow { subsets, others, ..row.clone() });
        }
        self.grouper.take(entity, outcome, shared.graph, changes);
        self.follow(shared, changes.get_mut(before..).unwrap_or_default());
    }

    /// Leaves a hole of the collection, which ended at `at`, out of the time of incidents.
    pub fn pause(&mut self, at: Timestamp, hole: i64) {
        self.grouper.pause(at, hole);
    }

    /// Closes the incidents without a flagged row for too long at `at`.
    pub fn advance(
        &mut self,
        at: Timestamp,
        shared: Shared<'_>,
        changes: &mut Vec<IncidentChange>,
    ) {
        let before = changes.len();
        self.grouper.advance(at, changes);
        self.follow(shared, changes.get_mut(before..).unwrap_or_default());
    }

    /// Acknowledges an open incident. Returns `None` when it is acknowledged already.
    pub fn acknowledge(&mut self, id: &str, at: Timestamp) -> Result<Option<IncidentChange>> {
        self.grouper.acknowledge(id, at)
    }

    /// Closes an open incident.
    pub fn resolve(
        &mut self,
        id: &str,
        at: Timestamp,
        shared: Shared<'_>,
    ) -> Result<IncidentChange> {
        let mut change = self.grouper.resolve(id, at)?;
        self.follow(shared, std::slice::from_mut(&mut change));
        Ok(change)
    }

    /// Counts a row of points for the window of its entity, which closes some rows after the end.
    pub fn end_row(&mut self, entity: EntityId) {
        if let Some(id) = self.open_windows.get(&entity)
            && !self.windows.get_mut(id).is_some_and(IncidentWindow::wants_more)
        {
            self.open_windows.remove(&entity);
        }
    }

    /// Opens and closes the windows of incidents that changed.
    fn follow(&mut self, shared: Shared<'_>, changes: &mut [IncidentChange]) {
        for change in changes {
            self.settle(shared, change);
            match change {
                IncidentChange::Opened(incident) => {
                    let recent = self.history.recent(incident.entity_id);
                    let mut window = IncidentWindow::open(incident.entity_id, recent);
                    show_metrics(&mut window, incident, shared.names, &self.history);
                    self.open_windows.insert(incident.entity_id, incident.id.clone());
                    self.windows.insert(incident.id.clone(), window);
                }
                // the incident that it was merged into has a window
                IncidentChange::Closed(incident)
                    if incident.close_reason == Some(CloseReason::Merged) =>
                {
                    self.open_windows.remove(&incident.entity_id);
                    self.windows.remove(&incident.id);
                }
                IncidentChange::Closed(incident) => {
                    let ranking = self.view(shared).rank_incident(incident);
                    if let Some(window) = self.windows.get_mut(&incident.id) {
                        window.ranking = Some(ranking);
                    }
                    self.forget_windows(shared.config.limits.closed_incidents);
                }
                IncidentChange::Reopened(incident) => {
                    let recent = self.history.recent(incident.entity_id);
                    let fresh = || IncidentWindow::open(incident.entity_id, recent);
                    let window = self.windows.entry(incident.id.clone()).or_insert_with(fresh);
                    window.reopen();
                    self.open_windows.insert(incident.entity_id, incident.id.clone());
                }
                IncidentChange::Updated(incident) => {
                    if let Some(window) = self.windows.get_mut(&incident.id) {
                        show_metrics(window, incident, shared.names, &self.history);
                    }
                }
                IncidentChange::Acknowledged(_) => {}
            }
        }
    }

    /// Settles the fingerprint of an incident that has enough rows for a culprit, or has ended.
    fn settle(&mut self, shared: Shared<'_>, change: &mut IncidentChange) {
        let has_ended = matches!(change, IncidentChange::Closed(_));
        let incident = change.incident_mut();
        let is_merged = incident.close_reason == Some(CloseReason::Merged);
        if incident.is_settled || is_merged || !(has_ended || incident.rows >= SETTLED_ROWS) {
            return;
        }
        let ranking = self.view(shared).rank_incident(incident);
        let culprit = ranking.culprits.first().map(|first| {
            let peaks = incident.peaks_of(&first.entity);
            let signals =
                peaks.map(|peaks| peaks.iter().map(|peak| peak.signal.clone()).collect::<Vec<_>>());
            let of_evidence = || {
                let evidence = first.evidence.iter();
                let signal = evidence.map(|one| {
                    FlaggedSignal::new(one.signal.clone(), one.value, one.neg_log10_p).z(one.z)
                });
                signal.collect()
            };
            (&first.entity, signals.unwrap_or_else(of_evidence))
        });
        self.grouper.settle_fingerprint(incident, culprit);
    }

    /// Drops the windows of incidents that are not kept any more, once there are too many.
    fn forget_windows(&mut self, closed_incidents: usize) {
        if self.windows.len() <= 2 * closed_incidents {
            return;
        }
        let kept: HashSet<String> =
            self.grouper.incidents().into_iter().map(|incident| incident.id.clone()).collect();
        self.windows.retain(|id, _| kept.contains(id));
    }

    pub fn forget(&mut self, entities: &BTreeSet<EntityId>, series: &BTreeSet<SeriesId>) {
        for id in entities {
            self.open_windows.remove(id);
        }
        self.history.forget(entities, series);
        self.grouper.forget(entities);
    }

    /// The open incident of an entity and its window.
    pub fn open_state(&self, entity: EntityId) -> (OpenState, Option<IncidentWindow>) {
        let window = self.open_windows.get(&entity).and_then(|id| self.windows.get(id));
        (self.grouper.open_state(entity), window.cloned())
    }

    /// Takes over the open incident of an entity and its window.
    pub fn put_open_state(
        &mut self,
        entity: EntityId,
        incident: OpenState,
        window: Option<IncidentWindow>,
    ) {
        if let (Some(open), Some(window)) = (&incident.open, window) {
            self.open_windows.insert(entity, open.id.clone());
            self.windows.insert(open.id.clone(), IncidentWindow { entity, ..window });
        }
        self.grouper.put(entity, incident);
    }

    /// Takes over recent rows of an entity.
    pub fn put_rows(&mut self, entity: EntityId, rows: &HistoryRing) {
        for row in rows.iter() {
            self.history.push(entity, row);
        }
    }

    /// Takes over recent points of a series.
    pub fn put_points(&mut self, series: SeriesId, points: &HistoryRing) {
        for point in points.iter() {
            self.history.push_point(series, point);
        }
    }

    /// The recent rows of all entities and points of all series, out of here.
    pub fn take_rings(&mut self) -> Rings {
        self.history.take_rings()
    }

    pub fn put_rings(&mut self, (rows, points): Rings) {
        self.history.put_rings(rows, points);
    }

    /// The closed incidents and all windows but those of open incidents, out of here.
    pub fn take_closed(&mut self) -> ClosedIncidents {
        let open = self.grouper.open_ids();
        let (kept, windows) = std::mem::take(&mut self.windows)
            .into_iter()
            .partition(|(id, _)| open.contains(id.as_str()));
        self.windows = kept;
        let dropped = self.grouper.closed_dropped();
        ClosedIncidents { incidents: self.grouper.take_all_closed(), windows, dropped }
    }

    pub fn put_closed(&mut self, closed: ClosedIncidents) {
        self.grouper.put_closed(closed.incidents);
        self.windows.extend(closed.windows);
    }

    /// Takes over the closed incidents, windows, flagged rows and changes of another pipeline.
    pub fn absorb(&mut self, mut other: Self, shared: Shared<'_>, other_names: &Names) {
        let entities = &shared.names.entities;
        let here = |entity: &Entity| entities.find(&entity.service, &entity.endpoint);
        for row in other.history.take_flagged() {
            if let Some(entity) = other_names.entities.get(row.entity).and_then(|name| here(name)) {
                self.history.push_flagged(FlaggedRow { entity, ..row });
            }
        }
        for (id, window) in std::mem::take(&mut other.windows) {
            let entity = other_names.entities.get(window.entity).and_then(|name| here(name));
            let entity = entity.unwrap_or(window.entity);
            self.windows.entry(id).or_insert(IncidentWindow { entity, ..window });
        }
        for change in other.history.take_changes() {
            self.history.push_change(change);
        }
        self.grouper.take_closed(&mut other.grouper, here);
        self.forget_windows(shared.config.limits.closed_incidents);
    }

    /// Ranks the closed incidents again, as far as their flagged rows are still there. `is_whole`:
    /// no flagged row was dropped.
    pub fn rank_again(&mut self, is_whole: bool, shared: Shared<'_>) {
        let incidents = self.grouper.incidents().into_iter();
        let closed = incidents.filter(|incident| incident.closed_at.is_some());
        let view = self.view(shared);
        let rankings: Vec<(String, Ranking)> =
            closed.map(|incident| (incident.id.clone(), view.rank_incident(incident))).collect();
        let oldest = self.history.flagged(Timestamp::MIN, Timestamp::MAX).next();
        let oldest = oldest.map(|row| row.bucket);
        for (id, ranking) in rankings {
            if (is_whole || oldest.is_some_and(|oldest| oldest <= ranking.from))
                && let Some(window) = self.windows.get_mut(&id)
            {
                window.ranking = Some(ranking);
            }
        }
    }
}

/// Recent rows by entity and recent points by series.
pub(super) type Rings = (Vec<HistoryRing>, Vec<HistoryRing>);

/// Adds the metrics of an incident that were flagged so far to its window.
fn show_metrics(
    window: &mut IncidentWindow,
    incident: &Incident,
    names: &Names,
    history: &History,
) {
    for signal in incident.signals() {
        if let SignalName::Metric(metric) = signal
            && let Some(series) = names.series.find(incident.entity_id, metric)
        {
            window.show(metric, history.points(series));
        }
    }
}
