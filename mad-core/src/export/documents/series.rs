//! The rows around an incident and the recent rows of an entity, as reports draw them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;

use crate::config::PipelineConfig;
use crate::history::HistoryRow;
use crate::pipeline::{IncidentWindow, Pipeline};
use crate::series::Signal;
use crate::time::{Timestamp, nanos_of};

/// Most metrics of one entity in a document.
const MOST_METRICS: usize = 8;

/// The rows around an incident, or the recent rows of an entity.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the fields are the names in the file, described in docs/files.md")]
pub struct SeriesDocument {
    pub step_seconds: f64,
    pub bucket: Vec<String>,
    pub flagged: Vec<bool>,
    pub count: Vec<u32>,
    pub errors: Vec<u32>,
    pub signals: Vec<SignalSeries>,
}

/// One signal of the rows around an incident; NaN is written as null.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the fields are the names in the file, described in docs/files.md")]
pub struct SignalSeries {
    pub name: String,
    pub unit: &'static str,
    pub values: Vec<f32>,
    pub low: Vec<f32>,
    pub high: Vec<f32>,
}

impl SeriesDocument {
    /// The recent rows of the requests of an entity, or without them the recent points of its
    /// metrics, or of one of them: at most `limits.history_rows` steps. None for an unknown entity or
    /// metric. A value that is not known is NaN.
    pub fn of_entity(
        pipeline: &Pipeline,
        service: &str,
        endpoint: &str,
        metric: Option<&str>,
    ) -> Option<Self> {
        let (entity, history) = (pipeline.entities().find(service, endpoint)?, pipeline.history());
        let seconds = pipeline.config().features.step_seconds;
        let rows: Vec<HistoryRow<'_>> = history.recent(entity).collect();
        if metric.is_none() && !rows.is_empty() {
            return Some(Self::of_rows(&rows, seconds));
        }
        let names = pipeline.series().iter().filter(|(_, name)| name.entity == entity);
        let chosen = names.filter(|(_, name)| metric.is_none_or(|metric| metric == &*name.metric));
        let series: Vec<(&str, Vec<HistoryRow<'_>>)> = chosen
            .take(MOST_METRICS)
            .map(|(id, name)| (&*name.metric, history.points(id).collect()))
            .collect();
        (!series.is_empty()).then(|| Self::of_points(&series, seconds))
    }

    /// The rows of requests around an incident.
    pub(super) fn of_requests(window: &IncidentWindow, config: &PipelineConfig) -> Self {
        let rows: Vec<HistoryRow<'_>> = window.requests.rows.iter().collect();
        Self::of_rows(&rows, config.features.step_seconds * f64::from(window.requests.stride))
    }

    /// The metrics of an incident that has no requests, on one axis of times.
    pub(super) fn of_metrics(window: &IncidentWindow, step: Duration) -> Self {
        let stride = window.metrics.values().map(|trace| trace.stride).max().unwrap_or(1);
        let series: Vec<(&str, Vec<HistoryRow<'_>>)> = window
            .metrics
            .iter()
            .map(|(name, trace)| (&**name, trace.rows.iter().collect()))
            .collect();
        Self::of_points(
            &series,
            nanos_of(step) as f64 / crate::time::SECOND as f64 * f64::from(stride),
        )
    }

    fn of_rows(rows: &[HistoryRow<'_>], step_seconds: f64) -> Self {
        let signal = |signal: Signal| SignalSeries {
            name: signal.as_str().to_owned(),
            unit: signal.unit(),
            values: rows.iter().map(|row| row.value(signal.index())).collect(),
            low: rows.iter().map(|row| row.low(signal.index())).collect(),
            high: rows.iter().map(|row| row.high(signal.index())).collect(),
        };
        Self {
            step_seconds,
            bucket: rows.iter().map(|row| row.at.to_string()).collect(),
            flagged: rows.iter().map(|row| row.is_anomaly).collect(),
            count: rows.iter().map(HistoryRow::requests).collect(),
            errors: rows.iter().map(HistoryRow::errors).collect(),
            signals: Signal::ALL.into_iter().map(signal).collect(),
        }
    }

    /// Several metrics on one axis of times.
    fn of_points(series: &[(&str, Vec<HistoryRow<'_>>)], step_seconds: f64) -> Self {
        let points = || series.iter().flat_map(|(_, points)| points);
        let times: BTreeSet<Timestamp> = points().map(|point| point.at).collect();
        let flagged: BTreeSet<Timestamp> =
            points().filter(|point| point.is_anomaly).map(|point| point.at).collect();
        let signal = |(name, points): &(&str, Vec<HistoryRow<'_>>)| {
            let known: BTreeMap<Timestamp, &HistoryRow<'_>> =
                points.iter().map(|point| (point.at, point)).collect();
            let pick = |part: fn(&HistoryRow<'_>) -> f32| {
                times
                    .iter()
                    .map(|time| known.get(time).map_or(f32::NAN, |point| part(point)))
                    .collect()
            };
            SignalSeries {
                name: (*name).to_owned(),
                unit: "",
                values: pick(|point| point.value(0)),
                low: pick(|point| point.low(0)),
                high: pick(|point| point.high(0)),
            }
        };
        Self {
            step_seconds,
            bucket: times.iter().map(ToString::to_string).collect(),
            flagged: times.iter().map(|time| flagged.contains(time)).collect(),
            count: Vec::new(),
            errors: Vec::new(),
            signals: series.iter().map(signal).collect(),
        }
    }
}
