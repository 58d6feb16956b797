//! Levels that became the baseline of their signals, as reports and answers show them.

use serde::{Deserialize, Serialize};

use crate::explain::{describe_signal, format_value};
use crate::pipeline::LevelAccepted;
use crate::time::{SECOND, Timestamp};

/// A new level that became the baseline of its signal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the fields are the names in the file, described in docs/files.md")]
pub struct LevelDocument {
    pub service: String,
    pub endpoint: String,
    pub signal: String,
    pub at: String,
    /// The first anomalous value of the level.
    pub since: Option<String>,
    /// The expected value before, and the median of the level, in the signal's unit.
    pub before: f64,
    pub level: f64,
    pub by_command: bool,
    /// The event as a sentence.
    pub text: String,
}

impl LevelDocument {
    /// An accepted level.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use mad_core::export::LevelDocument;
    /// use mad_core::pipeline::LevelAccepted;
    /// use mad_core::{Entity, Signal, Timestamp};
    ///
    /// let level = LevelAccepted {
    ///     entity: Arc::new(Entity::new("payments", "/pay")),
    ///     signal: Signal::P95Latency.into(),
    ///     at: Timestamp::from_seconds(14_400),
    ///     since: Some(Timestamp::from_seconds(0)),
    ///     before: 200.0,
    ///     level: 280.0,
    ///     by_command: false,
    /// };
    /// let text = LevelDocument::new(&level).text;
    /// assert!(text.starts_with("payments /pay: 95th-percentile latency 280 ms is normal from 1970-01-01T04:00:00Z on"));
    /// ```
    pub fn new(accepted: &LevelAccepted) -> Self {
        let LevelAccepted { entity, signal, at, since, before, level, by_command } = accepted;
        let second = |time: &Timestamp| time.floor(SECOND);
        let why = match (by_command, &since) {
            (true, _) => "because a command accepted it".to_owned(),
            (false, Some(since)) => format!("because it has been stable since {}", second(since)),
            (false, None) => "because it is stable".to_owned(),
        };
        let unit = |value: f64| format_value(signal, value);
        let text = format!(
            "{entity}: {} {} is normal from {} on, {why}; {} was usual before",
            describe_signal(signal),
            unit(*level),
            second(at),
            unit(*before),
        );
        Self {
            service: entity.service.to_string(),
            endpoint: entity.endpoint.to_string(),
            signal: signal.as_str().to_owned(),
            at: at.to_string(),
            since: since.map(|since| since.to_string()),
            before: *before,
            level: *level,
            by_command: *by_command,
            text,
        }
    }
}
