//! Telemetry to one row per entity and step, and to one point per series and time.

mod builder;
mod intake;
mod log_builder;
mod metric_builder;
mod open_step;
mod point;
mod recent_ids;
mod row;
mod row_buffer;
mod row_builder;

pub use builder::FeatureBuilder;
pub use log_builder::LogBuilder;
pub use metric_builder::MetricBuilder;
pub use point::FeaturePoint;
pub(crate) use point::StepFinder;
pub(crate) use recent_ids::RecentIds;
pub use row::FeatureRow;
pub use row_buffer::{RequestFacts, Row, RowBuffer, RowHead, RowKind, SignalSample};
pub use row_builder::RowBuilder;
