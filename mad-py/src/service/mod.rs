//! The pipeline as the service runs it: answers as JSON, and records for the journal's tables.

pub mod engine_pipeline;
pub mod engine_update;
pub mod journal_records;
pub mod point_blocks;
pub mod seen;
