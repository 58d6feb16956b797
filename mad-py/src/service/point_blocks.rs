//! Judged points of series as blocks for the journal's table: all points of one time that one entry
//! gave, as compressed lines of JSON.
//!
//! A scrape of Prometheus gives thousands of points of one time. A row of the table for each of
//! them takes longer than judging it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use lz4_flex::block::{compress_prepend_size, decompress_size_prepended};
use mad_core::{JudgedRow, JudgedSignal, Timestamp};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde::{Deserialize, Serialize};

use crate::errors::value_error;

/// A block: time (nanoseconds), points, flagged points, their compressed lines.
pub type PointBlock = (i64, u64, u64, Vec<u8>);
/// The value of a point: service, resource, metric, value, whether it is flagged.
type PointValue = (String, String, String, Option<f64>, bool);
/// Service, resource and metric, by which points of one time are ordered.
type PointName<'a> = (Cow<'a, str>, Cow<'a, str>, Cow<'a, str>);

/// The most bytes that LZ4 makes of one.
const MOST_GROWTH: usize = 255;

/// A point as it is stored and answered. The fields are in order of their names.
#[derive(Serialize)]
struct StoredPoint<'a> {
    alarm_score: f64,
    bucket_ts: &'a str,
    expected_high: Option<f64>,
    expected_low: Option<f64>,
    is_alarm: bool,
    is_anomaly: bool,
    metric: &'a str,
    reason: &'a str,
    resource: &'a str,
    score: f64,
    service: &'a str,
    severity: &'a str,
    value: Option<f64>,
    z: Option<f64>,
}

impl<'a> StoredPoint<'a> {
    fn new(row: &'a JudgedRow, judged: &'a JudgedSignal, bucket_ts: &'a str) -> Self {
        let finite = |value: f64| value.is_finite().then_some(value);
        let score = &judged.score;
        Self {
            alarm_score: judged.alarm_score,
            bucket_ts,
            expected_high: finite(score.high),
            expected_low: finite(score.low),
            is_alarm: judged.is_alarm,
            is_anomaly: judged.is_anomaly,
            metric: judged.name.as_str(),
            reason: judged.reason.as_str(),
            resource: &row.entity.endpoint,
            score: score.value(),
            service: &row.entity.service,
            severity: judged.severity.as_str(),
            value: finite(judged.sample.value),
            z: finite(score.z),
        }
    }
}

/// The fields of a stored point by which queries select.
#[derive(Deserialize)]
struct PointFields<'a> {
    is_anomaly: bool,
    #[serde(borrow)]
    metric: Cow<'a, str>,
    #[serde(borrow)]
    resource: Cow<'a, str>,
    #[serde(borrow)]
    service: Cow<'a, str>,
    value: Option<f64>,
}

/// Points of one time that are not compressed yet.
#[derive(Default)]
struct Open {
    at: String,
    points: u64,
    flagged: u64,
    lines: Vec<u8>,
}

/// The blocks of judged rows, in order of time. Rows of requests have none.
pub fn point_blocks(rows: &[JudgedRow]) -> PyResult<Vec<PointBlock>> {
    let mut open: BTreeMap<Timestamp, Open> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.requests.is_none()) {
        let block = open.entry(row.head.at).or_default();
        if block.at.is_empty() {
            block.at = row.head.at.to_string();
        }
        for judged in &row.signals {
            let point = StoredPoint::new(row, judged, &block.at);
            serde_json::to_writer(&mut block.lines, &point)
                .map_err(|error| value_error(error.to_string()))?;
            block.lines.push(b'\n');
            block.points += 1;
            block.flagged += u64::from(judged.is_anomaly);
        }
    }
    let blocks = open.into_iter().filter(|(_, block)| block.points > 0);
    let packed = blocks.map(|(at, Open { points, flagged, lines, .. })| {
        (at.nanos(), points, flagged, compress_prepend_size(&lines))
    });
    Ok(packed.collect())
}

/// The points of one time as JSON, in order of service, resource and metric. `blocks` are those of
/// the time, the newest first. A point of an older block counts only if no newer one has it.
///
/// Raises `ValueError` for a block that is damaged.
#[pyfunction]
#[pyo3(signature = (blocks, service=None, resource=None, metric=None, flagged=false))]
pub fn stored_points(
    blocks: Vec<Bound<'_, PyBytes>>,
    service: Option<&str>,
    resource: Option<&str>,
    metric: Option<&str>,
    flagged: bool,
) -> PyResult<Vec<String>> {
    let fits = |wanted: Option<&str>, name: &str| wanted.is_none_or(|wanted| wanted == name);
    let is_wanted = |read: &PointFields<'_>| {
        fits(service, &read.service) && fits(resource, &read.resource) && fits(metric, &read.metric)
    };
    let mut found = Vec::new();
    let all = unpacked(&blocks)?;
    for (_, (line, read)) in points(&all, is_wanted)? {
        if read.is_anomaly || !flagged {
            found.push(line.to_owned());
        }
    }
    Ok(found)
}

/// The values of some metrics at one time, in order of service, resource and metric: these names, the
/// value, and whether it is flagged. See [`stored_points`].
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "pyo3 hands over lists by value")]
pub fn stored_values(
    blocks: Vec<Bound<'_, PyBytes>>,
    metrics: Vec<String>,
) -> PyResult<Vec<PointValue>> {
    let all = unpacked(&blocks)?;
    let wanted = points(&all, |read| metrics.iter().any(|metric| *metric == read.metric))?;
    let values = wanted.into_iter().map(|((service, resource, metric), (_, read))| {
        let names = (service.into_owned(), resource.into_owned(), metric.into_owned());
        // + 0.0 turns a negative zero into zero
        (names.0, names.1, names.2, read.value.map(|value| value + 0.0), read.is_anomaly)
    });
    Ok(values.collect())
}

/// The lines of blocks.
fn unpacked(blocks: &[Bound<'_, PyBytes>]) -> PyResult<Vec<String>> {
    let one = |block: &Bound<'_, PyBytes>| {
        let bytes = block.as_bytes();
        let size = bytes.first_chunk().map(|size| u32::from_le_bytes(*size) as usize);
        let fits = size.is_some_and(|size| size / MOST_GROWTH <= bytes.len());
        let lines = fits.then(|| decompress_size_prepended(bytes).ok()).flatten();
        lines.and_then(|lines| String::from_utf8(lines).ok()).ok_or_else(damaged)
    };
    blocks.iter().map(one).collect()
}

/// The wanted points by name, each as its line and the fields of it.
fn points<'a>(
    blocks: &'a [String],
    is_wanted: impl Fn(&PointFields<'_>) -> bool,
) -> PyResult<BTreeMap<PointName<'a>, (&'a str, PointFields<'a>)>> {
    let mut found = BTreeMap::new();
    for line in blocks.iter().flat_map(|block| block.lines()) {
        let read: PointFields<'a> = serde_json::from_str(line).map_err(|_| damaged())?;
        if is_wanted(&read) {
            let name = (read.service.clone(), read.resource.clone(), read.metric.clone());
            found.entry(name).or_insert((line, read));
        }
    }
    Ok(found)
}

fn damaged() -> PyErr {
    value_error("a block of points is damaged".to_owned())
}
