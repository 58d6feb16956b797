//! Forms of a table that have to be turned into columns first.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

use crate::tables::shape::Shape;

/// The table itself, or the columns of a list of dictionaries or of a lazy frame.
///
/// # Errors
///
/// TypeError for a list of other things and for a single column.
pub fn as_columns<'py>(
    shape: &Shape<'_>,
    table: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    if table.is_instance_of::<PyList>() || table.is_instance_of::<PyTuple>() {
        return Ok(columns_of(shape, table)?.into_any());
    }
    let kind = table.get_type().name()?.to_string();
    if kind == "LazyFrame" && table.hasattr("collect")? {
        return table.call_method0("collect");
    }
    if kind == "Series" && table.hasattr("dtype")? {
        return Err(refused(shape, "a Series, which is one column"));
    }
    Ok(table.clone())
}

/// The columns of a list of dictionaries: every key that one of them has, `None` where a row lacks
/// it. Without rows, the needed columns without values.
fn columns_of<'py>(shape: &Shape<'_>, rows: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    let py = rows.py();
    let columns = PyDict::new(py);
    let mut known: Vec<(Bound<'py, PyAny>, Bound<'py, PyList>)> = Vec::new();
    for (place, row) in rows.try_iter()?.enumerate() {
        let row = row?;
        let Ok(row) = row.cast::<PyDict>() else {
            let of = row.get_type().name()?;
            return Err(refused(shape, &format!("a list whose item {place} is a {of}")));
        };
        for (key, _) in row.iter() {
            if !columns.contains(&key)? {
                let before = PyList::new(py, (0..place).map(|_| py.None()))?;
                columns.set_item(&key, &before)?;
                known.push((key, before));
            }
        }
        for (key, values) in &known {
            values.append(row.get_item(key)?)?;
        }
    }
    if known.is_empty() {
        for name in shape.needed {
            columns.set_item(name, PyList::empty(py))?;
        }
    }
    Ok(columns)
}

fn refused(shape: &Shape<'_>, what: &str) -> PyErr {
    PyTypeError::new_err(format!(
        "{} is {what}; give a path, a dataframe, an Arrow table, a mapping of columns or a list of \
         dictionaries",
        shape.what
    ))
}
