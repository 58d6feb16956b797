//! Settings of the scorers.

use serde::{Deserialize, Serialize};

use super::check::positive;
use crate::error::{Error, Result};
use crate::limits::MAX_WINDOW;

/// How much of the past a gauge is judged by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// All views of the value: the last rows, a long memory, the season, the jump.
    #[default]
    Full,
    /// Median and MAD of the last `window` values alone: half the memory, a third of the time.
    Mad,
}

/// How rows are judged by default.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScoreConfig {
    /// How much of the past a gauge is judged by: `full` or `mad`. Default full.
    pub profile: Profile,
    /// Rows remembered per signal, 3 to 100,000. Default 240.
    pub window: usize,
    /// A row is anomalous when its score is at least this, above 0 and below 1. 0.5 is a
    /// probability of one in ten thousand rows. Default 0.5.
    pub threshold: f64,
    /// Smallest scale of a latency, as a share of its level, above 0. Default 0.05.
    pub latency_floor: f64,
    /// Requests whose worth of evidence the error baseline is trusted with at most: real rates
    /// wander more than coin tosses. 10 to 1e9. Default 1,000.
    pub rate_memory: f64,
    /// Anomalous rows in a row of one signal after which the new level is learnt as it is,
    /// 1 to 1e9. Default 120.
    pub relearn_after: u32,
    /// Values of a single series that have to be learnt before one is anomalous, 1 to 100,000
    /// (rows have `guard.min_points`). Default 20.
    pub series_min_points: usize,
    /// Values of a single series after an alarm in which none is raised again, 0 to 1e9.
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
            relearn_after: 120,
            series_min_points: 20,
            alarm_cooldown: 100,
        }
    }
}

impl ScoreConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// Names the field, its value and its range.
    pub fn validate(&self) -> Result<()> {
        if !(3..=MAX_WINDOW).contains(&self.window) {
            return Err(Error::config("score.window", self.window, "an integer from 3 to 100000"));
        }
        if !(self.threshold > 0.0 && self.threshold < 1.0) {
            return Err(Error::config(
                "score.threshold",
                self.threshold,
                "a number above 0 and below 1",
            ));
        }
        positive("score.latency_floor", self.latency_floor)?;
        if !(self.rate_memory >= 10.0 && self.rate_memory <= 1e9) {
            return Err(Error::config("score.rate_memory", self.rate_memory, "10 to 1e9 requests"));
        }
        if !(1..=100_000).contains(&self.series_min_points) {
            let expected = "an integer from 1 to 100000";
            return Err(Error::config("score.series_min_points", self.series_min_points, expected));
        }
        if self.relearn_after == 0 {
            return Err(Error::config("score.relearn_after", 0, "an integer of 1 or more"));
        }
        Ok(())
    }
}
