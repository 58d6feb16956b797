//! Request tables in: Arrow objects, or columns through numpy where pyarrow is missing.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampNanosecondType};
use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_cast::cast;
use arrow_schema::{DataType, TimeUnit};
use mad_core::time::{TimeError, ZonePolicy};
use mad_core::{RejectReason, Rejections, Request, Timestamp};
use pyo3::exceptions::{PyImportError, PyTypeError};
use pyo3::prelude::*;
use pyo3_arrow::input::AnyRecordBatch;

use crate::errors::value_error;
use crate::read_columns::columns_through_numpy;

/// The columns a request table needs.
pub const NEEDED: [&str; 5] = ["timestamp", "service", "endpoint", "status_code", "latency_ms"];

/// One stretch of a request table.
struct Chunk {
    times: Vec<Result<Timestamp, RejectReason>>,
    service: StringArray,
    endpoint: StringArray,
    status_code: Int64Array,
    latency_ms: Float64Array,
    request_id: Option<StringArray>,
}

/// Requests in columns.
pub struct RequestTable {
    chunks: Vec<Chunk>,
}

impl RequestTable {
    /// Reads any object with the Arrow stream interface, a pandas `DataFrame`, or a mapping of
    /// columns.
    pub fn read(table: &Bound<'_, PyAny>, zone: ZonePolicy) -> PyResult<Self> {
        let arrow = table.hasattr("__arrow_c_stream__")? || table.hasattr("__arrow_c_array__")?;
        let batches = match arrow.then(|| table.extract::<AnyRecordBatch>()) {
            Some(Ok(batch)) => {
                let reader = batch.into_reader()?;
                reader
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(|error| value_error(error.to_string()))?
            }
            // pandas offers the interface and then needs pyarrow for it
            Some(Err(error)) if !error.is_instance_of::<PyImportError>(table.py()) => {
                return Err(error);
            }
            _ if table.hasattr("__getitem__")? => vec![columns_through_numpy(table)?],
            _ => {
                let kind = table.get_type().name()?;
                return Err(PyTypeError::new_err(format!(
                    "requests is a {kind}; give a path, a dataframe, an Arrow table or a mapping of columns"
                )));
            }
        };
        let chunks =
            batches.iter().map(|batch| Chunk::new(batch, zone)).collect::<PyResult<Vec<_>>>()?;
        Ok(Self { chunks })
    }

