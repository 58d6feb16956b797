//! Series of Prometheus: what their labels say.

use std::borrow::Cow;

use super::super::naming::Naming;
use super::super::outcome::Outcome;
use super::super::series_name::{Group, SeriesName, key_of, resource_of};

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
    pub(super) role: Role,
    /// What the requests ended with, that a counter counts.
    pub(super) group: Option<Group>,
    /// The hash of the name, see [`SeriesName::key`].
    pub(super) name_key: u64,
    /// Whether records accept the names as they are.
    pub(super) is_accepted: bool,
    /// The hash of all labels.
    pub key: u64,
}

/// What the value of a sample is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Role {
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
        let host = label("instance").unwrap_or_default();
        let outcome = Outcome::of(metric, &others).filter(|_| role == Role::Counter);
        let resource = resource_of(others.into_iter());
        let name = SeriesName { service, host, metric, resource: &resource };
        let is_accepted = name.is_accepted();
        let group = |outcome: Outcome| {
            let key = SeriesName { resource: &outcome.resource, ..name }.key();
            Group { key, resource: outcome.resource, failed: outcome.failed }
        };
        Self {
            stated: stated.to_owned(),
            service: service.to_owned(),
            host: host.to_owned(),
            metric: metric.to_owned(),
            group: outcome.map(group),
            name_key: name.key(),
            is_accepted,
            resource,
            role,
            key: key_of(all),
        }
    }

    pub(super) fn name(&self) -> SeriesName<'_> {
        SeriesName {
            service: &self.service,
            host: &self.host,
            metric: &self.metric,
            resource: &self.resource,
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
