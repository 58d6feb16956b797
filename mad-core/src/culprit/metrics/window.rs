//! Collects the metrics, spans, log lines and changes of an incident and of normal time.

use std::collections::HashMap;
use std::sync::Arc;

use super::call_gaps::CallSpans;
use super::kind::MetricKind;
use super::log_lines::LogLines;
use super::series::{Point, Series};
use crate::telemetry::{Change, ChangeEvent, LogLine, MetricPoint, Rejections, Span};
use crate::time::Timestamp;

/// Metrics, spans, log lines and changes of an incident and of normal time, added in any order.
///
/// Invalid records are counted in [`rejected`](Self::rejected). A NaN value is a gap. Several points
/// of one series at the same moment are averaged.
#[derive(Debug, Clone, Default)]
pub struct MetricWindow {
    series: Vec<Gathered>,
    /// By service, resource and metric.
    by_name: HashMap<Arc<str>, HashMap<Arc<str>, ByMetric>>,
    last: usize,
    pub(super) calls: CallSpans,
    pub(super) lines: LogLines,
    /// By service.
    pub(super) changes: HashMap<Arc<str>, Vec<ChangeEvent>>,
    rejected: Rejections,
}

/// Index of a series by metric.
type ByMetric = HashMap<Arc<str>, usize>;

/// A series with its points in order of arrival.
#[derive(Debug, Clone)]
struct Gathered {
    name: Series,
    normal: Vec<Point>,
    incident: Vec<Point>,
}

impl MetricWindow {
    /// An empty window.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a point of the incident. `position` identifies the record in
    /// [`rejected`](Self::rejected).
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

    /// Takes several points of one series of the incident, which is quicker than one by one. `name`
    /// names the series; its time and value are ignored. `position` identifies the first point in
    /// [`rejected`](Self::rejected), and the next numbers the others.
    ///
    /// # Examples
    ///
    /// ```
    /// use mad_core::culprit::MetricWindow;
    /// use mad_core::{MetricPoint, Timestamp};
    ///
    /// let at = Timestamp::from_seconds;
    /// let mut window = MetricWindow::new();
    /// let name = MetricPoint::new(at(0), "cart", "cpu", f64::NAN);
    /// window.incident_series(&name, [(at(0), 0.4), (at(60), f64::INFINITY)], 1);
    /// assert_eq!(window.rejected().total(), 1);
    /// ```
    pub fn incident_series(
        &mut self,
        name: &MetricPoint<'_>,
        points: impl IntoIterator<Item = (Timestamp, f64)>,
        position: u64,
    ) {
        self.take_series(name, points, position, |series| &mut series.incident);
    }

    /// Takes several points of one series of normal time, as
    /// [`incident_series`](Self::incident_series) those of the incident.
    pub fn normal_series(
        &mut self,
        name: &MetricPoint<'_>,
        points: impl IntoIterator<Item = (Timestamp, f64)>,
        position: u64,
    ) {
        self.take_series(name, points, position, |series| &mut series.normal);
    }

    /// Takes a span. Spans within the incident's time belong to the incident, all others to normal
    /// time.
    pub fn span(&mut self, span: &Span<'_>, position: u64) {
        match span.check() {
            Ok(()) => self.calls.push(span),
            Err((reason, field)) => self.rejected.add(reason, position, || field.to_owned()),
        }
    }

    /// Takes a log line. Its time decides between incident and normal time, as for
    /// [`span`](Self::span).
    pub fn log(&mut self, line: &LogLine<'_>, position: u64) {
        match line.check() {
            Ok(()) => self.lines.push(line),
            Err((reason, field)) => self.rejected.add(reason, position, || field.to_owned()),
        }
    }

    /// Takes a change of a service, at any time.
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

    /// Invalid records, by reason.
    pub fn rejected(&self) -> &Rejections {
        &self.rejected
    }

    /// Invalid records, for counting those that a decoder could not read.
    pub fn rejected_mut(&mut self) -> &mut Rejections {
        &mut self.rejected
    }

    /// All series, ordered by name, with their points in order of time. The order in which points
    /// arrived therefore never matters.
    pub(super) fn sorted(&self) -> Vec<Series> {
        let whole = |series: &Gathered| {
            let mut points = Vec::with_capacity(series.normal.len() + series.incident.len());
            points.extend_from_slice(&series.normal);
            let mut incident = series.incident.clone();
            sort_points(&mut points);
            sort_points(&mut incident);
            Series::with_points(&series.name, points, incident)
        };
        let mut sorted: Vec<Series> = self.series.iter().map(whole).collect();
        sorted.sort_by(|a, b| a.name().cmp(&b.name()));
        sorted
    }

    fn take_series(
        &mut self,
        name: &MetricPoint<'_>,
        points: impl IntoIterator<Item = (Timestamp, f64)>,
        position: u64,
        part: fn(&mut Gathered) -> &mut Vec<Point>,
    ) {
        let points = (position..).zip(points);
        let named = MetricPoint { timestamp: Timestamp::EARLIEST, value: f64::NAN, ..*name };
        if let Err((reason, field)) = named.check() {
            for (position, _) in points {
                self.rejected.add(reason, position, || field.to_owned());
            }
            return;
        }
        self.last = self.find(&named);
        let Some(series) = self.series.get_mut(self.last) else { return };
        let kept = part(series);
        for (position, (timestamp, value)) in points {
            match (MetricPoint { timestamp, value, ..named }).check_measured() {
                Ok(()) => kept.push((timestamp.nanos(), value)),
                Err((reason, field)) => {
                    self.rejected.add(reason, position, || field.to_owned());
                }
            }
        }
    }

    fn gathered(&mut self, point: &MetricPoint<'_>, position: u64) -> Option<&mut Gathered> {
        let name = (point.service, point.resource, point.metric);
        // tables hold series in runs, so the name of the previous point was already checked
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
        let kind = MetricKind::guess(point.metric);
        let mut series = Series::of_service(point.service.into(), point.metric, kind);
        series.resource = point.resource.into();
        let metrics = self.by_name.entry(Arc::clone(&series.service)).or_default();
        let metrics = metrics.entry(Arc::clone(&series.resource)).or_default();
        metrics.insert(Arc::clone(&series.metric), index);
        self.series.push(Gathered { name: series, normal: Vec::new(), incident: Vec::new() });
        index
    }
}

/// Sorts points by time, drops gaps, and averages points of the same moment.
fn sort_points(points: &mut Vec<Point>) {
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
