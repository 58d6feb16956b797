//! An incident that comes back soon goes on instead of a new one.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{CloseReason, Incident, IncidentChange, IncidentGrouper, IncidentStatus};
use crate::history::FlaggedRow;
use crate::series::{Entity, EntityId};
use crate::time::Timestamp;

impl IncidentGrouper {
    /// Goes on with the last incident that an entity was in, if that ended by itself and `rows` begin
    /// within the cooldown.
    pub(super) fn reopen(
        &mut self,
        entity: &Entity,
        rows: &[FlaggedRow],
        known: Timestamp,
        changes: &mut Vec<IncidentChange>,
    ) -> bool {
        let Some(first) = rows.first() else { return false };
        let goes_on = |incident: &Incident| {
            let until = incident.reopens_until;
            until.is_some_and(|until| first.bucket <= until)
                && incident.start < first.bucket
                && !self.open.contains_key(&incident.entity_id)
                && incident.is_about(entity)
        };
        let Some(place) = self.closed.iter().rposition(goes_on) else { return false };
        let Some(mut incident) = self.closed.remove(place) else { return false };
        let lead = incident.entity_id;
        incident.come_back(first);
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

    /// Incidents of entities that are forgotten do not come back: their ids will be others'.
    pub(super) fn end_cooldown(&mut self, gone: &BTreeSet<EntityId>) {
        for incident in &mut self.closed {
            if gone.contains(&incident.entity_id) {
                incident.reopens_until = None;
            }
        }
    }
}

impl Incident {
    /// Closed by itself or by somebody; one that ended by itself may come back until `cooldown`
    /// nanoseconds after its last flagged row.
    pub(super) fn end_at(&mut self, at: Timestamp, reason: CloseReason, cooldown: i64) {
        self.status = IncidentStatus::Resolved;
        self.closed_at = Some(at);
        self.close_reason = Some(reason);
        let by_itself = matches!(reason, CloseReason::Quiet | CloseReason::Expired);
        self.reopens_until = (by_itself && cooldown > 0).then(|| self.end.plus(cooldown));
    }

    fn come_back(&mut self, first: &FlaggedRow) {
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
