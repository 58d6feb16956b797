//! What is kept of incidents for their reports, as they open, grow and close.

use super::{IncidentWindow, Pipeline, Update};
use crate::history::History;
use crate::incident::{CloseReason, Incident, IncidentChange};
use crate::series::{SeriesTable, SignalName};

impl Pipeline {
    /// Opens and closes the windows of incidents that changed since `from`.
    pub(super) fn follow_changes(&mut self, from: usize, update: &mut Update) {
        for change in update.changes.iter().skip(from) {
            match change {
                IncidentChange::Opened(incident) => {
                    let recent = self.history.recent(incident.entity_id);
                    let mut window = IncidentWindow::open(incident.entity_id, recent);
                    show_metrics(&mut window, incident, &self.series_names, &self.history);
                    self.open_windows.insert(incident.entity_id, incident.id.clone());
                    self.windows.insert(incident.id.clone(), window);
                }
                // it lives on in another
                IncidentChange::Closed(incident)
                    if incident.close_reason == Some(CloseReason::Merged) =>
                {
                    self.open_windows.remove(&incident.entity_id);
                    self.windows.remove(&incident.id);
                }
                IncidentChange::Closed(incident) => {
                    let ranking = self.rank_incident(incident);
                    if let Some(window) = self.windows.get_mut(&incident.id) {
                        window.ranking = Some(ranking);
                    }
                    self.forget_windows();
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
                        show_metrics(window, incident, &self.series_names, &self.history);
                    }
                }
                IncidentChange::Acknowledged(_) => {}
            }
        }
    }

    /// Keeps no more windows than incidents.
    pub(super) fn forget_windows(&mut self) {
        if self.windows.len() <= 2 * self.config.limits.closed_incidents {
            return;
        }
        let kept: std::collections::HashSet<String> =
            self.grouper.incidents().into_iter().map(|incident| incident.id.clone()).collect();
        self.windows.retain(|id, _| kept.contains(id));
    }
}

/// Shows the metrics that were flagged so far.
fn show_metrics(
    window: &mut IncidentWindow,
    incident: &Incident,
    series: &SeriesTable,
    history: &History,
) {
    for signal in incident.signals() {
        if let SignalName::Metric(metric) = signal
            && let Some(series) = series.find(incident.entity_id, metric)
        {
            window.show(metric, history.points(series));
        }
    }
}
