//! Reopening: anomalies that return within the cooldown open the same incident again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::{CloseReason, Incident, IncidentChange, IncidentGrouper, IncidentStatus};
use crate::history::FlaggedRow;
use crate::series::{Entity, EntityId};
use crate::time::Timestamp;

/// Longest time between the end of an incident and the next one of the same fault that makes the
/// latter a recurrence.
const RECURS_WITHIN: Duration = Duration::from_secs(3 * 3_600);
/// Usual times between rows that the cooldown of a sparse entity has at least, up to a day. A few good
/// requests among the failing ones of a rare job are no recovery.
const SPARSE_ROWS: u32 = 20;
/// Longest cooldown, unless a longer one is configured.
const LONGEST_COOLDOWN: Duration = Duration::from_secs(6 * 3_600);
/// Longest cooldown of a sparse entity.
const LONGEST_SPARSE: Duration = Duration::from_secs(24 * 3_600);

/// The cooldown after a further occurrence: twice the one before it, and twice the quiet time
/// between the occurrences.
fn longer(cooldown: Duration, quiet: Duration) -> Duration {
    let doubled = cooldown.max(quiet).saturating_mul(2);
    doubled.min(LONGEST_COOLDOWN).max(cooldown)
}

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
        // The newest one: an older incident of the entity has ended for good.
        let Some(place) = self.closed.iter().rposition(can_reopen) else { return false };
        let Some(mut incident) = self.closed.remove(place) else { return false };
        let lead = incident.entity_id;
        incident.reopen_at(first, self.config.cooldown());
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

    /// Counts an incident that opens as a recurrence if the same fault of its entity had one shortly
    /// before. Its cooldown then covers the time between the two, so that the next occurrence opens
    /// it again.
    pub(super) fn note_recurrence(&self, incident: &mut Incident) {
        incident.cooldown = self.config.cooldown();
        if incident.cooldown.is_zero() {
            return;
        }
        let (entity, fault) = (incident.entity.clone(), incident.fault());
        let start = incident.start;
        let is_before = |earlier: &&Incident| {
            earlier.reopens_until.is_some()
                && earlier.end <= start
                && start.duration_since(earlier.end) <= RECURS_WITHIN
                && earlier.is_about(&entity)
                && earlier.fault() == fault
        };
        let Some(earlier) = self.closed.iter().rev().find(is_before) else { return };
        let quiet = incident.start.duration_since(earlier.end);
        incident.recurred = earlier.recurred + earlier.reopened + 1;
        incident.longest_quiet = quiet.max(earlier.longest_quiet);
        incident.cooldown = longer(incident.cooldown, quiet);
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
    /// Closes it. Unless a command or a merge closed it, it can open again until the end of its
    /// cooldown after its last flagged row.
    pub(super) fn end_at(&mut self, at: Timestamp, reason: CloseReason) {
        let is_sparse = self.rhythm > self.step;
        // A rare job has few rows in a cooldown of minutes, so that it counts in its own pace.
        let sparse = self.rhythm.saturating_mul(SPARSE_ROWS).min(LONGEST_SPARSE);
        // A cooldown of zero is a setting: such incidents never open again.
        let can_reopen = !self.cooldown.is_zero();
        let cooldown = if is_sparse { self.cooldown.max(sparse) } else { self.cooldown };
        self.seen.drop_weak();
        self.status = IncidentStatus::Resolved;
        self.closed_at = Some(at);
        self.close_reason = Some(reason);
        let by_itself = matches!(reason, CloseReason::Quiet | CloseReason::Expired);
        self.reopens_until = (by_itself && can_reopen).then(|| self.end + cooldown);
    }

    fn reopen_at(&mut self, first: &FlaggedRow, least: Duration) {
        self.reopened += 1;
        let quiet = first.bucket.duration_since(self.end);
        self.longest_quiet = self.longest_quiet.max(quiet);
        self.cooldown = longer(self.cooldown.max(least), quiet);
        self.quiet = Some((self.end, first.bucket));
        self.status = IncidentStatus::Open;
        self.closed_at = None;
        self.close_reason = None;
        self.reopens_until = None;
        self.last_joined = first.bucket;
        self.last_active = first.bucket;
    }
}
