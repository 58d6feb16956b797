//! Detection over tables in memory.

use mad_core::Rejections;
use mad_core::time::ZonePolicy;
use mad_core::wire::Metrics;
use pyo3::prelude::*;

use crate::config::parse;
use crate::intake::Intake;
use crate::kinds::{KindName, Record};
use crate::read::{MetricTable, RequestTable};
use crate::read_order::ByTime;
use crate::report::Report;

/// Detects over tables in memory: requests and metrics sorted by time, then the stream run to its
/// end. Spans, logs and changes are read and counted. `state` is that of the pipeline to go on from;
/// to `learn` is to flag nothing.
#[pyfunction]
#[pyo3(signature = (requests=None, config=None, *, metrics=None, spans=None, logs=None, changes=None, state=None, learn=false))]
#[allow(clippy::too_many_arguments, reason = "one a table")]
pub fn detect(
    py: Python<'_>,
    requests: Option<&Bound<'_, PyAny>>,
    config: Option<&Bound<'_, PyAny>>,
    metrics: Option<&Bound<'_, PyAny>>,
    spans: Option<&Bound<'_, PyAny>>,
    logs: Option<&Bound<'_, PyAny>>,
    changes: Option<&Bound<'_, PyAny>>,
    state: Option<&[u8]>,
    learn: bool,
) -> PyResult<Report> {
    let config = parse(config)?;
    let zone = config.zone();
    let requests = requests.map(|table| RequestTable::read(table, zone)).transpose()?;
    let metrics = metrics.map(|table| MetricTable::read(table, zone)).transpose()?;
    let mut intake = Intake::new(config, state, learn)?;
    let unused = [(KindName::Spans, spans), (KindName::Logs, logs), (KindName::Changes, changes)];
    for (kind, table) in unused {
        if let Some(table) = table {
            count(py, &mut intake, kind, table, zone)?;
        }
    }
    Ok(py.detach(|| {
        by_time(&mut intake, requests.as_ref(), metrics.as_ref());
        intake.finish();
        let judged = intake.judged();
        Report::new(intake.pipeline, judged, intake.reading)
    }))
}

/// Reads and checks a table that nothing uses yet.
fn count(
    py: Python<'_>,
    intake: &mut Intake,
    kind: KindName,
    table: &Bound<'_, PyAny>,
    zone: ZonePolicy,
) -> PyResult<()> {
    let table = kind.table(table, zone)?;
    py.detach(|| {
        let mut rejected = Rejections::default();
        let mut push = |record: Record<'_>, at: u64| intake.push(kind, &record, at);
        table.in_order(0, &mut push, &mut rejected);
        intake.note(kind, rejected);
    });
    Ok(())
}

/// Hands both tables to the pipeline by time; of equal times, requests come first.
fn by_time(intake: &mut Intake, requests: Option<&RequestTable>, metrics: Option<&MetricTable>) {
    let (mut bad_requests, mut bad_points) = (Rejections::default(), Rejections::default());
    let (requests, mut metrics) = (requests.map(ByTime::new), metrics.map(ByTime::new));
    if let Some(mut requests) = requests {
        while let Some(request) = requests.peek() {
            while let Some(points) = &mut metrics
                && points.peek().is_some_and(|point| point < request)
            {
                push_point(intake, points, &mut bad_points);
            }
            let mut push = |request: mad_core::Request<'_>, at: u64| {
                intake.push(KindName::Requests, &Record::Request(request), at);
            };
            requests.emit_next(&mut push, &mut bad_requests);
        }
    }
    if let Some(mut metrics) = metrics {
        while metrics.peek().is_some() {
            push_point(intake, &mut metrics, &mut bad_points);
        }
    }
    intake.note(KindName::Requests, bad_requests);
    intake.note(KindName::Metrics, bad_points);
    // sorted by time: nothing is late, and so nothing is an error
    let _ = intake.settle(false);
}

fn push_point(intake: &mut Intake, rows: &mut ByTime<'_, Metrics>, bad: &mut Rejections) {
    let mut push = |point: mad_core::MetricPoint<'_>, at: u64| {
        intake.push(KindName::Metrics, &Record::Metric(point), at);
    };
    rows.emit_next(&mut push, bad);
}
