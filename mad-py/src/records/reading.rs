//! Counts of the records read, by kind and by source, and what they say about the input.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mad_core::export::{Document, LevelDocument, MethodDocument, RejectedDocument};
use mad_core::method::MethodSummary;
use mad_core::pipeline::LevelAccepted;
use mad_core::telemetry::{
    Doubt, KindCounts, LostRecords, Plausibility, RejectReason, with_separators,
};
use mad_core::{FeatureConfig, Pipeline, Record, RecordCounts, RecordKind, Rejections, Timestamp};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use serde::{Deserialize, Serialize};

use crate::records::rejected;

/// The word for the position of a record.
pub const LINE: &str = "line";
/// The word for the position of a record of a table.
pub const ROW: &str = "row";

/// Share of requests without a readable latency from which it is worth a warning.
const MANY_WITHOUT_LATENCY: f64 = 0.05;

/// Counts of the records read.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Reading {
    counts: RecordCounts,
    plausibility: Plausibility,
    /// The earliest and the latest time of the judged records.
    times: Option<(Timestamp, Timestamp)>,
    services: KnownServices,
    /// Levels that became normal while the records were judged, at most [`LEVELS`].
    levels: Vec<LevelDocument>,
}

/// Accepted levels that are kept.
const LEVELS: usize = 1_000;

/// The services of accepted records, of which at most [`SERVICES`] are kept.
#[derive(Clone, Default, Serialize, Deserialize)]
struct KnownServices {
    names: BTreeSet<Box<str>>,
    last: String,
}

/// Services of accepted records that are kept.
const SERVICES: usize = 10_000;
/// Rejected records from which a service without an accepted one is named. Fewer may be stray lines.
const LOST: u64 = 5;

impl KnownServices {
    #[inline]
    fn add(&mut self, service: &str) {
        if self.last != service {
            self.last.clear();
            self.last.push_str(service);
            if !self.names.contains(service) && self.names.len() < SERVICES {
                self.names.insert(service.into());
            }
        }
    }
}

impl Reading {
    /// The counts of one kind.
    pub fn of(&self, kind: RecordKind) -> &KindCounts {
        self.counts.of(kind)
    }

    /// The time between the earliest and the latest of the judged records, and the distance of times
    /// that are close to each other.
    pub fn length_and_resolution(&self) -> (Duration, Duration) {
        let length = self.times.map_or(0, |(first, last)| last.nanos().abs_diff(first.nanos()));
        (Duration::from_nanos(length), self.plausibility.resolution())
    }

    /// The counts of one kind, to be changed.
    pub fn of_mut(&mut self, kind: RecordKind) -> &mut KindCounts {
        self.counts.of_mut(kind)
    }

    /// Counts a record that was read.
    #[inline]
    pub fn see(&mut self, record: &Record<'_>) {
        self.counts.of_mut(record.kind()).records += 1;
        self.plausibility.see(record);
        if let Some(at) = record.timestamp().filter(|_| record.kind() != RecordKind::Changes) {
            let (first, last) = self.times.unwrap_or((at, at));
            self.times = Some((first.min(at), last.max(at)));
        }
        match record {
            Record::Request(request) => self.services.add(request.service),
            Record::Metric(point) => self.services.add(point.service),
            Record::Span(span) => self.services.add(span.service),
            Record::Log(line) => self.services.add(line.service),
            Record::Change(_) | Record::Edge(_) => {}
        }
    }

    /// A sentence about each service of which no record could be read, those with most records
    /// first.
    pub fn lost_services(&self, place: &str) -> Vec<String> {
        if self.services.names.len() >= SERVICES {
            return Vec::new();
        }
        let rejected = self.counts.rejected();
        let known = &self.services.names;
        let all = rejected.services().iter();
        let mut lost: Vec<_> =
            all.filter(|(name, lost)| lost.records >= LOST && !known.contains(*name)).collect();
        lost.sort_by_key(|(name, lost)| (Reverse(lost.records), *name));
        let sentence = |(name, lost): &(&str, &LostRecords)| {
            format!(
                "None of the {} records of {name} could be read: {} ({place} {})",
                with_separators(lost.records),
                lost.reason.describe(),
                lost.position
            )
        };
        lost.iter().map(sentence).collect()
    }

    /// Notes levels that became normal.
    pub fn note_levels(&mut self, levels: &[LevelAccepted]) {
        let room = LEVELS.saturating_sub(self.levels.len());
        self.levels.extend(levels.iter().take(room).map(LevelDocument::new));
    }

    /// Counts records that were read, and then not taken.
    pub fn refuse(&mut self, kind: RecordKind, rejected: Rejections) {
        let counts = self.counts.of_mut(kind);
        counts.records = counts.records.saturating_sub(rejected.total());
        counts.rejected.merge(rejected);
    }

    /// Adds the counts of the records of another partition.
    pub fn merge(&mut self, other: Self) {
        let Self { counts, plausibility, times, services, levels } = other;
        for (kind, read) in counts.iter() {
            let own = self.counts.of_mut(kind);
            own.records += read.records;
            own.rejected.merge(read.rejected.clone());
        }
        self.plausibility.merge(&plausibility);
        let both = self.times.into_iter().chain(times);
        self.times = both.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        let room = SERVICES.saturating_sub(self.services.names.len());
        self.services.names.extend(services.names.into_iter().take(room));
        self.levels.extend(levels);
        self.levels.sort_by(|a, b| a.at.cmp(&b.at));
        self.levels.truncate(LEVELS);
    }

