//! Tables and arrays: columns of any library in, Arrow tables out.

pub mod arrays;
pub mod arrow_stream;
pub mod batches;
pub mod by_time;
pub mod cell;
pub mod column_types;
pub mod html;
pub mod numpy_columns;
pub mod plain_rows;
pub mod reader;
pub mod record_table;
pub mod series_runs;
pub mod shape;
pub mod table;
