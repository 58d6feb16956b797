//! Modified z-score of a value against the median and MAD of the values before it.

use ndarray::ArrayView1;
use serde::{Deserialize, Serialize};

use super::phase_component::Phase;
use super::tail::mad_degrees_of_freedom;
use super::{
    Learn, MadConfig, ScaleSource, Score, Scorer, band_z, neg_log10_sf, normal_equivalent,
};
use crate::error::Result;
use crate::robust::RollingMad;
use crate::series::{Direction, Sample};
use crate::time::Timestamp;

/// Factor from the MAD to the standard deviation of a normal distribution: 1 / 0.6745.
pub(super) const MAD_TO_SIGMA: f64 = 1.482_602_218_505_602;
/// Factor from the mean absolute deviation to the standard deviation of a normal distribution:
/// sqrt(pi / 2).
const MEAN_AD_TO_SIGMA: f64 = 1.253_314_137_315_500_3;
/// 95th percentile of a normal distribution, in standard deviations.
const Q95_TO_SIGMA: f64 = 1.644_853_626_951_472_7;
/// Smallest value whose logarithm is taken, in the unit of the values (1 microsecond of
/// milliseconds). Smaller values count as this one.
pub(super) const SMALLEST: f64 = 1e-3;

/// Modified z-score (Iglewicz and Hoaglin, 1993) of a value against at most `window` values before
/// it.
///
/// # Method
///
/// `z = (x - median) / (scale * w * sqrt(1 + pi / (2 points)))`, of the logarithms where `logarithm`
/// is set.
///
/// 1. The scale is 1.4826 MAD. If that is at most the floor, because more than half of the values
///    are equal, it is 1.2533 times the mean absolute deviation. It is never below the floor, and
///    at least `tail_weight` times the scale that the 95th (5th) percentile has under a normal
///    distribution. [`Score::source`] names the one that counts.
/// 2. `w = sqrt(usual n / n)`, at least 1, widens the scale for a value with fewer observations
///    than usual. The usual number is the harmonic mean of the past ones. A value with more
///    observations is not narrowed, because past spread need not be sampling noise.
/// 3. The square root accounts for the uncertainty of the median itself.
/// 4. The tail probability is that of Student's t with `0.3675 points` degrees of freedom, the
///    information that a MAD of `points` values carries ([`normal_equivalent`]).
///
/// # Small samples and bad values
///
/// Unknown without a past. Three values have one degree of freedom, so that hardly any value is
/// anomalous. A value that is not finite, or without an observation behind it, is unknown and
/// teaches nothing. Ties are normal: a constant series has the floor as its scale.
///
/// # Limits
///
/// A value costs `O(log window)` comparisons and moves of at most `window` numbers. Slow changes are learnt
/// as they come and are not found.
///
/// # Examples
///
/// ```
/// use mad_core::score::{MadConfig, Learn, MadScorer, Scorer};
/// use mad_core::{Sample, Timestamp};
///
/// let mut scorer = MadScorer::new(MadConfig::default())?;
/// let at = Timestamp::from_seconds(0);
/// for i in 0..60 {
///     let sample = Sample { value: 100.0 + f64::from(i % 7), n: 1 };
///     scorer.learn(at, sample, Learn::Full);
/// }
/// assert!(scorer.score(at, Sample { value: 104.0, n: 1 }).value() < 0.2);
/// assert!(scorer.score(at, Sample { value: 160.0, n: 1 }).value() > 0.5);
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MadScorer {
    config: MadConfig,
    values: RollingMad,
    /// Fading mean of 1/n over about a window.
    mean_inverse_n: f64,
    learnt: u64,
}

/// Center and spread of the past, in the unit that is judged.
#[derive(Clone, Copy)]
pub(super) struct Spread {
    pub center: f64,
    pub scale: f64,
    pub source: ScaleSource,
}

impl MadScorer {
    /// A scorer that has learnt nothing.
    ///
    /// # Errors
    ///
    /// A config field outside its range.
    pub fn new(config: MadConfig) -> Result<Self> {
        config.validate()?;
        let values = RollingMad::new(config.window)?;
        Ok(Self { config, values, mean_inverse_n: 1.0, learnt: 0 })
    }