    /// Good records of all kinds.
    pub fn accepted(&self) -> u64 {
        self.counts.accepted()
    }

    /// The kind that records of an unknown kind most likely have.
    pub fn main_kind(&self) -> RecordKind {
        let most = self.counts.iter().max_by_key(|(kind, read)| (read.records, kind.index() == 0));
        most.map_or(RecordKind::Requests, |(kind, _)| kind)
    }

    /// Rejected records of all kinds: total, counts by reason, and the first of each kind. A record
    /// that is no request carries its kind.
    pub fn rejected<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let out = PyDict::new(py);
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        let first = PyList::empty(py);
        for (kind, read) in self.counts.iter() {
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

    /// By kind: the number of accepted records, and the rejected ones.
    pub fn by_kind<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let out = PyDict::new(py);
        for (kind, read) in self.counts.iter() {
            let one = PyDict::new(py);
            one.set_item("records", read.records)?;
            one.set_item("rejected", rejected::rejected(py, &read.rejected)?)?;
            out.set_item(kind.as_str(), one)?;
        }
        Ok(out)
    }

    /// Why the input as a whole was not read: a kind of which nothing, or less than the share
    /// `min_accepted`, was accepted. `None` when enough was accepted, and for an input without
    /// records.
    pub fn problem(&self, min_accepted: f64, place: &str) -> Option<String> {
        let short = self.counts.iter().filter(|(_, read)| read.falls_short(min_accepted));
        let all: Vec<String> = short.map(|(kind, read)| read.shortfall(kind, place)).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// Questions about values that may not mean what their fields say, and records that had been
    /// accepted before, and the step of a short recording.
    pub fn warnings(&self, features: &FeatureConfig) -> Vec<String> {
        let step_seconds = features.step_seconds;
        let mut all = self.plausibility.doubts(step_seconds);
        let usual = FeatureConfig::default().step_seconds;
        if features.adapt_step && step_seconds != usual {
            all.push(format!(
                "the rows are {step_seconds} s long instead of {usual} s, because the recording is \
                 short; `features.step_seconds` sets another length"
            ));
        }
        for (kind, read) in self.counts.iter() {
            let renamed: Vec<String> = read
                .rejected
                .renamed()
                .map(|(field, column)| format!("{field} from `{column}`"))
                .collect();
            if !renamed.is_empty() {
                all.push(format!("{kind} were read with {}", renamed.join(", ")));
            }
            for (doubt, remark) in read.rejected.remarks() {
                // a few requests without a latency are those that failed
                let many = remark.records as f64 >= MANY_WITHOUT_LATENCY * read.records as f64;
                if many || doubt != Doubt::UnknownLatency {
                    let (what, consequence) = doubt.describe();
                    let values: Vec<String> =
                        remark.values.iter().map(|value| format!("\"{value}\"")).collect();
                    all.push(format!(
                        "{} of {} {kind} have {what} ({}): {consequence}",
                        remark.records,
                        read.records,
                        values.join(", "),
                    ));
                }
            }
            let repeated = read.rejected.count(RejectReason::Duplicate);
            if repeated > 0 && repeated >= read.records {
                all.push(format!(
                    "{repeated} of {} {kind} had been accepted before: the same input may be given \
                     twice",
                    read.records + read.rejected.total()
                ));
            }
        }
        all
    }

    /// The document of a run with the counts of its records.
    pub fn document(
        &self,
        mut document: Document,
        problem: Option<String>,
        warnings: Vec<String>,
        methods: &[MethodSummary],
        place: &str,
    ) -> RunDocument {
        document.rejected = RejectedDocument::new(&self.counts.rejected());
        let read = self.counts.iter().map(|(kind, read)| {
            let rejected = RejectedDocument::new(&read.rejected);
            (kind.as_str(), ReadDocument { records: read.records, rejected })
        });
        RunDocument {
            accepted: self.counts.accepted(),
            problem,
            lost_services: self.lost_services(place),
            warnings,
            methods: methods.iter().map(MethodDocument::new).collect(),
            levels: self.levels.clone(),
            read: read.collect(),
            document,
        }
    }
}

/// The document of a run: what it accepted, and what a pipeline knows after it.
#[derive(Serialize)]
pub struct RunDocument {
    accepted: u64,
    problem: Option<String>,
    lost_services: Vec<String>,
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    methods: Vec<MethodDocument>,
    levels: Vec<LevelDocument>,
    read: BTreeMap<&'static str, ReadDocument>,
    #[serde(flatten)]
    document: Document,
}

/// Accepted and rejected records of one kind.
#[derive(Serialize)]
struct ReadDocument {
    records: u64,
    rejected: RejectedDocument,
}

/// What to say about a series that several senders report under the same names.
pub fn shared_names(pipeline: &Pipeline) -> Option<String> {
    let merged = pipeline.counters().points_merged;
    let series = pipeline.merged_series()?;
    Some(format!(
        "{series} has different values for one time: several senders report it, and the mean of \
         their values is judged ({merged} points of all series were merged); give each its own \
         `host` or `resource`"
    ))
}
