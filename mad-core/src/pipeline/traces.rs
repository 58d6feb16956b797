//! What whole traces tell: spans that are missing, counted per operation and step, and how long calls
//! from one service to another are on their way. Both are judged as metrics are.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Pipeline, Update};
use crate::feature::FeaturePoint;
use crate::graph::{TraceProfile, TraceProfiles};
use crate::robust::median;
use crate::series::{CALLS_TO, Entity, MISSING_SPANS, NETWORK_GAP, Sample};
use crate::telemetry::PartitionId;
use crate::time::Timestamp;

impl Pipeline {
    /// Judges the steps whose traces are whole.
    pub(super) fn judge_traces(&mut self, partition: PartitionId, update: &mut Update) {
        let step = self.config.features.step();
        let begun = (self.watermark() - TraceProfiles::HOLD).floor(step);
        let traces = self.profiles.close(begun + TraceProfiles::HOLD);
        self.judge_profiles(partition, &traces, update);
    }

    /// Judges all of them: the stream has ended.
    pub(super) fn finish_traces(&mut self, update: &mut Update) {
        let traces = self.profiles.close(Timestamp::MAX);
        self.judge_profiles(PartitionId::default(), &traces, update);
    }

    fn judge_profiles(
        &mut self,
        partition: PartitionId,
        traces: &[TraceProfile],
        update: &mut Update,
    ) {
        if traces.is_empty() {
            return;
        }
        let step = self.config.features.step();
        let mut counts: BTreeMap<(Timestamp, u32), u64> = BTreeMap::new();
        let mut ways: BTreeMap<(Timestamp, &str, &str), Vec<f64>> = BTreeMap::new();
        let service = |place: u32| self.profiles.operation(place).map(|(service, _)| service);
        for trace in traces {
            let bucket = trace.start.floor(step);
            for place in trace.present.iter().filter(|place| self.profiles.is_usual(**place)) {
                counts.entry((bucket, *place)).or_default();
            }
            for place in &trace.missing {
                *counts.entry((bucket, *place)).or_default() += 1;
            }
            for gap in &trace.gaps {
                if let (Some(caller), Some(callee)) = (service(gap.caller), service(gap.callee)) {
                    ways.entry((bucket, caller, callee)).or_default().push(gap.ms);
                }
            }
        }
        let missing = counts.into_iter().filter_map(|((bucket, place), count)| {
            let (service, operation) = self.profiles.operation(place)?;
            let sample = Sample { value: count as f64, n: 1 };
            Some((bucket, Entity::new(service, operation), MISSING_SPANS, sample))
        });
        let gaps = ways.into_iter().map(|((bucket, caller, callee), gaps)| {
            let entity = Entity::new(caller, &format!("{CALLS_TO}{callee}"));
            let sample = Sample { value: median(&gaps), n: gaps.len() as u64 };
            (bucket, entity, NETWORK_GAP, sample)
        });
        let mut named: Vec<(Timestamp, Entity, &str, Sample)> = missing.chain(gaps).collect();
        named.sort_by(|a, b| (a.0, &a.1, a.2).cmp(&(b.0, &b.1, b.2)));
        for (bucket, Entity { service, endpoint }, metric, sample) in named {
            let entity = self.entities.id(&service, &endpoint);
            if self.entities.is_overflow(entity) {
                continue;
            }
            let series = self.series_names.id(entity, &Arc::from(metric), &self.entities);
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
