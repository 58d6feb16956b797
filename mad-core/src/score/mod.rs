//! How unlikely a value is, given what came before it.
//!
//! Every scorer answers with the same [`Score`]: a robust z, the *evidence* (minus log10 of the
//! tail probability, one test), the expected band, and what the scale rests on. Evidence is what
//! makes a p95 of four requests and a p95 of four thousand comparable.

mod autocorrelation;
mod band;
mod binomial;
mod block_cusum;
mod calibration;
mod count;
mod cusum;
mod difference;
mod double;
mod gauge;
mod judge;
mod latency_cusum;
mod long;
mod long_memory;
mod mad;
mod mad_config;
mod metric;
mod rate;
mod record;
mod row;
mod run_combiner;
mod score_type;
mod season;
mod seasonal;
mod series;
mod shift;
mod signal;
mod signal_combiner;
mod silence;
mod slope;
mod tail;

pub use binomial::BinomialScorer;
pub(crate) use block_cusum::DriftAlarm;
pub use count::CountScorer;
pub use cusum::CusumScorer;
pub use difference::DifferenceScorer;
pub use double::DoubleMadScorer;
pub use gauge::GaugeScorer;
pub use long::LongScorer;
pub use mad::MadScorer;
pub use mad_config::MadConfig;
pub use metric::MetricScorer;
pub use rate::RateScorer;
pub use record::RecordScorer;
pub(crate) use row::threshold_neg_log10_p;
pub use row::{RowScorer, RowScores};
pub(crate) use score_type::score_of;
pub use score_type::{Learn, ScaleSource, Score, Scorer};
pub use seasonal::SeasonalScorer;
pub(crate) use series::Pause;
pub use series::{SeriesScore, SeriesScorer};
pub use shift::ShiftScorer;
pub use signal::SignalScorer;
pub(crate) use silence::Gaps;
pub use silence::SilenceScorer;
pub use slope::SlopeScorer;
pub use tail::{band_z, neg_log10_sf, normal_equivalent};
