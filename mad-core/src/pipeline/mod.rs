//! The stages composed: telemetry in, verdicts and incidents out.

mod answers;
mod by_metrics;
mod chain_document;
mod checkpoint;
mod command;
mod compose;
mod config;
mod counters;
mod document;
mod envelope;
mod follow;
mod idle;
mod merge;
mod metrics;
mod part;
mod partition;
mod pieces;
mod record;
mod rules;
mod series_document;
mod slo_document;

mod states;
mod surroundings;
mod traces;
mod update;

pub use chain_document::{ChangeDocument, LinkDocument, MemberDocument};
pub use command::Command;
pub use compose::Pipeline;
pub use config::PipelineConfig;
pub use counters::Counters;
pub use document::{
    CulpritDocument, Document, EntityDocument, EvidenceDocument, IncidentDocument, LaneDocument,
    PeakDocument, RankingDocument, RejectedDocument, RejectedRecord, SCHEMA_VERSION,
};
pub use partition::PartitionId;
pub use pieces::Pieces;
pub use record::{IncidentRecord, Trace};
pub use series_document::{SeriesDocument, SignalSeries};
pub use slo_document::{BurnDocument, SloDocument};
pub use states::{Standing, State, StateDocument};
pub use update::{JudgedPoint, JudgedRow, Update};
