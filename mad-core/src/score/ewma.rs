//! A ratio to an exponentially weighted mean.

use serde::{Deserialize, Serialize};

use super::from_memory::{is_usable, value_to_learn};
use super::rules::rule_neg_log10_p;
use super::{Learn, ScaleSource, Score, Scorer};
use crate::error::{Error, Result};
use crate::series::Sample;
use crate::time::Timestamp;

/// Observations before the first score; the baseline begins with their mean.
const LEAST: f64 = 10.0;
/// Weight of a new value in the baseline.
const WEIGHT: f64 = 0.1;

/// Judges a value by its ratio to an exponentially weighted mean of the values before it (Roberts,
/// 1959).
///
/// # Method
///
/// The baseline begins with the mean of the first ten observations. After that,
/// `baseline = 0.9 baseline + 0.1 x`. A value above `ratio` times the baseline is anomalous.
///
/// A rule has no probability: `neg_log10_p` is `4 ln(x / baseline) / ln(ratio)`, so that 4 is the
/// edge. `z` is the relative deviation, `x / baseline - 1`. Only high values are anomalous.
///
/// # Small samples and limits
///
/// Unknown before ten observations, and while the baseline is not above 0. A value that is not finite
/// is unknown and teaches nothing. The ratio does not depend on how much the values vary: it is blind
/// to small changes of steady signals, and flags usual values of bursty ones.
///
/// # Examples
///
/// ```
/// use mad_core::score::{EwmaScorer, Learn, Scorer};
/// use mad_core::{Sample, Timestamp};
///
/// let at = Timestamp::from_seconds(0);
/// let mut scorer = EwmaScorer::new(3.0)?;
/// scorer.learn(at, Sample { value: 100.0, n: 10 }, Learn::Full);
/// let score = scorer.score(at, Sample { value: 310.0, n: 1 });
/// assert!(score.neg_log10_p > 4.0 && score.high == 300.0);
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EwmaScorer {
    ratio: f64,
    baseline: f64,
    /// Observations behind the first baseline.
    observations: f64,
    values: u32,
}

impl EwmaScorer {
    /// A scorer that has learnt nothing. `ratio` is the ratio to the baseline above which a value is anomalous.
    ///
    /// # Errors
    ///
    /// A ratio that is not a finite number above 1.
    pub fn new(ratio: f64) -> Result<Self> {
        if !(ratio.is_finite() && ratio > 1.0) {
            return Err(Error::config("score.ratio", ratio, "a finite number above 1"));
        }
        Ok(Self { ratio, baseline: 0.0, observations: 0.0, values: 0 })
    }

    /// The baseline, in the signal's unit; `None` before ten observations.
    pub fn baseline(&self) -> Option<f64> {
        (self.observations >= LEAST).then_some(self.baseline)
    }
}

impl Scorer for EwmaScorer {
    fn score(&self, _at: Timestamp, sample: Sample) -> Score {
        let Some(baseline) = self.baseline().filter(|baseline| *baseline > 0.0) else {
            return Score::unknown();
        };
        if !is_usable(sample) {
            return Score::unknown();
        }
        let high = (self.ratio * baseline).min(f64::MAX);
        // A difference of logarithms, because the ratio may overflow.
        let times = if sample.value > 0.0 { sample.value.ln() - baseline.ln() } else { 0.0 };
        Score {
            z: (sample.value / baseline - 1.0).clamp(f64::MIN, f64::MAX),
            neg_log10_p: rule_neg_log10_p(times / self.ratio.ln(), sample.value > high),
            expected: baseline,
            low: 0.0,
            high,
            source: ScaleSource::Assumed,
            points: self.values,
            effective_n: sample.n as f64,
        }
    }

    fn learn(&mut self, at: Timestamp, sample: Sample, how: Learn) {
        let Some(value) = value_to_learn(self, at, sample, how) else { return };
        self.values = self.values.saturating_add(1);
        let share = if self.baseline().is_some() {
            WEIGHT
        } else {
            let n = sample.n as f64;
            self.observations += n;
            n / self.observations
        };
        self.baseline = ((1.0 - share) * self.baseline + share * value).clamp(f64::MIN, f64::MAX);
    }
}
