//! Answers of the HTTP API of Prometheus, `VictoriaMetrics`, Thanos and Mimir.
//!
//! `{"status": "success", "data": {"resultType": "matrix", "result": [series, ...]}}`, also a
//! vector, a scalar, the result without its envelope, or one series a line. Times are seconds with a
//! fraction, values are text.

use std::borrow::Cow;

use serde_json::Value;
use serde_json::value::RawValue;

use super::super::document_decoder::DocumentReader;
use super::super::json_documents::{elements, label, member, members, number};
use super::super::memory::TelemetryMemory;
use super::super::naming::Naming;
use super::super::output::Output;
use super::super::{FormatOptions, Unit};
use super::labels::{SampleType, Series};
use super::native::{NativeHistogram, natives};
use super::stale;
use crate::telemetry::{RecordKind, RejectReason};
use crate::time::Timestamp;

/// Whether the first bytes of a JSON file are an answer of Prometheus.
pub(in super::super) fn is_api(first: &[u8]) -> bool {
    use super::super::json_documents::has_key;
    let has = |key| has_key(first, key);
    (has("resultType") && has("result"))
        || (has("status") && has("errorType") && has("error"))
        || (has("metric")
            && ["values", "value", "histograms", "histogram"].into_iter().any(has)
            && has("__name__"))
}

/// Reads answers of the HTTP API.
#[derive(Debug)]
pub(in super::super) struct ApiReader {
    naming: Naming,
    memory: TelemetryMemory,
    position: u64,
}

impl ApiReader {
    pub fn new(options: &FormatOptions) -> Self {
        Self { naming: Naming::new(options), memory: TelemetryMemory::default(), position: 0 }
    }
}

impl DocumentReader for ApiReader {
    fn document(&mut self, value: &RawValue, line: u64, out: &mut Output<'_>) {
        let mut series = Vec::new();
        if let Some(list) = elements(value) {
            series = list;
        } else {
            let object = members(value);
            if object.contains_key("metric") {
                series.push(value);
            } else if let Some(data) = object.get("data") {
                return self.data(data, line, out);
            } else if object.contains_key("result") {
                return self.data(value, line, out);
            } else {
                let said =
                    object.get("error").map_or("the answer has no data", |error| error.get());
                return out.rejections.add(RejectReason::BadJson, line, || said.to_owned());
            }
        }
        self.all(&series, out);
    }

    fn memory(&mut self) -> Option<&mut TelemetryMemory> {
        Some(&mut self.memory)
    }
}

impl ApiReader {
    fn data(&mut self, data: &RawValue, line: u64, out: &mut Output<'_>) {
        let object = members(data);
        let result = object.get("result").copied();
        let kind = object.get("resultType").map_or("", |kind| kind.get().trim_matches('"'));
        match result.and_then(elements) {
            Some(pair) if kind == "scalar" => {
                let value = pair.iter().map(|one| one.get()).collect::<Vec<_>>().join(",");
                let value =
                    format!("{{\"metric\":{{\"__name__\":\"scalar\"}},\"value\":[{value}]}}");
                if let Ok(raw) = RawValue::from_string(value) {
                    self.all(&[&raw], out);
                }
            }
            Some(series) => self.all(&series, out),
            None => out.rejections.add(RejectReason::BadJson, line, || {
                "the answer has no list of results".to_owned()
            }),
        }
    }

    /// The samples of all series in the order of their times, because those of the buckets of a
    /// histogram belong together.
    fn all(&mut self, list: &[&RawValue], out: &mut Output<'_>) {
        let (mut all, mut samples) = (Vec::new(), Vec::new());
        for raw in list {
            let value: Value = serde_json::from_str(raw.get()).unwrap_or(Value::Null);
            let Some(of) = member(&value, &["metric"]).and_then(Value::as_object) else {
                self.position += 1;
                out.rejections.add(RejectReason::BadJson, self.position, || {
                    "the series has no labels under `metric`".to_owned()
                });
                continue;
            };
            let labels: Vec<(Cow<'_, str>, Cow<'_, str>)> = of
                .iter()
                .map(|(name, value)| (Cow::Borrowed(name.as_str()), label(value)))
                .collect();
            let series = Series::new(&labels, SampleType::Unknown, &self.naming);
            let values = member(&value, &["values"]).and_then(Value::as_array);
            let one = member(&value, &["value"]);
            // the export of `VictoriaMetrics` has the times in a list of their own
            let times = member(&value, &["timestamps"]).and_then(Value::as_array);
            let place = all.len();
            let histograms = member(&value, &["histograms"]).and_then(Value::as_array);
            let histogram = member(&value, &["histogram"]);
            let histograms: Vec<&Value> =
                histograms.into_iter().flatten().chain(histogram).collect();
            for found in natives(&histograms) {
                self.position += 1;
                match found {
                    Some((at, found)) => {
                        samples.push((at, place, Sampled::Histogram(found), self.position));
                    }
                    None => out.rejections.add(RejectReason::BadValue, self.position, || {
                        "the buckets are not those of a native histogram".to_owned()
                    }),
                }
            }
            for (index, pair) in values.into_iter().flatten().chain(one).enumerate() {
                self.position += 1;
                let (at, value) = match (pair, times.and_then(|times| times.get(index))) {
                    (value, Some(at)) => (number(at) / 1e3, number_of(value)),
                    (Value::Array(pair), None) => match pair.as_slice() {
                        [at, value] => (number(at), number_of(value)),
                        _ => (f64::NAN, None),
                    },
                    _ => (f64::NAN, None),
                };
                let millis = (at * 1e3).round();
                match value {
                    Some(value) if millis.abs() < 9.2e12 => {
                        let at = Timestamp::from_nanos(millis as i64 * 1_000_000);
                        samples.push((at, place, Sampled::Value(value), self.position));
                    }
                    _ => out.rejections.add(RejectReason::BadValue, self.position, || {
                        format!("{} is no sample", label(pair))
                    }),
                }
            }
            all.push(series);
        }
        let mut seen = vec![false; all.len()];
        samples.sort_by_key(|(at, place, ..)| (*at, *place));
        for (at, place, value, position) in samples {
            let (Some(series), Some(seen)) = (all.get(place), seen.get_mut(place)) else {
                continue;
            };
            // a series counts once for its service
            let has_service = !std::mem::replace(seen, true);
            let service = if has_service { series.stated.as_str() } else { "" };
            out.sink.unit(&Unit {
                time: Some(at),
                service,
                has_service,
                series: Some(series.key),
                ..Unit::new(RecordKind::Metrics)
            });
            let memory = &mut self.memory;
            match value {
                Sampled::Value(value) if stale(value) => {}
                Sampled::Value(value) => series.give(at, value, position, memory, out.sink),
                Sampled::Histogram(found) => {
                    series.give_native(at, found, position, memory, out.sink);
                }
            }
        }
    }
}

/// What a sample holds.
enum Sampled {
    Value(f64),
    Histogram(NativeHistogram),
}

/// A value, as text such as `NaN` and `+Inf` or as a number.
fn number_of(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => super::parse_value(text),
        Value::Number(number) => number.as_f64(),
        _ => None,
    }
}
