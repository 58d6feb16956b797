//! The course of every endpoint over a whole run in few bins, which reports draw as small charts.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::feature::RowKind;
use crate::guard::JudgedRow;
use crate::series::{Entity, EntityId, Signal};
use crate::time::{Timestamp, nanos_of};

/// Most bins. When a run needs more, two neighbours become one and the bins twice as long.
const MOST_BINS: i64 = 120;
/// Most endpoints in a document.
const MOST_ENDPOINTS: usize = 48;

/// Latency, errors and flags of every endpoint over a whole run, in at most 120 bins.
///
/// A bin holds the largest 95th percentile of its rows, the sums of their requests and failed requests,
/// and the number of its flagged rows. Bins begin at multiples of their length, and their length is the
/// step of the first row times the smallest power of two that covers the run, so that the result does not
/// depend on the order of the rows. An endpoint takes at most 2 kB.
///
/// # Examples
///
/// ```
/// use mad_core::export::Overview;
/// use mad_core::{Pipeline, PipelineConfig, Request, Timestamp};
///
/// let mut pipeline = Pipeline::new(PipelineConfig::default())?;
/// let requests = (0..200).map(|minute| {
///     let at = Timestamp::from_seconds(60 * minute);
///     let status = if minute == 0 { 500 } else { 200 };
///     Request::new(at, "payments", "/pay", status, minute as f64)
/// });
/// let mut overview = Overview::default();
/// for update in [pipeline.ingest(requests), pipeline.finish()] {
///     for row in &update.rows {
///         overview.add(row);
///     }
/// }
/// let document = overview.document(&Default::default());
/// assert_eq!((document.step_seconds, document.endpoints.len()), (120.0, 1));
/// assert_eq!(document.endpoints[0].p95_latency_ms.last(), Some(&199.0));
/// assert_eq!(document.endpoints[0].error_rate[0], 0.5);
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overview {
    /// Length of a bin, ns; 0 before the first row.
    width: i64,
    /// The first and last bin with a row.
    range: Option<(i64, i64)>,
    /// By the id of the entity.
    courses: Vec<Option<Course>>,
}

/// The bins of one endpoint.
#[derive(Debug, Clone, PartialEq)]
struct Course {
    entity: Arc<Entity>,
    /// Number of the first bin.
    first: i64,
    bins: Vec<Bin>,
}

/// The rows of an endpoint in one bin.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Bin {
    /// The largest 95th percentile of latency, ms; NaN where none is known.
    p95: f32,
    requests: u32,
    errors: u32,
    flagged: u32,
}

impl Bin {
    const EMPTY: Self = Self { p95: f32::NAN, requests: 0, errors: 0, flagged: 0 };

    fn add(&mut self, other: Self) {
        // the maximum of a number and NaN is the number
        self.p95 = self.p95.max(other.p95);
        self.requests = self.requests.saturating_add(other.requests);
        self.errors = self.errors.saturating_add(other.errors);
        self.flagged = self.flagged.saturating_add(other.flagged);
    }
}

/// The figures of one row of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OverviewRow {
    /// Start of its step.
    pub at: Timestamp,
    /// Length of its step, ns.
    pub step: i64,
    /// 95th percentile of latency, ms; NaN if unknown.
    pub p95: f64,
    /// Requests.
    pub requests: u64,
    /// Requests that failed.
    pub errors: u64,
    /// Whether it is flagged.
    pub is_anomaly: bool,
}

impl Overview {
    /// Adds a judged row. Rows of whole services and of metrics change nothing.
    pub fn add(&mut self, judged: &JudgedRow) {
        let (RowKind::Requests, Some(facts)) = (judged.head.kind, &judged.requests) else { return };
        let p95 = judged.signals.get(Signal::P95Latency.index());
        let row = OverviewRow {
            at: judged.head.at,
            step: nanos_of(judged.head.step),
            p95: p95.map_or(f64::NAN, |signal| signal.sample.value),
            requests: facts.requests,
            errors: facts.errors,
            is_anomaly: judged.verdict.is_anomaly,
        };
        self.add_row(judged.head.entity, &judged.entity, row);
    }

