//! What grouping takes of a judged row.

use crate::history::FlaggedRow;
use crate::series::EntityId;
use crate::time::Timestamp;

/// The outcome of judging one row, for the incident log.
pub(super) enum Outcome {
    /// The row raises an alarm. `effective_n` is the number of observations behind it.
    Alarm { row: FlaggedRow, effective_n: f64 },
    /// The row is flagged without an alarm. It extends an open incident and opens none.
    Flagged(FlaggedRow),
    /// The row is not flagged.
    Quiet { entity: EntityId, at: Timestamp, step: i64, neg_log10_p: f64 },
}
