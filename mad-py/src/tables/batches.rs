//! Tables of any library in Arrow's memory, through numpy where pyarrow is missing.

use arrow_array::RecordBatch;
use pyo3::exceptions::{PyImportError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use pyo3_arrow::input::AnyRecordBatch;

use crate::errors::{missing, value_error};
use crate::tables::arrow_stream::{self, is_arrow};
use crate::tables::numpy_columns::columns_through_numpy;
use crate::tables::plain_rows::as_columns;
use crate::tables::shape::Shape;

/// The table in Arrow's memory; at least one batch, so that its columns are always checked.
pub fn batches(shape: &Shape<'_>, table: &Bound<'_, PyAny>) -> PyResult<Vec<RecordBatch>> {
    if let Ok(bytes) = table.cast::<PyBytes>()
        && is_arrow(bytes.as_bytes())
    {
        return arrow_stream::read(bytes.as_bytes());
    }
    let table = &validated(&as_columns(shape, table)?)?;
    let pandas = table.hasattr("iloc")?;
    // pyarrow takes naive datetimes among aware ones as UTC and does not report it
    let objects = pandas
        && shape.time.is_some_and(|name| table.get_item(name).is_ok_and(|times| is_object(&times)));
    let arrow = table.hasattr("__arrow_c_stream__")? || table.hasattr("__arrow_c_array__")?;
    if arrow && !objects {
        match without_null_types(table)?.extract::<AnyRecordBatch>() {
            Ok(batch) => {
                let reader = batch.into_reader()?;
                let schema = reader.schema();
                let mut batches = reader
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(|error| value_error(error.to_string()))?;
                if batches.is_empty() {
                    batches.push(RecordBatch::new_empty(schema));
                }
                return Ok(batches);
            }
            // pandas offers the interface and then needs pyarrow for it, and columns of one type
            Err(_) if pandas => {}
            // some libraries hand their tables over through pyarrow
            Err(error) if error.is_instance_of::<PyImportError>(table.py()) => {
                return Err(missing(table.py(), "pyarrow", error));
            }
            Err(error) => return Err(error),
        }
    }
    let text = table.extract::<&str>().is_ok() || table.extract::<&[u8]>().is_ok();
    if text || !table.hasattr("__getitem__")? {
        let kind = table.get_type().name()?;
        return Err(PyTypeError::new_err(format!(
            "{} is a {kind}; give a path, a dataframe, an Arrow table, a mapping of columns or a \
             list of dictionaries",
            shape.what
        )));
    }
    Ok(vec![columns_through_numpy(shape, table)?])
}

/// A table of pyarrow, checked in full: pyarrow reads files and streams without checking offsets,
/// codes and text. A reader of batches is read to its end.
fn validated<'py>(table: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let module: String = table.get_type().getattr("__module__")?.extract()?;
    if !module.starts_with("pyarrow") {
        return Ok(table.clone());
    }
    let table =
        if table.hasattr("read_all")? { table.call_method0("read_all")? } else { table.clone() };
    if table.hasattr("validate")? {
        let how = PyDict::new(table.py());
        how.set_item("full", true)?;
        table.call_method("validate", (), Some(&how)).map_err(|error| {
            value_error(format!("the table is damaged: {}", error.value(table.py())))
        })?;
    }
    Ok(table)
}

/// polars gives columns that hold only nulls a buffer, which Arrow's null type does not have.
fn without_null_types<'py>(table: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let module: String = table.get_type().getattr("__module__")?.extract()?;
    if !module.starts_with("polars.") {
        return Ok(table.clone());
    }
    let polars = table.py().import("polars")?;
    let kinds = PyDict::new(table.py());
    kinds.set_item(polars.getattr("Null")?, polars.getattr("String")?)?;
    table.call_method1("cast", (kinds,))
}

fn is_object(column: &Bound<'_, PyAny>) -> bool {
    column.getattr("dtype").is_ok_and(|dtype| dtype.eq("object").unwrap_or(false))
}
