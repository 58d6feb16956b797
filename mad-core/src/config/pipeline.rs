//! The whole configuration of a pipeline.

use serde::{Deserialize, Serialize};

use super::{
    CulpritConfig, FeatureConfig, GuardConfig, IncidentConfig, MuteWindow, Override, ScoreConfig,
    SloConfig,
};
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::series::Entity;
use crate::telemetry::RouteTemplates;
use crate::time::{Timestamp, ZonePolicy};

/// The whole configuration of a pipeline. Every field has a default that fits most systems.
///
/// # Examples
///
/// ```
/// use mad_core::PipelineConfig;
///
/// let mut config = PipelineConfig::default();
/// config.guard.min_points = 0;
/// assert_eq!(
///     config.validate().unwrap_err().to_string(),
///     "config field `guard.min_points` is 0; expected an integer from 1 to 100000"
/// );
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PipelineConfig {
    /// Seconds east of UTC for times without a zone, -86,400 to 86,400. Default none: such times
    /// are rejected.
    pub naive_offset_seconds: Option<i32>,
    /// The step of rows, lateness, and records from the future.
    pub features: FeatureConfig,
    /// How rows are scored.
    pub score: ScoreConfig,
    /// Which anomalous rows are suppressed.
    pub guard: GuardConfig,
    /// When incidents open, merge and close.
    pub incident: IncidentConfig,
    /// Service level objectives.
    pub slo: SloConfig,
    /// How culprits are ranked.
    pub culprit: CulpritConfig,
    /// Bounds on memory.
    pub limits: Limits,
    /// How raw paths become routes.
    pub routes: RouteTemplates,
    /// Settings of some entities and signals, `override` in files. Later ones win.
    #[serde(rename = "override")]
    pub overrides: Vec<Override>,
    /// Windows in which some entities are muted, `mute` in files.
    #[serde(rename = "mute")]
    pub mutes: Vec<MuteWindow>,
}

impl PipelineConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// Names the first field outside its range, its value and its range. Overrides and mutes are
    /// counted from 0, such as `override[2].threshold`.
    pub fn validate(&self) -> Result<()> {
        if let Some(offset) = self.naive_offset_seconds
            && !(-86_400..=86_400).contains(&offset)
        {
            return Err(Error::config("naive_offset_seconds", offset, "-86400 to 86400 seconds"));
        }
        self.features.validate()?;
        self.score.validate()?;
        self.guard.validate()?;
        self.incident.validate()?;
        self.slo.validate()?;
        self.culprit.validate()?;
        self.limits.validate()?;
        self.routes.validate()?;
        for (i, over) in self.overrides.iter().enumerate() {
            over.validate(&format!("override[{i}]"))?;
        }
        for (i, mute) in self.mutes.iter().enumerate() {
            mute.validate(&format!("mute[{i}]"))?;
        }
        Ok(())
    }

    /// The mute window that covers `entity` at `at`, and its end. Of several windows it is the one
    /// that ends last. See [`MuteWindow::muted_until`].
    pub fn mute_at(&self, entity: &Entity, at: Timestamp) -> Option<(&MuteWindow, Timestamp)> {
        let holding = |mute| MuteWindow::muted_until(mute, entity, at).map(|end| (mute, end));
        self.mutes.iter().filter_map(holding).max_by_key(|(_, end)| *end)
    }

    /// Checks that state of this config can go on under another.
    pub(crate) fn check_shape(&self, other: &Self) -> Result<()> {
        for (stage, same) in [
            ("features", self.features == other.features),
            ("score", self.score == other.score),
            ("limits", self.limits == other.limits),
        ] {
            if !same {
                return Err(Error::state(format!(
                    "the state was saved with another config of `{stage}`, which shapes what is \
                     remembered: restore it with that one, or begin anew"
                )));
            }
        }
        Ok(())
    }

    /// How times without a zone are read.
    pub fn zone(&self) -> ZonePolicy {
        self.naive_offset_seconds.map_or(ZonePolicy::Refuse, ZonePolicy::Offset)
    }
}
