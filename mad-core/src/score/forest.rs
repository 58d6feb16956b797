//! One series judged by an Isolation Forest over its newest values.

use serde::{Deserialize, Serialize};

use super::from_memory::is_usable;
use super::rules::rule_neg_log10_p;
use super::{Learn, ScaleSource, Score, Scorer};
use crate::error::Result;
use crate::forest::{ForestDrift, WindowedForest, WindowedForestConfig};
use crate::series::Sample;
use crate::time::Timestamp;

/// Score above which a value is anomalous: -0.12 on the decision function of scikit-learn.
const LIMIT: f64 = 0.62;

/// Judges a value by an Isolation Forest that is fitted on the values before it
/// ([`WindowedForest`]).
///
/// A value with a forest score above 0.62 is anomalous, or above the threshold of a configured
/// contamination. The score is no probability: `neg_log10_p` is 4 times the forest score over this
/// limit. `z` is the forest score less the limit. The band is the range of the window; a value inside it,
/// between two levels, may be anomalous too. Unknown during the warm-up and for values that are not
/// finite. Values are learnt as they are, also those to be clipped, because the forest was made for
/// data with anomalies.
///
/// # Examples
///
/// ```
/// use mad_core::forest::WindowedForestConfig;
/// use mad_core::score::{ForestScorer, Learn, Scorer};
/// use mad_core::{Sample, Timestamp};
///
/// let at = Timestamp::from_seconds(0);
/// let mut scorer = ForestScorer::new(WindowedForestConfig::default())?;
/// for i in 0..200 {
///     scorer.learn(at, Sample { value: 100.0 + f64::from(i * 37 % 20), n: 1 }, Learn::Full);
/// }
/// assert!(scorer.score(at, Sample { value: 500.0, n: 1 }).neg_log10_p > 4.0);
/// assert!(scorer.score(at, Sample { value: 108.0, n: 1 }).neg_log10_p < 4.0);
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ForestScorer {
    forest: WindowedForest,
    /// Whether the forest has a threshold by its contamination.
    has_contamination: bool,
}

impl ForestScorer {
    /// A scorer that has learnt nothing.
    ///
    /// # Errors
    ///
    /// A setting out of its range.
    pub fn new(config: WindowedForestConfig) -> Result<Self> {
        let has_contamination = config.forest.contamination.is_some();
        Ok(Self { forest: WindowedForest::new(config)?, has_contamination })
    }

    /// How much the newest values differed from those before when the forest was last fitted.
    pub fn drift(&self) -> Option<ForestDrift> {
        self.forest.drift()
    }
}

impl Scorer for ForestScorer {
    fn score(&self, _at: Timestamp, sample: Sample) -> Score {
        let known = is_usable(sample).then(|| self.forest.score(&[sample.value])).flatten();
        let (Some(score), Some((low, high))) = (known, self.forest.range(0)) else {
            return Score::unknown();
        };
        let limit = self.forest.threshold().filter(|_| self.has_contamination).unwrap_or(LIMIT);
        let limit = limit.max(f64::MIN_POSITIVE);
        Score {
            z: score - limit,
            neg_log10_p: rule_neg_log10_p(score / limit, score > limit),
            expected: low / 2.0 + high / 2.0,
            low,
            high,
            source: ScaleSource::Assumed,
            points: self.forest.len() as u32,
            effective_n: sample.n as f64,
        }
    }

    fn learn(&mut self, _at: Timestamp, sample: Sample, how: Learn) {
        if how != Learn::Skip && is_usable(sample) {
            self.forest.learn(&[sample.value]);
        }
    }
}