    /// Adds the figures of a row of an endpoint. A place that was given to another entity begins again.
    pub fn add_row(&mut self, id: EntityId, entity: &Arc<Entity>, row: OverviewRow) {
        if self.width == 0 {
            self.width = row.step.max(1);
        }
        let mut bin = row.at.nanos().div_euclid(self.width);
        while !self.covers(bin) {
            self.double();
            bin = bin.div_euclid(2);
        }
        let (low, high) = self.range.unwrap_or((bin, bin));
        self.range = Some((low.min(bin), high.max(bin)));
        if self.courses.len() <= id.index() {
            self.courses.resize(id.index() + 1, None);
        }
        let Some(place) = self.courses.get_mut(id.index()) else { return };
        let new = || Course { entity: Arc::clone(entity), first: bin, bins: Vec::new() };
        let course = match place {
            Some(course) if course.entity == *entity => course,
            place => place.insert(new()),
        };
        let count = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        course.add(
            bin,
            Bin {
                p95: row.p95.clamp(0.0, f64::from(f32::MAX)) as f32,
                requests: count(row.requests),
                errors: count(row.errors),
                flagged: u32::from(row.is_anomaly),
            },
        );
    }

    /// Whether a bin and all before it fit.
    fn covers(&self, bin: i64) -> bool {
        self.range.is_none_or(|(low, high)| {
            high.max(bin).saturating_sub(low.min(bin)) < MOST_BINS || self.width > i64::MAX / 2
        })
    }

    fn double(&mut self) {
        self.width = self.width.saturating_mul(2);
        self.range = self.range.map(|(low, high)| (low.div_euclid(2), high.div_euclid(2)));
        for course in self.courses.iter_mut().flatten() {
            let (first, bins) = (course.first, std::mem::take(&mut course.bins));
            course.first = first.div_euclid(2);
            for (place, bin) in (first..).zip(bins) {
                course.add(place.div_euclid(2), bin);
            }
        }
    }

    /// The document: endpoints with most incidents first, then those with most flagged rows, then those
    /// with most requests. `incidents` counts the incidents that each entity opened.
    pub fn document(&self, incidents: &BTreeMap<&Entity, u64>) -> OverviewDocument {
        let (low, high) = self.range.unwrap_or_default();
        let width = self.width;
        let mut all: Vec<([u64; 3], &Course)> = self
            .courses
            .iter()
            .flatten()
            .map(|course| {
                let opened = incidents.get(&*course.entity).copied().unwrap_or(0);
                let (flagged, requests) =
                    (course.sum(|bin| bin.flagged), course.sum(|bin| bin.requests));
                ([opened, flagged, requests], course)
            })
            .collect();
        all.sort_by(|(a, one), (b, other)| b.cmp(a).then_with(|| one.entity.cmp(&other.entity)));
        let left = all.len().saturating_sub(MOST_ENDPOINTS);
        all.truncate(MOST_ENDPOINTS);
        let endpoints = all.into_iter().map(|(key, course)| course.document(key, low..=high));
        OverviewDocument {
            first: Timestamp::from_nanos(low.saturating_mul(width)).to_string(),
            step_seconds: width as f64 / crate::time::SECOND as f64,
            endpoints: endpoints.collect(),
            left: left as u64,
        }
    }
}

impl Course {
    fn add(&mut self, bin: i64, figures: Bin) {
        if self.bins.is_empty() {
            self.first = bin;
        }
        let before = usize::try_from(self.first.saturating_sub(bin)).unwrap_or(0);
        if before > 0 {
            self.bins.splice(0..0, std::iter::repeat_n(Bin::EMPTY, before));
            self.first = bin;
        }
        let place = usize::try_from(bin.saturating_sub(self.first)).unwrap_or(0);
        if self.bins.len() <= place {
            self.bins.resize(place + 1, Bin::EMPTY);
        }
        if let Some(known) = self.bins.get_mut(place) {
            known.add(figures);
        }
    }

    fn sum(&self, part: fn(&Bin) -> u32) -> u64 {
        self.bins.iter().map(|bin| u64::from(part(bin))).sum()
    }

    fn document(
        &self,
        [incidents, flagged, requests]: [u64; 3],
        range: std::ops::RangeInclusive<i64>,
    ) -> EndpointCourse {
        let bin = |place: i64| {
            let place = usize::try_from(place.saturating_sub(self.first)).ok();
            place.and_then(|place| self.bins.get(place)).copied().unwrap_or(Bin::EMPTY)
        };
        let bins: Vec<Bin> = range.map(bin).collect();
        EndpointCourse {
            service: self.entity.service.to_string(),
            endpoint: self.entity.endpoint.to_string(),
            incidents,
            flagged,
            requests,
            errors: self.sum(|bin| bin.errors),
            p95_latency_ms: bins.iter().map(|bin| bin.p95).collect(),
            error_rate: bins.iter().map(|bin| bin.errors as f32 / bin.requests as f32).collect(),
            flagged_rows: bins.iter().map(|bin| bin.flagged).collect(),
        }
    }
}

/// The course of the endpoints of a run. An empty run has none.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the fields are the names in the file, described in docs/files.md")]
pub struct OverviewDocument {
    pub first: String,
    pub step_seconds: f64,
    pub endpoints: Vec<EndpointCourse>,
    pub left: u64,
}

