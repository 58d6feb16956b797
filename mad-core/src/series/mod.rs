//! Entities, signals and samples, and bounded tables that give their names dense ids.

mod entity;
mod entity_table;
mod glob;
mod kind;
mod name_hash;
mod series_table;
mod signal;
mod signal_id;

pub use entity::{Entity, EntityId};
pub use entity_table::EntityTable;
pub use glob::Glob;
pub use kind::{Direction, Sample, SignalKind};
pub(crate) use name_hash::NameHash;
pub use series_table::{SeriesId, SeriesName, SeriesTable};
pub use signal::{
    CALLS_TO, LOG_ERRORS, LOG_LINES, LOG_NEW_ERRORS, LOG_WARNINGS, MISSING_SPANS, NETWORK_GAP,
    SILENCE, Signal, SignalName, counts_lines, log_template_of,
};
pub(crate) use signal::{LOG_LINES_WARM_UP, PRICE_OF_TEMPLATE, counts, is_made_here};
pub use signal_id::SignalId;
