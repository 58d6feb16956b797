//! What happens to incidents.

use serde::{Deserialize, Serialize};

use super::Incident;

/// What happened to an incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentChange {
    /// It opened.
    Opened(Incident),
    /// It grew: a row of the first entity, a longer or worse one of another, or one more that is
    /// listed.
    Updated(Incident),
    /// It had ended, and came back within the cooldown.
    Reopened(Incident),
    /// Somebody took it.
    Acknowledged(Incident),
    /// It is over.
    Closed(Incident),
}

impl IncidentChange {
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
