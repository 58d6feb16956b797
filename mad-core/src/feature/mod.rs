//! Telemetry to one row per entity and step.

mod row;

pub use row::{FeatureRow, Sample, Signal, SignalKind};
