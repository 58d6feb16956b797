//! What a file holds, in counts.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::Serialize;

use super::{Code, FileFormat, FormatSink, Unit};
use crate::telemetry::{Record, Rejections};
use crate::time::Timestamp;

/// Most distinct services, endpoints, series and spans that are kept; further ones are not counted.
const MOST_NAMES: usize = 10_000;
const MOST_SERIES: usize = 1_000_000;
const MOST_SPANS: usize = 1_000_000;

/// Counts what a decoder reads from one file, or from the files of a folder that belong together.
#[derive(Debug, Clone, Default)]
pub struct Inspection {
    records: u64,
    judged: BTreeMap<&'static str, u64>,
    units: BTreeMap<&'static str, u64>,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    errors: u64,
    latencies: u64,
    latency_sum: f64,
    status: BTreeMap<Code, u64>,
    services: BTreeMap<String, u64>,
    levels: BTreeMap<String, u64>,
    endpoints: BTreeSet<u64>,
    series: BTreeSet<u64>,
    spans: Spans,
}

/// The spans of a file, by which edges are found whatever their order.
#[derive(Debug, Clone, Default)]
struct Spans {
    /// The services of a trace's span id: one, or the two halves of a shared one. The server half is
    /// marked.
    services: HashMap<u64, Vec<(u32, bool)>>,
    /// Each span: its id, its parent, its service, and whether it is the server half.
    all: Vec<(u64, Option<u64>, u32, bool)>,
    names: Vec<String>,
    places: HashMap<String, u32>,
}

/// One edge of the service graph of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EdgeDocument {
    /// The calling service.
    pub caller: String,
    /// The called service.
    pub callee: String,
    /// The number of calls.
    pub calls: u64,
}

/// The counts of an [`Inspection`], in the shape of `mad inspect --json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InspectionDocument {
    /// The name of the format.
    pub format: &'static str,
    /// What the format is.
    pub description: &'static str,
    /// Items of the file that were read.
    pub records: u64,
    /// Items by kind.
    pub kinds: BTreeMap<&'static str, u64>,
    /// Records for detection, by kind.
    pub judged: BTreeMap<&'static str, u64>,
    /// Items that were rejected, by reason.
    pub rejected: BTreeMap<&'static str, u64>,
    /// The first rejected items: reason, position and detail.
    pub first_rejected: Vec<(&'static str, u64, String)>,
    /// The earliest time.
    pub first: Option<String>,
    /// The latest time.
    pub last: Option<String>,
    /// Items that failed.
    pub errors: u64,
    /// Items that state a latency.
    pub latency_n: u64,
    /// The sum of their latencies in ms.
    pub latency_ms_sum: f64,
    /// Items by status.
    pub status: BTreeMap<String, u64>,
    /// Items by service.
    pub services: BTreeMap<String, u64>,
    /// Log lines by their written level.
    pub levels: BTreeMap<String, u64>,
    /// Distinct pairs of method and path without query.
    pub endpoints: u64,
    /// Distinct series of metrics.
    pub series: u64,
    /// Calls between services.
    pub edges: Vec<EdgeDocument>,
    /// The columns or keys that were taken for fields of another name.
    pub mapping: BTreeMap<String, String>,
}

fn hash_of(parts: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    hasher.finish()
}

/// Adds to the count of a name, of at most [`MOST_NAMES`] names.
fn count(counts: &mut BTreeMap<String, u64>, name: &str, by: u64) {
    if let Some(known) = counts.get_mut(name) {
        *known = known.saturating_add(by);
    } else if counts.len() < MOST_NAMES {
        counts.insert(name.to_owned(), by);
    }
}

impl FormatSink for Inspection {
    fn record(&mut self, record: Record<'_>, _: u64) {
        *self.judged.entry(record.kind().as_str()).or_default() += 1;
    }

