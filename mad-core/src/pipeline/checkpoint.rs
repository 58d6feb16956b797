//! The whole state as bytes, and back.

use super::{Pipeline, envelope};
use crate::config::PipelineConfig;
use crate::error::Result;
use crate::guard::Guardrails;
use crate::series::EntityId;

impl Pipeline {
    /// The whole state as bytes: magic, version, length and CRC-32 of what follows, which is
    /// `MessagePack` with the names of the fields.
    ///
    /// # Errors
    ///
    /// None is known; an encoder that fails is handed on.
    ///
    /// # Examples
    ///
    /// ```
    /// use mad_core::{Pipeline, PipelineConfig, Request, Timestamp};
    ///
    /// let config = PipelineConfig::default();
    /// let mut pipeline = Pipeline::new(config.clone())?;
    /// pipeline.ingest([Request::new(Timestamp::from_seconds(0), "a", "/x", 200, 12.0)]);
    /// let saved = pipeline.checkpoint()?;
    /// let restored = Pipeline::restore(config, &saved)?;
    /// assert_eq!(restored.checkpoint()?, saved);
    /// # Ok::<(), mad_core::Error>(())
    /// ```
    pub fn checkpoint(&self) -> Result<Vec<u8>> {
        envelope::seal(envelope::PIPELINE, self)
    }

    /// A pipeline that goes on where the saved one stopped, byte for byte.
    ///
    /// `features`, `score` and `limits` of the config shape what is remembered and have to be
    /// those of the saved state; the rest may be changed and holds from now on. The kind and the
    /// threshold that an override gives a series shape its scorer and hold for series that are new.
    ///
    /// # Errors
    ///
    /// A config field outside its range; bytes that are no saved state, are cut, damaged or of a
    /// newer version; a config of another shape, by the name of the stage.
    pub fn restore(config: PipelineConfig, saved: &[u8]) -> Result<Self> {
        let pipeline: Self = envelope::open(envelope::PIPELINE, saved)?;
        let mut pipeline = pipeline.configured(config)?;
        pipeline.mark_all_dirty();
        Ok(pipeline)
    }

    /// The same under another config of the same shape.
    pub(super) fn configured(mut self, config: PipelineConfig) -> Result<Self> {
        config.validate()?;
        self.config.check_shape(&config)?;
        self.guardrails = Guardrails::new(config.guard, config.score.threshold)?;
        self.grouper.reconfigure(config.incident)?;
        self.grouper = self.grouper.with_critical_error_rate(config.guard.critical_error_rate);
        self.config = config;
        for partition in &mut self.partitions {
            partition.set_slow(&self.config);
        }
        let entities: Vec<EntityId> = self.entities.iter().map(|(id, _)| id).collect();
        for entity in entities {
            self.learn_objective(entity);
        }
        Ok(self)
    }
}
