//! A pipeline and counts of the records read for it.

use std::collections::BTreeMap;

use mad_core::pipeline::JudgedPoint;
use mad_core::telemetry::{KindCounts, RejectReason};
use mad_core::{
    Error, JudgedRow, Pipeline, PipelineConfig, Record, RecordCounts, RecordKind, Rejections,
    Source, Update,
};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use serde::{Deserialize, Serialize};

use crate::errors::to_py;
use crate::records::rejected;

/// Counts of the records read, by kind.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Reading(RecordCounts);

impl Reading {
    /// Of one kind.
    pub fn of_mut(&mut self, kind: RecordKind) -> &mut KindCounts {
        self.0.of_mut(kind)
    }

    /// Rejected records of all kinds: total, counts by reason, and the first of each kind. A record
    /// that is no request carries its kind.
    pub fn rejected<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let out = PyDict::new(py);
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        let first = PyList::empty(py);
        for (kind, read) in self.0.iter() {
            for (reason, count) in read.rejected.counts() {
                *counts.entry(reason.as_str()).or_default() += count;
            }
            for record in read.rejected.first() {
                let one = rejected::rejected_record(py, record)?;
                if kind != RecordKind::Requests {
                    one.set_item("kind", kind.as_str())?;
                }
                first.append(one)?;
            }
        }
        out.set_item("total", counts.values().sum::<u64>())?;
        out.set_item("counts", counts)?;
        out.set_item("first", first)?;
        Ok(out)
    }

    /// By kind: the number of good records, and the rejected ones.
    pub fn by_kind<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let out = PyDict::new(py);
        for (kind, read) in self.0.iter() {
            let one = PyDict::new(py);
            one.set_item("records", read.records)?;
            one.set_item("rejected", rejected::rejected(py, &read.rejected)?)?;
            out.set_item(kind.as_str(), one)?;
        }
        Ok(out)
    }
}

/// A pipeline, and counts of the records read for it.
pub struct Intake {
    pub pipeline: Pipeline,
    pub reading: Reading,
    update: Update,
    /// Metrics and log lines that the pipeline rejected; `update` holds the rejections of the other
    /// kinds.
    aside: [Rejections; 2],
}

impl Intake {
    /// A pipeline over telemetry that is read to its end: a new one, or one that
    /// continues from `state`; with `learn`, it flags nothing.
    pub fn new(config: PipelineConfig, state: Option<&[u8]>, learn: bool) -> PyResult<Self> {
        let pipeline = match state {
            Some(state) => Pipeline::restore(config, state),
            None => Pipeline::new(config),
        };
        let mut pipeline = pipeline.map_err(|error| to_py(&error))?.bounded_input();
        pipeline.backfill(learn);
        let (reading, update) = (Reading::default(), Update::default());
        Ok(Self { pipeline, reading, update, aside: Default::default() })
    }

    /// Takes a good record.
    #[inline]
    pub fn push(&mut self, record: &Record<'_>, position: u64) {
        let kind = record.kind();
        self.reading.of_mut(kind).records += 1;
        let Self { pipeline, update, aside: [points, lines], .. } = self;
        let aside = match kind {
            RecordKind::Metrics => Some(points),
            RecordKind::Logs => Some(lines),
            _ => None,
        };
        let Some(aside) = aside else {
            return pipeline.push(record, &Source::at(position), update);
        };
        std::mem::swap(aside, &mut update.rejected);
        pipeline.push(record, &Source::at(position), update);
        std::mem::swap(aside, &mut update.rejected);
    }

    /// Counts records of a kind that could not be read.
    pub fn note(&mut self, kind: RecordKind, rejected: Rejections) {
        if kind.is_timed() {
            self.pipeline.note_rejections(rejected.clone());
        }
        self.reading.of_mut(kind).rejected.merge(rejected);
    }

    /// Counts records that the pipeline rejected; with `sorted`, a late record is an error.
    pub fn settle(&mut self, sorted: bool) -> mad_core::Result<()> {
        let requests = std::mem::take(&mut self.update.rejected);
        let [points, lines] = std::mem::take(&mut self.aside);
        let kinds = [RecordKind::Requests, RecordKind::Metrics, RecordKind::Logs];
        for (kind, rejected) in kinds.into_iter().zip([requests, points, lines]) {
            let late = rejected.first().iter().find(|record| record.reason == RejectReason::Late);
            if sorted && let Some(first) = late {
                return Err(Error::unsorted(format!(
                    "the input is not ordered by time (record {}: {})",
                    first.position, first.detail
                )));
            }
            self.note(kind, rejected);
        }
        Ok(())
    }

    /// The rows and points judged since the last call.
    pub fn judged(&mut self) -> (Vec<JudgedRow>, Vec<JudgedPoint>) {
        self.update.changes.clear();
        (std::mem::take(&mut self.update.rows), std::mem::take(&mut self.update.points))
    }

    /// Closes every open step.
    pub fn finish(&mut self) {
        let mut end = self.pipeline.finish();
        self.update.rows.append(&mut end.rows);
        self.update.points.append(&mut end.points);
        self.reading.of_mut(RecordKind::Requests).rejected.merge(end.rejected);
    }
}
