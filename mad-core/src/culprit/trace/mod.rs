//! Ranks services by traces: the first faulty call of each trace is its cause.

mod cause;
mod config;
mod past;
mod ranker;
mod ranking;
mod tree;
mod window;

pub use config::TraceRankerConfig;
pub use ranker::TraceRanker;
pub use ranking::{TraceCulprit, TraceFault, TraceRanking};
pub use window::TraceWindow;
