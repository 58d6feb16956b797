//! The pipeline as the service holds it.

pub mod exposition;
pub mod live;
pub mod live_records;
pub mod live_update;
pub mod seen;
