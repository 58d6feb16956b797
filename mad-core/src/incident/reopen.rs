//! Reopening: anomalies that return within the cooldown open the same incident again.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{CloseReason, Incident, IncidentChange, IncidentGrouper, IncidentStatus};
use crate::history::FlaggedRow;
use crate::series::{Entity, EntityId};
use crate::time::Timestamp;

impl IncidentGrouper {
    /// Opens the last incident of an entity again, if `rows` start within its cooldown. Returns whether
    /// there is one.
    pub(super) fn reopen(
        &mut self,
        entity: &Entity,
        rows: &[FlaggedRow],
        known: Timestamp,
        changes: &mut Vec<IncidentChange>,
    ) -> bool {
        let Some(first) = rows.first() else { return false };
        let can_reopen = |incident: &Incident| {
            let until = incident.reopens_until;
            until.is_some_and(|until| first.bucket <= until)
                && incident.start < first.bucket
                && !self.open.contains_key(&incident.entity_id)
                && incident.is_about(entity)
        };
        let Some(place) = self.closed.iter().rposition(can_reopen) else { return false };
        let Some(mut incident) = self.closed.remove(place) else { return false };
        let lead = incident.entity_id;
        incident.reopen_at(first);
        if lead == first.entity {
            for row in rows {
                incident.add(row, self.critical_error_rate);
            }
        } else {
            self.joined.insert(first.entity, lead);
            incident.join(entity, rows, known);
            self.place(&entity.service, lead);
        }
        self.place(&Arc::clone(&incident.entity.service), lead);
        changes.push(IncidentChange::Reopened(incident.clone()));
        self.open.insert(lead, incident);
        true
    }

    /// Ends the cooldown of incidents of forgotten entities, because their ids are given to others.
    pub(super) fn end_cooldown(&mut self, gone: &BTreeSet<EntityId>) {
        for incident in &mut self.closed {
            if gone.contains(&incident.entity_id) {
                incident.reopens_until = None;
            }
        }
    }
}

impl Incident {
    /// Closes it. Unless a command or a merge closed it, it can open again until `cooldown` nanoseconds
    /// after its last flagged row.
    pub(super) fn end_at(&mut self, at: Timestamp, reason: CloseReason, cooldown: i64) {
        self.status = IncidentStatus::Resolved;
        self.closed_at = Some(at);
        self.close_reason = Some(reason);
        let by_itself = matches!(reason, CloseReason::Quiet | CloseReason::Expired);
        self.reopens_until = (by_itself && cooldown > 0).then(|| self.end.plus(cooldown));
    }

    fn reopen_at(&mut self, first: &FlaggedRow) {
        self.reopened += 1;
        self.quiet = Some((self.end, first.bucket));
        self.status = IncidentStatus::Open;
        self.closed_at = None;
        self.close_reason = None;
        self.reopens_until = None;
        self.last_joined = first.bucket;
        self.last_active = first.bucket;
    }
}
