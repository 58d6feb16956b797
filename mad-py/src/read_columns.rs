//! Columns of pandas without pyarrow, or of a mapping: numbers and times through numpy, names
//! and other objects walked once.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    TimestampMillisecondArray, TimestampNanosecondArray, TimestampSecondArray, UInt64Array,
};
use numpy::{Element, PyReadonlyArray1};
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
        if column.extract::<&str>().is_ok() || !column.hasattr("__len__")? {
            let kind = column.get_type().name()?;
            return Err(value_error(format!(
                "column `{name}` is a {kind}; expected a list or array of values"
            )));
        }
        let array = match name {
            "timestamp" | "status_code" | "latency_ms" => numbers_or_times(&column, name)?,
            _ => names(&column)?,
        };
        columns.push((name, array));
    }
    let lengths: Vec<String> =
        columns.iter().map(|(name, column)| format!("{name} {}", column.len())).collect();
    RecordBatch::try_from_iter(columns).map_err(|_| {
        value_error(format!("the columns are not of one length: {}", lengths.join(", ")))
    })
}

/// Numbers and datetimes in their own type; all other objects as text.
fn numbers_or_times(column: &Bound<'_, PyAny>, name: &str) -> PyResult<ArrayRef> {
    let (utc, aware) = in_utc(column)?;
    let array = if utc.hasattr("to_numpy")? {
        utc.call_method0("to_numpy")?
    } else {
        column.py().import("numpy")?.call_method1("asarray", (&utc,))?
    };
    let shape: Vec<usize> = array.getattr("shape")?.extract()?;
    if shape.len() != 1 {
        return Err(value_error(format!(
            "column `{name}` has the shape {shape:?}; expected one dimension"
        )));
    }
    let dtype = array.getattr("dtype")?;
    Ok(match dtype.getattr("kind")?.extract::<&str>()? {
        "i" => Arc::new(values::<i64>(&array, "int64")?.into_iter().collect::<Int64Array>()),
        "u" => Arc::new(values::<u64>(&array, "uint64")?.into_iter().collect::<UInt64Array>()),
        "f" => {
            let present = |x: f64| (!x.is_nan()).then_some(x);
            let floats: Vec<f64> = values(&array, "float64")?;
            Arc::new(floats.into_iter().map(present).collect::<Float64Array>())
        }
        "M" if name == "timestamp" => datetimes(&array, aware)?,
        "O" | "U" | "S" => names(column)?,
        _ => return Err(value_error(format!("column `{name}` is {dtype}; expected numbers"))),
    })
}

/// An aware pandas column as naive UTC, and whether it was aware.
fn in_utc<'py>(column: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyAny>, bool)> {
    let aware = column.getattr("dtype").is_ok_and(|dtype| dtype.hasattr("tz").unwrap_or(false));
    if !aware || !column.hasattr("dt")? {
        return Ok((column.clone(), false));
    }
    let utc = column.getattr("dt")?.call_method1("tz_convert", ("UTC",))?;
    Ok((utc.getattr("dt")?.call_method1("tz_localize", (column.py().None(),))?, true))
}

/// An array copied out as one kind of number.
fn values<T: Element + Copy>(array: &Bound<'_, PyAny>, kind: &str) -> PyResult<Vec<T>> {
    let keywords = PyDict::new(array.py());
    keywords.set_item("dtype", kind)?;
    let numpy = array.py().import("numpy")?;
    let array = numpy.call_method("ascontiguousarray", (array,), Some(&keywords))?;
    let array: PyReadonlyArray1<'_, T> = array.extract()?;
    Ok(array.as_array().iter().copied().collect())
}

/// Datetimes in the unit in which they stand: a change of unit may overflow, and numpy does not
/// say so.
fn datetimes(array: &Bound<'_, PyAny>, aware: bool) -> PyResult<ArrayRef> {
    let numpy = array.py().import("numpy")?;
    let dtype = array.getattr("dtype")?;
    let (unit, count): (String, i64) = numpy.call_method1("datetime_data", (dtype,))?.extract()?;
    let unit = match (unit.as_str(), count) {
        ("s" | "ms" | "us" | "ns", 1) => unit.as_str(),
        ("Y" | "M" | "W" | "D" | "h" | "m", _) => "s",
        _ => "ns",
    };
    let array = array.call_method1("astype", (format!("datetime64[{unit}]"),))?;
    let array = numpy.call_method1("ascontiguousarray", (array,))?;
    let epoch: Vec<i64> = values(&array.call_method1("view", ("int64",))?, "int64")?;
    // numpy's "not a time"
    let epoch = epoch.into_iter().map(|x| (x != i64::MIN).then_some(x));
    let zone = aware.then_some("UTC");
    Ok(match unit {
        "s" => Arc::new(epoch.collect::<TimestampSecondArray>().with_timezone_opt(zone)),
        "ms" => Arc::new(epoch.collect::<TimestampMillisecondArray>().with_timezone_opt(zone)),
        "us" => Arc::new(epoch.collect::<TimestampMicrosecondArray>().with_timezone_opt(zone)),
        _ => Arc::new(epoch.collect::<TimestampNanosecondArray>().with_timezone_opt(zone)),
    })
}

/// Text; `None`, NaN and pandas' NA are missing, bytes are read as UTF-8, other objects (datetimes
/// among them) are taken by their `str`.
fn names(column: &Bound<'_, PyAny>) -> PyResult<ArrayRef> {
    let mut out: Vec<Option<String>> = Vec::new();
    for value in column.try_iter()? {
        let value = value?;
        out.push(if let Ok(text) = value.extract::<&str>() {
            Some(text.to_owned())
        } else if let Ok(bytes) = value.extract::<&[u8]>() {
            Some(String::from_utf8_lossy(bytes).into_owned())
        } else if is_missing(&value) {
            None
        } else {
            Some(value.str()?.to_string())
        });
    }
    Ok(Arc::new(StringArray::from(out)))
}

/// NaN and "not a time" differ from themselves; NA does not even say whether it does.
fn is_missing(value: &Bound<'_, PyAny>) -> bool {
    value.is_none() || value.ne(value).unwrap_or(true)
}
