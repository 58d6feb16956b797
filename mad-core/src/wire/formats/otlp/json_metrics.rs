//! OTLP metrics as JSON.

use std::borrow::Cow;

use serde_json::Value;

use super::super::json_documents::{integer, label, member, number, text};
use super::super::metric_series::Temporality;
use super::super::quantile::Exponential;
use super::attributes::Resource;
use super::json_values::{attributes, nanos, plain};
use super::metrics::{Data, DataPoint, MetricShape, indexed};
use super::traces::Context;

/// The data of a metric by its kinds, with the names before version 1.0.
const KINDS: [&str; 14] = [
    "gauge",
    "sum",
    "histogram",
    "exponentialHistogram",
    "exponential_histogram",
    "summary",
    "intGauge",
    "doubleGauge",
    "intSum",
    "doubleSum",
    "intHistogram",
    "doubleHistogram",
    "doubleSummary",
    "intSummary",
];

/// The data points of one metric.
pub(super) fn metric(item: &Value, resource: &Resource<'_>, to: &mut Context<'_>) {
    let name = text(item, &["name"]);
    let Some((kind, data)) = KINDS.iter().find_map(|kind| Some((*kind, member(item, &[kind])?)))
    else {
        return;
    };
    let temporality = member(data, &["aggregationTemporality", "aggregation_temporality"]);
    let is_delta = temporality.is_some_and(|value| {
        integer(value) == Some(1) || value.as_str().is_some_and(|name| name.ends_with("DELTA"))
    });
    let shape = MetricShape {
        is_monotonic: member(data, &["isMonotonic", "is_monotonic"]).and_then(Value::as_bool)
            == Some(true),
        temporality: if is_delta { Temporality::Delta } else { Temporality::Cumulative },
    };
    let points = member(data, &["dataPoints", "data_points"]).and_then(Value::as_array);
    for point in points.into_iter().flatten() {
        *to.position += 1;
        let flags = member(point, &["flags"]).and_then(integer).unwrap_or(0);
        let labels = attributes(point).map(|(key, value)| {
            (Cow::Borrowed(key), Cow::Owned(label(&plain(value, 0)).into_owned()))
        });
        // `labels` of versions before 0.9 are pairs of text
        let old = member(point, &["labels"]).and_then(Value::as_array).into_iter().flatten();
        let old = old.filter_map(|one| {
            Some((
                Cow::Borrowed(one.get("key")?.as_str()?),
                Cow::Borrowed(one.get("value")?.as_str()?),
            ))
        });
        DataPoint {
            attributes: labels.chain(old).collect(),
            start: nanos(point, &["startTimeUnixNano", "start_time_unix_nano"]),
            time: nanos(point, &["timeUnixNano", "time_unix_nano"]),
            is_gap: flags & 1 == 1,
            data: data_of(kind, point),
        }
        .give(name, shape, resource, to);
    }
}

fn numbers(of: &Value, names: &[&str]) -> Vec<f64> {
    let list = member(of, names).and_then(Value::as_array);
    list.into_iter().flatten().map(number).collect()
}

fn data_of(kind: &str, point: &Value) -> Data {
    let count = member(point, &["count"]).map_or(0.0, number);
    match kind {
        "histogram" | "intHistogram" | "doubleHistogram" => Data::Histogram {
            bounds: numbers(point, &["explicitBounds", "explicit_bounds"]),
            counts: numbers(point, &["bucketCounts", "bucket_counts"]),
            count,
        },
        "exponentialHistogram" | "exponential_histogram" => {
            let buckets = |name: &str| {
                let of = member(point, &[name]).unwrap_or(&Value::Null);
                let offset = member(of, &["offset"]).and_then(integer).unwrap_or(0);
                indexed(offset, numbers(of, &["bucketCounts", "bucket_counts"]).into_iter())
            };
            Data::Exponential(Exponential {
                scale: member(point, &["scale"]).and_then(integer).unwrap_or(0).clamp(-64, 64)
                    as i32,
                zeros: member(point, &["zeroCount", "zero_count"]).map_or(0.0, number),
                positive: buckets("positive"),
                negative: buckets("negative"),
            })
        }
        "summary" | "doubleSummary" | "intSummary" => {
            let all =
                member(point, &["quantileValues", "quantile_values"]).and_then(Value::as_array);
            let pair = |one: &Value| {
                let of = |name: &str| member(one, &[name]).map_or(0.0, number);
                (of("quantile"), of("value"))
            };
            Data::Summary { count, quantiles: all.into_iter().flatten().map(pair).collect() }
        }
        _ => {
            let names = ["asDouble", "as_double", "asInt", "as_int", "value"];
            member(point, &names).map_or(Data::Missing, |value| Data::Number(number(value)))
        }
    }
}
