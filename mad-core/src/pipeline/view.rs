//! What a ranking and an explanation read of a pipeline besides flagged rows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::culprit::{Evidence, RankingContext};
use crate::graph::ServiceGraph;
use crate::guard::Reason;
use crate::history::{History, HistoryRow};
use crate::incident::{IncidentGrouper, Topology};
use crate::series::{EntityId, Signal};
use crate::telemetry::ChangeEvent;
use crate::time::Timestamp;

/// The calls, changes and recent rows that a ranking reads, borrowed from a pipeline.
pub(super) struct View<'a> {
    pub graph: &'a ServiceGraph,
    pub history: &'a History,
    pub grouper: &'a IncidentGrouper,
    /// Score of each service by its metrics, 0 to 1; empty where they were not ranked.
    pub by_metrics: BTreeMap<Arc<str>, f64>,
    /// Entities of other incidents that no call connects with this one.
    pub in_other_incident: BTreeSet<EntityId>,
}

impl RankingContext for View<'_> {
    fn callees(&self, service: &str) -> Vec<Arc<str>> {
        self.graph.callees(service)
    }

    fn change(&self, service: &str, from: Timestamp, to: Timestamp) -> Option<ChangeEvent> {
        let mut newest_first = self.history.changes().rev();
        let meant = |change: &&ChangeEvent| {
            *change.service == *service && change.at >= from && change.at < to
        };
        let change = newest_first.find(meant)?;
        // a change during an open incident of the service answers it and did not cause it
        let incidents = self.grouper.incidents();
        let answered = incidents.iter().any(|incident| {
            incident.entity.service == change.service
                && incident.start.plus(incident.step) <= change.at
                && change.at < incident.end
        });
        (!answered).then(|| change.clone())
    }

    fn metric_share(&self, service: &str) -> Option<f64> {
        self.by_metrics.get(service).copied()
    }

    fn persisting_rows(&self, entity: EntityId, evidence: &Evidence, to: Timestamp) -> u64 {
        let signal = evidence.signal.request().filter(|signal| *signal != Signal::RequestCount);
        let Some(signal) = signal else { return 0 };
        let half = (evidence.value - evidence.expected) / 2.0;
        let persists = |row: &&HistoryRow| {
            let value = row.values.get(signal.index()).map_or(f64::NAN, |value| f64::from(*value));
            (value - evidence.expected) / half >= 1.0 && row.reason != Reason::Muted
        };
        let after = self.history.recent(entity).skip_while(|row| row.bucket <= evidence.at);
        let rows = after.take_while(|row| row.bucket <= to).take_while(persists);
        rows.filter(|row| !row.is_anomaly).count() as u64
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
