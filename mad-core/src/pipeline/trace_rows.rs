//! Rows from whole traces: missing spans per operation and network gaps per call.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::names::Names;
use crate::feature::{RowBuffer, RowKind};
use crate::graph::{TraceProfile, TraceProfiles};
use crate::robust::median;
use crate::series::{CALLS_TO, Entity, MISSING_SPANS, NETWORK_GAP, Sample};
use crate::time::Timestamp;

/// Adds the rows of closed traces: the number of missing spans of each usual operation, and the
/// median time that calls of one service to another spend between the two, both per step.
pub(super) fn add_rows(
    traces: &[TraceProfile],
    profiles: &TraceProfiles,
    step: i64,
    names: &mut Names,
    rows: &mut RowBuffer,
) {
    if traces.is_empty() {
        return;
    }
    let mut counts: BTreeMap<(Timestamp, u32), u64> = BTreeMap::new();
    let mut ways: BTreeMap<(Timestamp, &str, &str), Vec<f64>> = BTreeMap::new();
    let service = |place: u32| profiles.operation(place).map(|(service, _)| service);
    for trace in traces {
        let bucket = trace.start.floor(step);
        for place in trace.present.iter().filter(|place| profiles.is_usual(**place)) {
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
        let (service, operation) = profiles.operation(place)?;
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
        let entity = names.entities.id(&service, &endpoint);
        if names.entities.is_overflow(entity) {
            continue;
        }
        let series = names.series.id(entity, &Arc::from(metric), &names.entities);
        if let Some(series) = series {
            rows.add_sample(RowKind::Traces, entity, bucket, step, (series, sample, 0));
        }
    }
}
