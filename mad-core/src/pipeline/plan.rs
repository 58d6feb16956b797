//! The plan by which partitions are judged apart and combined.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::envelope;
use super::survey::{Survey, Windows, check_version, version};
use crate::config::PipelineConfig;
use crate::error::{Error, Result};

/// The settings, and the times of the records of all partitions: [`Pipeline::of_partition`] judges
/// one partition by it, and [`Pipeline::combine`] puts the parts together.
///
/// [`Pipeline::of_partition`]: super::Pipeline::of_partition
/// [`Pipeline::combine`]: super::Pipeline::combine
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Plan {
    version: String,
    config: PipelineConfig,
    partitions: BTreeSet<String>,
    pub(super) windows: Windows,
    /// Records of all surveys.
    pub(super) records: u64,
}

impl Plan {
    /// A plan from the surveys of all partitions. A survey that was made twice counts once.
    ///
    /// # Errors
    ///
    /// - A field of the configuration is outside its range.
    /// - Two surveys of one partition differ.
    /// - A survey was made with another step or another lateness.
    pub fn new(config: PipelineConfig, surveys: impl IntoIterator<Item = Survey>) -> Result<Self> {
        config.validate()?;
        let mut windows = Windows::new(&config);
        let mut known: Vec<Survey> = Vec::new();
        for survey in surveys {
            let name = survey.partition();
            match known.iter().find(|one| one.partition() == name) {
                Some(same) if *same == survey => continue,
                Some(_) => {
                    return Err(Error::state(format!(
                        "there are two different surveys of partition `{name}`"
                    )));
                }
                None => {}
            }
            if !survey.windows.requests.has_steps_of(&windows.requests) {
                return Err(Error::state(format!(
                    "partition `{name}` was surveyed with another `features.step_seconds` or \
                     `features.lateness_seconds`: survey it again with the settings of the plan"
                )));
            }
            windows.merge(survey.windows.clone());
            known.push(survey);
        }
        let partitions = known.iter().map(|survey| survey.partition().to_owned()).collect();
        let records = known.iter().map(|survey| survey.records).sum();
        Ok(Self { version: version(), config, partitions, windows, records })
    }

    /// The same plan for partitions of these names, where the surveys are of other pieces of the input.
    #[must_use]
    pub fn with_partitions(self, names: impl IntoIterator<Item = String>) -> Self {
        Self { partitions: names.into_iter().collect(), ..self }
    }

    /// The settings by which all partitions are judged.
    pub fn config(&self) -> &PipelineConfig {
        &self.config
    }

    /// The names of the partitions, in order.
    pub fn partitions(&self) -> impl Iterator<Item = &str> {
        self.partitions.iter().map(String::as_str)
    }

    /// The plan as bytes.
    ///
    /// # Errors
    ///
    /// A failure of the encoder.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        envelope::seal(envelope::PLAN, self)
    }

    /// Reads a plan.
    ///
    /// # Errors
    ///
    /// The bytes are no plan, are cut or damaged, or come from another version of mad.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let plan: Self = envelope::open(envelope::PLAN, bytes)?;
        check_version(&plan.version, "plan", "(all)")?;
        plan.config.validate()?;
        Ok(plan)
    }

    /// A number that differs between plans.
    pub(super) fn fingerprint(&self) -> Result<u32> {
        Ok(crc32fast::hash(&self.to_bytes()?))
    }
}
