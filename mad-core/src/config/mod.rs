//! Every setting that a configuration file can hold.
//!
//! The module stands below the stages, so that each stage takes its own part of [`PipelineConfig`].
//! [`PipelineConfig::resolve`] gives the settings of one entity with the overrides applied, and
//! [`PipelineConfig::mute_at`] the mute window that covers an entity at a moment.

mod cause;
mod check;
mod culprit;
mod daily;
mod entity;
mod feature;
mod guard;
mod incident;
mod intake;
mod mute;
mod overrides;
mod pipeline;
#[cfg(feature = "jsonl")]
mod problems;
mod recording;
mod score;
mod season;
mod sensitivity;
mod slo;

pub use cause::{CauseRule, Symptom};
pub(crate) use check::positive;
pub use culprit::CulpritConfig;
pub use daily::{Daily, Weekday};
pub use entity::{EntitySettings, SignalSettings};
pub use feature::FeatureConfig;
pub use guard::GuardConfig;
pub use incident::IncidentConfig;
pub use intake::IntakeConfig;
pub use mute::MuteWindow;
pub use overrides::{Override, SeriesKind};
pub use pipeline::PipelineConfig;
#[cfg(feature = "jsonl")]
pub use problems::{Problem, problems};
pub use score::{Profile, ScoreConfig};
pub use season::SeasonConfig;
pub use sensitivity::Sensitivity;
pub use slo::SloConfig;
