//! Judged rows as lines of CSV.

mod field;
mod points;
mod rows;

pub(crate) use field::push_field;
pub use field::unescaped;
pub use points::{write_scored_points, write_scored_points_header};
pub use rows::{write_features_header, write_features_row, write_scored_header, write_scored_row};
