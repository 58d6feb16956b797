//! The stages composed: telemetry in, verdicts and incidents out.

mod answers;
mod by_metrics;
mod checkpoint;
mod command;
mod compose;
mod counters;
mod delta;
mod entity_export;
mod envelope;
mod follow;
mod idle;
mod incident_window;
mod merge;
mod metrics;
mod partition;
mod push;
mod rules;
mod traces;
mod update;
mod view;

pub use command::Command;
pub use compose::Pipeline;
pub use counters::Counters;
pub use delta::DeltaCheckpoint;
pub use incident_window::{IncidentWindow, WindowRows};
pub use update::{JudgedPoint, JudgedRow, Update};
