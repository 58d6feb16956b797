//! One metric series of an incident window, split into normal time and incident.

use std::sync::Arc;

use super::kind::MetricKind;

/// Time in nanoseconds, and value.
pub(super) type Point = (i64, f64);

/// One metric of one resource of one service.
#[derive(Debug, Clone)]
pub(super) struct Series {
    pub service: Arc<str>,
    pub resource: Arc<str>,
    pub metric: Arc<str>,
    pub kind: MetricKind,
    /// Smallest scale, in the unit of the metric.
    pub floor: f64,
    /// Normal time, then the incident, then later points; each in order of time.
    points: Arc<[Point]>,
    /// Index of the incident's first point.
    onset: usize,
    /// Index after the incident's last point.
    end: usize,
}

impl Series {
    /// A series with its points, those of normal time and those of the incident each in order.
    pub fn with_points(name: &Self, mut normal: Vec<Point>, mut incident: Vec<Point>) -> Self {
        let onset = normal.len();
        normal.append(&mut incident);
        let points: Arc<[Point]> = Arc::from(normal);
        Self { end: points.len(), points, onset, ..name.clone() }
    }

    /// A series without points, for an effect of a whole service.
    pub fn of_service(service: Arc<str>, metric: &str, kind: MetricKind) -> Self {
        let (resource, metric, points) = (Arc::from(""), Arc::from(metric), Arc::from([]));
        Self { service, resource, metric, kind, floor: 0.0, points, onset: 0, end: 0 }
    }

    /// Points of normal time.
    pub fn normal(&self) -> &[Point] {
        self.points.get(..self.onset).unwrap_or_default()
    }

    /// Points of the incident.
    pub fn incident(&self) -> &[Point] {
        self.points.get(self.onset..self.end).unwrap_or_default()
    }

    /// All points: normal time first.
    pub fn points(&self) -> &[Point] {
        self.points.get(..self.end).unwrap_or_default()
    }

    /// Moves the onset of the incident to a moment. Normal time must run into the incident.
    pub fn set_onset(&mut self, at: i64) {
        self.onset = self.points().partition_point(|point| point.0 < at);
    }

    /// The series with the points after `from` up to `end` as the incident, and those before as normal
    /// time.
    pub fn window(&self, from: i64, end: i64) -> Self {
        let end = self.points().partition_point(|point| point.0 <= end);
        let before = self.points.get(..end).unwrap_or_default();
        let onset = before.partition_point(|point| point.0 <= from);
        Self { onset, end, ..self.clone() }
    }

    /// Service, resource and metric.
    pub fn name(&self) -> (&str, &str, &str) {
        (&self.service, &self.resource, &self.metric)
    }

    /// The metric's name and the peer of the call that it measures: `latency->cart` gives `latency`
    /// and `cart`.
    pub fn base(&self) -> (&str, Option<&str>) {
        match self.metric.split_once("->") {
            Some((base, peer)) => (base, Some(peer)),
            None => (&self.metric, None),
        }
    }
}
