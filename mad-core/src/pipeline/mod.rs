//! The pipeline: telemetry in; judged rows, incidents, culprits and explanations out.
//!
//! [`Pipeline`] composes private parts that own their state. `Ingest` turns records into rows,
//! `Judge` scores and judges them, `IncidentLog` groups and ranks, `Checkpointer` knows what has to
//! be saved, and `Tally` counts.

mod by_metrics;
mod checkpointer;
mod closed_incidents;
mod combine;
mod command;
mod counters;
mod delta;
mod entity_export;
mod entity_part;
mod envelope;
mod first_stage;
mod fleet;
mod flow;
mod handover;
mod incident_log;
mod incident_window;
mod ingest;
mod input;
mod judge;
mod level_accepted;
mod member;
mod names;
mod newest_rows;
mod packed;
mod part;
mod partition;
mod plan;
mod queries;
mod replay;
mod second_stage;
mod state;
mod survey;
mod tally;
mod trace_rows;
mod update;
mod view;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use self::checkpointer::Checkpointer;
use self::first_stage::Stage;
use self::incident_log::IncidentLog;
use self::ingest::Ingest;
use self::judge::Judge;
use self::names::Names;
use self::tally::Tally;
use crate::config::PipelineConfig;
use crate::explain::Catalogue;

pub use self::command::Command;
pub use self::counters::Counters;
pub use self::delta::DeltaCheckpoint;
pub use self::fleet::{FleetStatus, PartitionStatus};
pub use self::handover::{Handover, HandoverPlace};
pub use self::incident_window::{IncidentWindow, WindowRows};
pub use self::level_accepted::LevelAccepted;
pub use self::part::Part;
pub use self::plan::Plan;
pub use self::survey::Survey;
pub use self::update::Update;

/// Takes telemetry and returns judged rows and incidents; ranks culprits and explains.
///
/// The same inputs give the same outputs however they are cut into batches, and a batch is the
/// stream run to its end. Each row is judged by the rows before it.
///
/// # Examples
///
/// ```
/// use mad_core::{Pipeline, PipelineConfig, Request, Timestamp};
///
/// let mut pipeline = Pipeline::new(PipelineConfig::default())?;
/// let mut requests = Vec::new();
/// for second in 0..3600_i64 {
///     let slow = (2400..2700).contains(&second);
///     let latency = if slow { 2000.0 } else { 100.0 + (second * 37 % 50) as f64 };
///     let at = Timestamp::from_seconds(second);
///     requests.push(Request::new(at, "payments", "/pay", 200, latency));
/// }
/// pipeline.ingest(requests);
/// pipeline.finish();
/// let incident = pipeline.incidents()[0];
/// assert_eq!(&*incident.entity.service, "payments");
/// assert_eq!(incident.start, Timestamp::from_seconds(2400));
/// println!("{}", pipeline.explain(incident).summary);
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pipeline {
    config: PipelineConfig,
    names: Names,
    ingest: Ingest,
    judge: Judge,
    incidents: IncidentLog,
    checkpointer: Checkpointer,
    tally: Tally,
    /// The language of texts; it changes no result, so it is not saved.
    #[serde(skip)]
    catalogue: Option<Arc<Catalogue>>,
    #[serde(default, skip_serializing_if = "Stage::is_whole")]
    stage: Stage,
}
