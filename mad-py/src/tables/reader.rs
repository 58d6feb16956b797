//! The columns of a table as vectors, every value checked.

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_cast::display::array_value_to_string;
use mad_core::Timestamp;
use mad_core::time::ZonePolicy;
use pyo3::prelude::*;

use crate::errors::value_error;
use crate::tables::batches::batches;
use crate::tables::column_types::{self, NAIVE};
use crate::tables::shape::Shape;

/// A table whose columns are read by name. Unlike tables of records, it is refused as a whole when
/// one value cannot be read: the error names the column, the row (counted from 1) and the value.
pub struct TableReader<'a> {
    shape: Shape<'a>,
    batches: Vec<RecordBatch>,
}

impl<'a> TableReader<'a> {
    /// Opens any dataframe, Arrow table or mapping of columns.
    pub fn open(shape: Shape<'a>, table: &Bound<'_, PyAny>) -> PyResult<Self> {
        let batches = batches(&shape, table)?;
        for batch in &batches {
            for name in shape.needed {
                shape.place(&batch.schema(), name)?;
            }
        }
        Ok(Self { shape, batches })
    }

    /// Rows of all columns.
    pub fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// Whether the table has a column.
    pub fn has(&self, name: &str) -> bool {
        self.batches.iter().any(|batch| batch.schema().column_with_name(name).is_some())
    }

    /// Times in UTC, none missing.
    pub fn times(&self, name: &str) -> PyResult<Vec<Timestamp>> {
        let mut out = Vec::with_capacity(self.rows());
        self.columns(name, |written| {
            let read = column_types::times(written, name, ZonePolicy::Refuse)?;
            for row in 0..read.len() {
                if read.is_null(row) {
                    let wanted = if read.value(row) == NAIVE && written.is_valid(row) {
                        "a time with a zone, such as 2026-01-06T10:00:00Z"
                    } else {
                        "a time, such as 2026-01-06T10:00:00Z"
                    };
                    return Err(self.unread(name, written, row, out.len(), wanted));
                }
                out.push(Timestamp::from_nanos(read.value(row)));
            }
            Ok(())
        })?;
        Ok(out)
    }

    /// Numbers; a missing one is NaN. `None` where the table has no such column.
    pub fn numbers(&self, name: &str) -> PyResult<Option<Vec<f64>>> {
        let mut out = Vec::with_capacity(self.rows());
        let found = self.columns(name, |written| {
            let read = column_types::numbers(written, name)?;
            for row in 0..read.len() {
                if read.is_valid(row) {
                    out.push(read.value(row));
                } else if text(written, row).is_none_or(|text| text.trim_ascii().is_empty()) {
                    out.push(f64::NAN);
                } else {
                    return Err(self.unread(name, written, row, out.len(), "a number"));
                }
            }
            Ok(())
        })?;
        Ok(found.then_some(out))
    }

    /// Whole numbers from 0 on, none missing. `None` where the table has no such column.
    pub fn counts(&self, name: &str) -> PyResult<Option<Vec<u64>>> {
        let Some(numbers) = self.numbers(name)? else { return Ok(None) };
        let mut out = Vec::with_capacity(numbers.len());
        for (row, number) in numbers.into_iter().enumerate() {
            // up to 2^53, so that every count is exact
            if !(number >= 0.0 && number.fract() == 0.0 && number <= 9_007_199_254_740_992.0) {
                return Err(self.bad(name, row, &number.to_string(), "a whole number from 0 on"));
            }
            out.push(number as u64);
        }
        Ok(Some(out))
    }

    /// Text; a missing one is empty. `None` where the table has no such column.
    pub fn texts(&self, name: &str) -> PyResult<Option<Vec<String>>> {
        let mut out = Vec::with_capacity(self.rows());
        let found = self.columns(name, |written| {
            let read = column_types::names(written, name)?;
            out.extend((0..written.len()).map(|row| read.get(row).unwrap_or_default().to_owned()));
            Ok(())
        })?;
        Ok(found.then_some(out))
    }

    /// Flags: booleans, or the texts true and false. `None` where the table has no such column.
    pub fn flags(&self, name: &str) -> PyResult<Option<Vec<bool>>> {
        self.parsed(name, "true or false", |text| match text.to_ascii_lowercase().as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        })
    }

    /// Values that stand as text. `None` where the table has no such column.
    pub fn parsed<T>(
        &self,
        name: &str,
        wanted: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> PyResult<Option<Vec<T>>> {
        let Some(texts) = self.texts(name)? else { return Ok(None) };
        let one = |(row, text): (usize, &String)| {
            parse(text).ok_or_else(|| self.bad(name, row, &format!("{text:?}"), wanted))
        };
        Ok(Some(texts.iter().enumerate().map(one).collect::<PyResult<_>>()?))
    }

    /// Calls `each` with a column's part of each batch; false where there is no such column.
    fn columns(
        &self,
        name: &str,
        mut each: impl FnMut(&ArrayRef) -> PyResult<()>,
    ) -> PyResult<bool> {
        let mut found = false;
        for batch in &self.batches {
            let Some(place) = self.shape.place(&batch.schema(), name)? else { continue };
            found = true;
            each(batch.column(place))?;
        }
        Ok(found)
    }

    fn unread(
        &self,
        name: &str,
        written: &ArrayRef,
        row: usize,
        place: usize,
        wanted: &str,
    ) -> PyErr {
        let value = text(written, row).map_or("missing".to_owned(), |text| format!("{text:?}"));
        self.bad(name, place, &value, wanted)
    }

    fn bad(&self, name: &str, row: usize, value: &str, wanted: &str) -> PyErr {
        let (what, row) = (self.shape.what, row + 1);
        value_error(format!(
            "the {what} table has {value} in column `{name}`, row {row}; expected {wanted}"
        ))
    }
}

/// A cell as text; `None` where it is null.
fn text(written: &ArrayRef, row: usize) -> Option<String> {
    let missing = written.logical_nulls().is_some_and(|nulls| nulls.is_null(row));
    (!missing).then(|| array_value_to_string(written, row).unwrap_or_default())
}
