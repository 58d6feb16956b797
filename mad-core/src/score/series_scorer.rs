//! One series alone, with the same scorer that judges rows.

use serde::{Deserialize, Serialize};

use super::row_scorer::threshold_neg_log10_p;
use super::score::score_of;
use super::{MetricScorer, Score};
use crate::config::ScoreConfig;
use crate::error::Result;
use crate::series::{Sample, SignalKind};
use crate::time::Timestamp;

/// What is said of one value of a series.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SeriesScore {
    /// How unlikely the value is.
    pub score: Score,
    /// Whether it is anomalous: its score is at least the threshold.
    pub is_anomaly: bool,
    /// Whether it raises an alarm: it is worth one and none was raised within the pause.
    pub is_alarm: bool,
    /// How much it is worth an alarm: of a gauge how far a level that lasts lies out, otherwise the
    /// score; 0 within the pause.
    pub alarm_score: f64,
}

/// Values after an alarm in which none is raised again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pause(u32);

impl Pause {
    /// What is told of a value that is worth an alarm or not: whether one is raised, and the score
    /// of its evidence, 0 within the pause.
    pub fn tell(&mut self, alarming: bool, neg_log10_p: f64, pause: u32) -> (bool, f64) {
        if self.0 > 0 {
            self.0 -= 1;
            return (false, 0.0);
        }
        if alarming {
            self.0 = pause;
        }
        (alarming, score_of(neg_log10_p))
    }
}

/// Judges one series by what came before each value: the scorer of the signal's kind, the learning
/// policy of [`RowScorer`](super::RowScorer), and an alarm policy as a separate output.
///
/// Values that are not finite are gaps: they score 0 and teach nothing. Until `min_points` values
/// were learnt nothing is anomalous, whatever its score.
///
/// # Examples
///
/// ```
/// use mad_core::score::SeriesScorer;
/// use mad_core::config::ScoreConfig;
/// use mad_core::{Sample, SignalKind, Timestamp};
///
/// let mut scorer = SeriesScorer::new(SignalKind::Gauge, &ScoreConfig::default())?;
/// for minute in 0..100 {
///     let value = if minute == 90 { 80.0 } else { f64::from(minute * 37 % 11) };
///     let at = Timestamp::from_seconds(60 * i64::from(minute));
///     assert_eq!(scorer.observe(at, Sample { value, n: 1 }).is_anomaly, minute == 90);
/// }
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SeriesScorer {
    scorer: MetricScorer,
    neg_log10_p: f64,
    min_points: usize,
    pause: u32,
    paused: Pause,
}

impl SeriesScorer {
    /// A scorer that has learnt nothing.
    ///
    /// # Errors
    ///
    /// A config field outside its range.
    pub fn new(kind: SignalKind, config: &ScoreConfig) -> Result<Self> {
        Ok(Self {
            scorer: MetricScorer::new(kind, config)?,
            neg_log10_p: threshold_neg_log10_p(config.threshold),
            min_points: config.series_min_points,
            pause: config.alarm_cooldown,
            paused: Pause::default(),
        })
    }

    /// Applies another config. What was learnt stays, so `window` and `profile` stay too: they
    /// decide what is remembered.
    ///
    /// # Errors
    ///
    /// A config field outside its range.
    pub fn reconfigure(&mut self, config: &ScoreConfig) -> Result<()> {
        config.validate()?;
        self.scorer.reconfigure(config)?;
        self.neg_log10_p = threshold_neg_log10_p(config.threshold);
        (self.min_points, self.pause) = (config.series_min_points, config.alarm_cooldown);
        Ok(())
    }

    /// Judges a value without learning it; the alarm policy is not consulted.
    pub fn score(&self, at: Timestamp, sample: Sample) -> Score {
        self.scorer.score(at, sample)
    }

    /// Judges a value, then learns it.
    pub fn observe(&mut self, at: Timestamp, sample: Sample) -> SeriesScore {
        let mature = self.scorer.points() >= self.min_points;
        let score = self.scorer.score(at, sample);
        let alarm = self.scorer.alarm(at, sample, &score).neg_log10_p;
        self.scorer.learn(at, sample, &score);
        let is_anomaly = mature && score.neg_log10_p >= self.neg_log10_p;
        let alarming = mature && alarm >= self.neg_log10_p;
        let (is_alarm, alarm_score) = self.paused.tell(alarming, alarm, self.pause);
        SeriesScore { score, is_anomaly, is_alarm, alarm_score }
    }
}
