//! Request tables in: every good record out, the others counted.

use arrow_array::{Array, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_buffer::NullBuffer;
use arrow_cast::display::array_value_to_string;
use arrow_schema::Schema;
use mad_core::time::ZonePolicy;
use mad_core::{RejectReason, Rejections, Request, Timestamp};
use pyo3::prelude::*;

use crate::errors::value_error;
use crate::read_batches::batches;
use crate::read_types::{latencies, names, status_codes, times};

/// The columns a request table needs.
pub const NEEDED: [&str; 5] = ["timestamp", "service", "endpoint", "status_code", "latency_ms"];

/// One stretch of a request table. A value that is null here and not in `written` could not be
/// read.
struct Chunk {
    written: RecordBatch,
    times: Vec<Result<Timestamp, RejectReason>>,
    service: StringArray,
    endpoint: StringArray,
    status_code: Int64Array,
    latency_ms: Float64Array,
    request_id: Option<StringArray>,
    nulls: [Option<NullBuffer>; NEEDED.len()],
}

/// Requests in columns.
pub struct RequestTable {
    chunks: Vec<Chunk>,
}

impl RequestTable {
    /// Reads any object with the Arrow stream interface, a pandas `DataFrame`, or a mapping of
    /// columns.
    pub fn read(table: &Bound<'_, PyAny>, zone: ZonePolicy) -> PyResult<Self> {
        let chunks = batches(table)?
            .into_iter()
            .map(|batch| Chunk::new(batch, zone))
            .collect::<PyResult<Vec<_>>>()?;
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

/// Where the needed columns stand, and the optional `request_id`.
fn places(schema: &Schema) -> PyResult<([usize; NEEDED.len()], Option<usize>)> {
    let place = |name: &str| {
        let mut found = (0..).zip(schema.fields()).filter(|(_, field)| field.name() == name);
        match (found.next(), found.next()) {
            (Some(_), Some(_)) => {
                Err(value_error(format!("the request table has the column `{name}` twice")))
            }
            (first, _) => Ok(first.map(|(place, _)| place)),
        }
    };
    let mut needed = [0; NEEDED.len()];
    for (slot, name) in needed.iter_mut().zip(NEEDED) {
        *slot = place(name)?.ok_or_else(|| {
            let known: Vec<&str> =
                schema.fields().iter().map(|field| field.name().as_str()).collect();
            let known = if known.is_empty() { "no columns".to_owned() } else { known.join(", ") };
            value_error(format!(
                "the request table has no column `{name}`; it has {known}; needed are {}",
                NEEDED.join(", "),
            ))
        })?;
    }
    Ok((needed, place("request_id")?))
}

impl Chunk {
    fn new(batch: RecordBatch, zone: ZonePolicy) -> PyResult<Self> {
        let (needed, request_id) = places(&batch.schema())?;
        let [timestamp, service, endpoint, status_code, latency_ms] =
            needed.map(|place| batch.column(place));
        Ok(Self {
            times: times(timestamp, zone)?,
            service: names(service, "service")?,
            endpoint: names(endpoint, "endpoint")?,
            status_code: status_codes(status_code)?,
            latency_ms: latencies(latency_ms)?,
            request_id: match request_id {
                Some(place) => Some(names(batch.column(place), "request_id")?),
                None => None,
            },
            nulls: needed.map(|place| batch.column(place).logical_nulls()),
            written: batch,
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
                self.reject(row, position, 0, *reason, rejections);
                return;
            }
            None => return,
        };
        let unread = [
            (1, self.service.is_null(row), RejectReason::NotUtf8),
            (2, self.endpoint.is_null(row), RejectReason::NotUtf8),
            (3, self.status_code.is_null(row), RejectReason::BadStatus),
            (4, self.latency_ms.is_null(row), RejectReason::BadLatency),
        ];
        if let Some((field, _, reason)) = unread.iter().find(|(_, unread, _)| *unread) {
            self.reject(row, position, *field, *reason, rejections);
            return;
        }
        let ids = self.request_id.as_ref().filter(|ids| !ids.is_null(row));
        let request = Request {
            timestamp,
            service: self.service.value(row),
            endpoint: self.endpoint.value(row),
            status_code: self.status_code.value(row),
            latency_ms: self.latency_ms.value(row),
            request_id: ids.map(|ids| ids.value(row)).filter(|id| !id.is_empty()),
        };
        sink(request, position);
    }

    /// Counts a record whose field, a place in [`NEEDED`], is missing or else has `reason`.
    fn reject(
        &self,
        row: usize,
        position: u64,
        field: usize,
        reason: RejectReason,
        rejections: &mut Rejections,
    ) {
        let name = NEEDED.get(field).copied().unwrap_or_default();
        let nulls = self.nulls.get(field).and_then(Option::as_ref);
        if nulls.is_some_and(|nulls| nulls.is_null(row)) {
            rejections.add(RejectReason::MissingField, position, || format!("{name} is missing"));
            return;
        }
        rejections.add(reason, position, || {
            let column = self.written.column_by_name(name);
            let value = column.and_then(|column| array_value_to_string(column, row).ok());
            format!("{name} = {:?}", value.unwrap_or_default())
        });
    }
}
