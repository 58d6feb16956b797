//! The metrics of an incident and of normal time, by series.

use std::collections::HashMap;
use std::sync::Arc;

use super::MetricKind;
use super::calls::Calls;
use super::lines::Lines;
use crate::telemetry::{Change, ChangeEvent, LogLine, MetricPoint, Rejections, Span};

/// Metrics of an incident and of normal time, gathered point by point in any order.
///
/// Points that cannot be taken are counted in [`rejected`](Self::rejected). NaN is a gap. Of several
/// points of one series at one moment the mean counts.
#[derive(Debug, Clone, Default)]
pub struct MetricWindow {
    series: Vec<Gathered>,
    /// By service, resource and metric.
    by_name: HashMap<Arc<str>, HashMap<Arc<str>, ByMetric>>,
    last: usize,
    pub(super) calls: Calls,
    pub(super) lines: Lines,
    /// By service.
    pub(super) changes: HashMap<Arc<str>, Vec<ChangeEvent>>,
    rejected: Rejections,
}

/// Places of a resource's series by metric.
type ByMetric = HashMap<Arc<str>, usize>;

/// Nanoseconds and value.
pub(super) type Point = (i64, f64);

/// A series as its points came.
#[derive(Debug, Clone)]
struct Gathered {
    name: Series,
    normal: Vec<Point>,
    incident: Vec<Point>,
}

/// One metric of one resource of one service.
#[derive(Debug, Clone)]
pub(super) struct Series {
    pub service: Arc<str>,
    pub resource: Arc<str>,
    pub metric: Arc<str>,
    pub kind: MetricKind,
    /// Normal time, then the incident; each in order of time.
    points: Vec<Point>,
    /// Place of the incident's first point.
    begin: usize,
}

impl MetricWindow {
    /// No points yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a point of the incident; `position` tells the record in [`rejected`](Self::rejected).
    pub fn incident(&mut self, point: &MetricPoint<'_>, position: u64) {
        let at = (point.timestamp.nanos(), point.value);
        if let Some(series) = self.gathered(point, position) {
            series.incident.push(at);
        }
    }

    /// Takes a point of normal time.
    pub fn normal(&mut self, point: &MetricPoint<'_>, position: u64) {
        let at = (point.timestamp.nanos(), point.value);
        if let Some(series) = self.gathered(point, position) {
            series.normal.push(at);
        }
    }

    /// Takes a span. Those within the incident's rows are of the incident, all others of normal
    /// time.
    pub fn span(&mut self, span: &Span<'_>, position: u64) {
        match span.check() {
            Ok(()) => self.calls.push(span),
            Err((reason, field)) => self.rejected.add(reason, position, || field.to_owned()),
        }
    }

    /// Takes a log line, of the incident or of normal time as [`span`](Self::span).
    pub fn log(&mut self, line: &LogLine<'_>, position: u64) {
        match line.check() {
            Ok(()) => self.lines.push(line),
            Err((reason, field)) => self.rejected.add(reason, position, || field.to_owned()),
        }
    }

    /// Takes a change of the system, at any time.
    pub fn change(&mut self, change: &Change<'_>, position: u64) {
        if let Err((reason, field)) = change.check() {
            self.rejected.add(reason, position, || field.to_owned());
            return;
        }
        let service: Arc<str> = change.service.into();
        self.changes.entry(Arc::clone(&service)).or_default().push(ChangeEvent {
            at: change.timestamp,
            service,
            kind: change.kind.to_owned(),
            name: change.name.to_owned(),
            version: change.version.to_owned(),
        });
    }

    /// Points that were not taken.
    pub fn rejected(&self) -> &Rejections {
        &self.rejected
    }

    /// Counts of records that did not become points.
    pub fn rejected_mut(&mut self) -> &mut Rejections {
        &mut self.rejected
    }

