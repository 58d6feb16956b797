//! Judged rows to lines of CSV.

use super::field::push_field;
use crate::guard::JudgedRow;
use crate::series::{Entity, Signal};
use crate::time::Timestamp;

/// Appends the header of a features file.
pub fn write_features_header(out: &mut Vec<u8>) {
    out.extend_from_slice(
        b"bucket_ts,service,endpoint,req_count,error_count,avg_latency_ms,p95_latency_ms,error_rate,\
p50_latency_ms,p99_latency_ms,max_latency_ms,gap_steps,client_error_rate,slow_share,tail_ms,statuses,\
min_latency_ms,std_latency_ms\n",
    );
}

/// Appends a row of a features file: latencies in ms, rates as shares, `gap_steps` the empty steps
/// before the row, `tail_ms` the latency beyond which a request counts for `slow_share`, `statuses`
/// up to eight statuses that are no success, such as `401=52 404=3`. Unknown values are empty fields.
/// Numbers are the shortest that read back exactly.
/// A row without request facts, such as one of metrics, adds nothing.
///
/// # Examples
///
/// ```
/// use mad_core::export::write_features_row;
/// use mad_core::{Pipeline, PipelineConfig, Request, Timestamp};
///
/// let mut pipeline = Pipeline::new(PipelineConfig::default())?;
/// pipeline.ingest([Request::new(Timestamp::from_seconds(0), "payments", "/pay", 200, 80.0)]);
/// let update = pipeline.finish();
/// let mut out = Vec::new();
/// write_features_row(&update.rows[0], &mut out);
/// assert!(out.starts_with(b"1970-01-01T00:00:00Z,payments,/pay,1,0,80,80,"));
/// # Ok::<(), mad_core::Error>(())
/// ```
pub fn write_features_row(judged: &JudgedRow, out: &mut Vec<u8>) {
    let Some(facts) = &judged.requests else { return };
    let mut line = Line { out };
    line.key(judged.head.at, &judged.entity);
    line.integer(facts.requests);
    line.integer(facts.errors);
    let [p50, p95] = [Signal::P50Latency, Signal::P95Latency].map(|signal| judged.value(signal));
    for value in [facts.mean_ms, p95, facts.error_rate(), p50, facts.p99_ms, facts.max_ms] {
        line.float(value);
    }
    line.integer(u64::from(judged.head.gap));
    let shares = [Signal::ClientErrorRate, Signal::SlowShare].map(|signal| judged.value(signal));
    for value in shares.into_iter().chain([facts.tail_ms.unwrap_or(f64::NAN)]) {
        line.float(value);
    }
    if facts.statuses.is_empty() {
        line.word("");
    } else {
        line.word(&facts.statuses.to_string());
    }
    line.float(facts.min_ms);
    line.float(facts.std_ms);
    line.end();
}

/// Appends the header of a scored file.
pub fn write_scored_header(out: &mut Vec<u8>) {
    out.extend_from_slice(
        b"bucket_ts,service,endpoint,req_count,error_count,error_rate,avg_latency_ms,p95_latency_ms,\
mad_z,is_anomaly,severity,score,signal,reason,expected_low,expected_high,value,expected,z\n",
    );
}

/// Appends a row of a scored file. `mad_z` is the p95 signal's z; `signal` is the leading signal of
/// the verdict, and `expected_low`, `expected_high`, `value`, `expected` and `z` are that signal's.
/// An unknown value is an empty field. A row without request facts adds nothing.
///
/// # Examples
///
/// ```
/// use mad_core::export::{write_scored_header, write_scored_row};
/// use mad_core::{Pipeline, PipelineConfig, Request, Timestamp};
///
/// let mut pipeline = Pipeline::new(PipelineConfig::default())?;
/// pipeline.ingest([Request::new(Timestamp::from_seconds(0), "payments", "/pay", 200, 80.0)]);
/// let update = pipeline.finish();
/// let mut out = Vec::new();
/// write_scored_header(&mut out);
/// for row in &update.rows {
///     write_scored_row(row, &mut out);
/// }
/// assert!(out.starts_with(b"bucket_ts,service,endpoint,"));
/// assert_eq!(out.split(|byte| *byte == b'\n').count(), 3);
/// # Ok::<(), mad_core::Error>(())
/// ```
pub fn write_scored_row(judged: &JudgedRow, out: &mut Vec<u8>) {
    let JudgedRow { head, entity, verdict, .. } = judged;
    let Some(facts) = &judged.requests else { return };
    let leading = verdict.request_signal();
    let score = judged.score(leading);
    let mut line = Line { out };
    line.key(head.at, entity);
    line.integer(facts.requests);
    line.integer(facts.errors);
    let p95 = Signal::P95Latency;
    for value in [facts.error_rate(), facts.mean_ms, judged.value(p95), judged.score(p95).z] {
        line.float(value);
    }
    line.word(if verdict.is_anomaly { "true" } else { "false" });
    line.word(verdict.severity.as_str());
    line.float(verdict.score());
    line.word(leading.as_str());
    line.word(verdict.reason.as_str());
    for value in [score.low, score.high, judged.value(leading), score.expected, score.z] {
        line.float(value);
    }
    line.end();
}

/// One line of a file, field by field.
pub(super) struct Line<'a> {
    pub out: &'a mut Vec<u8>,
}

impl Line<'_> {
    pub fn key(&mut self, bucket: Timestamp, entity: &Entity) {
        bucket.write_rfc3339(self.out);
        self.out.push(b',');
        push_field(self.out, &entity.service);
        self.out.push(b',');
        push_field(self.out, &entity.endpoint);
        self.out.push(b',');
    }

    pub fn field(&mut self, text: &str) {
        push_field(self.out, text);
        self.out.push(b',');
    }

    pub fn integer(&mut self, value: u64) {
        self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        self.out.push(b',');
    }

    pub fn float(&mut self, value: f64) {
        if value.is_finite() {
            let mut buffer = zmij::Buffer::new();
            let written = buffer.format_finite(value);
            self.out.extend_from_slice(written.strip_suffix(".0").unwrap_or(written).as_bytes());
        }
        self.out.push(b',');
    }

    pub fn word(&mut self, word: &str) {
        self.out.extend_from_slice(word.as_bytes());
        self.out.push(b',');
    }

    pub fn end(&mut self) {
        self.out.pop();
        self.out.push(b'\n');
    }
}
