//! Detection over tables in memory.

use mad_core::wire::{ColumnMap, Kind};
use mad_core::{Rejections, Source, Timestamp};
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
    let requests = requests.map(|table| RequestTable::read_mapped(table, zone, map)).transpose()?;
    let metrics = metrics.map(|table| MetricTable::read_mapped(table, zone, map)).transpose()?;
    let spans = spans.map(|table| SpanTable::read_mapped(table, zone, map)).transpose()?;
    let changes = changes.map(|table| ChangeTable::read_mapped(table, zone, map)).transpose()?;
    let edges = edges.map(|table| EdgeTable::read_mapped(table, zone, map)).transpose()?;
    let logs = logs.map(|table| LogTable::read_mapped(table, zone, map)).transpose()?;
    let run = |mut intake: Intake| {
        // of equal times the first kind comes first; edges have no time and come before all
        let mut feeds: Vec<Box<dyn Feed + '_>> = Vec::new();
        feeds.extend(edges.as_ref().map(|table| feed(table)));
        feeds.extend(changes.as_ref().map(|table| feed(table)));
        feeds.extend(requests.as_ref().map(|table| feed(table)));
        feeds.extend(spans.as_ref().map(|table| feed(table)));
        feeds.extend(metrics.as_ref().map(|table| feed(table)));
        feeds.extend(logs.as_ref().map(|table| feed(table)));
        by_time(&mut feeds, &mut intake);
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

/// The records of a table by time.
trait Feed {
    /// The time of the next one; none after the last.
    fn peek(&self) -> Option<Timestamp>;
    /// Hands on those up to a time, the next one at least.
    fn emit_until(&mut self, until: Timestamp, intake: &mut Intake);
    /// Notes what could not be read.
    fn end(&mut self, intake: &mut Intake);
}

struct Rows<'a, K> {
    rows: ByTime<'a, K>,
    table: &'a RecordTable<K>,
    bad: Rejections,
}

fn feed<'a, K: Kind>(table: &'a RecordTable<K>) -> Box<dyn Feed + 'a> {
    Box::new(Rows { rows: ByTime::new(table), table, bad: Rejections::default() })
}

impl<K: Kind> Feed for Rows<'_, K> {
    fn peek(&self) -> Option<Timestamp> {
        self.rows.peek()
    }

    fn emit_until(&mut self, until: Timestamp, intake: &mut Intake) {
        let mut push = |record: K::Record<'_>, at: u64| intake.push(&record.into(), Source::at(at));
        self.rows.emit_next(&mut push, &mut self.bad);
        while self.rows.peek().is_some_and(|next| next < until) {
            self.rows.emit_next(&mut push, &mut self.bad);
        }
    }

    fn end(&mut self, intake: &mut Intake) {
        self.table.note_renamed(&mut self.bad);
        intake.note(K::KIND, std::mem::take(&mut self.bad));
    }
}

/// Hands the records of all tables to the pipeline by time.
fn by_time(feeds: &mut [Box<dyn Feed + '_>], intake: &mut Intake) {
    loop {
        let times = feeds.iter().enumerate().filter_map(|(i, feed)| Some((feed.peek()?, i)));
        let mut next: Vec<(Timestamp, usize)> = times.collect();
        next.sort_unstable();
        let Some((_, first)) = next.first().copied() else { break };
        let until = next.get(1).map_or(Timestamp::MAX, |(time, _)| *time);
        if let Some(feed) = feeds.get_mut(first) {
            feed.emit_until(until, intake);
        }
    }
    for feed in feeds {
        feed.end(intake);
    }
    // sorted by time: nothing is late, and so nothing is an error
    let _ = intake.settle(false);
}
