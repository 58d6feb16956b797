//! Series in the answers of Prometheus queries.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;

use super::kind::{Fault, Kind, MAX_FIELDS};
use super::scalar::Scalar;
use crate::telemetry::RecordKind;
use crate::time::ZonePolicy;

/// Labels that name the service, the best first.
const SERVICES: [&str; 8] =
    ["service", "service_name", "app", "application", "job", "deployment", "namespace", "instance"];

/// One series of a range query or an instant query.
#[derive(Debug, Deserialize)]
pub(super) struct Series {
    metric: BTreeMap<String, String>,
    #[serde(default)]
    values: Vec<(f64, String)>,
    #[serde(default)]
    value: Option<(f64, String)>,
}

impl Series {
    /// The series of an object; `None` for other objects and other kinds of records.
    pub fn read<K: Kind>(text: &str) -> Option<Self> {
        if K::KIND != RecordKind::Metrics || !text.contains("\"value") {
            return None;
        }
        let series: Self = serde_json::from_str(text).ok()?;
        (series.value.is_some() || !series.values.is_empty()).then_some(series)
    }

    /// Hands out every point, or why it cannot be read. The metric is the label `__name__`, the
    /// service the first of the usual labels, and the resource all other labels.
    pub fn points<K: Kind>(
        &self,
        zone: ZonePolicy,
        mut each: impl FnMut(Result<K::Record<'_>, (Fault, &str)>),
    ) {
        let label = |name: &str| self.metric.get(name).map(String::as_str);
        let by = SERVICES.into_iter().find(|name| label(name).is_some());
        let service = by.and_then(label).unwrap_or("prometheus");
        let metric = label("__name__").unwrap_or("value");
        let others = self
            .metric
            .iter()
            .filter(|(name, _)| name.as_str() != "__name__" && Some(name.as_str()) != by);
        let others: Vec<String> = others.map(|(name, value)| format!("{name}={value}")).collect();
        let resource = others.join(",");
        for (at, value) in self.values.iter().chain(&self.value) {
            let mut fields = [const { Scalar::Missing }; MAX_FIELDS];
            let mut set = |field: &str, value: Scalar<'_>| {
                if let Some(slot) = K::place(field).and_then(|place| fields.get_mut(place)) {
                    *slot = value.into_owned();
                }
            };
            set("timestamp", Scalar::Float(*at));
            set("service", Scalar::Text(Cow::Borrowed(service)));
            set("metric", Scalar::Text(Cow::Borrowed(metric)));
            set("value", Scalar::Text(Cow::Borrowed(value)));
            set("resource", Scalar::Text(Cow::Borrowed(&resource)));
            each(K::record(&fields, zone).map_err(|fault| (fault, value.as_str())));
        }
    }
}
