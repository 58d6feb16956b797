//! Bounded recent rows: what culprits, explanations, reports and "why not" read.

mod row;
mod store;

pub use row::{FlaggedRow, FlaggedSignal, HistoryPoint, HistoryRow};
pub use store::History;
