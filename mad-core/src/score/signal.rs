//! The scorer of each kind of signal.

use serde::{Deserialize, Serialize};

use super::block_cusum::DriftAlarm;
use super::tail::deviate_of;
use super::{CountScorer, GaugeScorer, Learn, MadConfig, MadScorer, RateScorer, Score, Scorer};
use crate::config::{Profile, ScoreConfig};
use crate::error::Result;
use crate::series::{Direction, Sample, SignalKind};
use crate::time::Timestamp;

/// The default scorer of one signal: a closed choice, so that state can name it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalScorer {
    /// Latencies, by logarithm; gauges by [`Profile::Mad`].
    Level(MadScorer),
    /// Gauges.
    Gauge(Box<GaugeScorer>),
    /// Shares of trials.
    Rate(RateScorer),
    /// Counts.
    Count(CountScorer),
}

impl SignalScorer {
    /// The default scorer of a kind of signal; `neg_log10_p` is where its expected band ends.
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
        }
    }

    /// Values remembered now.
    pub fn points(&self) -> usize {
        match self {
            Self::Level(scorer) => scorer.points(),
            Self::Gauge(scorer) => scorer.points(),
            Self::Rate(scorer) => scorer.points(),
            Self::Count(scorer) => scorer.points(),
        }
    }

    /// How much a value which was judged as `score` is worth an alarm: of a gauge what is said of a
    /// lasting level, otherwise the score itself.
    pub fn alarm(&self, at: Timestamp, sample: Sample, score: &Score) -> Score {
        match self {
            Self::Gauge(scorer) => scorer.alarm(at, sample),
            Self::Level(_) | Self::Rate(_) | Self::Count(_) => *score,
        }
    }

    /// That the level of a gauge is leaving slowly.
    pub(super) fn leaving(&self, at: Timestamp, sample: Sample) -> Option<DriftAlarm> {
        match self {
            Self::Gauge(scorer) => scorer.leaving(at, sample),
            Self::Level(_) | Self::Rate(_) | Self::Count(_) => None,
        }
    }
}

/// The normal deviate of a two-sided test at a threshold.
fn both_sides(neg_log10_p: f64) -> f64 {
    deviate_of(neg_log10_p + std::f64::consts::LOG10_2)
}

/// Only slow latencies are anomalous, so the test is one-sided.
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

fn gauge_config(config: &ScoreConfig, neg_log10_p: f64) -> MadConfig {
    MadConfig { window: config.window, band: both_sides(neg_log10_p), ..MadConfig::default() }
}

/// Values that are learnt as they are, whatever they look like: clipped to the range of the one or
/// two before them they would teach nothing, for ever.
const LEARNT_AS_THEY_ARE: usize = 20;

/// How a value is learnt: an anomaly clipped, once there is a past to tell it by, until so many
/// came in a row that they are the new normal. `run` counts them.
pub(super) fn learn_as(anomalous: bool, points: usize, run: &mut u32, relearn_after: u32) -> Learn {
    *run = if anomalous { run.saturating_add(1) } else { 0 };
    if anomalous && points >= LEARNT_AS_THEY_ARE && *run <= relearn_after {
        Learn::Clipped
    } else {
        Learn::Full
    }
}

impl Scorer for SignalScorer {
    fn score(&self, at: Timestamp, sample: Sample) -> Score {
        match self {
            Self::Level(scorer) => scorer.score(at, sample),
            Self::Gauge(scorer) => scorer.score(at, sample),
            Self::Rate(scorer) => scorer.score(at, sample),
            Self::Count(scorer) => scorer.score(at, sample),
        }
    }

    fn learn(&mut self, at: Timestamp, sample: Sample, how: Learn) {
        match self {
            Self::Level(scorer) => scorer.learn(at, sample, how),
            Self::Gauge(scorer) => scorer.learn(at, sample, how),
            Self::Rate(scorer) => scorer.learn(at, sample, how),
            Self::Count(scorer) => scorer.learn(at, sample, how),
        }
    }
}
