//! What people tell the pipeline.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// What people tell the pipeline. Commands are inputs like telemetry and carry their time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "command")]
pub enum Command {
    /// Somebody takes an incident.
    Acknowledge {
        /// The incident's id.
        id: String,
        /// When.
        at: Timestamp,
    },
    /// Somebody says that an incident is over.
    Resolve {
        /// The incident's id.
        id: String,
        /// When.
        at: Timestamp,
    },
}
