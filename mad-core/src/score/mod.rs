//! Scores: how unlikely each value is, given the values before it.
//!
//! Every scorer answers with the same [`Score`]: a robust z, `-log10 p` (the negative logarithm of
//! the tail probability of one test), the expected band, and what the scale rests on. The
//! logarithm makes a p95 of four requests and a p95 of four thousand comparable.
//!
//! | type | judges |
//! |---|---|
//! | [`RowScorer`] | a row of any signals of one entity |
//! | [`SignalScorer`] | one signal: its value, the rows before it, slow changes |
//! | [`SeriesScorer`] | one series with an alarm policy |
//! | [`Likelihood`] | one value alone, by the kind of its signal |
//! | [`MadScorer`], [`CountScorer`], [`EventScorer`], [`RateScorer`], [`GaugeScorer`] | the likelihoods of latencies, counts, rare events, rates and gauges |
//! | [`JointScorer`] | several series of one entity together |
//! | [`RunningTotal`] | nothing: it recognises running totals and gives their increase |
//! | [`BinomialScorer`], [`CusumScorer`], [`DifferenceScorer`], [`DoubleMadScorer`], [`ExtremeScorer`], [`LongScorer`], [`SeasonalScorer`], [`ShiftScorer`], [`SilenceScorer`], [`SlopeScorer`] | one view each, to be used alone |
//! | [`EwmaScorer`], [`ZScorer`], [`ErrorSpikeScorer`], [`LimitScorer`], [`ForestScorer`] | the rules of other detectors ([`method`](crate::method)) |
//!
//! # Examples
//!
//! ```
//! use mad_core::score::{MadConfig, MadScorer, Scorer};
//! use mad_core::{Sample, Timestamp};
//!
//! let mut scorer = MadScorer::new(MadConfig::default())?;
//! for minute in 0..60 {
//!     let at = Timestamp::from_seconds(60 * minute);
//!     let sample = Sample { value: 100.0 + (minute % 7) as f64, n: 1 };
//!     scorer.observe(at, sample, 4.0);
//! }
//! let score = scorer.score(Timestamp::from_seconds(3_600), Sample { value: 160.0, n: 1 });
//! assert!(score.neg_log10_p >= 4.0 && score.high < 160.0);
//! # Ok::<(), mad_core::Error>(())
//! ```

mod ablation;
mod autocorrelation;
mod band;
mod binomial;
mod block_cusum;
mod calibration;
mod count;
mod cusum;
mod difference;
mod double_mad;
mod events;
mod ewma;
mod extreme;
mod first_sight;
mod forest;
mod from_memory;
mod gaps;
mod gauge;
mod joint;
mod latency_cusum;
mod learning;
mod likelihood;
mod long;
mod long_memory;
mod mad;
mod mad_config;
mod new_errors;
mod open_hour;
mod phase_cells;
mod phase_component;
mod phases;
mod policy;
mod range_seen;
mod rate;
mod rate_baseline;
mod row_scorer;
mod row_scores;
mod rules;
mod run_combiner;
mod running_total;
#[expect(clippy::module_inception, reason = "the file holds the type `Score`")]
mod score;
mod season;
mod seasonal;
mod series_scorer;
mod shift;
mod signal_combiner;
mod signal_scorer;
mod signal_scores;
mod signal_season;
mod silence_scorer;
mod slope;
mod tail;
mod tail_season;
mod tally_rows;
mod zscore;

#[cfg(feature = "ablation")]
pub use ablation::{GaugePart, leave_out};
pub use binomial::BinomialScorer;
pub(crate) use block_cusum::DriftAlarm;
pub use count::CountScorer;
pub use cusum::CusumScorer;
pub use difference::DifferenceScorer;
pub use double_mad::DoubleMadScorer;
pub use events::EventScorer;
pub use ewma::EwmaScorer;
pub use extreme::ExtremeScorer;
pub use forest::ForestScorer;
pub(crate) use gaps::Gaps;
pub use gauge::GaugeScorer;
pub use joint::{JointScore, JointScorer};
pub use likelihood::Likelihood;
pub use long::LongScorer;
pub use mad::MadScorer;
pub use mad_config::MadConfig;
pub(crate) use new_errors::new_error_scores;
pub(crate) use range_seen::is_share;
pub use rate::RateScorer;
pub use row_scorer::RowScorer;
pub use row_scores::{RowScores, SignalScore};
pub use rules::{ErrorSpikeScorer, LimitScorer};
pub(crate) use running_total::BecomesSeries;
pub use running_total::RunningTotal;
pub(crate) use score::score_of;
pub use score::{Learn, ScaleSource, Score, Scorer, neg_log10_p_of};
pub use seasonal::SeasonalScorer;
pub(crate) use series_scorer::Cooldown;
pub use series_scorer::{SeriesScore, SeriesScorer};
pub use shift::ShiftScorer;
pub use signal_scorer::SignalScorer;
pub use signal_scores::{NewLevel, SignalScores};
pub use silence_scorer::SilenceScorer;
pub use slope::SlopeScorer;
pub use tail::{band_z, neg_log10_sf, normal_equivalent};
pub use zscore::ZScorer;
