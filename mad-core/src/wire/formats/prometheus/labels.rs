//! Labels of Prometheus series, and the records that their samples give.

use std::borrow::Cow;

use super::super::FormatSink;
use super::super::buckets::Observed;
use super::super::memory::{Increase, TelemetryMemory, Totals, key_of};
use super::super::metric_series::{SeriesName, SeriesPoint, Temporality, resource_of};
use super::super::naming::Naming;
use super::super::outcome::Outcome;
use super::super::quantile::{Exponential, quantile};
use crate::time::Timestamp;

/// Labels that name the service, the best first.
const SERVICES: [&str; 5] = ["service", "service_name", "app", "application", "job"];
/// Those of them that a series states as its service. An `app` is a label of the target.
const STATED: [&str; 3] = ["service", "service_name", "job"];
/// Labels that stand for the service where none of [`SERVICES`] is there.
const FALLBACKS: [&str; 3] = ["deployment", "namespace", "instance"];
/// The service of a series without any of these labels.
const UNKNOWN: &str = "prometheus";

/// What the samples of a metric mean, as its page states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in super::super) enum SampleType {
    /// The page says nothing: the name decides.
    #[default]
    Unknown,
    Gauge,
    Counter,
    Histogram,
    Summary,
    /// Facts such as versions, and times of creation, which are no measurement.
    Info,
}

/// The samples of a series belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Series {
    /// The service that the labels name; empty where they name none.
    pub stated: String,
    service: String,
    host: String,
    metric: String,
    resource: String,
    role: Role,
    /// What the requests ended with, that a counter counts.
    outcome: Option<Outcome>,
    /// The hash of all labels.
    pub key: u64,
}

/// What the value of a sample is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Role {
    Gauge,
    Counter,
    /// A cumulative bucket with this upper bound, as bits.
    Bucket(u64),
    /// A quantile of a summary, as bits.
    Quantile(u64),
    /// No measurement.
    None,
}

impl Eq for Role {}

impl Series {
    /// The series of labels. `kind` is what the page states about its metric.
    pub fn new<'l>(
        labels: &[(Cow<'l, str>, Cow<'l, str>)],
        kind: SampleType,
        naming: &Naming,
    ) -> Self {
        let label = |name: &str| {
            let found = labels.iter().find(|(label, _)| label == name);
            found.map(|(_, value)| &**value).filter(|value| !value.is_empty())
        };
        let by = SERVICES.into_iter().find(|name| label(name).is_some());
        let stated = STATED.into_iter().find_map(label).unwrap_or_default();
        let fallback = || FALLBACKS.into_iter().find_map(label).unwrap_or(UNKNOWN);
        let service = match by.and_then(label) {
            Some(service) => naming.service(service),
            None => naming.named().unwrap_or_else(fallback),
        };
        let name = label("__name__").unwrap_or("value");
        let bound = |label_name: &str| label(label_name).and_then(|text| text.parse::<f64>().ok());
        let role = role(name, kind, bound("le"), bound("quantile"));
        let metric = match role {
            Role::Bucket(_) => name.strip_suffix("_bucket").unwrap_or(name),
            _ => name,
        };
        let is_part = |label: &str| {
            label != "__name__"
                && Some(label) != by
                && !(matches!(role, Role::Bucket(_)) && label == "le")
                && !(matches!(role, Role::Quantile(_)) && label == "quantile")
        };
        let mut others: Vec<(&str, &str)> = labels
            .iter()
            .map(|(label, value)| (&**label, &**value))
            .filter(|(label, _)| is_part(label))
            .collect();
        others.sort_unstable();
        let mut all: Vec<(&str, &str)> =
            labels.iter().map(|(label, value)| (&**label, &**value)).collect();
        all.sort_unstable();
        Self {
            stated: stated.to_owned(),
            service: service.to_owned(),
            host: label("instance").unwrap_or_default().to_owned(),
            metric: metric.to_owned(),
            outcome: Outcome::of(metric, &others).filter(|_| role == Role::Counter),
            resource: resource_of(others.into_iter()),
            role,
            key: key_of(all),
        }
    }

    /// Hands the record of a sample to the sink, if it gives one.
    pub fn give(
        &self,
        at: Timestamp,
        value: f64,
        position: u64,
        memory: &mut TelemetryMemory,
        sink: &mut dyn FormatSink,
    ) {
        if !at.is_accepted() {
            return;
        }
        let name = SeriesName {
            service: &self.service,
            host: &self.host,
            metric: &self.metric,
            resource: &self.resource,
        };
        if let Role::Bucket(bound) = self.role {
            let bound = f64::from_bits(bound);
            return self.bucket(name, (bound, at, value), position, memory, sink);
        }
        let mut point = SeriesPoint { name, at, start: None, position, memory, sink };
        match self.role {
            Role::Gauge => point.gauge(value),
            Role::Counter => match &self.outcome {
                Some(outcome) => {
                    point.counter_of_outcome(value, &outcome.resource, outcome.failed);
                }
                None => _ = point.counter(value, Temporality::Cumulative),
            },
            Role::Quantile(q) => point.summary_quantile(f64::from_bits(q), value),
            Role::Bucket(_) | Role::None => {}
        }
    }
}

impl Series {
    /// Hands the records of a native histogram to the sink.
    pub fn give_native(
        &self,
        at: Timestamp,
        histogram: Exponential,
        position: u64,
        memory: &mut TelemetryMemory,
        sink: &mut dyn FormatSink,
    ) {
        if at.is_accepted() {
            let name = SeriesName {
                service: &self.service,
                host: &self.host,
                metric: &self.metric,
                resource: &self.resource,
            };
            let mut point = SeriesPoint { name, at, start: None, position, memory, sink };
            point.exponential(histogram, Temporality::Cumulative);
        }
    }

    fn bucket(
        &self,
        name: SeriesName<'_>,
        (bound, at, total): (f64, Timestamp, f64),
        position: u64,
        memory: &mut TelemetryMemory,
        sink: &mut dyn FormatSink,
    ) {
        if !total.is_finite() || total < 0.0 || bound.is_nan() {
            return;
        }
        let histogram = key_of((name.service, name.host, name.metric, name.resource));
        let increase = memory.increase(self.key, at, None, Totals::Counter(total));
        let Some(Increase { of: Totals::Counter(of), seconds }) = increase else { return };
        let observed = memory.buckets.add(histogram, bound, at, (of, seconds));
        for Observed { at, seconds, bounds, counts } in observed.into_iter().flatten() {
            let mut point = SeriesPoint { name, at, start: None, position, memory, sink };
            point.observed(&counts, seconds, |q| quantile(q, &bounds, &counts));
        }
    }
}

fn role(name: &str, kind: SampleType, le: Option<f64>, quantile: Option<f64>) -> Role {
    let ends = |suffix: &str| name.ends_with(suffix);
    match kind {
        SampleType::Info => Role::None,
        _ if ends("_created") && kind != SampleType::Gauge => Role::None,
        SampleType::Gauge => Role::Gauge,
        _ => match (le, quantile) {
            (Some(bound), _) if ends("_bucket") => Role::Bucket(bound.to_bits()),
            (_, Some(q)) => Role::Quantile(q.to_bits()),
            _ if ends("_total") || ends("_count") || ends("_sum") || ends("_bucket") => {
                Role::Counter
            }
            _ if kind == SampleType::Counter => Role::Counter,
            _ => Role::Gauge,
        },
    }
}
