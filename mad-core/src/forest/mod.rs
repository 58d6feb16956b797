//! Isolation Forest: how easily random splits separate a row from the others.
//!
//! [`IsolationForest`] is fitted once; [`WindowedForest`] is fitted again and again on the newest
//! rows of a stream, and says when its rows no longer resemble those that it was fitted on.

mod isolation_forest;
mod tree;
mod windowed;

pub use isolation_forest::{ForestConfig, IsolationForest};
pub use windowed::{ForestDrift, WindowedForest, WindowedForestConfig};
