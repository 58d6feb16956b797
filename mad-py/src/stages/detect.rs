//! Detection over tables in memory.

use mad_core::wire::{ColumnMap, Kind};
use mad_core::{Record, RecordKind, Rejections, Source, Timestamp, ZonePolicy};
use pyo3::prelude::*;

use crate::border::detached;
use crate::config::parse;
use crate::records::intake::Intake;
use crate::results::report::Report;
use crate::tables::by_time::ByTime;
use crate::tables::record_table::{
    ChangeTable, EdgeTable, LogTable, MetricTable, RecordTable, RequestTable, SpanTable,
};

/// Detects over tables in memory: sorted by time, then the stream run to its end. `state` is that
/// of the pipeline to go on from; to `learn` is to flag nothing; `scorers` are methods that judge the
/// rows too.
#[pyfunction]
#[pyo3(signature = (requests=None, config=None, *, metrics=None, spans=None, logs=None, changes=None, edges=None, state=None, learn=false, scorers=None))]
#[allow(clippy::too_many_arguments, reason = "one a table")]
pub fn detect(
    py: Python<'_>,
    requests: Option<&Bound<'_, PyAny>>,
    config: Option<&Bound<'_, PyAny>>,
    metrics: Option<&Bound<'_, PyAny>>,
    spans: Option<&Bound<'_, PyAny>>,
    logs: Option<&Bound<'_, PyAny>>,
    changes: Option<&Bound<'_, PyAny>>,
    edges: Option<&Bound<'_, PyAny>>,
    state: Option<&[u8]>,
    learn: bool,
    scorers: Option<Vec<String>>,
) -> PyResult<Report> {
    let scorers = scorers.unwrap_or_default();
    let config = parse(config)?;
    let (zone, map) = (config.zone(), &ColumnMap::new(&config.intake));
    let intake = Intake::new(config, state, learn, &scorers, 1)?;
    let may_shorten = state.is_none() && !learn;
    let given = Tables::read(zone, map, requests, metrics, spans, logs, changes, edges)?;
    let run = |mut intake: Intake| {
        given.by_time(&mut intake);
        // sorted by time: nothing is late, and so nothing is an error
        let _ = intake.settle(false);
        intake
    };
    detached(py, || {
        let mut intake = run(intake);
        if let Some(config) = intake.short_recording().filter(|_| may_shorten) {
            intake = run(Intake::new(config, None, false, &scorers, 1)?);
        }
        intake.finish();
        let judged = intake.judged();
        let opinions = intake.opinions();
        Ok(Report::new(intake.pipeline, judged, opinions, intake.reading))
    })?
}

/// Takes the records of tables by time.
pub trait Sink {
    /// Takes a good record.
    fn push(&mut self, record: &Record<'_>, source: Source);
    /// Counts records of a kind that could not be read.
    fn note(&mut self, kind: RecordKind, rejected: Rejections);
}

impl Sink for Intake {
    #[inline]
    fn push(&mut self, record: &Record<'_>, source: Source) {
        Self::push(self, record, source);
    }

    fn note(&mut self, kind: RecordKind, rejected: Rejections) {
        Self::note(self, kind, rejected);
    }
}

/// Tables of the kinds of telemetry.
pub struct Tables {
    requests: Option<RequestTable>,
    metrics: Option<MetricTable>,
    spans: Option<SpanTable>,
    logs: Option<LogTable>,
    changes: Option<ChangeTable>,
    edges: Option<EdgeTable>,
}

impl Tables {
    /// Reads tables from Python.
    #[allow(clippy::too_many_arguments, reason = "one a table")]
    pub fn read(
        zone: ZonePolicy,
        map: &ColumnMap,
        requests: Option<&Bound<'_, PyAny>>,
        metrics: Option<&Bound<'_, PyAny>>,
        spans: Option<&Bound<'_, PyAny>>,
        logs: Option<&Bound<'_, PyAny>>,
        changes: Option<&Bound<'_, PyAny>>,
        edges: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let read = |table| RequestTable::read_mapped(table, zone, map);
        let requests = requests.map(read).transpose()?;
        let metrics =
            metrics.map(|table| MetricTable::read_mapped(table, zone, map)).transpose()?;
        let spans = spans.map(|table| SpanTable::read_mapped(table, zone, map)).transpose()?;
        let changes =
            changes.map(|table| ChangeTable::read_mapped(table, zone, map)).transpose()?;
        let edges = edges.map(|table| EdgeTable::read_mapped(table, zone, map)).transpose()?;
        let logs = logs.map(|table| LogTable::read_mapped(table, zone, map)).transpose()?;
        Ok(Self { requests, metrics, spans, logs, changes, edges })
    }

    /// Hands the records of all tables to a sink by time. Of equal times the first kind comes first;
    /// edges have no time and come before all.
    pub fn by_time<S: Sink>(&self, sink: &mut S) {
        let mut feeds: Vec<Box<dyn Feed<S> + '_>> = Vec::new();
        feeds.extend(self.edges.as_ref().map(|table| feed(table)));
        feeds.extend(self.changes.as_ref().map(|table| feed(table)));
        feeds.extend(self.requests.as_ref().map(|table| feed(table)));
        feeds.extend(self.spans.as_ref().map(|table| feed(table)));
        feeds.extend(self.metrics.as_ref().map(|table| feed(table)));
        feeds.extend(self.logs.as_ref().map(|table| feed(table)));
        by_time(&mut feeds, sink);
    }
}

/// The records of a table by time.
trait Feed<S> {
    /// The time of the next one; none after the last.
    fn peek(&self) -> Option<Timestamp>;
    /// Hands on those up to a time, the next one at least.
    fn emit_until(&mut self, until: Timestamp, sink: &mut S);
    /// Notes what could not be read.
    fn end(&mut self, sink: &mut S);
}

struct Rows<'a, K> {
    rows: ByTime<'a, K>,
    table: &'a RecordTable<K>,
    bad: Rejections,
}

fn feed<'a, K: Kind, S: Sink>(table: &'a RecordTable<K>) -> Box<dyn Feed<S> + 'a> {
    Box::new(Rows { rows: ByTime::new(table), table, bad: Rejections::default() })
}

impl<K: Kind, S: Sink> Feed<S> for Rows<'_, K> {
    fn peek(&self) -> Option<Timestamp> {
        self.rows.peek()
    }

    fn emit_until(&mut self, until: Timestamp, sink: &mut S) {
        let mut push = |record: K::Record<'_>, at: u64| sink.push(&record.into(), Source::at(at));
        self.rows.emit_next(&mut push, &mut self.bad);
        while self.rows.peek().is_some_and(|next| next < until) {
            self.rows.emit_next(&mut push, &mut self.bad);
        }
    }

    fn end(&mut self, sink: &mut S) {
        self.table.note_renamed(&mut self.bad);
        sink.note(K::KIND, std::mem::take(&mut self.bad));
    }
}

/// Hands the records of all tables to a sink by time.
fn by_time<S: Sink>(feeds: &mut [Box<dyn Feed<S> + '_>], sink: &mut S) {
    loop {
        let times = feeds.iter().enumerate().filter_map(|(i, feed)| Some((feed.peek()?, i)));
        let mut next: Vec<(Timestamp, usize)> = times.collect();
        next.sort_unstable();
        let Some((_, first)) = next.first().copied() else { break };
        let until = next.get(1).map_or(Timestamp::MAX, |(time, _)| *time);
        if let Some(feed) = feeds.get_mut(first) {
            feed.emit_until(until, sink);
        }
    }
    for feed in feeds {
        feed.end(sink);
    }
}
