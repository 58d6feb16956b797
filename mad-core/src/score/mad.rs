//! Median and MAD of the values before, and a tail that knows how few they were.

use ndarray::ArrayView1;
use serde::{Deserialize, Serialize};

use super::tail::mad_degrees_of_freedom;
use super::{
    Learn, MadConfig, ScaleSource, Score, Scorer, band_z, neg_log10_sf, normal_equivalent,
};
use crate::error::Result;
use crate::robust::RollingMad;
use crate::series::{Direction, Sample};
use crate::time::Timestamp;

/// MAD to standard deviation under a normal distribution: 1 / 0.6745.
pub(super) const MAD_TO_SIGMA: f64 = 1.482_602_218_505_602;
/// Mean absolute deviation to standard deviation under a normal distribution: sqrt(pi / 2).
const MEAN_AD_TO_SIGMA: f64 = 1.253_314_137_315_500_3;
/// 95th percentile of a normal distribution, in standard deviations.
const Q95_TO_SIGMA: f64 = 1.644_853_626_951_472_7;
/// Smallest value whose logarithm is taken.
pub(super) const SMALLEST: f64 = 1e-3;

/// The modified z-score, causal: a value against median and MAD of at most `window` values
/// before it.
///
/// *Scale*: 1.4826 MAD; where that is 0 (more than half of the values are equal) 1.2533 times the
/// mean absolute deviation; never below the floors. [`Score::source`] says which.
///
/// *Sample size*: past values were made of about `n̄` observations each (their harmonic mean). A
/// value made of fewer has a spread `sqrt(n̄ / n)` as large; one made of more is given no
/// credit for it, since past spread need not be counting noise.
///
/// *Tail*: Student's t with the degrees of freedom that a MAD of so many values is worth
/// ([`normal_equivalent`]), widened by the uncertainty of the median itself,
/// `sqrt(1 + pi / (2 points))`. Three values are no history, and the evidence says so.
///
/// NaN and infinite values score [`Score::unknown`] and teach nothing.
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
    /// Exponentially forgotten mean of 1/n over about a window.
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

    /// How this scorer judges.
    pub fn config(&self) -> &MadConfig {
        &self.config
    }

    /// Values remembered now.
    pub fn points(&self) -> usize {
        self.values.len()
    }

    /// Judges and learns a series in order, each value made of one observation: one score a value.
    /// Anomalies (evidence at or above `threshold`) are learnt clipped. Any stride.
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

    /// Observations that a past value was typically made of: their harmonic mean.
    pub(super) fn typical_n(&self) -> f64 {
        1.0 / self.mean_inverse_n
    }

    /// How far the 95th percentile of the past lies above its median, in the unit judged; NaN
    /// without a past.
    pub(super) fn upper_reach(&self) -> f64 {
        self.values.quantile(0.95) - self.values.median()
    }

    fn judged(&self, value: f64) -> f64 {
        if self.config.logarithm { value.max(SMALLEST).ln() } else { value }
    }

    fn written(&self, judged: f64) -> f64 {
        if self.config.logarithm { judged.exp() } else { judged }
    }

    /// Center and scale with the floors, before sample size; `None` without a past.
    pub(super) fn spread(&self, upper: bool) -> Option<Spread> {
        if self.values.is_empty() {
            return None;
        }
        let (center, mad) = self.values.median_mad();
        let relative =
            if self.config.logarithm { 0.0 } else { self.config.relative_floor * center.abs() };
        let floor = self.config.absolute_floor.max(relative).min(f64::MAX);
        let (mut scale, mut source) = (MAD_TO_SIGMA * mad, ScaleSource::Mad);
        // not `== 0`: a MAD that is rounding noise is no spread either
        if scale <= floor {
            scale = MEAN_AD_TO_SIGMA * self.values.mean_abs_deviation();
            source = ScaleSource::MeanAbsoluteDeviation;
        }
        if scale <= floor {
            scale = floor;
            source = ScaleSource::Floor;
        }
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

    /// How much wider than usual a value of `n` observations is spread.
    pub(super) fn sparse(&self, n: u64) -> f64 {
        (1.0 / (self.mean_inverse_n * n as f64)).max(1.0).sqrt()
    }
}

/// Signed normal deviate to evidence in the watched direction.
pub(super) fn directed_neg_log10_p(u: f64, direction: Direction) -> f64 {
    match direction {
        Direction::Up => neg_log10_sf(u),
        Direction::Down => neg_log10_sf(-u),
        Direction::Both => (neg_log10_sf(u.abs()) - std::f64::consts::LOG10_2).max(0.0),
    }
}

impl Scorer for MadScorer {
    fn score(&self, _at: Timestamp, sample: Sample) -> Score {
        let value = self.judged(sample.value);
        if !(sample.value.is_finite() && sample.n > 0) {
            return Score::unknown();
        }
        let Some(Spread { center, scale, source }) = self.spread(value >= self.values.median())
        else {
            return Score::unknown();
        };
        let points = self.values.len();
        let dof = mad_degrees_of_freedom(points);
        let uncertain = (1.0 + std::f64::consts::FRAC_PI_2 / points as f64).sqrt();
        let predictive = (scale * self.sparse(sample.n) * uncertain).min(f64::MAX);
        // halves, so that a difference of extremes does not overflow
        let z = (value / 2.0 - center / 2.0) / (predictive / 2.0);
        let z = z.clamp(f64::MIN, f64::MAX);
        let reach = (band_z(self.config.band, dof) * predictive).min(f64::MAX);
        let within = |edge: f64| edge.clamp(f64::MIN, f64::MAX);
        Score {
            z,
            neg_log10_p: directed_neg_log10_p(normal_equivalent(z, dof), self.config.direction),
            expected: self.written(center),
            low: within(self.written(center - reach)),
            high: within(self.written(center + reach)),
            source,
            points: points as u32,
            effective_n: sample.n as f64,
        }
    }

    fn learn(&mut self, _at: Timestamp, sample: Sample, how: Learn) {
        if !(sample.value.is_finite() && sample.n > 0) {
            return;
        }
        let value = match how {
            Learn::Skip => return,
            Learn::Full => sample.value,
            Learn::Clipped => {
                let (low, high) = (self.values.quantile(0.05), self.values.quantile(0.95));
                let judged = self.judged(sample.value);
                if low <= high { self.written(judged.clamp(low, high)) } else { sample.value }
            }
        };
        self.values.push(self.judged(value));
        self.learnt = self.learnt.saturating_add(1);
        let weight = 1.0 / self.learnt.min(self.config.window as u64) as f64;
        self.mean_inverse_n += weight * (1.0 / sample.n as f64 - self.mean_inverse_n);
    }
}
