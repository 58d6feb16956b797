//! The stages composed: telemetry in, verdicts and incidents out.

mod checkpoint;
mod command;
mod compose;
mod config;
mod counters;
mod document;
mod metrics;
mod record;
mod rules;
mod update;

pub use command::Command;
pub use compose::Pipeline;
pub use config::PipelineConfig;
pub use counters::Counters;
pub use document::{
    CulpritDocument, Document, EntityDocument, EvidenceDocument, IncidentDocument, LaneDocument,
    PeakDocument, RankingDocument, RejectedDocument, RejectedRecord, SCHEMA_VERSION,
    SeriesDocument, SignalSeries,
};
pub use record::{IncidentRecord, Trace};
pub use update::{JudgedPoint, JudgedRow, Update};
