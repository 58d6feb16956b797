//! What people tell the pipeline.

use serde::{Deserialize, Serialize};

use super::{Pipeline, Update};
use crate::config::MuteWindow;
use crate::error::{Error, Result};
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

impl Pipeline {
    /// Does what somebody says.
    ///
    /// # Errors
    ///
    /// The incident that the command names is not open; a mute ends before it begins, or is one
    /// more than [`Limits::mutes`](crate::Limits::mutes); nothing is muted by these patterns.
    pub fn apply(&mut self, command: &Command) -> Result<Update> {
        let mut update = Update::default();
        match command {
            Command::Acknowledge { id, at } => {
                update.changes.push(self.grouper.acknowledge(id, *at)?);
            }
            Command::Resolve { id, at } => update.changes.push(self.grouper.resolve(id, *at)?),
            Command::Mute { service, endpoint, at, until, reason } => {
                let from = at.floor(self.config.features.step());
                self.mute(MuteWindow {
                    service: service.clone(),
                    endpoint: endpoint.clone(),
                    from: Some(from),
                    to: Some(*until),
                    reason: reason.clone(),
                    ..MuteWindow::default()
                })?;
            }
            Command::Unmute { service, endpoint, at } => self.unmute(service, endpoint, *at)?,
        }
        self.follow_changes(0, &mut update);
        Ok(update)
    }

    /// Mutes that somebody asked for.
    pub fn mutes(&self) -> &[MuteWindow] {
        &self.mutes
    }

    fn mute(&mut self, mute: MuteWindow) -> Result<()> {
        mute.validate("mute")?;
        let limit = self.config.limits.mutes;
        if self.mutes.len() >= limit {
            let closed = self.watermark();
            self.mutes.retain(|mute| mute.to.is_none_or(|to| to > closed));
        }
        if self.mutes.len() >= limit {
            return Err(Error::state(format!(
                "there are limits.mutes = {limit} mutes already: end one first"
            )));
        }
        self.mutes.push(mute);
        Ok(())
    }

    fn unmute(&mut self, service: &Glob, endpoint: &Glob, at: Timestamp) -> Result<()> {
        let mut found = false;
        for mute in &mut self.mutes {
            let meant = mute.service == *service && mute.endpoint == *endpoint;
            if meant && mute.to.is_none_or(|to| to > at) {
                mute.to = Some(at);
                found = true;
            }
        }
        self.mutes.retain(|mute| mute.from < mute.to);
        let name = || format!("nothing is muted by service = `{service}`, endpoint = `{endpoint}`");
        if found { Ok(()) } else { Err(Error::not_found(name())) }
    }
}
