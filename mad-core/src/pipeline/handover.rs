//! What the member of a group hands over for the second stage: the events of one partition, numbered.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::envelope;
use super::part::{Forwarded, Silence};
use crate::config::PipelineConfig;
use crate::error::{Error, Result};
use crate::feature::{LearntForms, RowKind};
use crate::history::HistoryRing;
use crate::incident::RowOutcome;
use crate::series::Entity;
use crate::time::Timestamp;

/// The place of a partition in its topic.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct HandoverPlace {
    /// The topic.
    pub topic: String,
    /// The number of the partition.
    pub number: u32,
    /// How many partitions the topic has.
    pub partitions: u32,
}

impl HandoverPlace {
    /// The name of a partition of the topic.
    pub(super) fn name_of(&self, number: u32) -> String {
        format!("{}/{number}", self.topic)
    }
}

/// Events of one partition for the second stage, in order: judged rows, silences, and the records
/// that are joined with those of other partitions.
///
/// [`Pipeline::take_handovers`](super::Pipeline::take_handovers) makes them, and
/// [`Pipeline::receive`](super::Pipeline::receive) takes them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Handover {
    pub(super) place: HandoverPlace,
    /// The stream of events; another one begins where the state of a partition is lost.
    pub(super) stream: u64,
    /// The number of the first event. Events are numbered, so that none counts twice.
    pub(super) first: u64,
    pub(super) events: Vec<Handed>,
    /// The event time of the partition, up to which all events were handed over.
    pub(super) clock: Option<Timestamp>,
    /// Whether a tick moved the clock last, because no record came.
    pub(super) is_idle: bool,
    pub(super) step_seconds: f64,
    pub(super) lateness_seconds: f64,
    /// A number that differs between settings.
    pub(super) settings: u32,
}

impl Handover {
    /// Reads a hand-over.
    ///
    /// # Errors
    ///
    /// The bytes are no hand-over, are cut or damaged, or come from a newer version of mad.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        envelope::open(envelope::HANDOVER, bytes)
    }

    /// Checks that the partition was judged with settings that fit those of the second stage.
    ///
    /// # Errors
    ///
    /// The steps or the allowed lateness differ, or the topic has more partitions than
    /// [`Limits::partitions`](crate::Limits::partitions).
    pub fn check(&self, config: &PipelineConfig) -> Result<()> {
        let HandoverPlace { number, partitions, .. } = self.place;
        let name = self.place.name_of(number);
        let pairs = [
            ("features.step_seconds", self.step_seconds, config.features.step_seconds),
            ("features.lateness_seconds", self.lateness_seconds, config.features.lateness_seconds),
        ];
        for (field, there, here) in pairs {
            if there.to_bits() != here.to_bits() {
                return Err(Error::settings(format!(
                    "partition `{name}` was judged with `{field}` = {there}, and this config has \
                     {here}: give all members and this server the same value"
                )));
            }
        }
        let most = config.limits.partitions;
        if number >= partitions || partitions as usize > most {
            return Err(Error::settings(format!(
                "partition `{name}` belongs to a topic of {partitions} partitions, and \
                 `limits.partitions` is {most}: raise the limit"
            )));
        }
        Ok(())
    }
}

/// One event of a partition.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Handed {
    /// The name of an entity came with a record of this time.
    Name(Arc<Entity>, Timestamp),
    Row(Box<HandedRow>),
    Silence(Box<Silence>),
    /// The forms of log lines of a service.
    Forms(Arc<Entity>, Box<LearntForms>),
    Record(Box<Forwarded>),
}

/// A judged row: what incidents, rankings and explanations read of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct HandedRow {
    pub entity: Arc<Entity>,
    pub at: Timestamp,
    pub kind: RowKind,
    /// Whether the step had ended.
    pub whole: bool,
    /// The first row of the entity; for other kinds than requests the time of this row.
    pub first: Timestamp,
    /// The row of requests as the history has it; empty for other kinds.
    pub kept: HistoryRing,
    /// The values of series.
    pub points: Vec<HandedPoint>,
    pub outcome: RowOutcome,
}

/// A judged value of a series.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct HandedPoint {
    pub metric: Arc<str>,
    /// The first point of the series.
    pub first: Timestamp,
    pub kept: HistoryRing,
}

/// The events of a partition that were not handed over yet.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Outbox {
    pub place: HandoverPlace,
    pub stream: u64,
    /// The number of the next event.
    pub next: u64,
    /// How many ids of entities are known to have a name.
    pub named: usize,
    pub is_idle: bool,
    /// The time of the newest record.
    #[serde(skip)]
    pub now: Timestamp,
    #[serde(skip)]
    pub settings: u32,
    /// What waits is sent or repeated after a restart, so it is not saved.
    #[serde(skip)]
    pub events: Vec<Handed>,
    /// The clock that was handed over last.
    #[serde(skip)]
    pub handed: Option<Timestamp>,
}
