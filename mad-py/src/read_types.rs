//! Columns of any Arrow type as what a request holds. What cannot be read becomes null.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampNanosecondType};
use arrow_array::{ArrayRef, Float64Array, Int64Array, StringArray};
use arrow_cast::cast;
use arrow_schema::{DataType, TimeUnit};
use mad_core::time::{SECOND, TimeError, ZonePolicy};
use mad_core::{RejectReason, Timestamp};
use pyo3::prelude::*;

use crate::errors::value_error;

/// Names; numbers are taken as they are written.
pub fn names(column: &ArrayRef, name: &str) -> PyResult<StringArray> {
    Ok(typed(column, name, &DataType::Utf8)?.as_string().clone())
}

/// Latencies from numbers and text.
pub fn latencies(column: &ArrayRef) -> PyResult<Float64Array> {
    numbers(column, "latency_ms")
}

/// Statuses from numbers and text; a fraction is no status.
pub fn status_codes(column: &ArrayRef) -> PyResult<Int64Array> {
    if column.data_type().is_integer() {
        let column = typed(column, "status_code", &DataType::Int64)?;
        return Ok(column.as_primitive::<Int64Type>().clone());
    }
    let numbers = numbers(column, "status_code")?;
    let whole = |x: f64| (x.fract() == 0.0).then_some(x as i64);
    Ok(numbers.iter().map(|x| x.and_then(whole)).collect())
}

fn numbers(column: &ArrayRef, name: &str) -> PyResult<Float64Array> {
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

/// Times from datetimes, numbers since the epoch and text.
pub fn times(
    column: &ArrayRef,
    zone: ZonePolicy,
) -> PyResult<Vec<Result<Timestamp, RejectReason>>> {
    let reason = |error: TimeError| match error {
        TimeError::Naive => RejectReason::NaiveTimestamp,
        _ => RejectReason::BadTimestamp,
    };
    // missing or out of range: whoever counts it looks at what was written
    let unread = Err(RejectReason::BadTimestamp);
    Ok(match column.data_type() {
        DataType::Timestamp(_, written_zone) => {
            let shift = match (written_zone, zone) {
                (Some(_), _) => 0,
                (None, ZonePolicy::Offset(seconds)) => i64::from(seconds) * SECOND,
                (None, ZonePolicy::Refuse) => {
                    return Err(value_error(
                        "column `timestamp` has no time zone: localize it \
                         (pandas: .dt.tz_localize('UTC')), or set naive_offset_seconds",
                    ));
                }
            };
            let nanos = DataType::Timestamp(TimeUnit::Nanosecond, written_zone.clone());
            let nanos = typed(column, "timestamp", &nanos)?;
            let moved = |x: i64| x.checked_sub(shift).map(Timestamp::from_nanos);
            let read = |x: i64| moved(x).ok_or(RejectReason::BadTimestamp);
            let nanos = nanos.as_primitive::<TimestampNanosecondType>();
            nanos.iter().map(|x| x.map_or(unread, read)).collect()
        }
        DataType::Float16 | DataType::Float32 | DataType::Float64 => {
            let seconds = typed(column, "timestamp", &DataType::Float64)?;
            let seconds = seconds.as_primitive::<Float64Type>();
            let read = |x: f64| Timestamp::from_epoch_f64(x).map_err(reason);
            seconds.iter().map(|x| x.map_or(unread, read)).collect()
        }
        kind if kind.is_integer() => {
            let epoch = typed(column, "timestamp", &DataType::Int64)?;
            let read = |x: i64| Timestamp::from_epoch(x).map_err(reason);
            epoch.as_primitive::<Int64Type>().iter().map(|x| x.map_or(unread, read)).collect()
        }
        _ => {
            let text = names(column, "timestamp")?;
            let read = |x: &str| Timestamp::parse(x, zone).map_err(reason);
            text.iter().map(|x| x.map_or(unread, read)).collect()
        }
    })
}

fn typed(column: &ArrayRef, name: &str, wanted: &DataType) -> PyResult<ArrayRef> {
    cast(column, wanted).map_err(|error| {
        let found = column.data_type();
        value_error(format!("column `{name}` is {found} and cannot be read as {wanted}: {error}"))
    })
}