    /// Every series in order of time, gaps left out; ordered by name, so that the order of the
    /// points never matters.
    pub(super) fn sorted(&self) -> Vec<Series> {
        let whole = |series: &Gathered| {
            let mut points = Vec::with_capacity(series.normal.len() + series.incident.len());
            points.extend_from_slice(&series.normal);
            let mut incident = series.incident.clone();
            tidy(&mut points);
            tidy(&mut incident);
            let begin = points.len();
            points.append(&mut incident);
            Series { points, begin, ..series.name.clone() }
        };
        let mut sorted: Vec<Series> = self.series.iter().map(whole).collect();
        sorted.sort_by(|a, b| a.name().cmp(&b.name()));
        sorted
    }

    fn gathered(&mut self, point: &MetricPoint<'_>, position: u64) -> Option<&mut Gathered> {
        let name = (point.service, point.resource, point.metric);
        // long tables hold series in runs, whose names are known to be fine
        let known = self.series.get(self.last).is_some_and(|series| series.name.name() == name);
        if !known || point.value.is_infinite() {
            if let Err((reason, field)) = point.check() {
                self.rejected.add(reason, position, || field.to_owned());
                return None;
            }
            self.last = self.find(point);
        }
        self.series.get_mut(self.last)
    }

    fn find(&mut self, point: &MetricPoint<'_>) -> usize {
        let known = self.by_name.get(point.service);
        let known = known.and_then(|service| service.get(point.resource)?.get(point.metric));
        if let Some(index) = known {
            return *index;
        }
        let index = self.series.len();
        let series = Series {
            service: point.service.into(),
            resource: point.resource.into(),
            metric: point.metric.into(),
            kind: MetricKind::guess(point.metric),
            points: Vec::new(),
            begin: 0,
        };
        let metrics = self.by_name.entry(Arc::clone(&series.service)).or_default();
        let metrics = metrics.entry(Arc::clone(&series.resource)).or_default();
        metrics.insert(Arc::clone(&series.metric), index);
        self.series.push(Gathered { name: series, normal: Vec::new(), incident: Vec::new() });
        index
    }
}

impl Series {
    /// Of a service as a whole and without points.
    pub fn told(service: Arc<str>, metric: &str, kind: MetricKind) -> Self {
        let (resource, metric) = (Arc::from(""), Arc::from(metric));
        Self { service, resource, metric, kind, points: Vec::new(), begin: 0 }
    }

    /// Points of normal time.
    pub fn normal(&self) -> &[Point] {
        self.points.get(..self.begin).unwrap_or_default()
    }

    /// Points of the incident.
    pub fn incident(&self) -> &[Point] {
        self.points.get(self.begin..).unwrap_or_default()
    }

    /// All points: normal time first.
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// Makes the incident begin at this moment; of normal time that runs into it.
    pub fn begin_at(&mut self, at: i64) {
        self.begin = self.points.partition_point(|point| point.0 < at);
    }

    pub fn name(&self) -> (&str, &str, &str) {
        (&self.service, &self.resource, &self.metric)
    }

    /// The metric's name, and the peer of a call that it measures: `latency->cart` is `latency` and
    /// `cart`.
    pub fn base(&self) -> (&str, Option<&str>) {
        match self.metric.split_once("->") {
            Some((base, peer)) => (base, Some(peer)),
            None => (&self.metric, None),
        }
    }
}

/// Sorts by time, leaves gaps out, and makes one point of several at one moment.
fn tidy(points: &mut Vec<Point>) {
    if points.is_sorted_by(|a, b| a.0 < b.0) && points.iter().all(|point| point.1.is_finite()) {
        return;
    }
    points.retain(|(_, value)| value.is_finite());
    points.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let mut count = 1.0;
    points.dedup_by(|next, kept| {
        if next.0 != kept.0 {
            count = 1.0;
            return false;
        }
        count += 1.0;
        kept.1 += next.1 / count - kept.1 / count;
        true
    });
}
