//! One series alone, with the same scorers that judge rows.

use serde::{Deserialize, Serialize};

use super::score::score_of;
use super::{Score, SignalScorer};
use crate::config::ScoreConfig;
use crate::error::Result;
use crate::series::{Sample, SignalKind};
use crate::time::Timestamp;

/// The scores of one value of a series.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SeriesScore {
    /// How unlikely the value is.
    pub score: Score,
    /// Whether it is anomalous: its score is at least the threshold.
    pub is_anomaly: bool,
    /// Whether it raises an alarm: its alarm score is at least the threshold, and no alarm was
    /// raised within the cooldown.
    pub is_alarm: bool,
    /// How much it is worth an alarm, 0 to 1. For a gauge it is the score of a level that lasts, for
    /// other kinds the score. 0 within the cooldown.
    pub alarm_score: f64,
}

/// Values left of the cooldown after an alarm, in which no alarm is raised again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cooldown(u32);

impl Cooldown {
    /// Whether a value raises an alarm, and its alarm score, 0 within the cooldown. `alarming` is
    /// whether the value is worth an alarm, `length` the number of values of a cooldown.
    pub fn step(&mut self, alarming: bool, neg_log10_p: f64, length: u32) -> (bool, f64) {
        if self.0 > 0 {
            self.0 -= 1;
            return (false, 0.0);
        }
        if alarming {
            self.0 = length;
        }
        (alarming, score_of(neg_log10_p))
    }
}

/// Judges one series by the values before each value: a [`SignalScorer`] and an alarm policy.
///
/// A value that is not finite is a gap: it scores 0 and teaches nothing. Until
/// `series_min_points` values were learnt no value is anomalous. After an alarm no other one is
/// raised for `alarm_cooldown` values.
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
    scorer: SignalScorer,
    min_points: usize,
    alarm_cooldown: u32,
    cooldown: Cooldown,
}

impl SeriesScorer {
    /// A scorer that has learnt nothing.
    ///
    /// # Errors
    ///
    /// A config field outside its range.
    pub fn new(kind: SignalKind, config: &ScoreConfig) -> Result<Self> {
        Ok(Self {
            scorer: SignalScorer::new(kind, config)?,
            min_points: config.series_min_points,
            alarm_cooldown: config.alarm_cooldown,
            cooldown: Cooldown::default(),
        })
    }

    /// Applies another config. Everything learnt stays, so `window` and `profile` stay too: they
    /// shape the learnt state.
    ///
    /// # Errors
    ///
    /// A config field outside its range.
    pub fn reconfigure(&mut self, config: &ScoreConfig) -> Result<()> {
        self.scorer.reconfigure(config)?;
        (self.min_points, self.alarm_cooldown) = (config.series_min_points, config.alarm_cooldown);
        Ok(())
    }

    /// Judges a value without learning it and without the alarm policy.
    pub fn score(&self, at: Timestamp, sample: Sample) -> Score {
        self.scorer.judge(at, sample).score
    }

    /// Judges a value, then learns it.
    pub fn observe(&mut self, at: Timestamp, sample: Sample) -> SeriesScore {
        let mature = self.scorer.points() >= self.min_points;
        let scores = self.scorer.observe(at, sample);
        let (score, alarm) = (scores.score, scores.alarm.neg_log10_p);
        let threshold = self.scorer.threshold_neg_log10_p();
        let is_anomaly = mature && score.neg_log10_p >= threshold;
        let alarming = mature && alarm >= threshold;
        let (is_alarm, alarm_score) = self.cooldown.step(alarming, alarm, self.alarm_cooldown);
        SeriesScore { score, is_anomaly, is_alarm, alarm_score }
    }

    /// Takes note that time has passed without a value.
    pub fn tick(&mut self, at: Timestamp) {
        self.scorer.tick(at);
    }
}
