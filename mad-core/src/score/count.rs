//! Counts of independent events: Poisson, unless the past varies more.

use serde::{Deserialize, Serialize};

use super::mad::{Spread, directed_neg_log10_p};
use super::phase_component::Phase;
use super::tail::mad_degrees_of_freedom;
use super::{Learn, MadConfig, MadScorer, ScaleSource, Score, Scorer, band_z, normal_equivalent};
use crate::error::Result;
use crate::series::{Direction, Sample};
use crate::time::Timestamp;

/// Judges a count against the median of the counts before it.
///
/// # Method
///
/// 1. Counts are transformed by `2 sqrt(x + 3/8)` (Anscombe, 1948). A Poisson count then has a
///    standard deviation of 1, whatever its mean.
/// 2. The scale is 1 as long as the MAD of the past is within two standard errors of that of a Poisson
///    count. Beyond that it is the MAD, with Student's t as in [`MadScorer`].
/// 3. The scale is widened by `sqrt(1 + pi / (2 points))` for the uncertainty of the median.
///
/// # Small samples and bad values
///
/// Unknown without a past. One past count is enough, because the scale of a Poisson count need not be
/// learnt. Negative values count as 0. A value that is not finite, or with `n = 0`, is unknown and
/// teaches nothing.
///
/// # Limits
///
/// The time of day is learnt as overdispersion: a count that follows it has a wide band.
///
/// # Examples
///
/// ```
/// use mad_core::score::{CountScorer, Learn, Scorer};
/// use mad_core::series::Direction;
/// use mad_core::{Sample, Timestamp};
///
/// let at = Timestamp::from_seconds(0);
/// let mut scorer = CountScorer::new(240, Direction::Both, 4.0)?;
/// for i in 0..60 {
///     scorer.learn(at, Sample { value: 100.0 + f64::from(i * 7 % 19), n: 1 }, Learn::Full);
/// }
/// assert!(scorer.score(at, Sample { value: 95.0, n: 1 }).neg_log10_p < 4.0);
/// assert!(scorer.score(at, Sample { value: 30.0, n: 1 }).neg_log10_p > 4.0);
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CountScorer {
    level: MadScorer,
}

impl CountScorer {
    /// A scorer that has learnt nothing; `band` is the normal deviate at the edge of the band.
    ///
    /// # Errors
    ///
    /// A window outside 3 to 100,000, or a band that is not above 0.
    pub fn new(window: usize, direction: Direction, band: f64) -> Result<Self> {
        let config = MadConfig {
            window,
            direction,
            band,
            absolute_floor: 1e-9,
            relative_floor: 0.0,
            tail_weight: 0.0,
            logarithm: false,
        };
        Ok(Self { level: MadScorer::new(config)? })
    }

    /// Applies another band. The learnt values stay.
    pub(super) fn reconfigure(&mut self, band: f64) {
        self.level.reconfigure(MadConfig { band, ..*self.level.config() });
    }

    /// Replaces the counts by others, in the unit that is judged.
    pub(super) fn refill(&mut self, values: &[f64]) {
        self.level.refill(values);
    }

    /// Replaces the counts by those of a new level.
    pub(super) fn accept(&mut self, level: &[f64]) {
        let level: Vec<f64> = level.iter().map(|count| stabilised(*count)).collect();
        self.level.accept(&level);
    }

    /// The number of values remembered.
    pub fn points(&self) -> usize {
        self.level.points()
    }
}

/// Anscombe's transform; its standard deviation is 1 for a Poisson count.
pub(super) fn stabilised(count: f64) -> f64 {
    2.0 * (count.max(0.0) + 0.375).sqrt()
}

/// The inverse of [`stabilised`], at least 0.
pub(super) fn count_of(stabilised: f64) -> f64 {
    let half = stabilised.max(0.0) / 2.0;
    (half * half - 0.375).clamp(0.0, f64::MAX)
}

impl CountScorer {
    /// Scores a count against the level of its phase.
    pub(super) fn score_at(&self, sample: Sample, phase: Phase) -> Score {
        if !(sample.value.is_finite() && sample.n > 0) {
            return Score::unknown();
        }
        let Some(Spread { center, scale, source }) = self.level.spread(true) else {
            return Score::unknown();
        };
        let points = self.level.points();
        let dof = mad_degrees_of_freedom(points);
        // Largest squared scale that chance makes of a Poisson count: two standard errors above 1.
        let chance = 1.0 + 2.0 * (2.0 / dof).sqrt();
        let (scale, source, dof) = if scale * scale <= chance {
            (1.0, ScaleSource::Counting, f64::INFINITY)
        } else {
            (scale, source, dof)
        };
        let center = center + phase.shift;
        // The uncertainty of the median.
        let scale =
            (scale * (1.0 + std::f64::consts::FRAC_PI_2 / points as f64).sqrt()).hypot(phase.widen);
        let z = (stabilised(sample.value) - center) / scale;
        let config = self.level.config();
        let reach = band_z(config.band, dof) * scale;
        Score {
            z,
            neg_log10_p: directed_neg_log10_p(normal_equivalent(z, dof), config.direction),
            expected: count_of(center),
            low: count_of(center - reach),
            high: count_of(center + reach),
            source,
            points: points as u32,
            // Events that came and events that are missing both count as observations.
            effective_n: count_of(center).max(sample.value),
        }
    }

    /// Learns a count without the level of its phase.
    pub(super) fn learn_at(&mut self, sample: Sample, how: Learn, phase: Phase) {
        // Checked here, because the transform makes a number of anything.
        if !(sample.value.is_finite() && sample.n > 0) {
            return;
        }
        let value = match how {
            Learn::Skip => return,
            Learn::Full => sample.value,
            Learn::Clipped => {
                let Score { low, high, .. } = self.score_at(sample, phase);
                if low <= high { sample.value.clamp(low, high) } else { sample.value }
            }
        };
        let value = stabilised(value) - phase.shift;
        self.level.learn_at(Sample { value, n: 1 }, Learn::Full, Phase::default());
    }
}

impl Scorer for CountScorer {
    fn score(&self, _at: Timestamp, sample: Sample) -> Score {
        self.score_at(sample, Phase::default())
    }

    fn learn(&mut self, _at: Timestamp, sample: Sample, how: Learn) {
        self.learn_at(sample, how, Phase::default());
    }
}
