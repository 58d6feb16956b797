//! What a method says about a row, and about all rows.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::MethodName;
use crate::feature::RowKind;
use crate::guard::Severity;
use crate::score::{Score, score_of};
use crate::series::Entity;
use crate::time::Timestamp;

/// A judgement of a row by one method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// Whether the row is flagged.
    pub is_anomaly: bool,
    /// How bad it is; `Info` if it is not flagged.
    pub severity: Severity,
    /// 0 to 1, with 0.5 at the threshold.
    pub score: f64,
    /// The signal with the largest score. It is empty if the method judges several at once.
    pub signal: Arc<str>,
    /// Its value, in the signal's unit; NaN without a single signal.
    #[serde(deserialize_with = "crate::time::unknown::number")]
    pub value: f64,
    /// Its expected value; NaN if the method has none.
    #[serde(deserialize_with = "crate::time::unknown::number")]
    pub expected: f64,
    /// Lower end of the expected range; NaN if the method has none.
    #[serde(deserialize_with = "crate::time::unknown::number")]
    pub low: f64,
    /// Upper end of the expected range; NaN if the method has none.
    #[serde(deserialize_with = "crate::time::unknown::number")]
    pub high: f64,
    /// Health score of the endpoint, 0 to 100; NaN for methods without one.
    #[serde(deserialize_with = "crate::time::unknown::number")]
    pub health: f64,
}

impl Judgement {
    /// A judgement of a whole row without a leading signal.
    pub(super) fn of_row(score: f64, is_anomaly: bool) -> Self {
        Self {
            is_anomaly,
            severity: if is_anomaly { Severity::Warning } else { Severity::Info },
            score,
            signal: Arc::from(""),
            value: f64::NAN,
            expected: f64::NAN,
            low: f64::NAN,
            high: f64::NAN,
            health: f64::NAN,
        }
    }

    /// A judgement by the score of one signal, with the `-log10 p` of the threshold.
    pub(super) fn of_signal(signal: &str, value: f64, score: &Score, threshold: f64) -> Self {
        // The same scale for all methods: 4 at the threshold.
        let scaled = 4.0 * score.neg_log10_p / threshold;
        Self {
            signal: Arc::from(signal),
            value,
            expected: score.expected,
            low: score.low,
            high: score.high,
            ..Self::of_row(score_of(scaled), score.neg_log10_p >= threshold)
        }
    }
}

/// Some of the methods.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberSet(u16);

impl MemberSet {
    /// Adds a method.
    pub fn insert(&mut self, method: MethodName) {
        self.0 |= 1 << method.index();
    }

    /// Number of methods.
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether there is no method.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The names of the methods, with spaces between them.
    ///
    /// ```
    /// use mad_core::method::{MemberSet, MethodName};
    ///
    /// let mut set = MemberSet::default();
    /// set.insert(MethodName::Zscore);
    /// set.insert(MethodName::Ewma);
    /// assert_eq!((set.len(), set.names()), (2, "ewma zscore".to_owned()));
    /// ```
    pub fn names(self) -> String {
        let of = MethodName::ALL.into_iter().filter(|method| self.0 & (1 << method.index()) != 0);
        of.map(MethodName::as_str).collect::<Vec<_>>().join(" ")
    }
}

/// The judgement of one method about one row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Opinion {
    /// Start of the row's step, or the time of the change.
    pub at: Timestamp,
    /// The entity; for a change, its service and the changed item.
    pub entity: Arc<Entity>,
    /// The method.
    pub method: MethodName,
    /// Its judgement.
    pub judgement: Judgement,
    /// The methods that judged the row, for an ensemble.
    pub members: MemberSet,
    /// Those of them that flagged it.
    pub votes: MemberSet,
    /// Which telemetry the row was made from; `None` for a change.
    pub row_kind: Option<RowKind>,
}

impl Opinion {
    /// The kind of telemetry in files: `request`, `metric`, `log`, `trace`, or `event` for a change.
    pub const fn kind(&self) -> &'static str {
        match self.row_kind {
            Some(RowKind::Requests | RowKind::Services) => "request",
            Some(RowKind::Metrics) => "metric",
            Some(RowKind::Logs) => "log",
            Some(RowKind::Traces) => "trace",
            None => "event",
        }
    }
}

/// What a method flagged in all rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MethodSummary {
    /// The method.
    pub method: MethodName,
    /// Its weight in the weighted ensemble; 1 unless it was chosen, 0 for an ensemble.
    pub weight: f64,
    /// Rows judged.
    pub rows: u64,
    /// Rows flagged.
    pub flagged: u64,
    /// Entities with a flagged row.
    pub entities: u64,
    /// Time of the first flagged row.
    pub first: Option<Timestamp>,
    /// Its entity.
    pub first_entity: Option<Arc<Entity>>,
    /// Times that the rows of an entity no longer resembled those that its model was fitted on.
    pub drifts: u64,
}
