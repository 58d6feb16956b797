//! Bounded recent rows, which rankings, explanations, reports and states read.

mod decision;
mod flagged;
mod history_row;
mod rhythm;
mod ring;
mod store;

pub use decision::Decision;
pub use flagged::{ExplainedBy, FlaggedRow, FlaggedSignal};
pub use history_row::HistoryRow;
pub(crate) use history_row::NewHistoryRow;
pub(crate) use rhythm::Rhythm;
pub use ring::HistoryRing;
pub use store::History;
