//! What was decided about a row, and why.

use serde::{Deserialize, Serialize};

use crate::series::Signal;

/// Why a row is flagged or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Nothing unlikely about it.
    Normal,
    /// Flagged: the leading signal is above what is expected.
    AboveExpected,
    /// Flagged: the leading signal is below what is expected.
    BelowExpected,
    /// Suppressed: the entity was first seen less than the warm-up time ago.
    WarmUp,
    /// Suppressed: too few rows were learnt.
    TooFewPoints,
    /// Suppressed: too few requests.
    TooLittleTraffic,
    /// Suppressed: unlikely, but too small a change to matter.
    SmallEffect,
    /// Suppressed: a mute window or a command holds for the entity.
    Muted,
    /// Suppressed: a row of history, which is learnt and not told.
    History,
    /// Suppressed: outside of the band on the side that is not watched, such as a faster response.
    Direction,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 10] = [
        Self::Normal,
        Self::AboveExpected,
        Self::BelowExpected,
        Self::WarmUp,
        Self::TooFewPoints,
        Self::TooLittleTraffic,
        Self::SmallEffect,
        Self::Muted,
        Self::History,
        Self::Direction,
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
            Self::SmallEffect => "small_effect",
            Self::Muted => "muted",
            Self::History => "history",
            Self::Direction => "direction",
        }
    }

    /// Whether something unlikely was suppressed.
    pub const fn is_suppression(self) -> bool {
        !matches!(self, Self::Normal | Self::AboveExpected | Self::BelowExpected)
    }
}

/// How bad.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Severity {
    /// Not flagged.
    #[default]
    Info,
    /// Flagged.
    Warning,
    /// Flagged, with a significant rise of errors to 5 % or more.
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

/// How sure.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Confidence {
    /// Little stands behind it.
    #[default]
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
}

impl std::fmt::Display for Confidence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Confidence {
    /// The confidence in files and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "Low",
            Self::Medium => "Medium",
            Self::High => "High",
        }
    }
}

/// What was decided about a row.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether the row is anomalous and worth attention.
    pub is_anomaly: bool,
    /// Why, or why not.
    pub reason: Reason,
    /// How bad.
    pub severity: Severity,
    /// How sure: High with evidence of 8 (one in 10^8) and 5 observations behind it, Medium with
    /// evidence of 6 or 3 observations, Low otherwise.
    pub confidence: Confidence,
    /// The signal it is about: the strongest one that was flagged, otherwise the strongest.
    pub signal: Signal,
    /// Signals that were flagged, one bit each in the order of [`Signal::ALL`].
    pub flagged: u8,
    /// Minus log10 of the row's probability.
    pub neg_log10_p: f64,
    /// Observations that carry the evidence.
    pub effective_n: f64,
}

/// What was decided about a point of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointVerdict {
    /// Whether the point is anomalous and worth attention.
    pub is_anomaly: bool,
    /// Why, or why not.
    pub reason: Reason,
    /// How bad.
    pub severity: Severity,
}

impl Verdict {
    /// The row's score, 0 to 1: its evidence `e` as `e / (e + 4)`.
    pub fn score(&self) -> f64 {
        crate::score::score_of(self.neg_log10_p)
    }

    /// The signals that were flagged.
    pub fn flagged_signals(&self) -> impl Iterator<Item = Signal> + use<> {
        let flagged = self.flagged;
        Signal::ALL.into_iter().filter(move |signal| flagged & (1 << signal.index()) != 0)
    }
}
