//! Who is to blame, with evidence.

mod metrics;
mod ranker;
mod trace;
mod types;
mod weigh;

pub use metrics::{
    Correlated, MetricCulprit, MetricEvidence, MetricKind, MetricRanker, MetricRankerConfig,
    MetricRanking, MetricWindow,
};
pub use ranker::CulpritRanker;
pub use trace::{
    TraceCulprit, TraceFault, TraceRanker, TraceRankerConfig, TraceRanking, TraceWindow,
};
pub use types::{Culprit, Evidence, NotCalled, Ranking, RankingContext};
