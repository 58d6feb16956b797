//! Settings of incidents: when they open, merge and close.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::check::{above_zero, not_negative, within};
use crate::error::{Error, Result};
use crate::time::{MINUTE, duration_of};

/// When incidents open, merge and close.
///
/// # Examples
///
/// ```
/// use mad_core::IncidentConfig;
///
/// let patient = IncidentConfig { open_rows: 3, open_steps: 5, ..IncidentConfig::default() };
/// assert!(patient.validate().is_ok());
/// let error = IncidentConfig { open_steps: 2, ..patient }.validate().unwrap_err();
/// assert!(error.to_string().contains("incident.open_steps"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IncidentConfig {
    /// Flagged rows of an entity that open an incident (k of k-of-n), 1 to 1,000. Default 2.
    pub open_rows: u32,
    /// Steps within which these rows have to lie (n of k-of-n), `open_rows` to 1,000. Default 3.
    pub open_steps: u32,
    /// `-log10 p` of a single row that opens an incident, if it rests on `open_effective_n`
    /// observations, above 0, at most 1e6. Default 8: one in 10^8.
    pub open_threshold: f64,
    /// Observations that such a row has to rest on, 0 or more. Default 2, so that one slow request opens
    /// nothing.
    pub open_effective_n: f64,
    /// `-log10 p` of an unflagged row that keeps an open incident open (hysteresis), 0 or more. Rows
    /// that come `n` times a minute need `log10 n` more, so that chance keeps an incident open as
    /// rarely at any step. Default 2.5.
    pub sustain_threshold: f64,
    /// Time after the last flagged row at which an incident closes, minutes, above 0, at most 1e6. It is
    /// two steps at least, and five times the usual time between rows of an entity that does not
    /// have one in every step. Default 5.
    pub resolve_after_minutes: f64,
    /// Largest time between the starts of anomalies that share an incident, minutes, 0 to 1e6. It applies
    /// to entities of one service and of services that call each other; 0 turns sharing off.
    /// Default 5.
    pub merge_minutes: f64,
    /// Time after the last flagged row of a closed incident within which new anomalies open it again,
    /// minutes, 0 to 1e6; 0 turns it off. Each reopening doubles it, up to six hours. An incident
    /// that a command resolved never opens again. Default 10.
    pub cooldown_minutes: f64,
    /// Shortest time without requests that is a silence, minutes, 0 to 1e6; 0 turns silences off. An
    /// entity is silent when it had no requests for this long and for longer than its rhythm explains.
    /// Default 5.
    pub silence_minutes: f64,
    /// Time without any row after which an incident closes, minutes, above 0, at most 1e6. Default 30.
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
            silence_minutes: 5.0,
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
        let expected = "an integer from open_rows to 1000";
        within("incident.open_steps", self.open_steps, self.open_rows..=1_000, expected)?;
        for (field, value) in [
            ("incident.open_threshold", self.open_threshold),
            ("incident.resolve_after_minutes", self.resolve_after_minutes),
            ("incident.ttl_minutes", self.ttl_minutes),
        ] {
            above_zero(field, value, 1e6, "a number above 0, at most 1e6")?;
        }
        not_negative("incident.open_effective_n", self.open_effective_n)?;
        not_negative("incident.sustain_threshold", self.sustain_threshold)?;
        let expected = "0 to 1e6 minutes";
        within("incident.merge_minutes", self.merge_minutes, 0.0..=1e6, expected)?;
        within("incident.cooldown_minutes", self.cooldown_minutes, 0.0..=1e6, expected)?;
        within("incident.silence_minutes", self.silence_minutes, 0.0..=1e6, expected)
    }

    /// The cooldown.
    pub(crate) fn cooldown(&self) -> Duration {
        duration_of((self.cooldown_minutes * MINUTE as f64) as i64)
    }

    /// The merge time in nanoseconds for rows of `step` nanoseconds: two steps at least, unless it is 0.
    pub(crate) fn merge(&self, step: i64) -> i64 {
        let merge = (self.merge_minutes * MINUTE as f64) as i64;
        if merge == 0 { 0 } else { merge.max(step.saturating_mul(2)) }
    }

    /// The time to close in nanoseconds for rows of `step` nanoseconds that come every `rhythm`.
    pub(crate) fn gap(&self, step: i64, rhythm: i64) -> i64 {
        let quiet =
            ((self.resolve_after_minutes * MINUTE as f64) as i64).max(step.saturating_mul(2));
        if rhythm > step { quiet.max(rhythm.saturating_mul(5)) } else { quiet }
    }

    /// `-log10 p` of an unflagged row of `step` nanoseconds that keeps an incident open.
    pub(crate) fn sustain(&self, step: i64) -> f64 {
        self.sustain_threshold + (MINUTE as f64 / step.clamp(1, MINUTE) as f64).log10()
    }

    /// The time to live in nanoseconds.
    pub(crate) fn ttl(&self) -> i64 {
        (self.ttl_minutes * MINUTE as f64) as i64
    }
}
