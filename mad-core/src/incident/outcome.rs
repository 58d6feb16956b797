//! The outcome of judging a row, which the grouping of incidents takes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::history::FlaggedRow;
use crate::series::EntityId;
use crate::time::Timestamp;

/// The outcome of judging one row of any signals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum RowOutcome {
    /// The row raises an alarm: it joins an open incident or can open one.
    Alarm(FlaggedRow),
    /// The row is flagged without an alarm: it joins an open incident and opens none.
    Flagged(FlaggedRow),
    /// The row has flagged signals, but they are too weak for the number of its signals. It counts
    /// in an incident that a later row extends. It neither opens one nor keeps one open.
    Weak(FlaggedRow),
    /// The row is not flagged.
    Quiet {
        /// The entity.
        entity: EntityId,
        /// Start of the step.
        at: Timestamp,
        /// Length of the step.
        #[serde(with = "crate::time::nanoseconds")]
        step: Duration,
        /// `-log10 p` of the row.
        neg_log10_p: f64,
    },
}