    /// Hands out every good record as it stands; the others are counted. Positions are rows
    /// counted from 1.
    pub fn in_order(&self, sink: &mut impl FnMut(Request<'_>, u64), rejections: &mut Rejections) {
        let mut position = 0;
        for chunk in &self.chunks {
            for row in 0..chunk.times.len() {
                position += 1;
                chunk.emit(row, position, sink, rejections);
            }
        }
    }

    /// The same by time; equal times keep their order.
    pub fn by_time(&self, sink: &mut impl FnMut(Request<'_>, u64), rejections: &mut Rejections) {
        let key = |time: &Result<Timestamp, RejectReason>| time.unwrap_or(Timestamp::MIN);
        let times = || self.chunks.iter().flat_map(|chunk| chunk.times.iter().map(key));
        if times().is_sorted() {
            self.in_order(sink, rejections);
            return;
        }
        let mut order: Vec<(Timestamp, u64, u32, u32)> = Vec::new();
        let mut position = 0;
        for (index, chunk) in self.chunks.iter().enumerate() {
            for (row, time) in chunk.times.iter().enumerate() {
                position += 1;
                order.push((key(time), position, index as u32, row as u32));
            }
        }
        order.sort_unstable();
        for (_, position, index, row) in order {
            if let Some(chunk) = self.chunks.get(index as usize) {
                chunk.emit(row as usize, position, sink, rejections);
            }
        }
    }
}

impl Chunk {
    fn new(batch: &RecordBatch, zone: ZonePolicy) -> PyResult<Self> {
        let column = |name: &str| {
            batch.column_by_name(name).ok_or_else(|| {
                let schema = batch.schema();
                let known: Vec<&str> =
                    schema.fields().iter().map(|field| field.name().as_str()).collect();
                value_error(format!(
                    "the request table has no column `{name}`; it has {}; needed are {}",
                    known.join(", "),
                    NEEDED.join(", "),
                ))
            })
        };
        Ok(Self {
            times: times(column("timestamp")?, zone)?,
            service: typed(column("service")?, "service", &DataType::Utf8)?.as_string().clone(),
            endpoint: typed(column("endpoint")?, "endpoint", &DataType::Utf8)?.as_string().clone(),
            status_code: typed(column("status_code")?, "status_code", &DataType::Int64)?
                .as_primitive::<Int64Type>()
                .clone(),
            latency_ms: typed(column("latency_ms")?, "latency_ms", &DataType::Float64)?
                .as_primitive::<Float64Type>()
                .clone(),
            request_id: match batch.column_by_name("request_id") {
                Some(ids) => Some(typed(ids, "request_id", &DataType::Utf8)?.as_string().clone()),
                None => None,
            },
        })
    }

    fn emit(
        &self,
        row: usize,
        position: u64,
        sink: &mut impl FnMut(Request<'_>, u64),
        rejections: &mut Rejections,
    ) {
        let timestamp = match self.times.get(row) {
            Some(Ok(timestamp)) => *timestamp,
            Some(Err(reason)) => {
                rejections.add(*reason, position, || "timestamp".to_owned());
                return;
            }
            None => return,
        };
        let missing = [
            ("service", self.service.is_null(row)),
            ("endpoint", self.endpoint.is_null(row)),
            ("status_code", self.status_code.is_null(row)),
            ("latency_ms", self.latency_ms.is_null(row)),
        ];
        if let Some((field, _)) = missing.iter().find(|(_, missing)| *missing) {
            rejections.add(RejectReason::MissingField, position, || format!("{field} is missing"));
            return;
        }
        let ids = self.request_id.as_ref().filter(|ids| !ids.is_null(row));
        let request = Request {
            timestamp,
            service: self.service.value(row),
            endpoint: self.endpoint.value(row),
            status_code: self.status_code.value(row),
            latency_ms: self.latency_ms.value(row),
            request_id: ids.map(|ids| ids.value(row)),
        };
        sink(request, position);
    }
}

fn typed(column: &ArrayRef, name: &str, wanted: &DataType) -> PyResult<ArrayRef> {
    cast(column, wanted).map_err(|error| {
        let found = column.data_type();
        value_error(format!("column `{name}` is {found} and cannot be read as {wanted}: {error}"))
    })
}

fn times(column: &ArrayRef, zone: ZonePolicy) -> PyResult<Vec<Result<Timestamp, RejectReason>>> {
    let reason = |error: TimeError| match error {
        TimeError::Naive => RejectReason::NaiveTimestamp,
        _ => RejectReason::BadTimestamp,
    };
    let missing = Err(RejectReason::MissingField);
    Ok(match column.data_type() {
        DataType::Timestamp(_, written_zone) => {
            let shift = match (written_zone, zone) {
                (Some(_), _) => 0,
                (None, ZonePolicy::Offset(seconds)) => i64::from(seconds) * mad_core::time::SECOND,
                (None, ZonePolicy::Refuse) => {
                    return Err(value_error(
                        "column `timestamp` has no time zone: localize it \
                         (pandas: .dt.tz_localize('UTC')), or set naive_offset_seconds",
                    ));
                }
            };
            let nanos = DataType::Timestamp(TimeUnit::Nanosecond, written_zone.clone());
            let nanos = typed(column, "timestamp", &nanos)?;
            let nanos = nanos.as_primitive::<TimestampNanosecondType>();
            nanos
                .iter()
                .map(|x| x.map_or(missing, |x| Ok(Timestamp::from_nanos(x).plus(-shift))))
                .collect()
        }
        DataType::Float16 | DataType::Float32 | DataType::Float64 => {
            let seconds = typed(column, "timestamp", &DataType::Float64)?;
            let seconds = seconds.as_primitive::<Float64Type>();
            let read = |x: f64| Timestamp::from_epoch_f64(x).map_err(reason);
            seconds.iter().map(|x| x.map_or(missing, read)).collect()
        }
        kind if kind.is_integer() => {
            let epoch = typed(column, "timestamp", &DataType::Int64)?;
            let read = |x: i64| Timestamp::from_epoch(x).map_err(reason);
            epoch.as_primitive::<Int64Type>().iter().map(|x| x.map_or(missing, read)).collect()
        }
        _ => {
            let text = typed(column, "timestamp", &DataType::Utf8)?;
            let read = |x: &str| Timestamp::parse(x, zone).map_err(reason);
            text.as_string::<i32>().iter().map(|x| x.map_or(missing, read)).collect()
        }
    })
}
