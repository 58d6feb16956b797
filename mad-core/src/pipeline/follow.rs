//! What is kept of incidents for their reports, as they open, grow and close.

use super::{IncidentRecord, Pipeline, Update};
use crate::history::History;
use crate::incident::{CloseReason, Incident, IncidentChange};
use crate::series::{SeriesTable, SignalName};

impl Pipeline {
    /// Opens and closes the records of incidents that changed since `from`.
    pub(super) fn follow_changes(&mut self, from: usize, update: &mut Update) {
        for change in update.changes.iter().skip(from) {
            match change {
                IncidentChange::Opened(incident) => {
                    let recent = self.history.recent(incident.entity_id);
                    let mut record = IncidentRecord::open(incident.entity_id, recent);
                    show_metrics(&mut record, incident, &self.series_names, &self.history);
                    self.recording.insert(incident.entity_id, incident.id.clone());
                    self.records.insert(incident.id.clone(), record);
                }
                // it lives on in another
                IncidentChange::Closed(incident)
                    if incident.close_reason == Some(CloseReason::Merged) =>
                {
                    self.recording.remove(&incident.entity_id);
                    self.records.remove(&incident.id);
                }
                IncidentChange::Closed(incident) => {
                    let ranking = self.rank_incident(incident);
                    if let Some(record) = self.records.get_mut(&incident.id) {
                        record.ranking = Some(ranking);
                    }
                    self.forget_records();
                }
                IncidentChange::Reopened(incident) => {
                    let recent = self.history.recent(incident.entity_id);
                    let fresh = || IncidentRecord::open(incident.entity_id, recent);
                    let record = self.records.entry(incident.id.clone()).or_insert_with(fresh);
                    record.reopen();
                    self.recording.insert(incident.entity_id, incident.id.clone());
                }
                IncidentChange::Updated(incident) => {
                    if let Some(record) = self.records.get_mut(&incident.id) {
                        show_metrics(record, incident, &self.series_names, &self.history);
                    }
                }
                IncidentChange::Acknowledged(_) => {}
            }
        }
    }

    /// Keeps no more records than incidents.
    pub(super) fn forget_records(&mut self) {
        if self.records.len() <= 2 * self.config.limits.closed_incidents {
            return;
        }
        let kept: std::collections::HashSet<String> =
            self.grouper.incidents().into_iter().map(|incident| incident.id.clone()).collect();
        self.records.retain(|id, _| kept.contains(id));
    }
}

/// Shows the metrics that were flagged so far.
fn show_metrics(
    record: &mut IncidentRecord,
    incident: &Incident,
    series: &SeriesTable,
    history: &History,
) {
    for signal in incident.signals() {
        if let SignalName::Metric(metric) = signal
            && let Some(series) = series.find(incident.entity_id, metric)
        {
            record.show(metric, history.points(series));
        }
    }
}
