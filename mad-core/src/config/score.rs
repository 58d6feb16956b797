//! Settings of the scorers.

use serde::{Deserialize, Serialize};

use super::check::{above_zero, between_zero_and_one, positive, within};
use crate::error::Result;
use crate::limits::MAX_WINDOW;

/// How much of the past a gauge is compared with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// The rolling window, a long memory, the season and the change from the previous value.
    #[default]
    Full,
    /// Median and MAD of the last `window` values only. It takes half the memory and a third of
    /// the time.
    Mad,
}

impl Profile {
    /// The name in a configuration file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Mad => "mad",
        }
    }
}

/// How rows and single series are scored.
///
/// # Examples
///
/// ```
/// use mad_core::ScoreConfig;
///
/// let strict = ScoreConfig { threshold: 0.7, ..ScoreConfig::default() };
/// assert!(strict.validate().is_ok());
/// let error = ScoreConfig { accept_after_hours: 0.0, ..strict }.validate().unwrap_err();
/// assert!(error.to_string().contains("score.accept_after_hours"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScoreConfig {
    /// How much of the past a gauge is compared with: `full` or `mad`. Default full.
    pub profile: Profile,
    /// Rows remembered per signal, 3 to 100,000. Default 240: four hours of minutes.
    pub window: usize,
    /// A row is anomalous when its score is at least this, above 0 and below 1. Default 0.5, which
    /// is a probability of one in ten thousand rows. Files may have the name of a
    /// [`Sensitivity`](super::Sensitivity) here, and `sensitivity` as the name of the field.
    #[serde(alias = "sensitivity", deserialize_with = "super::sensitivity::threshold")]
    pub threshold: f64,
    /// Smallest scale of a latency, as a share of its level, above 0. Default 0.05, so that a very
    /// steady endpoint is not anomalous for one millisecond.
    pub latency_floor: f64,
    /// Largest number of requests that the error baseline counts as evidence, 10 to 1e9.
    /// Default 1,000, because real error rates vary more than independent trials.
    pub rate_memory: f64,
    /// Time for which a signal has to be anomalous before it stops learning, minutes, above 0, at
    /// most 1e6. Default 15. More than 15 anomalous rows stop it as well.
    pub suspend_after_minutes: f64,
    /// Time without an anomalous row after which a signal learns again, minutes, above 0, at most
    /// 1e6. Default 10.
    pub recover_after_minutes: f64,
    /// Time after which a stable and harmless new level of a latency or a count becomes normal,
    /// hours, above 0, at most 1e6. Default 4. Error rates are never accepted by waiting.
    pub accept_after_hours: f64,
    /// Time after which a stable new level of a gauge becomes normal, hours, above 0, at most 1e6.
    /// Default 24. A gauge that was known for less is accepted after that time, but not before
    /// `accept_after_hours`.
    pub accept_gauge_after_hours: f64,
    /// Values of a single series that are learnt before one is anomalous, 1 to 100,000. Rows have
    /// `guard.min_points` instead. Default 20.
    pub series_min_points: usize,
    /// Values of a single series after an alarm in which no other alarm is raised, 0 to 1e9.
    /// Default 100.
    pub alarm_cooldown: u32,
}

impl Default for ScoreConfig {
    fn default() -> Self {
        Self {
            profile: Profile::Full,
            window: 240,
            threshold: 0.5,
            latency_floor: 0.05,
            rate_memory: 1_000.0,
            suspend_after_minutes: 15.0,
            recover_after_minutes: 10.0,
            accept_after_hours: 4.0,
            accept_gauge_after_hours: 24.0,
            series_min_points: 20,
            alarm_cooldown: 100,
        }
    }
}

/// Largest number of rows or values that a setting counts.
const MOST_ROWS: u32 = 1_000_000_000;

impl ScoreConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// Names the field, its value and its range.
    pub fn validate(&self) -> Result<()> {
        let expected = "an integer from 3 to 100000";
        within("score.window", self.window, 3..=MAX_WINDOW, expected)?;
        let expected = "a number above 0 and below 1";
        between_zero_and_one("score.threshold", self.threshold, expected)?;
        positive("score.latency_floor", self.latency_floor)?;
        within("score.rate_memory", self.rate_memory, 10.0..=1e9, "10 to 1e9 requests")?;
        let expected = "an integer from 1 to 100000";
        within("score.series_min_points", self.series_min_points, 1..=100_000, expected)?;
        let expected = "an integer from 0 to 1000000000";
        within("score.alarm_cooldown", self.alarm_cooldown, 0..=MOST_ROWS, expected)?;
        for (field, value) in [
            ("score.suspend_after_minutes", self.suspend_after_minutes),
            ("score.recover_after_minutes", self.recover_after_minutes),
            ("score.accept_after_hours", self.accept_after_hours),
            ("score.accept_gauge_after_hours", self.accept_gauge_after_hours),
        ] {
            above_zero(field, value, 1e6, "a number above 0, at most 1e6")?;
        }
        Ok(())
    }
}