    /// Applies another config. The window and the learnt values stay.
    pub(super) fn reconfigure(&mut self, config: MadConfig) {
        self.config = MadConfig { window: self.config.window, ..config };
    }

    /// The settings.
    pub fn config(&self) -> &MadConfig {
        &self.config
    }

    /// The number of values remembered.
    pub fn points(&self) -> usize {
        self.values.len()
    }

    /// Judges and learns a series in order, one observation a value, and returns one score a value.
    /// A value whose `-log10 p` is `threshold` or more is learnt clipped. The view may have any stride.
    ///
    /// ```
    /// use mad_core::{MadScorer, score::MadConfig};
    ///
    /// let values = ndarray::Array1::from_iter((0..100).map(|i| f64::from(i * 37 % 11)));
    /// let mut scorer = MadScorer::new(MadConfig::default())?;
    /// assert_eq!(scorer.observe_many(values.view(), 4.0).len(), 100);
    /// # Ok::<(), mad_core::Error>(())
    /// ```
    #[expect(clippy::needless_pass_by_value, reason = "a view is a reference")]
    pub fn observe_many(&mut self, values: ArrayView1<'_, f64>, threshold: f64) -> Vec<Score> {
        let one = |value: &f64| {
            self.observe(Timestamp::default(), Sample { value: *value, n: 1 }, threshold)
        };
        values.iter().map(one).collect()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.values.clear();
        self.mean_inverse_n = 1.0;
        self.learnt = 0;
    }

    /// Replaces the values by others, in the unit that is judged.
    pub(super) fn refill(&mut self, values: &[f64]) {
        self.values.clear();
        for value in values {
            self.values.push(*value);
        }
    }

    /// Replaces the values by those of a new level, in the signal's unit.
    pub(super) fn accept(&mut self, level: &[f64]) {
        self.values.clear();
        for value in level {
            self.values.push(self.judged(*value));
        }
    }

    /// The usual number of observations behind a value: the harmonic mean of the past ones.
    pub(super) fn typical_n(&self) -> f64 {
        1.0 / self.mean_inverse_n
    }

    /// Distance of the 95th percentile of the past from its median, in the unit that is judged. NaN
    /// without a past.
    pub(super) fn upper_reach(&self) -> f64 {
        self.values.quantile(0.95) - self.values.median()
    }

    /// A value in the unit that is judged.
    pub(super) fn judged(&self, value: f64) -> f64 {
        if self.config.logarithm { value.max(SMALLEST).ln() } else { value }
    }

    /// The inverse of [`judged`](Self::judged).
    pub(super) fn written(&self, judged: f64) -> f64 {
        if self.config.logarithm { judged.exp() } else { judged }
    }

    /// Center and scale with the floors, without the correction for sample size; `None` without a
    /// past. `upper` is the side whose tail counts.
    pub(super) fn spread(&self, upper: bool) -> Option<Spread> {
        if self.values.is_empty() {
            return None;
        }
        let (center, mad) = self.values.median_mad();
        let relative =
            if self.config.logarithm { 0.0 } else { self.config.relative_floor * center.abs() };
        let floor = self.config.absolute_floor.max(relative).min(f64::MAX);
        let (mut scale, mut source) = (MAD_TO_SIGMA * mad, ScaleSource::Mad);
        // Not `== 0`: a MAD of rounding noise is no spread either.
        if scale <= floor {
            scale = MEAN_AD_TO_SIGMA * self.values.mean_abs_deviation();
            source = ScaleSource::MeanAbsoluteDeviation;
        }
        if scale <= floor {
            scale = floor;
            source = ScaleSource::Floor;
        }
        // A long tail on this side widens the scale.
        let tail = if upper {
            self.values.quantile(0.95) - center
        } else {
            center - self.values.quantile(0.05)
        };
        let tail = tail / Q95_TO_SIGMA * self.config.tail_weight;
        if tail > scale {
            scale = tail;
            source = ScaleSource::Tail;
        }
        Some(Spread { center, scale: scale.min(f64::MAX), source })
    }

    /// The values remembered.
    pub(super) fn values(&self) -> &RollingMad {
        &self.values
    }

