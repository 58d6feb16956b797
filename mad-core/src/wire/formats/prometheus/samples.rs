//! The records that the samples of Prometheus series give.

use super::super::FormatSink;
use super::super::buckets::Observed;
use super::super::memory::{Increase, TelemetryMemory, Totals};
use super::super::metric_series::{SeriesPoint, Temporality};
use super::super::quantile::quantile;
use super::super::series_name::key_of;
use super::labels::{Role, Series};
use super::native::NativeHistogram;
use crate::time::Timestamp;

impl Series {
    /// The point of a sample.
    fn point<'p>(
        &'p self,
        at: Timestamp,
        position: u64,
        memory: &'p mut TelemetryMemory,
        sink: &'p mut dyn FormatSink,
    ) -> SeriesPoint<'p> {
        SeriesPoint {
            name: self.name(),
            key: Some(self.name_key),
            is_accepted: self.is_accepted,
            at,
            start: None,
            position,
            memory,
            sink,
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
        if let Role::Bucket(bound) = self.role {
            let bound = f64::from_bits(bound);
            return self.bucket((bound, at, value), position, memory, sink);
        }
        let mut point = self.point(at, position, memory, sink);
        match self.role {
            Role::Gauge => point.gauge(value),
            Role::Counter => match &self.group {
                Some(group) => point.counter_of_group(value, group),
                None => point.counter(value, Temporality::Cumulative),
            },
            Role::Quantile(q) => point.summary_quantile(f64::from_bits(q), value),
            Role::Bucket(_) | Role::None => {}
        }
    }

    /// Hands the records of a native histogram to the sink.
    pub(super) fn give_native(
        &self,
        at: Timestamp,
        histogram: NativeHistogram,
        position: u64,
        memory: &mut TelemetryMemory,
        sink: &mut dyn FormatSink,
    ) {
        if at.is_accepted() {
            let mut point = self.point(at, position, memory, sink);
            match histogram {
                NativeHistogram::Exponential(histogram) => {
                    point.exponential(histogram, Temporality::Cumulative);
                }
                NativeHistogram::Custom { bounds, counts } => {
                    // counts of other buckets cannot be subtracted
                    let bits: Vec<u64> = bounds.iter().map(|bound| bound.to_bits()).collect();
                    point.key = Some(key_of((self.name_key, bits)));
                    point.histogram(&bounds, counts, Temporality::Cumulative);
                }
            }
        }
    }

    fn bucket(
        &self,
        (bound, at, total): (f64, Timestamp, f64),
        position: u64,
        memory: &mut TelemetryMemory,
        sink: &mut dyn FormatSink,
    ) {
        if !total.is_finite() || total < 0.0 || bound.is_nan() {
            return;
        }
        let increase = memory.increase(self.key, at, None, Totals::Counter(total));
        let Some(Increase { of: Totals::Counter(of), seconds }) = increase else { return };
        let observed = memory.buckets.add(self.name_key, bound, at, (of, seconds));
        for Observed { at, seconds, bounds, counts } in observed.into_iter().flatten() {
            let mut point = self.point(at, position, memory, sink);
            point.observed(&counts, seconds, |q| quantile(q, &bounds, &counts));
        }
    }
}
