//! JSON arrays as JSON Lines.

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::border::detached;
use crate::errors::value_error;

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
    let lines = detached(py, || lines(body))?.map_err(|error| value_error(error.to_string()))?;
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
