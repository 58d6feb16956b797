//! Bounded recent rows: what culprits, explanations, reports and "why not" read.

mod decision;
mod ring;
mod row;
mod store;

pub use decision::Decision;
pub use ring::{HistoryEntry, Ring};
pub use row::{FlaggedRow, FlaggedSignal, HistoryPoint, HistoryRow};
pub use store::History;
