//! The commands of people: acknowledge, resolve, mute, unmute, accept a level.

use serde::{Deserialize, Serialize};

use super::view::Shared;
use super::{Pipeline, Update};
use crate::config::MuteWindow;
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

impl Pipeline {
    /// Applies a command, such as to acknowledge an incident or to mute an entity.
    ///
    /// # Errors
    ///
    /// - The incident that the command names is not open.
    /// - A mute ends before it begins, or exceeds [`Limits::mutes`](crate::Limits::mutes).
    /// - Nothing is muted by these patterns.
    /// - A time of the command is before 1970 or after 2199.
    ///
    /// # Examples
    ///
    /// ```
    /// use mad_core::series::Glob;
    /// use mad_core::{Command, Pipeline, PipelineConfig, Timestamp};
    ///
    /// let mut pipeline = Pipeline::new(PipelineConfig::default())?;
    /// let at = Timestamp::from_seconds(0);
    /// pipeline.apply(&Command::Mute {
    ///     service: Glob::new("pay*"),
    ///     endpoint: Glob::default(),
    ///     at,
    ///     until: Timestamp::from_seconds(3600),
    ///     reason: "load test".to_owned(),
    /// })?;
    /// assert_eq!(pipeline.mutes().len(), 1);
    /// # Ok::<(), mad_core::Error>(())
    /// ```
    pub fn apply(&mut self, command: &Command) -> Result<Update> {
        command.check()?;
        let mut update = Update::default();
        let Self { config, names, ingest, judge, incidents, checkpointer, .. } = self;
        match command {
            Command::Acknowledge { id, at } => {
                update.changes.extend(incidents.acknowledge(id, *at)?);
            }
            Command::Resolve { id, at } => {
                let shared = Shared { config, names, graph: ingest.graph(), ingest };
                update.changes.push(incidents.resolve(id, *at, shared)?);
            }
            Command::Mute { service, endpoint, at, until, reason } => {
                let mute = MuteWindow {
                    service: service.clone(),
                    endpoint: endpoint.clone(),
                    from: Some(at.floor(config.features.step_nanos())),
                    to: Some(*until),
                    reason: reason.clone(),
                    ..MuteWindow::default()
                };
                judge.mute(mute, config.limits.mutes, ingest.watermark())?;
            }
            Command::AcceptLevel { service, endpoint, signal, at } => {
                let (levels, entities) =
                    judge.accept_levels((service, endpoint, signal), *at, names)?;
                checkpointer.mark_dirty(entities);
                update.levels = levels;
            }
            Command::Unmute { service, endpoint, at } => judge.unmute(service, endpoint, *at)?,
        }
        Ok(update)
    }
}
