//! The commands of people: acknowledge, resolve, mute, unmute, accept a level.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::series::Glob;
use crate::time::Timestamp;

/// A command of a person. Commands are inputs like telemetry and carry their event time.
///
/// # Examples
///
/// As JSON, a command has the name of its kind in the field `command`:
///
/// ```
/// use mad_core::{Command, Timestamp};
///
/// let command = Command::Resolve { id: "i-1".to_owned(), at: Timestamp::from_seconds(60) };
/// let json = serde_json::to_value(&command).expect("a command is JSON");
/// assert_eq!(json["command"], "resolve");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "command")]
pub enum Command {
    /// Acknowledges an open incident.
    Acknowledge {
        /// Id of the incident.
        id: String,
        /// Time of the command.
        at: Timestamp,
    },
    /// Closes an open incident.
    Resolve {
        /// Id of the incident.
        id: String,
        /// Time of the command.
        at: Timestamp,
    },
    /// Mutes entities from the step that contains `at`. Their rows are not flagged and have the
    /// reason `muted`. Their anomalies are not learnt.
    Mute {
        /// Pattern of the services.
        service: Glob,
        /// Pattern of the endpoints, or of the resources of metrics.
        #[serde(default, alias = "resource")]
        endpoint: Glob,
        /// Time of the command.
        at: Timestamp,
        /// End of the mute, later than `at`.
        until: Timestamp,
        /// Reason, for people.
        #[serde(default)]
        reason: String,
    },
    /// Makes the present level of anomalous signals their baseline, such as error rates, of which no
    /// level is accepted by waiting.
    AcceptLevel {
        /// Pattern of the services.
        service: Glob,
        /// Pattern of the endpoints, or of the resources of metrics.
        #[serde(default, alias = "resource")]
        endpoint: Glob,
        /// Pattern of the signals and metrics.
        #[serde(default)]
        signal: Glob,
        /// Time of the command.
        at: Timestamp,
    },
    /// Ends the mutes of exactly these patterns. Mutes of the configuration stay.
    Unmute {
        /// Pattern of the services, as in the mute.
        service: Glob,
        /// Pattern of the endpoints or resources, as in the mute.
        #[serde(default, alias = "resource")]
        endpoint: Glob,
        /// Time of the command.
        at: Timestamp,
    },
}

impl Command {
    /// Checks its times.
    pub(super) fn check(&self) -> Result<()> {
        let (at, until) = match self {
            Self::Mute { at, until, .. } => (at, Some(until)),
            Self::Acknowledge { at, .. }
            | Self::Resolve { at, .. }
            | Self::AcceptLevel { at, .. }
            | Self::Unmute { at, .. } => (at, None),
        };
        for (name, time) in [("at", Some(at)), ("until", until)] {
            if let Some(time) = time.filter(|time| !time.is_accepted()) {
                return Err(Error::argument(name, time, "a time of the years 1970 to 2199"));
            }
        }
        Ok(())
    }
}