    /// Factor by which the spread of a value with `n` observations exceeds the usual one, at least 1.
    pub(super) fn sparse(&self, n: u64) -> f64 {
        (1.0 / (self.mean_inverse_n * n as f64)).max(1.0).sqrt()
    }
}

/// `-log10 p` of a signed normal deviate in the watched direction; both sides double the
/// probability.
pub(super) fn directed_neg_log10_p(u: f64, direction: Direction) -> f64 {
    match direction {
        Direction::Up => neg_log10_sf(u),
        Direction::Down => neg_log10_sf(-u),
        Direction::Both => (neg_log10_sf(u.abs()) - std::f64::consts::LOG10_2).max(0.0),
    }
}

impl MadScorer {
    /// Scores a value against the level of its phase.
    pub(super) fn score_at(&self, sample: Sample, phase: Phase) -> Score {
        let value = self.judged(sample.value) - phase.shift;
        if !(sample.value.is_finite() && sample.n > 0) {
            return Score::unknown();
        }
        let Some(Spread { center, scale, source }) = self.spread(value >= self.values.median())
        else {
            return Score::unknown();
        };
        let points = self.values.len();
        let dof = mad_degrees_of_freedom(points);
        // Standard error of a median of normal values, in scales: sqrt(pi / (2 points)).
        let uncertain = (1.0 + std::f64::consts::FRAC_PI_2 / points as f64).sqrt();
        let predictive =
            (scale * self.sparse(sample.n) * uncertain).hypot(phase.widen).min(f64::MAX);
        // Halves, so that the difference of two extremes does not overflow.
        let z = (value / 2.0 - center / 2.0) / (predictive / 2.0);
        let z = z.clamp(f64::MIN, f64::MAX);
        // The band ends where the tail probability is that of `band`.
        let reach = (band_z(self.config.band, dof) * predictive).min(f64::MAX);
        let within = |edge: f64| edge.clamp(f64::MIN, f64::MAX);
        let usual = center + phase.shift;
        let mut low = within(self.written(usual - reach));
        let mut high = within(self.written(usual + reach));
        // Values that were never negative have no negative lower end, and the same above.
        let linear = !self.config.logarithm;
        if linear && low < 0.0 && self.values.sorted().first().is_some_and(|least| *least >= 0.0) {
            low = if sample.value < low { 0.0 } else { sample.value.min(0.0) };
        }
        if linear && high > 0.0 && self.values.sorted().last().is_some_and(|most| *most <= 0.0) {
            high = if sample.value > high { 0.0 } else { sample.value.max(0.0) };
        }
        Score {
            z,
            neg_log10_p: directed_neg_log10_p(normal_equivalent(z, dof), self.config.direction),
            expected: self.written(usual),
            low,
            high,
            source,
            points: points as u32,
            effective_n: sample.n as f64,
        }
    }

    /// Learns a value without the level of its phase.
    pub(super) fn learn_at(&mut self, sample: Sample, how: Learn, phase: Phase) {
        if !(sample.value.is_finite() && sample.n > 0) {
            return;
        }
        let value = match how {
            Learn::Skip => return,
            Learn::Full => self.judged(sample.value) - phase.shift,
            // To the 5th or 95th percentile, so that clipped values do not widen the range.
            Learn::Clipped => {
                let (low, high) = (self.values.quantile(0.05), self.values.quantile(0.95));
                let judged = self.judged(sample.value) - phase.shift;
                if low <= high { judged.clamp(low, high) } else { judged }
            }
        };
        self.values.push(value);
        self.learnt = self.learnt.saturating_add(1);
        // A plain mean at first, an exponential one from a full window on.
        let weight = 1.0 / self.learnt.min(self.config.window as u64) as f64;
        self.mean_inverse_n += weight * (1.0 / sample.n as f64 - self.mean_inverse_n);
    }
}

impl Scorer for MadScorer {
    fn score(&self, _at: Timestamp, sample: Sample) -> Score {
        self.score_at(sample, Phase::default())
    }

    fn learn(&mut self, _at: Timestamp, sample: Sample, how: Learn) {
        self.learn_at(sample, how, Phase::default());
    }
}
