//! Event-time windows: telemetry in, rows of any number of signals out.

mod builder_state;
mod clock_watch;
mod event_time_window;
mod feature_builder;
mod log_step;
mod metric_points;
mod point;
mod quorum_clock;
mod recent_ids;
mod request_facts;
mod request_figures;
mod request_step;
mod route_learner;
mod row;
mod row_buffer;
mod row_builder;
mod service_row;
mod source_clocks;
mod source_waits;
mod status_counts;
mod tail_reference;
mod window_clock;

pub use clock_watch::ClockWatch;
pub use event_time_window::FeatureSink;
pub use feature_builder::{FeatureBuilder, FeatureCounts};
pub(crate) use log_step::LogCursor;
pub(crate) use point::StepFinder;
pub(crate) use recent_ids::RecentIds;
pub use request_facts::RequestFacts;
pub(crate) use request_step::EntityCursor;
pub(crate) use route_learner::ServiceRoutes;
pub use row::FeatureRow;
pub use row_buffer::{Row, RowBuffer, RowHead, RowKind, SignalSample};
pub use row_builder::RowBuilder;
pub use source_clocks::ClockFault;
pub use status_counts::StatusCounts;
