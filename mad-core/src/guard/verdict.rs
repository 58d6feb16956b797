//! Verdicts: the decision about a row, its reason, severity and confidence.

use serde::{Deserialize, Serialize};

use crate::series::Signal;

/// Why a row is flagged, or why it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Not flagged: no signal is unlikely.
    Normal,
    /// Flagged: the leading signal is above its expected value.
    AboveExpected,
    /// Flagged: the leading signal is below its expected value.
    BelowExpected,
    /// Suppressed: the entity was first seen less than the warm-up time ago.
    WarmUp,
    /// Suppressed: too few rows were learnt.
    TooFewPoints,
    /// Suppressed: too few requests.
    TooLittleTraffic,
    /// Suppressed: the change is too small to matter.
    BelowMinEffect,
    /// Suppressed: a mute window or a command covers the entity.
    Muted,
    /// Suppressed: the row is history, which is learnt and not flagged.
    History,
    /// Suppressed: the value is outside the band on the side that is not watched, such as a faster
    /// response.
    WrongDirection,
    /// Suppressed: the first row after idle time, whose requests started something cold.
    ColdStart,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 11] = [
        Self::Normal,
        Self::AboveExpected,
        Self::BelowExpected,
        Self::WarmUp,
        Self::TooFewPoints,
        Self::TooLittleTraffic,
        Self::BelowMinEffect,
        Self::Muted,
        Self::History,
        Self::WrongDirection,
        Self::ColdStart,
    ];

    /// The reason in files and answers; empty for a normal row.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "",
            Self::AboveExpected => "above_expected",
            Self::BelowExpected => "below_expected",
            Self::WarmUp => "warm_up",
            Self::TooFewPoints => "too_few_points",
            Self::TooLittleTraffic => "too_little_traffic",
            Self::BelowMinEffect => "below_min_effect",
            Self::Muted => "muted",
            Self::History => "history",
            Self::WrongDirection => "wrong_direction",
            Self::ColdStart => "cold_start",
        }
    }

    /// Whether it is a reason of suppression.
    pub const fn is_suppression(self) -> bool {
        !matches!(self, Self::Normal | Self::AboveExpected | Self::BelowExpected)
    }
}

/// How bad a row or an incident is.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Severity {
    /// Not flagged.
    #[default]
    Info,
    /// Flagged.
    Warning,
    /// Flagged, with a significant rise of errors to `guard.critical_error_rate` or more (5 %).
    Critical,
}

impl std::fmt::Display for Severity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Severity {
    /// The severity in files and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "Info",
            Self::Warning => "Warning",
            Self::Critical => "Critical",
        }
    }
}

/// How certain a verdict is.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Confidence {
    /// Little evidence or few observations.
    #[default]
    Low,
    /// `-log10 p` of 6, or 3 observations.
    Medium,
    /// `-log10 p` of 8, and 5 observations.
    High,
}

impl std::fmt::Display for Confidence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Confidence {
    /// The confidence of a row with this `-log10 p`, carried by `effective_n` observations.
    pub fn of(neg_log10_p: f64, effective_n: f64) -> Self {
        // High needs both: one slow request can be as unlikely as one in 10^8, and is still one.
        if neg_log10_p >= 8.0 && effective_n >= 5.0 {
            Self::High
        // Either a hundred times below the default threshold of 10^-4, or several observations.
        } else if neg_log10_p >= 6.0 || effective_n >= 3.0 {
            Self::Medium
        } else {
            Self::Low
        }
    }

    /// The confidence in files and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "Low",
            Self::Medium => "Medium",
            Self::High => "High",
        }
    }
}

/// The decision about a row.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether the row is flagged: anomalous and not suppressed.
    pub is_anomaly: bool,
    /// Why it is flagged, or why it is not.
    pub reason: Reason,
    /// How bad it is; `Info` if it is not flagged.
    pub severity: Severity,
    /// How certain it is: High with evidence of 8 (one in 10^8) and 5 observations behind it, Medium with
    /// evidence of 6 or 3 observations, Low otherwise.
    pub confidence: Confidence,
    /// Place of the leading signal among the signals of the row: the strongest flagged one, or the
    /// strongest one if none is flagged.
    pub leading: u16,
    /// The flagged signals, one bit for each place among the signals of the row.
    pub flagged: u64,
    /// Minus log10 of the row's probability.
    pub neg_log10_p: f64,
    /// Observations that carry the evidence.
    pub effective_n: f64,
}

impl Verdict {
    /// The row's score, 0 to 1: its evidence `e` as `e / (e + 4)`.
    pub fn score(&self) -> f64 {
        crate::score::score_of(self.neg_log10_p)
    }

    /// The leading signal of a row of requests.
    pub fn request_signal(&self) -> Signal {
        Signal::ALL.get(usize::from(self.leading)).copied().unwrap_or(Signal::P95Latency)
    }

    /// The flagged signals of a row of requests.
    pub fn flagged_signals(&self) -> impl Iterator<Item = Signal> + use<> {
        let flagged = self.flagged;
        Signal::ALL.into_iter().filter(move |signal| flagged & (1 << signal.index()) != 0)
    }

    /// The same row, suppressed for a reason that its signals do not show, such as a mute.
    #[must_use]
    pub fn suppressed_by(self, reason: Reason) -> Self {
        Self { is_anomaly: false, reason, severity: Severity::Info, flagged: 0, ..self }
    }
}
