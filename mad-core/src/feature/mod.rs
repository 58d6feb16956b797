//! Telemetry to one row per entity and step.

mod builder;
mod config;
mod held;
mod open_step;
mod recent_ids;
mod row;

pub use builder::FeatureBuilder;
pub use config::FeatureConfig;
pub use row::{FeatureRow, Sample, Signal, SignalKind};
