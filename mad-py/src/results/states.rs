//! The states of entities and series, and the reasons for which rows were flagged or not.

use std::sync::Arc;

use mad_core::status::{self, Question, StateDocument};
use mad_core::{JudgedRow, RowBuilder};
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;

use crate::results::points::Points;
use crate::results::rows::Rows;
use crate::tables::table::{Table, floats, integers, optional_times, strings, times};

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

/// Why the newest row that a question covers was flagged or not: see [`status::why_at`].
pub fn why(
    pipeline: &mad_core::Pipeline,
    rows: &Rows,
    points: &Points,
    question: &Question<'_>,
) -> PyResult<String> {
    let points = points.0.iter().map(|point| (&*point.entity, point.at, &point.signal));
    status::why_at(pipeline, question, judged(rows), points)
        .map_err(|error| PyKeyError::new_err(error.to_string()))
}

fn judged(rows: &Rows) -> impl Iterator<Item = JudgedRow> {
    let scored = rows.scores.iter().flatten().zip(rows.verdicts.iter().flatten());
    rows.features.iter().zip(scored).filter_map(|(row, (scores, verdict))| {
        let entity = Arc::clone(rows.entities.get(row.entity)?);
        Some(JudgedRow::new(entity, RowBuilder::from(row).row(), scores, *verdict))
    })
}
