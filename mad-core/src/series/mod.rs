//! Names of what is judged, and capped tables that give them dense ids.

mod entity;
mod metric;
mod name;

pub use entity::{Entity, EntityId, EntityTable};
pub use metric::{SeriesId, SeriesName, SeriesTable};
pub use name::SignalName;
pub(crate) use name::{counts, is_made_here};
