//! Records of every kind, from bytes and from tables.

pub mod batch;
pub mod command;
pub mod inspector;
pub mod intake;
pub mod json_records;
pub mod kinds;
pub mod owned;
pub mod reading;
pub mod rejected;
pub mod shop_simulation;
pub mod source;
pub mod sources;
pub mod span_pieces;
pub mod telemetry;
pub mod trace_simulation;
pub mod world_simulation;
pub mod zstd;
