//! JSON arrays as JSON Lines, and log lines as records.

use std::borrow::Cow;

use mad_core::time::ZonePolicy;
use mad_core::wire::{Decoder, Logs};
use mad_core::{Format, LogLine, Rejections};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::errors::{to_py, value_error};
use crate::tables::record_table::RecordTable;

/// A log line: when (nanoseconds), service, level, body, trace.
type LogRecord = (i64, String, String, String, Option<String>);

/// A list of records in an object.
#[derive(Deserialize)]
struct Events<'a> {
    #[serde(borrow)]
    events: Vec<&'a RawValue>,
}

/// A JSON array of records, an object with the array `events`, or one object, as JSON Lines: the
/// position of a record is its place in the array, from 1.
#[pyfunction]
pub fn json_lines<'py>(py: Python<'py>, body: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let lines = py.detach(|| lines(body)).map_err(|error| value_error(error.to_string()))?;
    Ok(PyBytes::new(py, &lines))
}

fn lines(body: &[u8]) -> serde_json::Result<Vec<u8>> {
    let records: Vec<&RawValue> = if body.trim_ascii_start().first() == Some(&b'[') {
        serde_json::from_slice(body)?
    } else if let Ok(Events { events }) = serde_json::from_slice(body) {
        events
    } else {
        vec![serde_json::from_slice(body)?]
    };
    let mut out = Vec::with_capacity(body.len());
    for record in records {
        // line ends inside of JSON are white space: in text they are escaped
        out.extend(
            record
                .get()
                .bytes()
                .map(|byte| if byte == b'\n' || byte == b'\r' { b' ' } else { byte }),
        );
        out.push(b'\n');
    }
    Ok(out)
}

/// The good log lines of a table, or of bytes of CSV or JSON Lines, as records.
#[pyfunction]
#[pyo3(signature = (table, naive_offset_seconds=None))]
pub fn log_records(
    py: Python<'_>,
    table: &Bound<'_, PyAny>,
    naive_offset_seconds: Option<i32>,
) -> PyResult<Vec<LogRecord>> {
    let zone = naive_offset_seconds.map_or(ZonePolicy::Refuse, ZonePolicy::Offset);
    let (mut records, mut rejections) = (Vec::new(), Rejections::default());
    let mut push = |line: LogLine<'_>, _: u64| {
        let trace = line.trace_id.map(str::to_owned);
        let [service, level, body] = [line.service, line.level, line.body].map(str::to_owned);
        records.push((line.timestamp.nanos(), service, level, body, trace));
    };
    if let Ok(bytes) = table.cast::<PyBytes>() {
        let bytes = Cow::Borrowed(bytes.as_bytes());
        py.detach(|| {
            let mut decoder = Decoder::<Logs>::new(Format::sniff(&bytes), zone);
            decoder.feed(&bytes, &mut push, &mut rejections)?;
            decoder.finish(&mut push, &mut rejections)
        })
        .map_err(|error| to_py(&error))?;
    } else {
        let table = RecordTable::<Logs>::read(table, zone)?;
        table.in_order_after(0, &mut push, &mut rejections);
    }
    Ok(records)
}
