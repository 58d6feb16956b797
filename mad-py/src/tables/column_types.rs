//! Columns of any Arrow type as what a record holds. What cannot be read becomes null.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type, TimestampNanosecondType};
use arrow_array::{
    Array, ArrayRef, Float64Array, Int32Array, LargeStringArray, StringArray, StringViewArray,
    TimestampNanosecondArray,
};
use arrow_buffer::NullBufferBuilder;
use arrow_cast::cast;
use arrow_schema::{DataType, TimeUnit};
use mad_core::time::{SECOND, TimeError, ZonePolicy};
use mad_core::wire::{latency_of, latency_of_text};
use mad_core::{Status, Timestamp};
use pyo3::prelude::*;

use crate::errors::value_error;

/// What stands under the null of a time without a zone.
pub const NAIVE: i64 = 1;

/// Text where it stands: neither copied nor, in a dictionary, written out.
pub enum Names {
    /// Offsets of 32 bits.
    Short(StringArray),
    /// Offsets of 64 bits.
    Long(LargeStringArray),
    /// Views.
    View(StringViewArray),
    /// Codes and what they stand for.
    Coded(Int32Array, StringArray),
}

impl Names {
    /// The text of a row; `None` where it is null.
    #[inline]
    pub fn get(&self, row: usize) -> Option<&str> {
        match self {
            Self::Short(names) => names.is_valid(row).then(|| names.value(row)),
            Self::Long(names) => names.is_valid(row).then(|| names.value(row)),
            Self::View(names) => names.is_valid(row).then(|| names.value(row)),
            Self::Coded(codes, names) => {
                let code =
                    codes.is_valid(row).then(|| usize::try_from(codes.value(row)).ok())??;
                (code < names.len() && names.is_valid(code)).then(|| names.value(code))
            }
        }
    }

    /// Whether a row has the text of the row before; false where one is null.
    #[inline]
    pub fn repeats(&self, row: usize) -> bool {
        let Some(before) = row.checked_sub(1) else { return false };
        match self {
            Self::Coded(codes, _) if codes.null_count() == 0 => {
                codes.values().get(row).is_some_and(|code| codes.values().get(before) == Some(code))
            }
            _ => self.get(row).is_some_and(|text| self.get(before) == Some(text)),
        }
    }
}

/// Text; numbers are taken as they are written.
pub fn names(column: &ArrayRef, name: &str) -> PyResult<Names> {
    Ok(match column.data_type() {
        DataType::LargeUtf8 => Names::Long(column.as_string().clone()),
        DataType::Utf8View => Names::View(column.as_string_view().clone()),
        DataType::LargeBinary => {
            Names::Long(typed(column, name, &DataType::LargeUtf8)?.as_string().clone())
        }
        DataType::Dictionary(_, _) => {
            let dictionary = column.as_any_dictionary();
            let codes = cast(dictionary.keys(), &DataType::Int32)
                .map_err(|error| value_error(format!("column `{name}`: {error}")))?;
            let values = typed(dictionary.values(), name, &DataType::Utf8)?;
            Names::Coded(codes.as_primitive::<Int32Type>().clone(), values.as_string().clone())
        }
        _ => Names::Short(typed(column, name, &DataType::Utf8)?.as_string().clone()),
    })
}

/// Statuses from numbers, text and truth values; a null is no response.
pub fn statuses(column: &ArrayRef, name: &str) -> PyResult<Vec<Status>> {
    if is_written(column.data_type()) {
        let text = names(column, name)?;
        return Ok((0..column.len())
            .map(|row| text.get(row).map_or(Status::NoResponse, Status::parse))
            .collect());
    }
    let numbers = numbers(column, name)?;
    Ok(numbers.iter().map(|x| x.map_or(Status::NoResponse, Status::from_number)).collect())
}

/// The same of gRPC status codes, where 0 is OK.
pub fn grpc_statuses(column: &ArrayRef, name: &str) -> PyResult<Vec<Status>> {
    if is_written(column.data_type()) {
        let text = names(column, name)?;
        return Ok((0..column.len())
            .map(|row| text.get(row).map_or(Status::NoResponse, Status::parse_grpc))
            .collect());
    }
    let status = |code: f64| if code == 0.0 { Status::Grpc(0) } else { Status::from_number(code) };
    Ok(numbers(column, name)?.iter().map(|x| x.map_or(Status::NoResponse, status)).collect())
}

