//! The settings for a short recording, whose rows have to be shorter than a minute.

use std::time::Duration;

use super::{FeatureConfig, GuardConfig, IncidentConfig, PipelineConfig, ScoreConfig};

/// Steps that a short recording should have: 15 of the warm-up, and twice as many that are judged.
const ROWS: f64 = 45.0;
/// Records of a step, on average, from which a short step is worth it: fewer would be noise.
const RECORDS_OF_STEP: f64 = 5.0;
/// Steps of a short recording, seconds, longest first. Each divides a minute, so that rows end with it.
const STEPS: [f64; 6] = [30.0, 15.0, 10.0, 5.0, 2.0, 1.0];

impl PipelineConfig {
    /// Whether a recording of this length has too few rows with the default step.
    pub(crate) fn is_short(&self, length: Duration) -> bool {
        let least = (self.guard.min_points as f64).min(ROWS);
        length.as_secs_f64() < least * FeatureConfig::default().step_seconds
    }

    /// The settings for a recording of this length that is read as a whole, such as a load test of
    /// ten minutes; none where these settings fit it.
    ///
    /// The default step of a minute leaves a recording of fewer than `guard.min_points` minutes with
    /// too few rows, so that nothing of it is judged. The step becomes the longest of 30, 15, 10, 5, 2 and 1 s that
    /// gives 45 rows. The times that count in rows shrink with it, so that a row counts as one of a
    /// minute: the warm-up, the time until a signal stops learning and learns again, and the times
    /// after which incidents merge, close and reopen, and a silence begins.
    ///
    /// `resolution` is the smallest distance of two times in it: a shorter step would cut rounded
    /// times into rows without records. A recording of less than 45 s has too few rows with any step,
    /// and one with fewer than five `records` a step, or one for each of its `entities` with requests,
    /// has too few in each. Without requests, `entities` is 0 and one record a step is enough.
    ///
    /// Nothing changes where `features.step_seconds` is set, or `features.adapt_step` is off. Other
    /// settings that differ from their defaults are kept.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use mad_core::PipelineConfig;
    ///
    /// let config = PipelineConfig::default();
    /// let minutes = |count: u64| Duration::from_secs(60 * count);
    /// let short = config.for_recording(minutes(4), Duration::from_millis(1), 9_000, 4).unwrap();
    /// assert_eq!(short.features.step_seconds, 5.0);
    /// assert_eq!(short.guard.warm_up_minutes, 1.25);
    /// assert!(config.for_recording(minutes(60), Duration::from_millis(1), 9_000, 4).is_none());
    /// assert!(config.for_recording(minutes(4), minutes(1), 9_000, 4).is_none());
    /// ```
    pub fn for_recording(
        &self,
        length: Duration,
        resolution: Duration,
        records: u64,
        entities: usize,
    ) -> Option<Self> {
        let usual = FeatureConfig::default();
        let (seconds, finest) = (length.as_secs_f64(), resolution.as_secs_f64());
        if !self.features.adapt_step
            || self.features.step_seconds != usual.step_seconds
            || !self.is_short(length)
        {
            return None;
        }
        let wanted = STEPS.into_iter().find(|step| seconds >= ROWS * step)?;
        let step_seconds =
            STEPS.into_iter().rev().find(|step| *step >= wanted && *step >= finest)?;
        let of_step = if entities == 0 { 1.0 } else { RECORDS_OF_STEP.max(entities as f64) };
        if (records as f64) < of_step * seconds / step_seconds {
            return None;
        }
        let mut short = self.clone();
        short.features.step_seconds = step_seconds;
        let shrink = |field: &mut f64, default: f64| {
            if *field == default {
                *field *= step_seconds / usual.step_seconds;
            }
        };
        let (guard, score, incident) =
            (GuardConfig::default(), ScoreConfig::default(), IncidentConfig::default());
        for (field, default) in [
            (&mut short.guard.warm_up_minutes, guard.warm_up_minutes),
            (&mut short.score.suspend_after_minutes, score.suspend_after_minutes),
            (&mut short.score.recover_after_minutes, score.recover_after_minutes),
            (&mut short.incident.resolve_after_minutes, incident.resolve_after_minutes),
            (&mut short.incident.merge_minutes, incident.merge_minutes),
            (&mut short.incident.cooldown_minutes, incident.cooldown_minutes),
            (&mut short.incident.silence_minutes, incident.silence_minutes),
            (&mut short.incident.ttl_minutes, incident.ttl_minutes),
        ] {
            shrink(field, default);
        }
        Some(short)
    }
}
