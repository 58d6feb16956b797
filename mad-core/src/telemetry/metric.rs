//! One point of a metric.

use super::RejectReason;
use super::request::{check_name, check_optional_name, check_time};
use crate::time::Timestamp;

/// One point of a metric, borrowed from its source.
///
/// # Examples
///
/// ```
/// use mad_core::{MetricPoint, Timestamp, telemetry::RejectReason};
///
/// let point = MetricPoint::new(Timestamp::from_seconds(0), "payments", "cpu", 0.4);
/// assert!(point.check().is_ok());
/// let gap = MetricPoint { value: f64::NAN, ..point };
/// assert!(gap.check().is_ok());
/// let infinite = MetricPoint { value: f64::INFINITY, ..point };
/// assert_eq!(infinite.check().unwrap_err().0, RejectReason::BadValue);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MetricPoint<'a> {
    /// When it was measured.
    pub timestamp: Timestamp,
    /// The service it is about.
    pub service: &'a str,
    /// The part of the service: a pod, a disk, an endpoint. Empty for the service as a whole.
    pub resource: &'a str,
    /// The metric's name, such as `cpu` or `latency/p95`.
    pub metric: &'a str,
    /// The value; NaN where the source has none.
    pub value: f64,
    /// Observations behind the value (1 unless given): the trials of a rate, the requests of a
    /// latency. 0 is a gap.
    pub n: u64,
    /// The host, pod or instance that measured it; empty where it is unknown. To the
    /// event-time clock each host is a separate source.
    pub host: &'a str,
}

impl<'a> MetricPoint<'a> {
    /// The names of the fields in files and tables, those that an input needs first.
    pub const FIELDS: &'static [&'static str] =
        &["timestamp", "service", "metric", "value", "resource", "n", "host"];

    /// A point of a service as a whole, made of one observation.
    pub const fn new(timestamp: Timestamp, service: &'a str, metric: &'a str, value: f64) -> Self {
        Self { timestamp, service, resource: "", metric, value, n: 1, host: "" }
    }

    /// Checks every field.
    ///
    /// # Errors
    ///
    /// The reason, and the field at fault.
    pub fn check(&self) -> Result<(), (RejectReason, &'static str)> {
        check_time(self.timestamp).map_err(|reason| (reason, "timestamp"))?;
        check_name(self.service).map_err(|reason| (reason, "service"))?;
        check_optional_name(self.resource).map_err(|reason| (reason, "resource"))?;
        check_name(self.metric).map_err(|reason| (reason, "metric"))?;
        self.check_measured()?;
        check_optional_name(self.host).map_err(|reason| (reason, "host"))
    }

    /// Checks the time and the value.
    #[inline]
    pub(crate) fn check_measured(&self) -> Result<(), (RejectReason, &'static str)> {
        check_time(self.timestamp).map_err(|reason| (reason, "timestamp"))?;
        if self.value.is_infinite() {
            return Err((RejectReason::BadValue, "value"));
        }
        Ok(())
    }
}