/// Latencies in milliseconds; NaN where one is missing, negative or no number.
pub fn latencies(column: &ArrayRef, name: &str) -> PyResult<Float64Array> {
    if is_written(column.data_type()) {
        let text = names(column, name)?;
        let latency = |row| text.get(row).map_or(f64::NAN, latency_of_text);
        return Ok((0..column.len()).map(|row| Some(latency(row))).collect());
    }
    let numbers = numbers(column, name)?;
    Ok(numbers.iter().map(|x| Some(x.map_or(f64::NAN, latency_of))).collect())
}

/// Whether values are written out: text, or truth values.
fn is_written(kind: &DataType) -> bool {
    match kind {
        DataType::Dictionary(_, values) => is_written(values),
        kind => kind.is_string() || kind.is_binary() || *kind == DataType::Boolean,
    }
}

/// Numbers from numbers and text.
pub fn numbers(column: &ArrayRef, name: &str) -> PyResult<Float64Array> {
    let kind = match column.data_type() {
        DataType::Dictionary(_, values) => values,
        kind => kind,
    };
    let readable =
        kind.is_numeric() || kind.is_null() || kind.is_string() || *kind == DataType::Boolean;
    if !readable {
        return Err(value_error(format!("column `{name}` is {kind}; expected numbers")));
    }
    let column = match kind {
        // true is no number
        DataType::Boolean => typed(column, name, &DataType::Utf8)?,
        _ => column.clone(),
    };
    Ok(typed(&column, name, &DataType::Float64)?.as_primitive::<Float64Type>().clone())
}

/// Times from datetimes, numbers since the epoch and text. Under the null of one without a zone
/// stands [`NAIVE`].
pub fn times(
    column: &ArrayRef,
    name: &str,
    zone: ZonePolicy,
) -> PyResult<TimestampNanosecondArray> {
    Ok(match column.data_type() {
        DataType::Timestamp(_, written_zone) => {
            let shift = match (written_zone, zone) {
                (Some(_), _) => 0,
                (None, ZonePolicy::Offset(seconds)) => i64::from(seconds) * SECOND,
                (None, ZonePolicy::Refuse) => {
                    return Err(without_zone(name));
                }
            };
            let nanos = DataType::Timestamp(TimeUnit::Nanosecond, written_zone.clone());
            let nanos = typed(column, name, &nanos)?;
            let nanos = nanos.as_primitive::<TimestampNanosecondType>();
            if shift == 0 { nanos.clone() } else { nanos.unary_opt(|x| x.checked_sub(shift)) }
        }
        DataType::Float16 | DataType::Float32 | DataType::Float64 => {
            let seconds = typed(column, name, &DataType::Float64)?;
            let seconds = seconds.as_primitive::<Float64Type>();
            moments(seconds.iter().map(|x| x.map(Timestamp::from_epoch_f64)))
        }
        kind if kind.is_integer() => {
            let epoch = typed(column, name, &DataType::Int64)?;
            let epoch = epoch.as_primitive::<Int64Type>();
            moments(epoch.iter().map(|x| x.map(Timestamp::from_epoch)))
        }
        _ => {
            let text = names(column, name)?;
            let rows = 0..column.len();
            let times = moments(rows.map(|row| text.get(row).map(|x| Timestamp::parse(x, zone))));
            let naive = (0..times.len()).any(|row| times.is_null(row) && times.value(row) == NAIVE);
            // some times without a zone among others are counted one by one
            if naive && times.null_count() == times.len() {
                return Err(without_zone(name));
            }
            times
        }
    })
}

/// The error of a column of times without a zone.
fn without_zone(name: &str) -> PyErr {
    // rows of stages come with their times, and no setting gives those a zone
    let setting = if name == "bucket_ts" { "" } else { ", or set naive_offset_seconds" };
    value_error(format!(
        "column `{name}` has no time zone: localize it \
         (pandas: .dt.tz_localize('UTC')){setting}",
    ))
}

/// Times as they were read. The written column shows whether a null is missing or out of range.
fn moments(
    read: impl ExactSizeIterator<Item = Option<Result<Timestamp, TimeError>>>,
) -> TimestampNanosecondArray {
    let mut nanos = Vec::with_capacity(read.len());
    let mut valid = NullBufferBuilder::new(read.len());
    for time in read {
        let (value, is_valid) = match time {
            Some(Ok(time)) => (time.nanos(), true),
            Some(Err(TimeError::Naive)) => (NAIVE, false),
            _ => (0, false),
        };
        nanos.push(value);
        valid.append(is_valid);
    }
    TimestampNanosecondArray::new(nanos.into(), valid.finish())
}

fn typed(column: &ArrayRef, name: &str, wanted: &DataType) -> PyResult<ArrayRef> {
    cast(column, wanted).map_err(|error| {
        let found = column.data_type();
        value_error(format!("column `{name}` is {found} and cannot be read as {wanted}: {error}"))
    })
}
