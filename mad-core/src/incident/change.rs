//! Changes of incidents.

use serde::{Deserialize, Serialize};

use super::Incident;

/// A change of an incident, with the incident after it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentChange {
    /// It opened.
    Opened(Incident),
    /// It grew: by a row of its first entity, by a row of a member that made it longer or worse, or by a
    /// listed member.
    Updated(Incident),
    /// It opened again within the cooldown.
    Reopened(Incident),
    /// It was acknowledged.
    Acknowledged(Incident),
    /// It closed.
    Closed(Incident),
}

impl IncidentChange {
    /// The incident after the change, to be changed.
    pub(crate) fn incident_mut(&mut self) -> &mut Incident {
        match self {
            Self::Opened(incident)
            | Self::Updated(incident)
            | Self::Reopened(incident)
            | Self::Acknowledged(incident)
            | Self::Closed(incident) => incident,
        }
    }

    /// The incident after the change.
    pub fn incident(&self) -> &Incident {
        match self {
            Self::Opened(incident)
            | Self::Updated(incident)
            | Self::Reopened(incident)
            | Self::Acknowledged(incident)
            | Self::Closed(incident) => incident,
        }
    }
}
