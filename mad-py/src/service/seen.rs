//! Facts that the service shows and the pipeline does not keep: status codes of the last minutes,
//! failed calls of traces, and log lines.

use std::collections::{BTreeMap, HashMap, VecDeque};

use mad_core::time::MINUTE;
use mad_core::{EntityId, EntityTable, LogLine, Pipeline, Record, Request, Span};

/// Minutes of status codes kept of an endpoint.
const MINUTES: usize = 10;
/// Status codes kept of a minute; further ones are left out.
const CODES: usize = 64;
/// Failed calls kept of one batch at most.
const FAILURES: usize = 1_000;
/// A call that takes longer failed too, milliseconds.
const TOO_LONG_MS: f64 = 5_000.0;

/// A call that failed: when (nanoseconds), trace, service, endpoint or operation, status,
/// milliseconds, and the ids of its span and of the parent of that, empty for a request.
pub type FailureRecord = (i64, String, String, String, String, f64, String, String);
/// A log line: when (nanoseconds), service, level, body, trace.
pub type LineRecord = (i64, String, String, String, Option<String>);
/// Requests by status code.
type Codes = BTreeMap<i64, u64>;

/// The failures and log lines of a batch.
#[derive(Default)]
pub struct SeenBatch {
    pub failures: Vec<FailureRecord>,
    pub lines: Vec<LineRecord>,
}

/// Status codes by endpoint, and the failures and log lines of a batch.
#[derive(Default)]
pub struct Seen {
    codes: HashMap<EntityId, VecDeque<(i64, Codes)>>,
    batch: SeenBatch,
}

impl Seen {
    /// A record that a pipeline has just accepted.
    pub fn record(&mut self, pipeline: &Pipeline, record: &Record<'_>) {
        match record {
            Record::Request(request) => self.request(pipeline, request),
            Record::Span(span) => self.span(span),
            Record::Log(line) => self.line(line),
            _ => {}
        }
    }

    fn request(&mut self, pipeline: &Pipeline, request: &Request<'_>) {
        let Request { timestamp, service, endpoint, status, .. } = *request;
        let latency_ms = request.latency().unwrap_or(0.0);
        if let Some(id) = known(pipeline, service, endpoint) {
            self.count(id, timestamp.floor(MINUTE).nanos(), i64::from(status.nearest_http()));
        }
        if let Some(trace) = request.trace_id
            && (request.is_error() || latency_ms > TOO_LONG_MS)
        {
            let status = status.to_string();
            let names = [trace, service, endpoint, "", ""];
            self.failed(timestamp.nanos(), names, status, latency_ms);
        }
    }

    fn span(&mut self, span: &Span<'_>) {
        let Span { trace_id, service, operation, start, duration_ms, status, .. } = *span;
        let parent = span.parent_id.unwrap_or_default();
        if span.is_error() || duration_ms > TOO_LONG_MS {
            let status = status.to_owned();
            let names = [trace_id, service, operation, span.span_id, parent];
            self.failed(start.nanos(), names, status, duration_ms);
        }
    }

    fn line(&mut self, line: &LogLine<'_>) {
        let trace = line.trace_id.map(str::to_owned);
        let [service, level, body] = [line.service, line.level, line.body].map(str::to_owned);
        self.batch.lines.push((line.timestamp.nanos(), service, level, body, trace));
    }

    /// The failed calls and the log lines since the last call.
    pub fn take_batch(&mut self) -> SeenBatch {
        std::mem::take(&mut self.batch)
    }

    /// Status codes of each endpoint from a minute on.
    pub fn codes(&self, names: &EntityTable, from: i64) -> BTreeMap<String, Codes> {
        let mut out: BTreeMap<String, Codes> = BTreeMap::new();
        for (id, minutes) in &self.codes {
            let Some(name) = names.get(*id) else { continue };
            let sum = out.entry(name.to_string()).or_default();
            for (_, codes) in minutes.iter().filter(|(minute, _)| *minute >= from) {
                for (code, count) in codes {
                    *sum.entry(*code).or_default() += count;
                }
            }
        }
        out
    }

    fn count(&mut self, id: EntityId, minute: i64, code: i64) {
        let minutes = self.codes.entry(id).or_default();
        let known = minutes.iter().rposition(|(known, _)| *known == minute);
        let newer = minutes.back().is_none_or(|(newest, _)| minute > *newest);
        if known.is_none() && newer {
            minutes.push_back((minute, Codes::new()));
            if minutes.len() > MINUTES {
                minutes.pop_front();
            }
        }
        let place = known.unwrap_or(minutes.len().saturating_sub(1));
        let Some((kept, codes)) = minutes.get_mut(place) else { return };
        if *kept == minute && (codes.len() < CODES || codes.contains_key(&code)) {
            *codes.entry(code).or_default() += 1;
        }
    }

    /// Keeps a failed call: trace, service, endpoint, span and its parent.
    fn failed(&mut self, at: i64, names: [&str; 5], status: String, ms: f64) {
        if self.batch.failures.len() < FAILURES {
            let [trace, service, endpoint, span, parent] = names.map(str::to_owned);
            self.batch.failures.push((at, trace, service, endpoint, status, ms, span, parent));
        }
    }
}

fn known(pipeline: &Pipeline, service: &str, endpoint: &str) -> Option<EntityId> {
    let names = pipeline.entities();
    names
        .find(service, endpoint)
        .or_else(|| names.find(service, &pipeline.config().routes.template(endpoint)))
}
