//! Ranks services by the effect of an incident on their metrics, spans and log lines.
//!
//! Each series is compared with its own normal level in scales. The effects are charged to services,
//! and a service whose callee explains its effect loses weight. [`MetricRanker`] documents the method.

mod call_gaps;
mod call_graph;
mod case;
mod charges;
mod config;
mod correlate;
mod effect;
mod kind;
mod level;
mod log_lines;
mod metric_culprit;
mod onset;
mod precedence;
mod quiet;
mod ranker;
mod ranking;
mod requests;
mod series;
mod shared_move;
mod timeline;
mod waits;
mod window;

pub use config::MetricRankerConfig;
#[cfg(feature = "ablation")]
pub use config::RankerPart;
pub use kind::MetricKind;
pub use ranker::MetricRanker;
pub use ranking::{Correlated, MetricCulprit, MetricEvidence, MetricRanking};
pub use window::MetricWindow;
