//! Rows of requests whose entity is split over shards.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{FeatureRow, StatusCounts};
use crate::config::FeatureConfig;
use crate::robust::QuantileSketch;
use crate::series::{Entity, EntityTable};
use crate::telemetry::{Request, Source};
use crate::time::Timestamp;

/// Parts of a millisecond in which latencies are added up, so that the order does not matter.
const PARTS: f64 = 1e6;

/// Counts of requests by entity and step, which merge whatever the order of the shards is.
///
/// It is for one entity with too many requests for one process, such as one with 90 % of all records.
/// Each shard counts its requests, in any order, and the merged counts become rows for
/// [`RowScorer`](crate::RowScorer) and the stages after it. Counts, the extremes and the mean (to 1 ns)
/// are exact, percentiles have the error of [`QuantileSketch`].
///
/// # Limits
///
/// The share of requests beyond the usual tail is unknown, because the tail follows from earlier rows.
/// Statuses, versions and hosts are not counted, and there are no rows across the endpoints of a
/// service. Repeated deliveries are counted again.
///
/// # Examples
///
/// ```
/// use mad_core::feature::StepSketches;
/// use mad_core::{EntityTable, FeatureConfig, Request, Source, Timestamp};
///
/// let config = FeatureConfig::default();
/// let mut shards = [StepSketches::new(&config), StepSketches::new(&config)];
/// for second in 0..120 {
///     let at = Timestamp::from_seconds(second);
///     let request = Request::new(at, "pay", "/", 200, 10.0 + (second % 7) as f64);
///     shards[second as usize % 2].add(&request, &Source::at(1), &config);
/// }
/// let [mut all, other] = shards;
/// all.merge(&other);
/// let mut entities = EntityTable::new(10);
/// let rows = all.rows(&mut entities);
/// assert_eq!(rows.iter().map(|row| row.count).collect::<Vec<_>>(), [60, 60]);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepSketches {
    /// Length of a step, nanoseconds.
    step: i64,
    newest: Option<Timestamp>,
    steps: BTreeMap<(Timestamp, Arc<Entity>), StepSketch>,
}

/// The requests of one entity in one step.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct StepSketch {
    requests: u64,
    errors: u64,
    no_response: u64,
    client_errors: u64,
    /// Sum of the latencies in [`PARTS`] of a millisecond.
    sum: i128,
    latencies: QuantileSketch,
}

impl StepSketches {
    /// No requests yet, in steps of the configuration.
    pub fn new(config: &FeatureConfig) -> Self {
        Self { step: config.step_nanos(), newest: None, steps: BTreeMap::new() }
    }

    /// Whether another one has steps of the same length, so that they can be merged.
    pub fn has_steps_of(&self, other: &Self) -> bool {
        self.step == other.step
    }

    /// Counts a request. Returns false for one with a field that cannot be used.
    pub fn add(&mut self, request: &Request<'_>, source: &Source, config: &FeatureConfig) -> bool {
        if request.check().is_err() {
            return false;
        }
        let time = config.time_of_requests(source);
        let at = request.counts_at(time, config.step(), config.lateness());
        self.newest = self.newest.max(Some(at));
        let entity = Arc::new(Entity::new(request.service, request.endpoint));
        let step = self.steps.entry((at.floor(self.step), entity)).or_default();
        step.requests += 1;
        step.errors += u64::from(request.status.is_error());
        step.no_response += u64::from(request.status.is_no_response());
        step.client_errors += u64::from(request.status.is_client_error());
        if let Some(latency) = request.latency() {
            step.sum += (latency * PARTS).round() as i128;
            step.latencies.add(latency);
        }
        true
    }

    /// Adds the requests of another shard.
    pub fn merge(&mut self, other: &Self) {
        self.newest = self.newest.max(other.newest);
        for (key, there) in &other.steps {
            let here = self.steps.entry(key.clone()).or_default();
            here.requests += there.requests;
            here.errors += there.errors;
            here.no_response += there.no_response;
            here.client_errors += there.client_errors;
            here.sum += there.sum;
            here.latencies.merge(&there.latencies);
        }
    }

    /// The rows by time, service and endpoint. The newest step is whole once a request came after it.
    pub fn rows(&self, entities: &mut EntityTable) -> Vec<FeatureRow> {
        let mut last: BTreeMap<&Arc<Entity>, Timestamp> = BTreeMap::new();
        let rows = self.steps.iter().map(|((bucket, entity), step)| {
            let before = last.insert(entity, *bucket);
            let gap = before.map_or(0, |before| (bucket.since(before) / self.step - 1).max(0));
            let latencies = &step.latencies;
            let samples = latencies.count();
            FeatureRow {
                bucket: *bucket,
                entity: entities.id(&entity.service, &entity.endpoint),
                gap: gap.unsigned_abs(),
                whole: self.newest.is_some_and(|newest| bucket.plus(self.step) <= newest),
                count: step.requests,
                errors: step.errors,
                no_response: step.no_response,
                slow: 0,
                samples,
                mean: step.sum as f64 / PARTS / samples as f64,
                p50: latencies.quantile(0.5),
                p95: latencies.quantile(0.95),
                p99: latencies.quantile(0.99),
                max: latencies.max(),
                min: latencies.min(),
                std: f64::NAN,
                client_errors: step.client_errors,
                beyond_tail: 0,
                tail_ms: None,
                statuses: StatusCounts::default(),
            }
        });
        rows.collect()
    }
}
