//! Bounded recent rows: what culprits, explanations, reports and "why not" read.

mod decision;
mod flagged;
mod ring;
mod row;
mod store;

pub use decision::Decision;
pub use flagged::{FlaggedRow, FlaggedSignal};
pub use ring::{HistoryEntry, Ring};
pub use row::{HistoryPoint, HistoryRow};
pub use store::History;
