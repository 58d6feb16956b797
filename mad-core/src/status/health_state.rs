//! The health state of an entity or series.

use serde::{Deserialize, Serialize};

use crate::guard::Reason;

/// The health state of an entity or series. The worst state comes first.
///
/// # Examples
///
/// ```
/// use mad_core::status::HealthState;
///
/// assert!(HealthState::Anomalous < HealthState::Normal);
/// assert_eq!(HealthState::TooFewRequests.as_str(), "too_few_requests");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthState {
    /// Its newest row is flagged.
    Anomalous,
    /// Its newest row was unlikely, and a guardrail suppressed it.
    Suppressed,
    /// It had rows and has had none for longer than its usual gaps explain.
    Silent,
    /// Its newest row has too few requests to be flagged.
    TooFewRequests,
    /// It is warming up or has too few points, so nothing is known of it yet.
    Unknown,
    /// It is muted.
    Muted,
    /// An override sets `watched = false`, so it is not judged.
    Disabled,
    /// Its newest row is not unlikely.
    Normal,
}

impl HealthState {
    /// The state in files and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Anomalous => "anomalous",
            Self::Suppressed => "suppressed",
            Self::Silent => "silent",
            Self::TooFewRequests => "too_few_requests",
            Self::Unknown => "unknown",
            Self::Muted => "muted",
            Self::Disabled => "disabled",
            Self::Normal => "normal",
        }
    }

    /// The state by the reason of a row's verdict. `enough`: the row has enough requests.
    pub(super) const fn of(reason: Reason, enough: bool) -> Self {
        match reason {
            Reason::AboveExpected | Reason::BelowExpected => Self::Anomalous,
            Reason::BelowMinEffect | Reason::WrongDirection | Reason::ColdStart => Self::Suppressed,
            Reason::WarmUp | Reason::TooFewPoints | Reason::History => Self::Unknown,
            Reason::Muted => Self::Muted,
            Reason::Normal if enough => Self::Normal,
            Reason::TooLittleTraffic | Reason::Normal => Self::TooFewRequests,
        }
    }
}
