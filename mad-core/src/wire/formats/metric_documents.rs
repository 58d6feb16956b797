//! Metrics in JSON documents of hosted services: Datadog and CloudWatch.

use std::borrow::Cow;

use serde_json::Value;
use serde_json::value::RawValue;

use super::FormatOptions;
use super::Unit;
use super::document_decoder::DocumentReader;
use super::json_documents::{has_key, label, member, number, text};
use super::memory::TelemetryMemory;
use super::naming::Naming;
use super::output::Output;
use super::prometheus::{SampleType, Series};
use crate::telemetry::{RecordKind, RejectReason};
use crate::time::{Timestamp, ZonePolicy};

/// Statistics of one point of CloudWatch.
const STATISTICS: [&str; 5] = ["Average", "Sum", "Maximum", "Minimum", "SampleCount"];

/// Whether the first bytes of a JSON file are metrics of such a service.
pub(super) fn is_metrics(first: &[u8]) -> bool {
    let has = |key| has_key(first, key);
    (has("series") && has("metric") && (has("pointlist") || has("points")))
        || (has("MetricDataResults") && has("Timestamps"))
        || (has("Datapoints") && has("Timestamp") && has("Label"))
}

/// Reads such documents.
#[derive(Debug)]
pub(super) struct MetricDocuments {
    naming: Naming,
    memory: TelemetryMemory,
    position: u64,
}

/// A series and its points: the times with their values.
struct Found<'v> {
    name: String,
    labels: Vec<(Cow<'v, str>, Cow<'v, str>)>,
    points: Vec<(Option<Timestamp>, f64)>,
}

impl MetricDocuments {
    pub fn new(options: &FormatOptions) -> Self {
        Self { naming: Naming::new(options), memory: TelemetryMemory::default(), position: 0 }
    }
}

impl DocumentReader for MetricDocuments {
    fn document(&mut self, value: &RawValue, line: u64, out: &mut Output<'_>) {
        let value: Value = serde_json::from_str(value.get()).unwrap_or(Value::Null);
        let list = |key: &str| value.get(key).and_then(Value::as_array);
        let mut all: Vec<Found<'_>> = Vec::new();
        if let Some(series) = list("series") {
            all.extend(series.iter().map(of_datadog));
        } else if let Some(results) = list("MetricDataResults") {
            all.extend(results.iter().map(of_results));
        } else if list("Datapoints").is_some() {
            all.extend(of_statistics(&value));
        } else {
            return out.rejections.add(RejectReason::BadJson, line, || {
                "the document has neither series, MetricDataResults nor Datapoints".to_owned()
            });
        }
        let (mut series, mut points) = (Vec::new(), Vec::new());
        for mut found in all {
            found.labels.push((Cow::Borrowed("__name__"), Cow::Owned(found.name)));
            let place = series.len();
            series.push(Series::new(&found.labels, SampleType::Gauge, &self.naming));
            for (time, value) in found.points {
                self.position += 1;
                match time.filter(|time| time.is_accepted()) {
                    Some(time) if !value.is_nan() => {
                        points.push((time, place, value, self.position));
                    }
                    _ => out.rejections.add(RejectReason::BadValue, self.position, || {
                        "a point lacks its time or its value".to_owned()
                    }),
                }
            }
        }
        points.sort_by_key(|(time, place, ..)| (*time, *place));
        for (time, place, value, position) in points {
            let Some(series) = series.get(place) else { continue };
            out.sink.unit(&Unit {
                time: Some(time),
                service: &series.stated,
                series: Some(series.key),
                ..Unit::new(RecordKind::Metrics)
            });
            series.give(time, value, position, &mut self.memory, out.sink);
        }
    }

    fn memory(&mut self) -> Option<&mut TelemetryMemory> {
        Some(&mut self.memory)
    }
}

/// A series of Datadog: of a query, or as it is submitted.
fn of_datadog(value: &Value) -> Found<'_> {
    let list = |key: &str| value.get(key).and_then(Value::as_array).into_iter().flatten();
    let scope = text(value, &["scope"]).split(',').filter(|tag| !tag.is_empty() && *tag != "*");
    let tags = list("tag_set").chain(list("tags")).filter_map(Value::as_str);
    let mut labels: Vec<(Cow<'_, str>, Cow<'_, str>)> = Vec::new();
    let hosts = list("resources").filter(|one| text(one, &["type"]) == "host");
    let hosts = hosts.map(|one| ("host", text(one, &["name"])));
    let hosts = hosts.chain(value.get("host").and_then(Value::as_str).map(|host| ("host", host)));
    for (key, of) in
        scope.chain(tags).map(|tag| tag.split_once(':').unwrap_or((tag, ""))).chain(hosts)
    {
        let key = if key == "host" { "instance" } else { key };
        if !labels.iter().any(|(known, _)| known == key) {
            labels.push((Cow::Borrowed(key), Cow::Borrowed(of)));
        }
    }
    let pair = |point: &Value| match point {
        Value::Array(pair) => (time(pair.first()), pair.get(1).map_or(f64::NAN, number)),
        point => (
            time(member(point, &["timestamp"])),
            member(point, &["value"]).map_or(f64::NAN, number),
        ),
    };
    let points = list("pointlist").chain(list("points"));
    // a query answers with null where there was no value
    let points = points.filter(|point| point.get(1).is_none_or(|value| !value.is_null()));
    let points = points.map(pair).collect();
    Found { name: text(value, &["metric"]).to_owned(), labels, points }
}

/// A result of `get-metric-data` of CloudWatch.
fn of_results(value: &Value) -> Found<'_> {
    let list = |key: &str| value.get(key).and_then(Value::as_array).into_iter().flatten();
    let points = list("Timestamps").zip(list("Values"));
    let points = points.map(|(at, value)| (time(Some(at)), number(value))).collect();
    Found { name: text(value, &["Label", "Id"]).to_owned(), labels: Vec::new(), points }
}

/// The statistics of `get-metric-statistics` of CloudWatch: a series each.
fn of_statistics(value: &Value) -> Vec<Found<'_>> {
    let points = || value.get("Datapoints").and_then(Value::as_array).into_iter().flatten();
    let series = |statistic: &str, of: &dyn Fn(&Value) -> Option<f64>| {
        let points: Vec<_> = points()
            .filter_map(|point| Some((time(member(point, &["Timestamp"])), of(point)?)))
            .collect();
        let name = format!("{}_{statistic}", text(value, &["Label"]));
        (!points.is_empty()).then_some(Found { name, labels: Vec::new(), points })
    };
    let plain = STATISTICS
        .iter()
        .filter_map(|statistic| series(statistic, &|point| point.get(*statistic).map(number)));
    let mut percentiles: Vec<&String> = points()
        .filter_map(|point| point.get("ExtendedStatistics").and_then(Value::as_object))
        .flat_map(|extended| extended.keys())
        .collect();
    percentiles.sort_unstable();
    percentiles.dedup();
    let extended = percentiles.into_iter().filter_map(|name| {
        series(name, &|point| point.get("ExtendedStatistics")?.get(name).map(number))
    });
    plain.chain(extended).collect()
}

/// A time as text with a zone, or as a number since the epoch of any unit.
fn time(value: Option<&Value>) -> Option<Timestamp> {
    match value? {
        Value::String(text) => Timestamp::parse(text, ZonePolicy::Offset(0)).ok(),
        Value::Number(number) => Timestamp::from_epoch_f64(number.as_f64()?).ok(),
        other => Timestamp::parse(&label(other), ZonePolicy::Refuse).ok(),
    }
}
