//! Data points of OTLP metrics, and their protobuf messages.

use std::borrow::Cow;

use super::super::Unit;
use super::super::metric_series::{SeriesPoint, Temporality};
use super::super::quantile::Exponential;
use super::super::series_name::{SeriesName, key_of, resource_of};
use super::attributes::{Resource, each_item, pair, resource_in};
use super::traces::{Context, time};
use crate::telemetry::{RecordKind, RejectReason};
use crate::wire::protobuf::{Fields, Malformed, Value, packed_fixed64, packed_varints, zigzag};

/// Most buckets of one histogram; a data point with more is rejected.
const MOST_BUCKETS: usize = 4_096;

/// What the data points of one metric share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct MetricShape {
    /// Whether the value is a total that never falls but at a restart.
    pub is_monotonic: bool,
    pub temporality: Temporality,
}

/// The value of a data point.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Data {
    Missing,
    Number(f64),
    Histogram { bounds: Vec<f64>, counts: Vec<f64>, count: f64 },
    Exponential(Exponential),
    Summary { count: f64, quantiles: Vec<(f64, f64)> },
}

/// One data point, whatever the encoding.
#[derive(Debug, Clone)]
pub(super) struct DataPoint<'a> {
    pub attributes: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    pub start: u64,
    pub time: u64,
    /// Whether it only says that there is no value.
    pub is_gap: bool,
    pub data: Data,
}

impl Default for DataPoint<'_> {
    fn default() -> Self {
        Self { attributes: Vec::new(), start: 0, time: 0, is_gap: false, data: Data::Missing }
    }
}

impl DataPoint<'_> {
    /// Hands the point to the sink.
    pub fn give(
        mut self,
        metric: &str,
        shape: MetricShape,
        resource: &Resource<'_>,
        to: &mut Context<'_>,
    ) {
        let Some(at) = time(self.time) else {
            to.out.rejections.add(RejectReason::BadTimestamp, *to.position, || {
                format!("{metric}: the time of a data point is missing")
            });
            return;
        };
        if let Some(fault) = self.fault() {
            to.out
                .rejections
                .add(RejectReason::BadValue, *to.position, || format!("{metric}: {fault}"));
            return;
        }
        self.attributes.sort();
        let named = |key: &str| self.attributes.iter().find(|(name, _)| name == key);
        let stated = if resource.service.is_empty() {
            named("service.name").map_or("", |(_, value)| value)
        } else {
            resource.service
        };
        let others = self.attributes.iter().filter(|(name, _)| name != "service.name");
        let others = others.map(|(name, value)| (&**name, &**value));
        // instances that report the same series are separate, also where it has attributes
        let instance = Some(("instance", resource.host));
        let instance = instance.filter(|(_, host)| !host.is_empty() && !self.attributes.is_empty());
        let labels = resource_of(others.chain(instance));
        let service = to.naming.service(stated);
        to.out.sink.unit(&Unit {
            time: Some(at),
            service: resource.service,
            has_service: true,
            series: Some(key_of((service, resource.host, metric, &labels))),
            ..Unit::new(RecordKind::Metrics)
        });
        to.memory.version(service, resource.version, at, to.out.sink);
        if self.is_gap {
            return;
        }
        let name = SeriesName { service, host: resource.host, metric, resource: &labels };
        let mut point = SeriesPoint {
            name,
            key: None,
            is_accepted: false,
            at,
            start: time(self.start),
            position: *to.position,
            memory: to.memory,
            sink: to.out.sink,
        };
        match self.data {
            Data::Missing => {}
            Data::Number(value) if shape.is_monotonic => {
                point.counter(value, shape.temporality);
            }
            Data::Number(value) => point.gauge(value),
            Data::Histogram { bounds, counts, count } => {
                let counts = if counts.is_empty() { vec![count] } else { counts };
                point.histogram(&bounds, counts, shape.temporality);
            }
            Data::Exponential(histogram) => point.exponential(histogram, shape.temporality),
            Data::Summary { count, quantiles } => {
                point.counter(count, Temporality::Cumulative);
                for (q, value) in quantiles {
                    point.summary_quantile(q, value);
                }
            }
        }
    }

    /// The fault in the buckets of a histogram.
    fn fault(&self) -> Option<&'static str> {
        let Data::Histogram { bounds, counts, .. } = &self.data else { return None };
        if counts.len() > MOST_BUCKETS {
            return Some("the histogram has more than 4,096 buckets");
        }
        let fits = counts.len() == bounds.len() + 1 || (counts.is_empty() && bounds.is_empty());
        if !fits {
            return Some("the histogram does not have one more count than bounds");
        }
        let rises = |pair: &[f64]| matches!(pair, [low, high] if low < high);
        let sorted = bounds.windows(2).all(rises) && !bounds.iter().any(|bound| bound.is_nan());
        (!sorted).then_some("the bounds of the histogram do not rise")
    }
}

/// The data points of one `ResourceMetrics`.
pub(super) fn resource_metrics(message: &[u8], to: &mut Context<'_>) -> Result<(), Malformed> {
    let resource = resource_in(message)?;
    each_item(message, |message| {
        if metric(message, &resource, to).is_err() {
            *to.position += 1;
            to.malformed("metric");
        }
    })
}

