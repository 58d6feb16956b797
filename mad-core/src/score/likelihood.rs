//! The likelihood of one signal, by its kind.

use serde::{Deserialize, Serialize};

use super::block_cusum::DriftAlarm;
use super::count::{count_of, stabilised};
use super::first_sight::FirstSight;
use super::gauge::GaugeView;
use super::phase_component::Phase;
use super::rate::{angle, share_of};
use super::tail::deviate_of;
use super::{
    CountScorer, EventScorer, GaugeScorer, Learn, MadConfig, MadScorer, RateScorer, Score, Scorer,
};
use crate::config::{Profile, ScoreConfig};
use crate::error::Result;
use crate::series::{Direction, Sample, SignalKind};
use crate::time::Timestamp;

/// How unlikely one value of a signal is by itself: a closed set, so that saved state can name it.
///
/// It knows nothing of neighbouring rows or other signals; [`SignalScorer`](super::SignalScorer)
/// adds the first and [`RowScorer`](super::RowScorer) the second.
///
/// # Examples
///
/// ```
/// use mad_core::config::ScoreConfig;
/// use mad_core::score::{Learn, Likelihood, Scorer};
/// use mad_core::{Sample, SignalKind, Timestamp};
///
/// let mut likelihood = Likelihood::new(SignalKind::Latency, &ScoreConfig::default(), 4.0)?;
/// let at = Timestamp::from_seconds(0);
/// for i in 0..60 {
///     likelihood.learn(at, Sample { value: 100.0 + f64::from(i % 7), n: 20 }, Learn::Full);
/// }
/// assert!(likelihood.score(at, Sample { value: 400.0, n: 20 }).neg_log10_p > 4.0);
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Likelihood {
    /// Median and MAD: latencies, by their logarithm, and gauges by [`Profile::Mad`].
    Level(MadScorer),
    /// Four views of a gauge.
    Gauge(Box<GaugeScorer>),
    /// Beta-binomial tail of shares of trials.
    Rate(RateScorer),
    /// Poisson or overdispersed counts.
    Count(CountScorer),
    /// Rare events over several steps.
    Events(EventScorer),
}

impl Likelihood {
    /// The default likelihood of a kind of signal. The expected band ends at `neg_log10_p`.
    ///
    /// # Errors
    ///
    /// A config field outside its range.
    pub fn new(kind: SignalKind, config: &ScoreConfig, neg_log10_p: f64) -> Result<Self> {
        let window = config.window;
        let both = both_sides(neg_log10_p);
        Ok(match kind {
            SignalKind::Latency => {
                Self::Level(MadScorer::new(latency_config(config, neg_log10_p))?)
            }
            SignalKind::Gauge => {
                let level = gauge_config(config, neg_log10_p);
                if config.profile == Profile::Mad {
                    return Ok(Self::Level(MadScorer::new(level)?));
                }
                Self::Gauge(Box::new(GaugeScorer::new(level, neg_log10_p)?))
            }
            SignalKind::Rate => {
                Self::Rate(RateScorer::new(window, config.rate_memory, neg_log10_p)?)
            }
            SignalKind::Count => Self::Count(CountScorer::new(window, Direction::Both, both)?),
            SignalKind::Events => Self::Events(EventScorer::new(neg_log10_p)),
        })
    }

    /// Applies another config with the same window and profile. The learnt values stay.
    pub(super) fn reconfigure(&mut self, config: &ScoreConfig, neg_log10_p: f64) {
        match self {
            Self::Level(scorer) if scorer.config().logarithm => {
                scorer.reconfigure(latency_config(config, neg_log10_p));
            }
            Self::Level(scorer) => scorer.reconfigure(gauge_config(config, neg_log10_p)),
            Self::Gauge(scorer) => {
                scorer.reconfigure(gauge_config(config, neg_log10_p), neg_log10_p);
            }
            Self::Rate(scorer) => scorer.reconfigure(config.rate_memory, neg_log10_p),
            Self::Count(scorer) => scorer.reconfigure(both_sides(neg_log10_p)),
            Self::Events(scorer) => scorer.reconfigure(neg_log10_p),
        }
    }

    /// Takes a gauge as a share or a percentage, so that nothing above 1 or 100 is expected.
    pub(super) fn set_share(&mut self) {
        if let Self::Gauge(scorer) = self {
            scorer.set_share();
        }
    }

