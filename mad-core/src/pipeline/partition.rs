//! One partition of the input with its event-time windows and its watermark.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::config::PipelineConfig;
use crate::error::Result;
use crate::feature::{FeatureBuilder, LogBuilder, MetricBuilder};
use crate::time::Timestamp;

/// The open event-time windows of one partition of the input, such as one of a Kafka topic.
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

    /// Sets the latency objective that holds where no override gives another one.
    pub fn set_slow(&mut self, config: &PipelineConfig) {
        self.features.set_slow(None, config.slo.latency_objective_ms);
    }

    /// Follows every jump of the event time ahead at once.
    pub fn bounded_input(mut self) -> Self {
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

    /// Raises the watermarks: everything before `watermark` is closed.
    pub fn raise(&mut self, watermark: Timestamp) {
        self.features.raise(watermark);
        self.metrics.raise(watermark);
        self.logs.raise(watermark);
    }

    /// Starts the counts of accepted records at zero.
    pub fn count_anew(&mut self) {
        self.features.count_anew();
        self.metrics.count_anew();
        self.logs.count_anew();
    }

    /// The watermarks of the windows that have records.
    pub fn watermarks(&self) -> impl Iterator<Item = Timestamp> {
        let Self { features, metrics, logs, .. } = self;
        let all = [
            (features.newest(), features.watermark()),
            (metrics.newest(), metrics.watermark()),
            (logs.newest(), logs.watermark()),
        ];
        all.into_iter().filter_map(|(newest, watermark)| newest.map(|_| watermark))
    }
}
