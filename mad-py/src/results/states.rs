//! The states of entities and series, and the reasons for which rows were flagged or not.

use std::sync::Arc;

use mad_core::status::{self, StateDocument};
use mad_core::{Entity, JudgedRow, RowBuilder, Timestamp};
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;

use crate::results::points::{Point, Points};
use crate::results::rows::Rows;
use crate::tables::table::{Table, floats, integers, optional_times, strings, times};

/// Names that an error lists at most.
const NAMED: usize = 10;

/// The state of each entity and series, worst first; `endpoint` is the resource of a metric.
pub fn states(pipeline: &mad_core::Pipeline) -> PyResult<Table> {
    let all = status::states(pipeline);
    Table::new(vec![
        ("service", strings(all.iter().map(|one| &*one.entity.service))),
        ("endpoint", strings(all.iter().map(|one| &*one.entity.endpoint))),
        ("metric", strings(all.iter().map(|one| one.metric.as_deref().unwrap_or("")))),
        ("state", strings(all.iter().map(|one| one.state.as_str()))),
        ("reason", strings(all.iter().map(|one| &*one.reason))),
        ("points", integers(all.iter().map(|one| one.points))),
        ("since", times(all.iter().map(|one| one.since))),
        ("last_seen", times(all.iter().map(|one| one.last_seen))),
        ("score", floats(all.iter().map(|one| one.score))),
        ("ready_at", optional_times(all.iter().map(|one| one.ready_at))),
    ])
}

/// The states of entities and series, worst first: of all, or of a service, endpoint and metric.
pub fn documents(pipeline: &mad_core::Pipeline, asked: [Option<&str>; 3]) -> Vec<StateDocument> {
    let meant = |one: &StateDocument| {
        let names = [&one.service, &one.endpoint, &one.metric];
        asked.iter().zip(names).all(|(asked, name)| asked.is_none_or(|asked| asked == name))
    };
    status::states(pipeline).into_iter().map(StateDocument::from).filter(meant).collect()
}

/// The entity whose row is explained.
pub struct Asked<'a> {
    pub service: &'a str,
    pub endpoint: &'a str,
    pub metric: Option<&'a str>,
    pub at: Option<Timestamp>,
}

/// Why the newest row by `at` was flagged or not: the row of requests, or of a metric's point;
/// where there are points alone and no metric is named, the likeliest one of their time.
pub fn why(
    pipeline: &mad_core::Pipeline,
    rows: &Rows,
    points: &Points,
    asked: &Asked<'_>,
) -> PyResult<String> {
    let name = Entity::new(asked.service, asked.endpoint);
    let in_time = |bucket: Timestamp| asked.at.is_none_or(|at| bucket <= at);
    if asked.metric.is_none() {
        let mut of_entity = judged(rows).filter(|judged| *judged.entity == name).peekable();
        let first = of_entity.peek().map(|judged| judged.head.at);
        if let Some(row) = of_entity.take_while(|judged| in_time(judged.head.at)).last() {
            let end = row.head.at + pipeline.config().features.step();
            let reason = status::why(pipeline, &row);
            return Ok(match asked.at {
                Some(at) if at >= end => format!("No requests at {at}; the row before: {reason}"),
                _ => reason,
            });
        }
        if let Some(first) = first {
            return Ok(nothing_yet(&name, asked, first));
        }
    }
    let wanted = |point: &&Point| {
        let metric = point.signal.name.as_str();
        *point.entity == name && asked.metric.is_none_or(|asked| metric == asked)
    };
    let all = || points.0.iter().filter(wanted);
    let newest = all().filter(|point| in_time(point.at)).max_by(|a, b| {
        let [one, other] = [a, b].map(|point| point.signal.score.neg_log10_p);
        a.at.cmp(&b.at).then(one.total_cmp(&other))
    });
    match (newest, all().next()) {
        (Some(point), _) => {
            Ok(status::why_signal(pipeline, &point.entity, point.at, &point.signal))
        }
        (None, Some(first)) => Ok(nothing_yet(&name, asked, first.at)),
        (None, None) => Err(unknown(pipeline, asked)),
    }
}

fn judged(rows: &Rows) -> impl Iterator<Item = JudgedRow> {
    let scored = rows.scores.iter().flatten().zip(rows.verdicts.iter().flatten());
    rows.features.iter().zip(scored).filter_map(|(row, (scores, verdict))| {
        let entity = Arc::clone(rows.entities.get(row.entity)?);
        Some(JudgedRow::new(entity, RowBuilder::from(row).row(), scores, *verdict))
    })
}

fn nothing_yet(name: &Entity, asked: &Asked<'_>, first: Timestamp) -> String {
    let at = asked.at.unwrap_or_default();
    let name = name.to_string();
    format!("{name:?}: nothing was seen by {at}; the first row is of {first}.")
}

fn unknown(pipeline: &mad_core::Pipeline, asked: &Asked<'_>) -> PyErr {
    let Asked { service, endpoint, metric, .. } = asked;
    let names = |ours: bool| {
        let of =
            pipeline.entities().iter().filter(move |(_, one)| ours == (&*one.service == *service));
        of.map(|(_, one)| format!("{:?}", (&*one.service, &*one.endpoint)))
    };
    let known: Vec<String> = names(true).chain(names(false)).take(NAMED).collect();
    let metric = metric.map(|name| format!(" with the metric {name:?}")).unwrap_or_default();
    PyKeyError::new_err(format!(
        "no rows of {:?}{metric}; there are: {}",
        (service, endpoint),
        known.join(", ")
    ))
}
