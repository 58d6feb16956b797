//! The whole configuration of a pipeline.

use std::fmt::Display;

use serde::{Deserialize, Serialize};

use super::{
    CauseRule, CulpritConfig, FeatureConfig, GuardConfig, IncidentConfig, IntakeConfig, MuteWindow,
    Override, ScoreConfig, SeasonConfig, SloConfig,
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
    /// When too few records could be read.
    pub intake: IntakeConfig,
    /// The step of rows, lateness, and records from the future.
    pub features: FeatureConfig,
    /// How rows are scored.
    pub score: ScoreConfig,
    /// The zone of daily and weekly patterns.
    pub season: SeasonConfig,
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
    /// Rules that name likely causes, `cause` in files. They come before the shipped ones.
    #[serde(rename = "cause")]
    pub causes: Vec<CauseRule>,
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
        self.intake.validate()?;
        self.features.validate()?;
        self.score.validate()?;
        self.season.validate()?;
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
        for (i, cause) in self.causes.iter().enumerate() {
            cause.validate(&format!("cause[{i}]"))?;
        }
        Ok(())
    }

    /// The mute window that covers `entity` at `at`, and its end. Of several windows it is the one
    /// that ends last. See [`MuteWindow::muted_until`].
    pub fn mute_at(&self, entity: &Entity, at: Timestamp) -> Option<(&MuteWindow, Timestamp)> {
        let holding = |mute| MuteWindow::muted_until(mute, entity, at).map(|end| (mute, end));
        self.mutes.iter().filter_map(holding).max_by_key(|(_, end)| *end)
    }

    /// Checks that state which was saved under another config can be used with this one.
    ///
    /// Most fields can change: thresholds, guardrails, incidents, objectives, overrides and mutes
    /// apply from the restore on, and the learnt state stays. The fields that shape the saved
    /// state have to be the same: all of `features` and `limits`, `score.window` and
    /// `score.profile`.
    ///
    /// # Errors
    ///
    /// Names the first of these fields that differs, with both values.
    ///
    /// # Examples
    ///
    /// ```
    /// use mad_core::PipelineConfig;
    ///
    /// let saved = PipelineConfig::default();
    /// let mut config = saved.clone();
    /// config.score.threshold = 0.7;
    /// config.guard.min_points = 50;
    /// assert!(config.check_saved(&saved).is_ok());
    ///
    /// config.score.window = 60;
    /// let error = config.check_saved(&saved).unwrap_err().to_string();
    /// assert!(error.contains("saved with `score.window` = 240, and the config has 60"));
    /// ```
    pub fn check_saved(&self, saved: &Self) -> Result<()> {
        let differs = |field: &str, saved: &dyn Display, here: &dyn Display| {
            Err(Error::state(format!(
                "the state was saved with `{field}` = {saved}, and the config has {here}; this field \
                 shapes the saved state: set it back, or start without the saved state"
            )))
        };
        let seconds = |config: &Self| {
            let FeatureConfig { step_seconds, lateness_seconds, max_ahead_seconds, .. } =
                config.features;
            [
                ("features.step_seconds", step_seconds),
                ("features.lateness_seconds", lateness_seconds),
                ("features.max_ahead_seconds", max_ahead_seconds),
            ]
        };
        for ((field, here), (_, saved)) in seconds(self).into_iter().zip(seconds(saved)) {
            if here != saved {
                return differs(field, &saved, &here);
            }
        }
        let (here, there) = (&self.score, &saved.score);
        if here.window != there.window {
            return differs("score.window", &there.window, &here.window);
        }
        if here.profile != there.profile {
            return differs("score.profile", &there.profile.as_str(), &here.profile.as_str());
        }
        for ((field, here), (_, saved)) in
            self.limits.fields().into_iter().zip(saved.limits.fields())
        {
            if here != saved {
                return differs(field, &saved, &here);
            }
        }
        Ok(())
    }

    /// Whether scorers of the other config may have other settings than those of this one.
    pub(crate) fn scores_differently(&self, other: &Self) -> bool {
        self.score != other.score || self.overrides != other.overrides
    }

    /// How times without a zone are read.
    pub fn zone(&self) -> ZonePolicy {
        self.naive_offset_seconds.map_or(ZonePolicy::Refuse, ZonePolicy::Offset)
    }
}
