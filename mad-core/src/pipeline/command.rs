//! What people tell the pipeline.

use serde::{Deserialize, Serialize};

use crate::series::Glob;
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
    /// Nobody is to be woken for some entities for a while: from the step that holds `at`. Their
    /// anomalies are judged with the reason `muted` and teach nothing.
    Mute {
        /// Services it is for.
        service: Glob,
        /// Their endpoints, or of metrics their resources.
        #[serde(default, alias = "resource")]
        endpoint: Glob,
        /// When.
        at: Timestamp,
        /// When it is over, after `at`.
        until: Timestamp,
        /// Why, for people.
        #[serde(default)]
        reason: String,
    },
    /// Mutes of these very patterns are over. Those of the configuration stay.
    Unmute {
        /// Services, as they were muted.
        service: Glob,
        /// Endpoints or resources, as they were muted.
        #[serde(default, alias = "resource")]
        endpoint: Glob,
        /// When.
        at: Timestamp,
    },
}
