//! Judged rows as lines of CSV.

mod field;
mod opinions;
mod points;
mod rows;

pub(crate) use field::push_field;
pub use field::unescaped;
pub use opinions::{write_opinion, write_opinions_header};
pub use points::{write_scored_points, write_scored_points_header};
pub use rows::{write_features_header, write_features_row, write_scored_header, write_scored_row};