fn metric(message: &[u8], resource: &Resource<'_>, to: &mut Context<'_>) -> Result<(), Malformed> {
    let (mut name, mut data) = ("", None);
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => name = value.text().unwrap_or_default(),
            4..=11 => data = Some((number, value.bytes())),
            _ => {}
        }
    }
    let Some((kind, data)) = data else { return Ok(()) };
    // a monotonic sum without a temporality is read as cumulative
    let mut shape = MetricShape { is_monotonic: false, temporality: Temporality::Cumulative };
    let mut fields = Fields::new(data);
    while let Some((number, value)) = fields.next()? {
        match number {
            2 if value.integer() == 1 => shape.temporality = Temporality::Delta,
            3 => shape.is_monotonic = value.integer() != 0,
            _ => {}
        }
    }
    let mut fields = Fields::new(data);
    while let Some((number, value)) = fields.next()? {
        if number != 1 {
            continue;
        }
        *to.position += 1;
        let read = match kind {
            4..=7 => number_point(value.bytes(), matches!(kind, 4 | 6)),
            8 | 9 => histogram_point(value.bytes()),
            10 => exponential_point(value.bytes()),
            _ => summary_point(value.bytes()),
        };
        match read {
            Ok(point) => point.give(name, shape, resource, to),
            Err(Malformed) => to.malformed("data point"),
        }
    }
    Ok(())
}

/// Takes the fields that data points of all kinds share; false for others.
fn shared<'a>(
    point: &mut DataPoint<'a>,
    attributes: u32,
    number: u32,
    value: Value<'a>,
) -> Result<bool, Malformed> {
    match number {
        2 => point.start = value.integer(),
        3 => point.time = value.integer(),
        _ if number == attributes => {
            let (key, value) = pair(value.bytes())?;
            let mut text = String::new();
            value.write(&mut text);
            point.attributes.push((Cow::Borrowed(key), Cow::Owned(text)));
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn number_point(message: &[u8], is_integer: bool) -> Result<DataPoint<'_>, Malformed> {
    let (mut point, mut fields) = (DataPoint::default(), Fields::new(message));
    while let Some((number, value)) = fields.next()? {
        if shared(&mut point, 7, number, value)? {
            continue;
        }
        match number {
            4 if is_integer => point.data = Data::Number(value.integer() as i64 as f64),
            4 => point.data = Data::Number(value.double()),
            6 => point.data = Data::Number(value.integer() as i64 as f64),
            8 => point.is_gap = value.integer() & 1 == 1,
            _ => {}
        }
    }
    Ok(point)
}

fn histogram_point(message: &[u8]) -> Result<DataPoint<'_>, Malformed> {
    let (mut point, mut fields) = (DataPoint::default(), Fields::new(message));
    let (mut bounds, mut counts, mut count) = (Vec::new(), Vec::new(), 0.0);
    while let Some((number, value)) = fields.next()? {
        if shared(&mut point, 9, number, value)? {
            continue;
        }
        match (number, value) {
            (4, value) => count = value.integer() as f64,
            (6, Value::Bytes(packed)) => counts.extend(packed_fixed64(packed).map(|n| n as f64)),
            (6, value) => counts.push(value.integer() as f64),
            (7, Value::Bytes(packed)) => bounds.extend(packed_fixed64(packed).map(f64::from_bits)),
            (7, value) => bounds.push(value.double()),
            (10, value) => point.is_gap = value.integer() & 1 == 1,
            _ => {}
        }
    }
    point.data = Data::Histogram { bounds, counts, count };
    Ok(point)
}

fn exponential_point(message: &[u8]) -> Result<DataPoint<'_>, Malformed> {
    let (mut point, mut fields) = (DataPoint::default(), Fields::new(message));
    let mut histogram = Exponential::default();
    while let Some((number, value)) = fields.next()? {
        if shared(&mut point, 1, number, value)? {
            continue;
        }
        match number {
            6 => histogram.scale = zigzag(value.integer()).clamp(-64, 64) as i32,
            7 => histogram.zeros = value.integer() as f64,
            8 => histogram.positive = buckets(value.bytes())?,
            9 => histogram.negative = buckets(value.bytes())?,
            10 => point.is_gap = value.integer() & 1 == 1,
            _ => {}
        }
    }
    point.data = Data::Exponential(histogram);
    Ok(point)
}

fn buckets(message: &[u8]) -> Result<Vec<(i32, f64)>, Malformed> {
    let (mut offset, mut counts) = (0_i64, Vec::new());
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.next()? {
        match (number, value) {
            (1, value) => offset = zigzag(value.integer()),
            (2, Value::Bytes(packed)) => counts.extend(packed_varints(packed)),
            (2, value) => counts.push(value.integer()),
            _ => {}
        }
    }
    Ok(indexed(offset, counts.into_iter().map(|count| count as f64)))
}

/// Counts with the indexes of their buckets, at most [`MOST_BUCKETS`].
pub(super) fn indexed(offset: i64, counts: impl Iterator<Item = f64>) -> Vec<(i32, f64)> {
    let offset = offset.clamp(-(1 << 30), 1 << 30) as i32;
    let counts = counts.take(MOST_BUCKETS).enumerate();
    counts.map(|(place, count)| (offset.saturating_add(place as i32), count)).collect()
}

fn summary_point(message: &[u8]) -> Result<DataPoint<'_>, Malformed> {
    let (mut point, mut fields) = (DataPoint::default(), Fields::new(message));
    let (mut count, mut quantiles) = (0.0, Vec::new());
    while let Some((number, value)) = fields.next()? {
        if shared(&mut point, 7, number, value)? {
            continue;
        }
        match number {
            4 => count = value.integer() as f64,
            6 if quantiles.len() < MOST_BUCKETS => {
                let (mut q, mut at) = (0.0, 0.0);
                let mut fields = Fields::new(value.bytes());
                while let Some((number, value)) = fields.next()? {
                    match number {
                        1 => q = value.double(),
                        2 => at = value.double(),
                        _ => {}
                    }
                }
                quantiles.push((q, at));
            }
            8 => point.is_gap = value.integer() & 1 == 1,
            _ => {}
        }
    }
    point.data = Data::Summary { count, quantiles };
    Ok(point)
}