    /// The level of a rate that is judged by an assumption, and fails by it.
    pub(super) fn since_first_seen(&self) -> Option<Vec<f64>> {
        match self {
            Self::Rate(scorer) => scorer.since_first_seen(),
            _ => None,
        }
    }

    /// Assumes a rate until enough rows are learnt; other kinds assume nothing.
    pub(super) fn assume(&mut self, first_sight: FirstSight) {
        if let Self::Rate(scorer) = self {
            scorer.assume(first_sight);
        }
    }

    /// The number of values remembered.
    pub fn points(&self) -> usize {
        match self {
            Self::Level(scorer) => scorer.points(),
            Self::Gauge(scorer) => scorer.points(),
            Self::Rate(scorer) => scorer.points(),
            Self::Count(scorer) => scorer.points(),
            Self::Events(scorer) => scorer.points(),
        }
    }

    /// Scores a value against the level of its phase and, of a gauge, keeps how its parts see the
    /// value, for its alarm and for learning.
    pub(super) fn view(
        &self,
        at: Timestamp,
        sample: Sample,
        phase: Phase,
    ) -> (Score, Option<GaugeView>) {
        match self {
            Self::Gauge(scorer) => {
                let sample = without(sample, phase);
                let view = scorer.view_of(at, sample, phase);
                let score = view
                    .as_ref()
                    .map_or_else(Score::unknown, |view| scorer.score_view(at, sample, view));
                (scorer.with(score, phase), view)
            }
            Self::Level(scorer) => (scorer.score_at(sample, phase), None),
            Self::Count(scorer) => (scorer.score_at(sample, phase), None),
            Self::Rate(scorer) => (scorer.score_at(sample, phase), None),
            Self::Events(_) => (self.score(at, sample), None),
        }
    }

    /// The usual level of a rate, in the unit that is judged. `None` for other likelihoods, whose level
    /// is that of their scores.
    pub(super) fn center(&self) -> Option<f64> {
        match self {
            Self::Rate(scorer) => scorer.usual().map(angle),
            _ => None,
        }
    }

    /// How far a share lies above the usual rate, in the unit that is judged. No shift at all (minus
    /// infinity) for a share of 0 and for other likelihoods.
    pub(super) fn shift_to(&self, share: f64) -> f64 {
        match self.center() {
            Some(usual) if share > 0.0 => angle(share) - usual,
            _ => f64::NEG_INFINITY,
        }
    }

    /// The long-term center of a gauge, and the level of its local hour above that. `None` for other
    /// likelihoods, which have no season of hours.
    pub(super) fn hours(&self, local: Timestamp) -> Option<(f64, f64)> {
        match self {
            Self::Gauge(scorer) => scorer.hours(local),
            _ => None,
        }
    }

    /// A value in the unit that is judged: the logarithm of a latency, the transform of a count.
    pub(super) fn judged(&self, value: f64) -> f64 {
        match self {
            Self::Level(scorer) => scorer.judged(value),
            Self::Count(_) => stabilised(value),
            Self::Rate(_) => angle(value),
            Self::Gauge(_) | Self::Events(_) => value,
        }
    }

    /// The inverse of [`judged`](Self::judged).
    pub(super) fn written(&self, judged: f64) -> f64 {
        match self {
            Self::Level(scorer) => scorer.written(judged),
            Self::Count(_) => count_of(judged),
            Self::Rate(_) => share_of(judged),
            Self::Gauge(_) | Self::Events(_) => judged,
        }
    }

    /// Makes other values the baseline, in the unit that is judged.
    pub(super) fn refill(&mut self, values: &[f64]) {
        match self {
            Self::Level(scorer) => scorer.refill(values),
            Self::Count(scorer) => scorer.refill(values),
            Self::Gauge(_) | Self::Rate(_) | Self::Events(_) => {}
        }
    }

    /// How much a gauge's value is worth an alarm; `None` for other likelihoods, whose alarm is
    /// their score.
    pub(super) fn alarm(
        &self,
        at: Timestamp,
        sample: Sample,
        phase: Phase,
        view: Option<&GaugeView>,
    ) -> Option<Score> {
        match self {
            Self::Gauge(scorer) => {
                let sample = without(sample, phase);
                let alarm = |view| scorer.with(scorer.alarm_view(at, sample, view), phase);
                Some(view.map_or_else(Score::unknown, alarm))
            }
            Self::Level(_) | Self::Rate(_) | Self::Count(_) | Self::Events(_) => None,
        }
    }

