//! Columns of pandas without pyarrow, or of a mapping: numbers and times through numpy, names
//! and other objects walked once.

use std::sync::Arc;

use arrow_array::builder::{LargeStringBuilder, StringDictionaryBuilder};
use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, DictionaryArray, Float64Array, Int32Array, Int64Array, RecordBatch,
    TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray,
    TimestampSecondArray, UInt64Array,
};
use arrow_buffer::NullBuffer;
use numpy::{Element, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use mad_core::wire::remedy;

use crate::errors::value_error;
use crate::tables::shape::Shape;

/// A batch of the columns that are read from a table.
pub fn columns_through_numpy(shape: &Shape<'_>, table: &Bound<'_, PyAny>) -> PyResult<RecordBatch> {
    let what = shape.what;
    let mut columns: Vec<(String, ArrayRef)> = Vec::new();
    let known = column_names(table);
    let names_of_columns: Vec<&str> = known.iter().map(String::as_str).collect();
    for name in shape.fields.iter().copied() {
        let mut label = name;
        let mut found = table.get_item(name);
        let renamed = shape.find.and_then(|find| find(name, &names_of_columns, shape.map));
        if (found.is_err() || renamed.is_some_and(|(_, column)| column.is_mapped))
            && let Some(other) = renamed.and_then(|(at, _)| known.get(at))
        {
            label = other;
            found = table.get_item(other);
        }
        let column = match found {
            Ok(column) => column,
            Err(_) if !shape.needed.contains(&name) => continue,
            Err(_) if name == "service" && shape.map.service().is_some() => continue,
            Err(_) => {
                return Err(value_error(format!(
                    "the {what} table has no column `{name}`; needed are {}{}",
                    shape.needed.join(", "),
                    if shape.find.is_some() { remedy(&[name]) } else { String::new() },
                )));
            }
        };
        if column.extract::<&str>().is_ok() || !column.hasattr("__len__")? {
            let kind = column.get_type().name()?;
            return Err(value_error(format!(
                "column `{name}` is a {kind}; expected a list or array of values"
            )));
        }
        let is_time = shape.time == Some(name);
        let array = if is_time || (shape.is_number)(name) {
            numbers_or_times(&column, name, is_time)?
        } else {
            names(&column, name)?
        };
        columns.push((label.to_owned(), array));
    }
    let lengths: Vec<String> =
        columns.iter().map(|(name, column)| format!("{name} {}", column.len())).collect();
    RecordBatch::try_from_iter(columns).map_err(|_| {
        value_error(format!("the columns are not of one length: {}", lengths.join(", ")))
    })
}

/// The names of the columns of a dataframe or mapping, as far as they are text.
fn column_names(table: &Bound<'_, PyAny>) -> Vec<String> {
    let names = match table.getattr("columns") {
        Ok(names) => Ok(names),
        Err(_) => table.call_method0("keys"),
    };
    let names = names.and_then(|names| names.try_iter()).into_iter().flatten().flatten();
    names.filter_map(|name| name.extract::<String>().ok()).collect()
}

/// Numbers and datetimes in their own type; all other objects as text.
fn numbers_or_times(column: &Bound<'_, PyAny>, name: &str, is_time: bool) -> PyResult<ArrayRef> {
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
        "i" => Arc::new(Int64Array::from(values::<i64>(&array, "int64")?)),
        "u" => Arc::new(UInt64Array::from(values::<u64>(&array, "uint64")?)),
        "f" => {
            let floats: Vec<f64> = values(&array, "float64")?;
            let gaps = floats.iter().any(|x| x.is_nan());
            let nulls = gaps.then(|| floats.iter().map(|x| !x.is_nan()).collect::<NullBuffer>());
            Arc::new(Float64Array::new(floats.into(), nulls))
        }
        "M" if is_time => datetimes(&array, aware)?,
        "O" | "U" | "S" => names(column, name)?,
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
    Ok(array.as_slice()?.to_vec())
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

/// Text, each name held once; `None`, NaN and pandas' NA are missing, bytes are read as UTF-8,
/// other objects (datetimes among them) are taken by their `str`.
fn names(column: &Bound<'_, PyAny>, name: &str) -> PyResult<ArrayRef> {
    if column.getattr("dtype").is_ok_and(|dtype| dtype.hasattr("categories").unwrap_or(false)) {
        return categories(column, name);
    }
    if matches!(name, "body" | "trace_id" | "span_id" | "parent_id" | "request_id") {
        let mut out = LargeStringBuilder::new();
        walk(column, |text| {
            out.append_option(text);
            Ok(())
        })?;
        return Ok(Arc::new(out.finish()));
    }
    let mut out = StringDictionaryBuilder::<Int32Type>::new();
    walk(column, |text| {
        match text {
            Some(text) => drop(out.append(text).map_err(|e| value_error(e.to_string()))?),
            None => out.append_null(),
        }
        Ok(())
    })?;
    Ok(Arc::new(out.finish()))
}

/// Calls `each` with the text of every value.
fn walk(
    column: &Bound<'_, PyAny>,
    mut each: impl FnMut(Option<&str>) -> PyResult<()>,
) -> PyResult<()> {
    for value in column.try_iter()? {
        let value = value?;
        if let Ok(text) = value.extract::<&str>() {
            each(Some(text))?;
        } else if let Ok(bytes) = value.extract::<&[u8]>() {
            each(Some(&String::from_utf8_lossy(bytes)))?;
        } else if is_missing(&value) {
            each(None)?;
        } else {
            each(Some(value.str()?.to_str()?))?;
        }
    }
    Ok(())
}

/// The codes of a categorical column; what they stand for is walked once.
fn categories(column: &Bound<'_, PyAny>, name: &str) -> PyResult<ArrayRef> {
    let categorical = if column.hasattr("cat")? { column.getattr("cat")? } else { column.clone() };
    let codes: Vec<i32> = values(&categorical.getattr("codes")?, "int32")?;
    let mut texts = LargeStringBuilder::new();
    walk(&categorical.getattr("categories")?, |text| {
        texts.append_option(text);
        Ok(())
    })?;
    // a missing value has the code -1
    let codes: Int32Array = codes.into_iter().map(|code| (code >= 0).then_some(code)).collect();
    let coded = DictionaryArray::try_new(codes, Arc::new(texts.finish()))
        .map_err(|error| value_error(format!("column `{name}`: {error}")))?;
    Ok(Arc::new(coded))
}

/// Whether a value is missing: NaN and "not a time" differ from themselves, and comparing NA is
/// an error.
fn is_missing(value: &Bound<'_, PyAny>) -> bool {
    value.is_none() || value.ne(value).unwrap_or(true)
}
