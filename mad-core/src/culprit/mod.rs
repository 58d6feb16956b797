//! Rankings of likely culprits, each with its evidence.
//!
//! [`CulpritRanker`] ranks the entities of flagged rows and is what the pipeline uses.
//! [`MetricRanker`] ranks services by their metrics, spans and log lines in an incident window.
//! [`TraceRanker`] ranks services by the first failing call of each trace.

mod context;
mod metrics;
mod ranker;
mod ranking;
mod suspect;
mod trace;
mod weights;

pub use context::RankingContext;
#[cfg(feature = "ablation")]
pub use metrics::RankerPart;
pub use metrics::{
    Correlated, MetricCulprit, MetricEvidence, MetricKind, MetricRanker, MetricRankerConfig,
    MetricRanking, MetricWindow,
};
pub use ranker::CulpritRanker;
pub use ranking::{Culprit, Evidence, NotCalled, Ranking};
pub use trace::{
    TraceCulprit, TraceFault, TraceRanker, TraceRankerConfig, TraceRanking, TraceWindow,
};
