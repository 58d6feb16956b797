//! Who is to blame, with evidence.

mod metrics;
mod ranker;
mod types;

pub use metrics::{
    LogPoint, MetricCulprit, MetricEvidence, MetricKind, MetricRanker, MetricRankerConfig,
    MetricRanking, MetricWindow, SpanPoint,
};
pub use ranker::CulpritRanker;
pub use types::{Culprit, CulpritConfig, Evidence, Ranking};
