//! Columns of pandas without pyarrow, or of a mapping: numbers and times through numpy, names
//! walked once.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray,
};
use numpy::PyReadonlyArray1;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::errors::value_error;
use crate::read::NEEDED;

/// A batch of the needed columns.
pub fn columns_through_numpy(table: &Bound<'_, PyAny>) -> PyResult<RecordBatch> {
    let mut columns: Vec<(&str, ArrayRef)> = Vec::new();
    for name in NEEDED.into_iter().chain(["request_id"]) {
        let column = match table.get_item(name) {
            Ok(column) => column,
            Err(_) if name == "request_id" => continue,
            Err(_) => {
                return Err(value_error(format!(
                    "the request table has no column `{name}`; needed are {}",
                    NEEDED.join(", "),
                )));
            }
        };
        let array = match name {
            "timestamp" => times(&column)?,
            "status_code" => integers(&column)?,
            "latency_ms" => Arc::new(Float64Array::from(floats(&column, name)?)) as ArrayRef,
            _ => names(&column)?,
        };
        columns.push((name, array));
    }
    RecordBatch::try_from_iter(columns).map_err(|error| value_error(error.to_string()))
}

/// A column as a numpy array of the kind asked for.
fn numpy<'py>(column: &Bound<'py, PyAny>, name: &str, kind: &str) -> PyResult<Bound<'py, PyAny>> {
    let py = column.py();
    let keywords = PyDict::new(py);
    keywords.set_item("dtype", kind)?;
    let array = if column.hasattr("to_numpy")? {
        if kind == "float64" {
            keywords.set_item("na_value", f64::NAN)?;
        }
        column.call_method("to_numpy", (), Some(&keywords))
    } else {
        py.import("numpy")?.call_method("asarray", (column,), Some(&keywords))
    };
    array.map_err(|error| value_error(format!("column `{name}` cannot be read as {kind}: {error}")))
}

fn floats(column: &Bound<'_, PyAny>, name: &str) -> PyResult<Vec<f64>> {
    let array: PyReadonlyArray1<'_, f64> = numpy(column, name, "float64")?.extract()?;
    Ok(array.as_array().iter().copied().collect())
}

/// Whole numbers; what is none is missing, and rejected as such.
fn integers(column: &Bound<'_, PyAny>) -> PyResult<ArrayRef> {
    let values = floats(column, "status_code")?;
    let whole = |x: f64| (x.fract() == 0.0).then_some(x as i64);
    Ok(Arc::new(values.into_iter().map(whole).collect::<Int64Array>()))
}

/// Times: aware and naive datetimes, numbers since the epoch, or text.
fn times(column: &Bound<'_, PyAny>) -> PyResult<ArrayRef> {
    let py = column.py();
    let dtype = column.getattr("dtype").ok();
    let aware = dtype.as_ref().is_some_and(|dtype| dtype.hasattr("tz").unwrap_or(false));
    let column = if aware {
        column
            .getattr("dt")?
            .call_method1("tz_convert", ("UTC",))?
            .getattr("dt")?
            .call_method1("tz_localize", (py.None(),))?
    } else {
        column.clone()
    };
    let kind: String = match column.getattr("dtype").ok() {
        Some(dtype) => dtype.getattr("kind")?.extract()?,
        None => "O".to_owned(),
    };
    match kind.as_str() {
        "M" => {
            let nanos =
                numpy(&column, "timestamp", "datetime64[ns]")?.call_method1("view", ("int64",))?;
            let nanos: PyReadonlyArray1<'_, i64> = nanos.extract()?;
            // numpy's "not a time"
            let nanos: TimestampNanosecondArray =
                nanos.as_array().iter().map(|x| (*x != i64::MIN).then_some(*x)).collect();
            Ok(if aware { Arc::new(nanos.with_timezone("UTC")) } else { Arc::new(nanos) })
        }
        "i" | "u" => {
            let epoch: PyReadonlyArray1<'_, i64> =
                numpy(&column, "timestamp", "int64")?.extract()?;
            Ok(Arc::new(epoch.as_array().iter().copied().collect::<Int64Array>()))
        }
        "f" => Ok(Arc::new(Float64Array::from(floats(&column, "timestamp")?))),
        _ => names(&column),
    }
}

/// Text; `None` and NaN are missing, other objects (datetimes among them) are taken by their `str`.
fn names(column: &Bound<'_, PyAny>) -> PyResult<ArrayRef> {
    let mut out: Vec<Option<String>> = Vec::new();
    for value in column.try_iter()? {
        let value = value?;
        out.push(if let Ok(text) = value.extract::<&str>() {
            Some(text.to_owned())
        } else if value.is_none() || value.ne(&value)? {
            None
        } else {
            Some(value.str()?.to_string())
        });
    }
    Ok(Arc::new(StringArray::from(out)))
}
