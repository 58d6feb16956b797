//! Rows of a whole service that one of its endpoints explains.

use super::{IncidentChange, IncidentGrouper, Topology};
use crate::history::FlaggedRow;
use crate::series::Entity;

impl IncidentGrouper {
    /// Whether a row of a whole service says nothing beyond the endpoint that explains it: that
    /// endpoint is part of an open incident, or its flagged rows wait for one.
    pub(crate) fn is_absorbed(&self, row: &FlaggedRow) -> bool {
        let Some(by) = &row.explained_by else { return false };
        let newest = self.pending.get(&by.id).and_then(|rows| rows.iter().rfind(|row| row.opens));
        let waits = newest.is_some_and(|newest| row.bucket.since(newest.bucket) < self.reach(row));
        waits || self.open.contains_key(&self.lead(by.id))
    }

    /// Whether the open incident of a row lists its entity, so that the row counts in it.
    pub(super) fn is_listed(&self, entity: &Entity, row: &FlaggedRow) -> bool {
        let incident = self.open.get(&self.lead(row.entity));
        incident.is_some_and(|incident| incident.is_about(entity))
    }

    /// Takes a row of a whole service for the endpoint that explains it. It keeps the incident of
    /// the endpoint open. Where none is open yet, it is more evidence for the newest flagged row of
    /// the endpoint.
    pub(super) fn absorb_service(
        &mut self,
        row: FlaggedRow,
        topology: &impl Topology,
        changes: &mut Vec<IncidentChange>,
    ) {
        let Some(by) = row.explained_by else { return };
        let lead = self.lead(by.id);
        if let Some(incident) = self.open.get_mut(&lead) {
            let end = row.bucket + row.step;
            incident.last_active = incident.last_active.max(end);
            return;
        }
        let newest = self.pending.get_mut(&by.id).and_then(|rows| {
            let at = rows.iter().rposition(|row| row.opens)?;
            rows.remove(at)
        });
        if let Some(newest) = newest {
            let row = FlaggedRow {
                // The larger one, not the sum: both rows count the same requests.
                neg_log10_p: newest.neg_log10_p.max(row.neg_log10_p),
                effective_n: newest.effective_n.max(row.effective_n),
                ..newest
            };
            self.alarm(&by.entity, row, topology, changes);
        }
    }
}