    /// Whether the level of a gauge drifts.
    pub(super) fn drift(&self, at: Timestamp, sample: Sample, phase: Phase) -> Option<DriftAlarm> {
        match self {
            Self::Gauge(scorer) => {
                let alarm = scorer.drift_alarm(at, without(sample, phase), phase)?;
                Some(DriftAlarm { score: scorer.with(alarm.score, phase), ..alarm })
            }
            Self::Level(_) | Self::Rate(_) | Self::Count(_) | Self::Events(_) => None,
        }
    }

    /// Takes note of a value that is not learnt, because the signal is anomalous.
    pub(super) fn pass(&mut self, sample: Sample, phase: Phase, view: Option<&GaugeView>) {
        match (self, view) {
            (Self::Gauge(scorer), Some(view)) => scorer.pass(without(sample, phase), view),
            (Self::Rate(scorer), _) => scorer.pass(sample),
            // A flagged row of events stays in the windows and out of the mean.
            (Self::Events(scorer), _) => scorer.learn(Timestamp::default(), sample, Learn::Clipped),
            _ => {}
        }
    }

    /// Makes a new level the baseline. `level` holds values in the signal's unit.
    pub(super) fn accept(&mut self, level: &[f64]) {
        match self {
            Self::Level(scorer) => scorer.accept(level),
            Self::Gauge(scorer) => scorer.accept(level),
            Self::Rate(scorer) => scorer.accept(level),
            Self::Count(scorer) => scorer.accept(level),
            Self::Events(scorer) => scorer.accept(level),
        }
    }

    /// Learns a value; `view` is the one of [`view`](Self::view) for the same value and state.
    pub(super) fn learn_view(
        &mut self,
        at: Timestamp,
        sample: Sample,
        how: Learn,
        phase: Phase,
        view: Option<&GaugeView>,
    ) {
        match (self, view) {
            (Self::Gauge(scorer), Some(view)) => {
                scorer.learn_view(at, without(sample, phase), how, view);
            }
            (Self::Level(scorer), _) => scorer.learn_at(sample, how, phase),
            (Self::Count(scorer), _) => scorer.learn_at(sample, how, phase),
            (Self::Rate(scorer), _) => scorer.learn_at(at, sample, how, phase),
            (likelihood, _) => likelihood.learn(at, sample, how),
        }
    }
}

/// A value of a gauge without the level of its phase.
fn without(sample: Sample, phase: Phase) -> Sample {
    Sample { value: sample.value - phase.shift, ..sample }
}

/// The normal deviate of a two-sided test at a threshold.
fn both_sides(neg_log10_p: f64) -> f64 {
    deviate_of(neg_log10_p + std::f64::consts::LOG10_2)
}

/// Settings of latencies. Only slow latencies are anomalous, so the test is one-sided.
fn latency_config(config: &ScoreConfig, neg_log10_p: f64) -> MadConfig {
    MadConfig {
        window: config.window,
        direction: Direction::Up,
        logarithm: true,
        absolute_floor: config.latency_floor,
        relative_floor: 0.0,
        tail_weight: 1.0,
        band: deviate_of(neg_log10_p),
    }
}

/// Settings of gauges.
fn gauge_config(config: &ScoreConfig, neg_log10_p: f64) -> MadConfig {
    MadConfig { window: config.window, band: both_sides(neg_log10_p), ..MadConfig::default() }
}

impl Scorer for Likelihood {
    fn score(&self, at: Timestamp, sample: Sample) -> Score {
        match self {
            Self::Level(scorer) => scorer.score(at, sample),
            Self::Gauge(scorer) => scorer.score(at, sample),
            Self::Rate(scorer) => scorer.score(at, sample),
            Self::Count(scorer) => scorer.score(at, sample),
            Self::Events(scorer) => scorer.score(at, sample),
        }
    }

    fn learn(&mut self, at: Timestamp, sample: Sample, how: Learn) {
        match self {
            Self::Level(scorer) => scorer.learn(at, sample, how),
            Self::Gauge(scorer) => scorer.learn(at, sample, how),
            Self::Rate(scorer) => scorer.learn(at, sample, how),
            Self::Count(scorer) => scorer.learn(at, sample, how),
            Self::Events(scorer) => scorer.learn(at, sample, how),
        }
    }
}