/// One endpoint, with one number for each bin. Unknown numbers are NaN, which is written as null.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the fields are the names in the file, described in docs/files.md")]
pub struct EndpointCourse {
    pub service: String,
    pub endpoint: String,
    pub incidents: u64,
    pub flagged: u64,
    pub requests: u64,
    pub errors: u64,
    pub p95_latency_ms: Vec<f32>,
    pub error_rate: Vec<f32>,
    pub flagged_rows: Vec<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::MINUTE;

    fn row(minute: i64) -> OverviewRow {
        OverviewRow {
            at: Timestamp::from_nanos(minute * MINUTE),
            step: MINUTE,
            p95: if minute % 7 == 0 { f64::NAN } else { minute as f64 },
            requests: 10,
            errors: u64::from(minute % 5 == 0),
            is_anomaly: minute % 50 == 3,
        }
    }

    fn of(rows: impl IntoIterator<Item = (u32, i64)>) -> Overview {
        let mut overview = Overview::default();
        for (id, minute) in rows {
            let entity = Arc::new(Entity::new("shop", &format!("/{id}")));
            overview.add_row(EntityId(id), &entity, row(minute));
        }
        overview
    }

    #[test]
    fn the_order_of_rows_does_not_matter() {
        let rows: Vec<(u32, i64)> =
            (0..3).flat_map(|id| (i64::from(id) * 100..700).map(move |at| (id, at))).collect();
        let mut mixed = rows.clone();
        mixed.sort_by_key(|(id, at)| (at * 311 + i64::from(*id)) % 700);
        let forward = of(rows.iter().copied());
        let text = |overview: &Overview| {
            serde_json::to_string(&overview.document(&BTreeMap::new())).unwrap()
        };
        assert_eq!(text(&forward), text(&of(rows.iter().rev().copied())));
        assert_eq!(text(&forward), text(&of(mixed)));
    }

    #[test]
    fn bins_sum_up_and_stay_few() {
        let document = of((0..1_000).map(|minute| (0, minute))).document(&BTreeMap::new());
        assert_eq!(document.step_seconds, 16.0 * 60.0);
        let course = &document.endpoints[0];
        assert_eq!(course.p95_latency_ms.len(), 63);
        assert_eq!((course.requests, course.errors, course.flagged), (10_000, 200, 20));
        assert_eq!(course.p95_latency_ms[1], 31.0);
        assert!((course.error_rate[0] - 4.0 / 160.0).abs() < 1e-6);
        assert_eq!(course.flagged_rows.iter().sum::<u32>(), 20);
    }

    #[test]
    fn gaps_are_unknown_and_a_place_can_be_given_away() {
        let mut overview = of([(0, 1), (0, 100), (1, 50)]);
        let document = overview.document(&BTreeMap::new());
        let [shop, other] = &document.endpoints[..] else { panic!("{document:?}") };
        assert_eq!((shop.requests, shop.error_rate.len(), other.requests), (20, 100, 10));
        assert!(shop.p95_latency_ms[50].is_nan() && shop.error_rate[50].is_nan());
        assert!((other.error_rate[49] - 0.1).abs() < 1e-6);
        let entity = Arc::new(Entity::new("mail", "/send"));
        overview.add_row(EntityId(0), &entity, row(60));
        let names = overview.document(&BTreeMap::new()).endpoints;
        assert_eq!(names.iter().filter(|one| one.service == "mail").count(), 1);
        assert_eq!(names.len(), 2);
    }

    #[test]
    fn the_worst_come_first_and_the_rest_is_counted() {
        let rows = (0..60).flat_map(|id| [(id, 1), (id, if id == 55 { 53 } else { 2 })]);
        let entity = Entity::new("shop", "/7");
        let document = of(rows).document(&BTreeMap::from([(&entity, 1)]));
        let first: Vec<&str> =
            document.endpoints.iter().map(|one| one.endpoint.as_str()).take(3).collect();
        assert_eq!(first, ["/7", "/55", "/0"]);
        assert_eq!((document.endpoints.len(), document.left), (48, 12));
    }

    #[test]
    fn extreme_times_and_values_are_bounded() {
        let mut overview = Overview::default();
        let entity = Arc::new(Entity::new("shop", "/"));
        for nanos in [i64::MIN, 0, i64::MAX] {
            let at = Timestamp::from_nanos(nanos);
            let most = OverviewRow { at, p95: f64::MAX, requests: u64::MAX, ..row(1) };
            overview.add_row(EntityId(0), &entity, most);
        }
        let document = overview.document(&BTreeMap::new());
        assert!(document.endpoints[0].error_rate.len() <= 120);
    }
}
