//! All of the configuration.

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

/// All of the configuration; every field has a default that is meant to be kept.
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
    /// Seconds east of UTC for times that carry no zone, -86,400 to 86,400. Default none: such
    /// times are refused.
    pub naive_offset_seconds: Option<i32>,
    /// How requests become rows.
    pub features: FeatureConfig,
    /// How rows are judged.
    pub score: ScoreConfig,
    /// What is not worth waking anyone.
    pub guard: GuardConfig,
    /// When an incident opens and when it is over.
    pub incident: IncidentConfig,
    /// What callers were promised, of which an incident takes its part.
    pub slo: SloConfig,
    /// How culprits are ranked.
    pub culprit: CulpritConfig,
    /// Bounds on memory.
    pub limits: Limits,
    /// How raw paths become routes.
    pub routes: RouteTemplates,
    /// What is otherwise for some entities and signals, `override` in files; later ones win.
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
    /// counted from 0: `override[2].threshold`.
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

    /// Of the mutes that hold for `entity` at `at` the one that ends last, and its end; see
    /// [`MuteWindow::muted_until`].
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

    /// What to do with times that carry no zone.
    pub fn zone(&self) -> ZonePolicy {
        self.naive_offset_seconds.map_or(ZonePolicy::Refuse, ZonePolicy::Offset)
    }
}
