//! The rows around an incident, as reports draw them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use crate::config::PipelineConfig;
use crate::history::HistoryRow;
use crate::pipeline::{IncidentWindow, WindowRows};
use crate::series::Signal;
use crate::time::Timestamp;

/// The rows around an incident.
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
    /// The rows of requests around an incident.
    pub(super) fn of_requests(window: &IncidentWindow, config: &PipelineConfig) -> Self {
        let signal = |signal: Signal| SignalSeries {
            name: signal.as_str().to_owned(),
            unit: signal.unit(),
            values: window.requests.rows.iter().map(|row| row.value(signal.index())).collect(),
            low: window.requests.rows.iter().map(|row| row.low(signal.index())).collect(),
            high: window.requests.rows.iter().map(|row| row.high(signal.index())).collect(),
        };
        Self {
            step_seconds: config.features.step_seconds * f64::from(window.requests.stride),
            bucket: window.requests.rows.iter().map(|row| row.at.to_string()).collect(),
            flagged: window.requests.rows.iter().map(|row| row.is_anomaly).collect(),
            count: window.requests.rows.iter().map(|row| row.requests()).collect(),
            errors: window.requests.rows.iter().map(|row| row.errors()).collect(),
            signals: Signal::ALL.into_iter().map(signal).collect(),
        }
    }

    /// The metrics of an incident that has no requests, on one axis of times.
    pub(super) fn of_metrics(window: &IncidentWindow, step: i64) -> Self {
        let traces = || window.metrics.values();
        let times: BTreeSet<Timestamp> =
            traces().flat_map(|trace| trace.rows.iter().map(|point| point.at)).collect();
        let flagged: BTreeSet<Timestamp> = traces()
            .flat_map(|trace| trace.rows.iter())
            .filter(|point| point.is_anomaly)
            .map(|point| point.at)
            .collect();
        let signal = |(name, trace): (&Arc<str>, &WindowRows)| {
            let known: BTreeMap<Timestamp, HistoryRow<'_>> =
                trace.rows.iter().map(|point| (point.at, point)).collect();
            let pick = |part: fn(&HistoryRow<'_>) -> f32| {
                times
                    .iter()
                    .map(|time| known.get(time).map_or(f32::NAN, |point| part(point)))
                    .collect()
            };
            SignalSeries {
                name: name.to_string(),
                unit: "",
                values: pick(|point| point.value(0)),
                low: pick(|point| point.low(0)),
                high: pick(|point| point.high(0)),
            }
        };
        let stride = traces().map(|trace| trace.stride).max().unwrap_or(1);
        Self {
            step_seconds: step as f64 / crate::time::SECOND as f64 * f64::from(stride),
            bucket: times.iter().map(ToString::to_string).collect(),
            flagged: times.iter().map(|time| flagged.contains(time)).collect(),
            count: Vec::new(),
            errors: Vec::new(),
            signals: window.metrics.iter().map(signal).collect(),
        }
    }
}
