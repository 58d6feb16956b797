//! Partitions of the input: each has a time of its own.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Pipeline, Update};
use crate::config::PipelineConfig;
use crate::error::{Error, Result};
use crate::feature::{FeatureBuilder, LogBuilder, MetricBuilder};
use crate::telemetry::PartitionId;
use crate::time::Timestamp;

/// What a partition brought that is not in order yet.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Partition {
    pub name: Arc<str>,
    pub features: FeatureBuilder,
    pub metrics: MetricBuilder,
    pub logs: LogBuilder,
    /// The newest step that was judged.
    pub bucket: Option<Timestamp>,
}

impl Partition {
    pub fn new(name: &str, config: &PipelineConfig) -> Result<Self> {
        let mut partition = Self {
            name: name.into(),
            features: FeatureBuilder::new(config.features, &config.limits)?,
            metrics: MetricBuilder::new(config.features, &config.limits)?,
            logs: LogBuilder::new(config.features, &config.limits)?,
            bucket: None,
        };
        partition.set_slow(config);
        Ok(partition)
    }

    /// What counts as slow where no override says otherwise.
    pub fn set_slow(&mut self, config: &PipelineConfig) {
        self.features.set_slow(None, config.slo.latency_objective_ms);
    }

    fn bounded_input(mut self) -> Self {
        self.features = self.features.bounded_input();
        self.metrics = self.metrics.bounded_input();
        self.logs = self.logs.bounded_input();
        self
    }

    /// Whether no record waits for its step to close.
    pub fn is_at_rest(&self) -> bool {
        self.features.in_flight().next().is_none()
            && self.metrics.in_flight().next().is_none()
            && self.logs.in_flight().next().is_none()
    }

    /// Says that everything before `watermark` is closed.
    pub fn raise(&mut self, watermark: Timestamp) {
        self.features.raise(watermark);
        self.metrics.raise(watermark);
        self.logs.raise(watermark);
    }

    pub fn count_anew(&mut self) {
        self.features.count_anew();
        self.metrics.count_anew();
        self.logs.count_anew();
    }

    /// The watermarks of what has begun.
    fn begun(&self) -> impl Iterator<Item = Timestamp> {
        let Self { features, metrics, logs, .. } = self;
        let all = [
            (features.newest(), features.watermark()),
            (metrics.newest(), metrics.watermark()),
            (logs.newest(), logs.watermark()),
        ];
        all.into_iter().filter_map(|(newest, watermark)| newest.map(|_| watermark))
    }
}

impl Pipeline {
    /// Follows every jump of the event time ahead at once. For bounded input that is read to its
    /// end in time order, such as a file.
    #[must_use]
    pub fn bounded_input(mut self) -> Self {
        self.bounded = true;
        let partitions = std::mem::take(&mut self.partitions).into_iter();
        self.partitions = partitions.map(Partition::bounded_input).collect();
        self
    }

    /// The partition of a name, a new one included.
    ///
    /// Each partition has a watermark of its own, so that one may be behind another by any time.
    /// All records of one entity have to come in one partition. Incidents expire by the time of the
    /// partition that is furthest behind; [`advance`](Self::advance) moves all of them.
    ///
    /// # Errors
    ///
    /// There are [`Limits::partitions`](crate::Limits::partitions) already.
    ///
    /// # Examples
    ///
    /// ```
    /// use mad_core::{Pipeline, PipelineConfig, Request, Source, Timestamp, Update};
    ///
    /// let mut pipeline = Pipeline::new(PipelineConfig::default())?;
    /// let mut update = Update::default();
    /// for (name, service) in [("topic-0", "cart"), ("topic-1", "mail")] {
    ///     let partition = pipeline.partition(name)?;
    ///     for second in 0..120 {
    ///         let request = Request::new(Timestamp::from_seconds(second), service, "/", 200, 9.0);
    ///         let source = Source::at(1).in_partition(partition);
    ///         pipeline.push(request, &source, &mut update);
    ///     }
    /// }
    /// // the second partition came wholly after the first, and nothing was late
    /// assert_eq!((update.rows.len(), update.rejected.total()), (2, 0));
    /// # Ok::<(), mad_core::Error>(())
    /// ```
    pub fn partition(&mut self, name: &str) -> Result<PartitionId> {
        let known = self.partitions.iter().position(|partition| *partition.name == *name);
        let place = known.unwrap_or(self.partitions.len());
        if known.is_none() {
            if place >= self.config.limits.partitions {
                return Err(Error::state(format!(
                    "partition {name:?} is one more than limits.partitions = {place} allows"
                )));
            }
            let partition = Partition::new(name, &self.config)?;
            let bounded = self.bounded;
            self.partitions.push(if bounded { partition.bounded_input() } else { partition });
        }
        Ok(PartitionId::new(place as u32))
    }

