//! Closed incidents with the rows around them, and their parts in a delta checkpoint.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::incident_window::IncidentWindow;
use crate::incident::Incident;

/// A closed incident with the rows around it. Either may be missing: a merged incident has no window,
/// and a window outlives a dropped incident for a while.
#[derive(Serialize)]
pub(super) struct IncidentPart<'a> {
    /// Number of incidents that closed before it.
    order: u64,
    incident: Option<&'a Incident>,
    window: Option<&'a IncidentWindow>,
}

/// A part of a closed incident that was read.
#[derive(Deserialize)]
pub(super) struct SavedIncident {
    order: u64,
    incident: Option<Incident>,
    window: Option<IncidentWindow>,
}

/// The closed incidents in the order in which they closed, and the windows of incidents that are not
/// open.
#[derive(Debug, Default)]
pub(super) struct ClosedIncidents {
    pub incidents: VecDeque<Incident>,
    pub windows: BTreeMap<String, IncidentWindow>,
    /// Number of older closed incidents that were dropped.
    pub dropped: u64,
}

impl ClosedIncidents {
    /// One part for each id.
    pub fn parts(&self) -> BTreeMap<&str, IncidentPart<'_>> {
        let windows = self.windows.iter().map(|(id, window)| {
            (id.as_str(), IncidentPart { order: 0, incident: None, window: Some(window) })
        });
        let mut parts: BTreeMap<&str, IncidentPart<'_>> = windows.collect();
        for (order, incident) in (self.dropped..).zip(&self.incidents) {
            let window = self.windows.get(&incident.id);
            let part = IncidentPart { order, incident: Some(incident), window };
            parts.insert(&incident.id, part);
        }
        parts
    }

    /// The closed incidents of parts that were read.
    pub fn from_parts(parts: impl IntoIterator<Item = (String, SavedIncident)>) -> Self {
        let (mut incidents, mut windows) = (Vec::new(), BTreeMap::new());
        for (id, SavedIncident { order, incident, window }) in parts {
            incidents.extend(incident.map(|incident| (order, incident)));
            windows.extend(window.map(|window| (id, window)));
        }
        incidents.sort_by_key(|(order, _)| *order);
        let incidents = incidents.into_iter().map(|(_, incident)| incident).collect();
        Self { incidents, windows, dropped: 0 }
    }
}
