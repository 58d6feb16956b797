//! Finds anomalies and incidents in a fleet of microservices, from the first minutes and without
//! training.
//!
//! ```text
//! telemetry ─▶ features ─▶ scores ─▶ verdicts ─▶ incidents ─▶ culprits ─▶ explanations
//! requests      one row     one Score   guardrails   grouped,     ranked,      words and
//!               per entity  per signal  judge the    with a       with         facts, true by
//!               per step    of the row  whole row    life cycle   evidence     construction
//!                   │
//!                   └──▶ history: bounded recent rows ──▶ read by culprit, explain, reports
//! ```
//!
//! Left to right only: a stage sees the output of the stage before it, its configuration and its
//! state. Each is a public type that works alone; [`Pipeline`] composes them. The crate does no IO
//! and has no clock: the same inputs give the same outputs, byte for byte, however they are cut
//! into batches. Bad configuration is an [`Error`]; bad data is counted and stops nothing.
//!
//! ```
//! use mad_core::{Pipeline, PipelineConfig, Request, Timestamp};
//!
//! let mut pipeline = Pipeline::new(PipelineConfig::default())?;
//! for second in 0..3600_i64 {
//!     let latency = if second >= 3000 { 2000.0 } else { 100.0 + (second * 37 % 50) as f64 };
//!     let at = Timestamp::from_seconds(second);
//!     let update = pipeline.ingest([Request::new(at, "payments", "/pay", 200, latency)]);
//!     for change in &update.changes {
//!         println!("{}", pipeline.explain(change.incident()).line);
//!     }
//! }
//! assert_eq!(pipeline.incidents().len(), 1);
//! # Ok::<(), mad_core::Error>(())
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::unreachable,
        clippy::print_stdout,
        reason = "a failing test may panic"
    )
)]

pub mod config;
pub mod culprit;
pub mod error;
pub mod evaluate;
pub mod explain;
pub mod export;
pub mod feature;
pub mod forest;
pub mod graph;
pub mod guard;
pub mod history;
pub mod incident;
pub mod limits;
pub mod logs;
#[cfg(feature = "lstm")]
pub mod lstm;
pub mod method;
pub mod model;
mod packed;
pub mod pipeline;
pub mod reference;
pub mod robust;
pub mod score;
pub mod series;
#[cfg(feature = "simulate")]
pub mod simulate;
pub mod slo;
pub mod status;
pub mod svm;
pub mod telemetry;
pub mod time;
pub mod wire;

pub use config::{
    CulpritConfig, EntitySettings, FeatureConfig, GuardConfig, IncidentConfig, IntakeConfig,
    MuteWindow, Override, PipelineConfig, ScoreConfig, SeasonConfig, SignalSettings, SloConfig,
};
pub use culprit::{
    Correlated, Culprit, CulpritRanker, Evidence, MetricCulprit, MetricEvidence, MetricKind,
    MetricRanker, MetricRankerConfig, MetricRanking, MetricWindow, NotCalled, Ranking,
    RankingContext, TraceCulprit, TraceFault, TraceRanker, TraceRankerConfig, TraceRanking,
    TraceWindow,
};
pub use error::{Error, ErrorKind, Result};
pub use explain::{Explanation, TemplateExplainer, describe_reason, describe_signal, format_value};
pub use export::{Document, IncidentDocument};
pub use feature::{
    ClockFault, FeatureBuilder, FeatureCounts, FeatureRow, FeatureSink, RequestFacts, Row,
    RowBuffer, RowBuilder, RowHead, RowKind, SignalSample,
};
pub use graph::{
    CallEdge, GraphCounters, GraphDocument, Latency, ServiceGraph, ServiceNode, TraceProfile,
    TraceProfiles,
};
pub use guard::{Confidence, Guardrails, JudgedRow, JudgedSignal, Reason, Severity, Verdict};
pub use history::{FlaggedRow, FlaggedSignal, History};
pub use incident::{Incident, IncidentChange, IncidentGrouper, IncidentStatus};
pub use limits::Limits;
pub use logs::{LogChange, LogTemplate, LogTemplates};
pub use pipeline::{Command, Pipeline, Update};
pub use score::{
    MadConfig, MadScorer, RowScorer, RowScores, Score, Scorer, SeriesScorer, SignalScore,
    SignalScorer, SignalScores,
};
pub use series::{
    Direction, Entity, EntityId, EntityTable, Glob, Sample, SeriesId, SeriesTable, Signal,
    SignalId, SignalKind, SignalName,
};
pub use slo::SloImpact;
pub use telemetry::{
    Change, ChangeEvent, Edge, LogLevel, LogLine, MetricPoint, Record, RecordCounts, RecordKind,
    RejectReason, Rejections, Request, RouteTemplates, Source, Span, SpanKind, Status,
};
pub use time::{Timestamp, ZonePolicy};
pub use wire::{
    ChangeDecoder, EdgeDecoder, Format, LogDecoder, MetricDecoder, RequestDecoder, SpanDecoder,
};
