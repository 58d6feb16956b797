//! When an incident opens and when it is over.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::time::MINUTE;

/// When an incident opens and when it is over.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IncidentConfig {
    /// Flagged rows of an entity that open an incident (k of k-of-n), 1 or more. Default 2.
    pub open_rows: u32,
    /// Steps within which they have to lie (n of k-of-n), `open_rows` to 1,000. Default 3.
    pub open_steps: u32,
    /// `-log10 p` of a row that opens an incident alone, when at least `open_effective_n`
    /// observations stand behind it; above 0. Default 8: one in 10^8.
    pub open_threshold: f64,
    /// Observations that have to stand behind such a row. Default 2: one slow request is an anecdote.
    pub open_effective_n: f64,
    /// `-log10 p` of a row that keeps an open incident alive without being flagged (hysteresis), 0 or
    /// more. Default 2.5.
    pub sustain_threshold: f64,
    /// An incident is over this long after its last anomalous row, minutes; the next one then is
    /// a new incident. At least two steps. Default 5.
    pub resolve_after_minutes: f64,
    /// Entities of one service, or of services that call each other, whose anomalies begin within
    /// this long of each other share an incident, minutes, 0 or more; 0 keeps them apart.
    /// Default 5.
    pub merge_minutes: f64,
    /// An incident that ended by itself and of which one comes back within this long of its last
    /// flagged row goes on instead of a new one, minutes, 0 to 1e6; 0 never. One that somebody resolved is over.
    /// Default 10.
    pub cooldown_minutes: f64,
    /// An incident of an entity that went silent is closed after this long, minutes. Default 30.
    pub ttl_minutes: f64,
}

impl Default for IncidentConfig {
    fn default() -> Self {
        Self {
            open_rows: 2,
            open_steps: 3,
            open_threshold: 8.0,
            open_effective_n: 2.0,
            sustain_threshold: 2.5,
            resolve_after_minutes: 5.0,
            merge_minutes: 5.0,
            cooldown_minutes: 10.0,
            ttl_minutes: 30.0,
        }
    }
}

impl IncidentConfig {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// Names the field, its value and its range.
    pub fn validate(&self) -> Result<()> {
        if self.open_rows == 0 {
            return Err(Error::config("incident.open_rows", 0, "an integer of 1 or more"));
        }
        if !(self.open_rows..=1_000).contains(&self.open_steps) {
            let expected = "an integer from open_rows to 1000";
            return Err(Error::config("incident.open_steps", self.open_steps, expected));
        }
        for (field, value) in [
            ("incident.open_threshold", self.open_threshold),
            ("incident.resolve_after_minutes", self.resolve_after_minutes),
            ("incident.ttl_minutes", self.ttl_minutes),
        ] {
            if !(value > 0.0 && value <= 1e6) {
                return Err(Error::config(field, value, "a number above 0, at most 1e6"));
            }
        }
        for (field, value) in [
            ("incident.open_effective_n", self.open_effective_n),
            ("incident.sustain_threshold", self.sustain_threshold),
            ("incident.merge_minutes", self.merge_minutes),
        ] {
            if !(value.is_finite() && value >= 0.0) {
                return Err(Error::config(field, value, "a finite number of 0 or more"));
            }
        }
        if !(self.cooldown_minutes >= 0.0 && self.cooldown_minutes <= 1e6) {
            let expected = "0 to 1e6 minutes";
            return Err(Error::config(
                "incident.cooldown_minutes",
                self.cooldown_minutes,
                expected,
            ));
        }
        Ok(())
    }

    /// How long after its end an incident may come back, nanoseconds.
    pub fn cooldown(&self) -> i64 {
        (self.cooldown_minutes * MINUTE as f64) as i64
    }

    /// How far apart those that share an incident may begin, nanoseconds, for rows of `step`
    /// nanoseconds: two steps at least, unless it is 0.
    pub fn merge(&self, step: i64) -> i64 {
        let merge = (self.merge_minutes.min(1e6) * MINUTE as f64) as i64;
        if merge == 0 { 0 } else { merge.max(step.saturating_mul(2)) }
    }

    /// The gap in nanoseconds for rows of `step` nanoseconds.
    pub fn gap(&self, step: i64) -> i64 {
        ((self.resolve_after_minutes * MINUTE as f64) as i64).max(step.saturating_mul(2))
    }

    /// The time to live in nanoseconds for rows of `step` nanoseconds.
    pub fn ttl(&self, step: i64) -> i64 {
        ((self.ttl_minutes * MINUTE as f64) as i64).max(self.gap(step))
    }
}
