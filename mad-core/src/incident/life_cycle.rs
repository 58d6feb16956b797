//! The status of an incident, and the reason of its end.

use serde::{Deserialize, Serialize};

/// The status of an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentStatus {
    /// It is open and not acknowledged.
    Open,
    /// It is open and acknowledged.
    Acknowledged,
    /// It is closed.
    Resolved,
}

impl IncidentStatus {
    /// The status in files and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Resolved => "resolved",
        }
    }
}

/// Why an incident was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloseReason {
    /// The rows of its entities were normal for `resolve_after_minutes`.
    Quiet,
    /// Its entities sent nothing for `ttl_minutes`.
    Expired,
    /// A command resolved it.
    Command,
    /// It was merged into an older incident.
    Merged,
}

impl CloseReason {
    /// The reason in files and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Quiet => "quiet",
            Self::Expired => "expired",
            Self::Command => "command",
            Self::Merged => "merged",
        }
    }
}
