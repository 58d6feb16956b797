//! Spans that are missing from their traces: counts per operation and step, judged as metrics are.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::partition::PartitionId;
use super::{Pipeline, Update};
use crate::feature::{FeaturePoint, Sample};
use crate::graph::{MISSING_SPANS, TraceShape, TraceShapes};
use crate::series::Entity;
use crate::time::Timestamp;

impl Pipeline {
    /// Judges the steps whose traces are whole.
    pub(super) fn judge_traces(&mut self, partition: PartitionId, update: &mut Update) {
        let step = self.config.features.step();
        let begun = self.watermark().plus(-TraceShapes::HELD_FOR).floor(step);
        let traces = self.shapes.close(begun.plus(TraceShapes::HELD_FOR));
        self.judge_shapes(partition, &traces, update);
    }

    /// Judges all of them: the stream has ended.
    pub(super) fn finish_traces(&mut self, update: &mut Update) {
        let traces = self.shapes.close(Timestamp::MAX);
        self.judge_shapes(PartitionId::default(), &traces, update);
    }

    fn judge_shapes(&mut self, partition: PartitionId, traces: &[TraceShape], update: &mut Update) {
        if traces.is_empty() {
            return;
        }
        let step = self.config.features.step();
        let mut counts: BTreeMap<(Timestamp, u32), u64> = BTreeMap::new();
        for trace in traces {
            let bucket = trace.start.floor(step);
            for place in trace.present.iter().filter(|place| self.shapes.is_usual(**place)) {
                counts.entry((bucket, *place)).or_default();
            }
            for place in &trace.missing {
                *counts.entry((bucket, *place)).or_default() += 1;
            }
        }
        let named = counts.into_iter().filter_map(|((bucket, place), count)| {
            let (service, operation) = self.shapes.operation(place)?;
            Some((bucket, Entity::new(service, operation), count))
        });
        let mut named: Vec<(Timestamp, Entity, u64)> = named.collect();
        named.sort();
        for (bucket, Entity { service, endpoint }, count) in named {
            let entity = self.entities.id(&service, &endpoint);
            if self.entities.is_overflow(entity) {
                continue;
            }
            let metric: Arc<str> = MISSING_SPANS.into();
            let series = self.series_names.id(entity, &metric, &self.entities);
            let sample = Sample { value: count as f64, n: 1 };
            self.closed_points.extend(series.map(|series| FeaturePoint {
                bucket,
                entity,
                series,
                sample,
                gap: 0,
                step,
            }));
        }
        self.judge_points(partition, update);
    }
}