    /// Moves the watermark of every partition to `at`: a tick of a source that went idle.
    pub fn advance(&mut self, at: Timestamp) -> Update {
        let mut update = Update::default();
        for partition in self.partition_ids() {
            let Self { partitions, entities, series_names, closed_rows, closed_points, .. } = self;
            let Some(open) = partitions.get_mut(partition.index()) else { continue };
            open.features.advance(at, entities, closed_rows, &mut update.rejected);
            open.metrics.advance(at, series_names, closed_points, &mut update.rejected);
            let rejected = &mut update.rejected;
            open.logs.advance(at, entities, series_names, closed_points, rejected);
            self.judge_closed(partition, &mut update);
            self.judge_points(partition, &mut update);
        }
        self.judge_traces(PartitionId::default(), &mut update);
        self.silence(at, &mut update);
        self.rejections.merge(update.rejected.clone());
        update
    }

    /// Closes every open step: the stream has ended.
    pub fn finish(&mut self) -> Update {
        let mut update = Update::default();
        for partition in self.partition_ids() {
            let Self { partitions, entities, series_names, closed_rows, closed_points, .. } = self;
            let Some(open) = partitions.get_mut(partition.index()) else { continue };
            open.features.finish(entities, closed_rows, &mut update.rejected);
            open.metrics.finish(series_names, closed_points, &mut update.rejected);
            open.logs.finish(entities, series_names, closed_points, &mut update.rejected);
            self.judge_closed(partition, &mut update);
            self.judge_points(partition, &mut update);
        }
        self.finish_traces(&mut update);
        self.rejections.merge(update.rejected.clone());
        update
    }

    /// Everything before this moment is closed, in every partition that has sent something.
    pub fn watermark(&self) -> Timestamp {
        let furthest_behind = self.partitions.iter().flat_map(Partition::begun).min();
        let first = self.partitions.first().map(|first| first.features.watermark());
        furthest_behind.or(first).unwrap_or_default()
    }

    /// The newest event time that was taken, of all partitions.
    pub fn newest(&self) -> Option<Timestamp> {
        let times = |open: &Partition| open.features.newest().max(open.metrics.newest());
        self.partitions.iter().filter_map(times).max()
    }

    pub(super) fn time_comes_to(
        &mut self,
        partition: PartitionId,
        bucket: Timestamp,
        update: &mut Update,
    ) {
        let Some(open) = self.partitions.get_mut(partition.index()) else { return };
        if open.bucket.is_some_and(|known| bucket <= known) {
            return;
        }
        open.bucket = Some(bucket);
        self.bucket = self.bucket.max(Some(bucket));
        if let Some(at) = self.clock() {
            self.silence(at, update);
        }
    }

    /// The newest step that was judged, of the partition that is furthest behind.
    pub(super) fn clock(&self) -> Option<Timestamp> {
        self.partitions.iter().filter_map(|partition| partition.bucket).min()
    }

    pub(super) fn sum(&self, of: impl Fn(&Partition) -> u64) -> u64 {
        self.partitions.iter().map(of).sum()
    }

    fn partition_ids(&self) -> impl Iterator<Item = PartitionId> + use<> {
        (0..self.partitions.len() as u32).map(PartitionId::new)
    }

    fn silence(&mut self, at: Timestamp, update: &mut Update) {
        let before = update.changes.len();
        self.grouper.advance(at, &mut update.changes);
        self.follow_changes(before, update);
    }
}
