//! One partition of the input with its event-time windows and its watermark.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::config::PipelineConfig;
use crate::error::Result;
use crate::feature::FeatureBuilder;
use crate::time::Timestamp;

/// The open event-time windows of one partition of the input, such as one of a Kafka topic.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Partition {
    pub name: Arc<str>,
    pub features: FeatureBuilder,
    /// The newest step that was judged.
    pub bucket: Option<Timestamp>,
}

impl Partition {
    pub fn new(name: &str, config: &PipelineConfig) -> Result<Self> {
        let mut partition = Self {
            name: name.into(),
            features: FeatureBuilder::new(config.features, &config.limits)?
                .learn_routes(config.routes.enabled),
            bucket: None,
        };
        partition.set_latency_objective(config);
        Ok(partition)
    }

    /// Sets the latency objective that holds where no override gives another one.
    pub fn set_latency_objective(&mut self, config: &PipelineConfig) {
        self.features.set_latency_objective(None, config.slo.latency_objective_ms);
    }

    /// Follows every jump of the event time ahead at once.
    pub fn bounded_input(mut self) -> Self {
        self.features = self.features.bounded_input();
        self
    }

    /// Whether no record waits for its step to close.
    pub fn is_at_rest(&self) -> bool {
        self.features.entities_in_flight().next().is_none()
    }

    /// Whether the watermarks stay while the clocks move on.
    pub fn pause(&mut self, on: bool) {
        self.features.pause(on);
    }

    /// Whether the watermarks are paused.
    pub fn is_paused(&self) -> bool {
        self.features.is_paused()
    }

    /// Raises the watermarks: everything before `watermark` is closed.
    pub fn raise(&mut self, watermark: Timestamp) {
        self.features.raise(watermark);
    }

    /// Starts the counts of accepted records at zero.
    pub fn reset_counts(&mut self) {
        self.features.reset_counts();
    }

    /// The watermark, once a record was taken.
    pub fn watermark(&self) -> Option<Timestamp> {
        self.features.has_started().then(|| self.features.watermark())
    }
}