    fn unit(&mut self, unit: &Unit<'_>) {
        // totals are as large as a file states them
        let by = unit.count;
        self.records = self.records.saturating_add(by);
        let of_kind = self.units.entry(unit.kind.as_str()).or_default();
        *of_kind = of_kind.saturating_add(by);
        if let Some(time) = unit.time {
            self.first = Some(self.first.map_or(time, |first| first.min(time)));
            self.last = Some(self.last.map_or(time, |last| last.max(time)));
        }
        if unit.is_error {
            self.errors = self.errors.saturating_add(by);
        }
        if unit.latency_ms.is_finite() {
            self.latencies = self.latencies.saturating_add(unit.latencies);
            self.latency_sum += unit.latency_ms * unit.latencies as f64;
        }
        if unit.status != Code::None {
            let of_status = self.status.entry(unit.status).or_default();
            *of_status = of_status.saturating_add(by);
        }
        if unit.has_service || !unit.service.is_empty() {
            count(&mut self.services, unit.service, by);
        }
        if !unit.level.is_empty() {
            count(&mut self.levels, unit.level, by);
        }
        if !unit.path.is_empty() && self.endpoints.len() < MOST_SERIES {
            self.endpoints.insert(hash_of((unit.method, unit.path)));
        }
        if let Some(series) = unit.series
            && self.series.len() < MOST_SERIES
        {
            self.series.insert(series);
        }
        if let Some(link) = unit.link {
            let id = |span: &str| hash_of((link.trace_id, span));
            let parent = link.parent_id.map(id);
            self.spans.add(id(link.span_id), parent, unit.service, link.is_shared);
        }
    }
}

impl Spans {
    fn add(&mut self, id: u64, parent: Option<u64>, service: &str, is_shared: bool) {
        if self.all.len() >= MOST_SPANS {
            return;
        }
        let place = if let Some(place) = self.places.get(service) {
            *place
        } else {
            let place = self.names.len() as u32;
            self.names.push(service.to_owned());
            self.places.insert(service.to_owned(), place);
            place
        };
        self.services.entry(id).or_default().push((place, is_shared));
        self.all.push((id, parent, place, is_shared));
    }

    /// Calls between different services: from the other half of a shared span, else from the parent.
    fn edges(&self) -> Vec<EdgeDocument> {
        let mut calls: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        for (id, parent, service, is_shared) in &self.all {
            let of = |id: &u64| self.services.get(id).map(Vec::as_slice).unwrap_or_default();
            let half = if *is_shared {
                of(id).iter().find(|(other, _)| other != service).map(|(other, _)| *other)
            } else {
                None
            };
            // a child belongs to the half with the same service, else to the server half
            let of_parent = parent.as_ref().map(of).unwrap_or_default();
            let is_own = of_parent.iter().any(|(other, _)| other == service);
            let parent = of_parent.iter().max_by_key(|(_, shared)| *shared).filter(|_| !is_own);
            let caller = half.or_else(|| parent.map(|(other, _)| *other));
            let name = |place: u32| self.names.get(place as usize).map(String::as_str);
            if let Some((caller, callee)) = caller.and_then(name).zip(name(*service))
                && !caller.is_empty()
                && !callee.is_empty()
            {
                *calls.entry((caller, callee)).or_default() += 1;
            }
        }
        let edge = |((caller, callee), calls): ((&str, &str), u64)| EdgeDocument {
            caller: caller.to_owned(),
            callee: callee.to_owned(),
            calls,
        };
        calls.into_iter().map(edge).collect()
    }
}

impl Inspection {
    /// The counts so far, with those of the rejected items.
    pub fn document(&self, format: FileFormat, rejections: &Rejections) -> InspectionDocument {
        let status = self.status.iter().map(|(code, count)| {
            let name = match code {
                Code::Number(code) => code.to_string(),
                Code::Other | Code::None => "other".to_owned(),
            };
            (name, *count)
        });
        let first = rejections.first().iter();
        InspectionDocument {
            format: format.as_str(),
            description: format.describe(),
            records: self.records,
            kinds: self.units.clone(),
            judged: self.judged.clone(),
            rejected: rejections.counts().map(|(reason, n)| (reason.as_str(), n)).collect(),
            first_rejected: first
                .map(|one| (one.reason.as_str(), one.position, one.detail.clone()))
                .collect(),
            first: self.first.map(|time| time.to_string()),
            last: self.last.map(|time| time.to_string()),
            errors: self.errors,
            latency_n: self.latencies,
            latency_ms_sum: self.latency_sum,
            status: status.collect(),
            services: self.services.clone(),
            levels: self.levels.clone(),
            endpoints: self.endpoints.len() as u64,
            series: self.series.len() as u64,
            edges: self.spans.edges(),
            mapping: rejections
                .renamed()
                .map(|(field, column)| (field.to_owned(), column.to_owned()))
                .collect(),
        }
    }
}
