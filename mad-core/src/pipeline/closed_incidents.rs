//! Closed incidents with the rows around them, and their parts in a delta checkpoint.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::incident_window::IncidentWindow;
use crate::incident::Incident;

/// A closed incident with the rows around it. Either may be missing: a merged incident has no window,
/// and a window outlives a dropped incident for a while.
///
/// The incident is borrowed when it is saved, and owned when it was read.
#[derive(Serialize, Deserialize)]
pub(super) struct IncidentPart<'a> {
    /// Number of incidents that closed before it.
    order: u64,
    incident: Option<Cow<'a, Incident>>,
    window: Option<Cow<'a, IncidentWindow>>,
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
            (
                id.as_str(),
                IncidentPart { order: 0, incident: None, window: Some(Cow::Borrowed(window)) },
            )
        });
        let mut parts: BTreeMap<&str, IncidentPart<'_>> = windows.collect();
        for (order, incident) in (self.dropped..).zip(&self.incidents) {
            let window = self.windows.get(&incident.id).map(Cow::Borrowed);
            let part = IncidentPart { order, incident: Some(Cow::Borrowed(incident)), window };
            parts.insert(&incident.id, part);
        }
        parts
    }

    /// The closed incidents of parts that were read.
    pub fn from_parts<'a>(parts: impl IntoIterator<Item = (String, IncidentPart<'a>)>) -> Self {
        let (mut incidents, mut windows) = (Vec::new(), BTreeMap::new());
        for (id, IncidentPart { order, incident, window }) in parts {
            incidents.extend(incident.map(|incident| (order, incident.into_owned())));
            windows.extend(window.map(|window| (id, window.into_owned())));
        }
        incidents.sort_by_key(|(order, _)| *order);
        let incidents = incidents.into_iter().map(|(_, incident)| incident).collect();
        Self { incidents, windows, dropped: 0 }
    }
}
