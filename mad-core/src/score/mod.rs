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
mod counter_rate;
mod cusum;
mod difference;
mod double_mad;
mod extreme;
mod from_memory;
mod gaps;
mod gauge;
mod latency_cusum;
mod likelihood;
mod long;
mod long_memory;
mod mad;
mod mad_config;
mod policy;
mod rate;
mod row_scorer;
mod run_combiner;
#[expect(clippy::module_inception, reason = "the file holds the type `Score`")]
mod score;
mod season;
mod seasonal;
mod series_scorer;
mod shift;
mod signal_combiner;
mod signal_scorer;
mod silence_scorer;
mod slope;
mod tail;

pub use binomial::BinomialScorer;
pub(crate) use block_cusum::DriftAlarm;
pub use count::CountScorer;
pub use counter_rate::CounterRate;
pub use cusum::CusumScorer;
pub use difference::DifferenceScorer;
pub use double_mad::DoubleMadScorer;
pub use extreme::ExtremeScorer;
pub(crate) use gaps::Gaps;
pub use gauge::GaugeScorer;
pub use likelihood::Likelihood;
pub use long::LongScorer;
pub use mad::MadScorer;
pub use mad_config::MadConfig;
pub use policy::threshold_neg_log10_p;
pub use rate::RateScorer;
pub use row_scorer::{RowScorer, RowScores, SignalScore};
pub(crate) use score::score_of;
pub use score::{Learn, ScaleSource, Score, Scorer, neg_log10_p_of};
pub use seasonal::SeasonalScorer;
pub(crate) use series_scorer::Cooldown;
pub use series_scorer::{SeriesScore, SeriesScorer};
pub use shift::ShiftScorer;
pub use signal_scorer::{SignalScorer, SignalScores};
pub use silence_scorer::SilenceScorer;
pub use slope::SlopeScorer;
pub use tail::{band_z, neg_log10_sf, normal_equivalent};
