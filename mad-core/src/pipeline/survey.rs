//! The times of the records of one partition, which a plan for all partitions needs.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::envelope;
use crate::config::PipelineConfig;
use crate::error::{Error, Result};
use crate::telemetry::{Plausibility, Record, RecordKind, Request, Source};
use crate::time::Timestamp;

/// Entities of one partition that a survey counts. They only matter for short recordings.
const MOST_ENTITIES: usize = 100_000;

/// The times of the records of one partition: which steps have requests, and how far each kind of
/// telemetry reaches. It takes a few bytes for each step, however many records there are.
///
/// A step of a partition is judged by what happened elsewhere in two ways. The last step of the input
/// is cut off only where no other partition has later records. And an entity is silent for as many
/// steps as any entity of the whole input had requests in.
///
/// # Examples
///
/// ```
/// use mad_core::pipeline::{Plan, Survey};
/// use mad_core::{PipelineConfig, Request, Source, Timestamp};
///
/// let config = PipelineConfig::default();
/// let survey = |name: &str, service: &str| {
///     let mut survey = Survey::new(name, &config);
///     let at = Timestamp::from_seconds(0);
///     survey.see(&Request::new(at, service, "/", 200, 9.0).into(), &Source::at(1), &config);
///     survey
/// };
/// let surveys = [survey("0", "cart"), survey("1", "mail")];
/// let plan = Plan::new(config.clone(), surveys)?;
/// assert_eq!(plan.partitions().collect::<Vec<_>>(), ["0", "1"]);
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Survey {
    version: String,
    partition: String,
    pub(super) windows: Windows,
    /// Records, good and bad.
    pub(super) records: u64,
    has_requests: bool,
    times: Option<(Timestamp, Timestamp)>,
    plausibility: Plausibility,
    /// Hashes of the entities, while the records may be those of a short recording.
    entities: BTreeSet<u64>,
    /// Hashes of the names of entities as they are written, whose routes are known.
    #[serde(skip)]
    written: HashSet<u64>,
}

impl Survey {
    /// A survey without records of the partition of a name.
    pub fn new(partition: &str, config: &PipelineConfig) -> Self {
        Self {
            version: version(),
            partition: partition.to_owned(),
            windows: Windows::new(config),
            records: 0,
            has_requests: false,
            times: None,
            plausibility: Plausibility::default(),
            entities: BTreeSet::new(),
            written: HashSet::new(),
        }
    }

    /// The name of the partition.
    pub fn partition(&self) -> &str {
        &self.partition
    }

    /// Looks at a record. The order of the records does not matter.
    pub fn see(&mut self, record: &Record<'_>, source: &Source, config: &PipelineConfig) {
        self.records += 1;
        self.plausibility.see(record);
        if let Some(at) = record.timestamp().filter(|_| record.kind() != RecordKind::Changes) {
            let (first, last) = self.times.unwrap_or((at, at));
            self.times = Some((first.min(at), last.max(at)));
        }
        let Windows { requests, metrics, logs, .. } = &mut self.windows;
        match record {
            Record::Request(request) if request.check().is_ok() => {
                requests.see_request(request, TurnOf::Requests, source, config);
                self.entity(request.service, request.endpoint, true, config);
                self.has_requests = true;
            }
            Record::Span(span) if span.check().is_ok() && !span.kind.is_caller() => {
                requests.see_request(&span.as_request(), TurnOf::Spans, source, config);
                self.entity(span.service, span.operation, true, config);
                self.has_requests = true;
            }
            Record::Metric(point) if point.check().is_ok() => {
                let at = point.timestamp;
                metrics.see(Some(at), at, TurnOf::Metrics);
                let resource = if point.resource.is_empty() { point.host } else { point.resource };
                self.entity(point.service, resource, false, config);
            }
            Record::Log(line) if line.check().is_ok() => {
                let at = line.timestamp;
                logs.see(Some(at), at, TurnOf::Logs);
                self.entity(line.service, "", false, config);
            }
            _ => {}
        }
    }

    /// The settings that fit the records of all surveys, where those in use have too long a step. The
    /// partitions are then surveyed again with these settings.
    pub fn short_recording(config: &PipelineConfig, surveys: &[Self]) -> Option<PipelineConfig> {
        let times = surveys.iter().filter_map(|survey| survey.times);
        let (first, last) = times.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
        let length = Duration::from_nanos(last.nanos().abs_diff(first.nanos()));
        let mut plausibility = Plausibility::default();
        for survey in surveys {
            plausibility.merge(&survey.plausibility);
        }
        let resolution = plausibility.resolution();
        let records = surveys.iter().map(|survey| survey.records).sum();
        let has_requests = surveys.iter().any(|survey| survey.has_requests);
        let entities: BTreeSet<u64> =
            surveys.iter().flat_map(|survey| survey.entities.iter().copied()).collect();
        let entities = if has_requests { entities.len() } else { 0 };
        config.for_recording(length, resolution, records, entities)
    }

    /// The survey as bytes.
    ///
    /// # Errors
    ///
    /// A failure of the encoder.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        envelope::seal(envelope::SURVEY, self)
    }

    /// Reads a survey.
    ///
    /// # Errors
    ///
    /// The bytes are no survey, are cut or damaged, or come from another version of mad.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let survey: Self = envelope::open(envelope::SURVEY, bytes)?;
        check_version(&survey.version, "survey", &survey.partition)?;
        Ok(survey)
    }

    /// Notes an entity, whose endpoint may have to be made a route.
    fn entity(&mut self, service: &str, endpoint: &str, is_path: bool, config: &PipelineConfig) {
        let length = self.times.map_or(0, |(first, last)| last.nanos().abs_diff(first.nanos()));
        if !config.is_short(Duration::from_nanos(length)) {
            // only a short recording needs them
            self.entities.clear();
            return;
        }
        if self.entities.len() >= MOST_ENTITIES {
            return;
        }
        if !is_path {
            self.entities.insert(hash_of(service, endpoint));
            return;
        }
        let written = hash_of(service, endpoint);
        if !self.written.contains(&written) {
            self.entities.insert(hash_of(service, &config.routes.template(endpoint)));
            if self.written.len() < MOST_ENTITIES {
                self.written.insert(written);
            }
        }
    }
}

fn hash_of(service: &str, endpoint: &str) -> u64 {
    let mut hash = DefaultHasher::new();
    (service, endpoint).hash(&mut hash);
    hash.finish()
}

/// The version of mad, which surveys, plans and parts carry: the scores of two versions may differ.
pub(super) fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// Checks that this version of mad made the state of a partition.
pub(super) fn check_version(found: &str, what: &str, partition: &str) -> Result<()> {
    if found == version() {
        return Ok(());
    }
    Err(Error::state(format!(
        "the {what} of partition `{partition}` was made by mad {found} and this is mad {}: make it \
         again with the same version everywhere",
        version()
    )))
}

/// The kinds of telemetry in the order in which those of one time are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum TurnOf {
    /// Edges, which have no time.
    Edges,
    Changes,
    Requests,
    Spans,
    Metrics,
    Logs,
}

/// The moment of a record among all records: they are taken by time, and those of one time by kind.
pub(super) type Turn = (Timestamp, TurnOf);

/// The times of each kind of telemetry that has its own watermark.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Windows {
    pub requests: WindowTimes,
    pub metrics: WindowTimes,
    pub logs: WindowTimes,
}

impl Windows {
    pub fn new(config: &PipelineConfig) -> Self {
        let (step, lateness) = (config.features.step_nanos(), config.features.lateness_nanos());
        let of_steps = WindowTimes::new(step, lateness);
        Self { requests: of_steps.clone(), metrics: WindowTimes::new(1, lateness), logs: of_steps }
    }

    pub fn merge(&mut self, other: Self) {
        self.requests.merge(other.requests);
        self.metrics.merge(other.metrics);
        self.logs.merge(other.logs);
    }

    /// For requests, metrics and logs the newest time and the newest reading.
    pub fn ends(&self) -> [(Option<Timestamp>, Option<Timestamp>); 3] {
        [&self.requests, &self.metrics, &self.logs].map(|times| (times.newest, times.reading))
    }
}

/// The times of one kind of telemetry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct WindowTimes {
    /// Length of a step, nanoseconds.
    step: i64,
    /// Allowed lateness, nanoseconds.
    lateness: i64,
    /// Starts of the steps with records.
    steps: BTreeSet<Timestamp>,
    /// The first record that closes the steps before each of these, by the number of the step.
    closing: BTreeMap<i64, Turn>,
    newest: Option<Timestamp>,
    reading: Option<Timestamp>,
    /// The step that was noted last, which most records repeat.
    #[serde(skip)]
    last_step: Option<Timestamp>,
    /// The closing record that was noted last, with the number of its step.
    #[serde(skip)]
    last_closing: Option<(i64, Turn)>,
}

impl WindowTimes {
    fn new(step: i64, lateness: i64) -> Self {
        Self {
            step,
            lateness,
            steps: BTreeSet::new(),
            closing: BTreeMap::new(),
            newest: None,
            reading: None,
            last_step: None,
            last_closing: None,
        }
    }

    fn see_request(
        &mut self,
        request: &Request<'_>,
        kind: TurnOf,
        source: &Source,
        config: &PipelineConfig,
    ) {
        let (step, lateness) = (config.features.step(), config.features.lateness());
        let time = config.features.time_of_requests(source);
        let at = request.counts_at(time, step, lateness);
        let newest = Some(at).filter(|at| *at == request.timestamp);
        self.see(newest, request.timestamp, kind);
        let step = at.floor(self.step);
        if self.last_step.replace(step) != Some(step) {
            self.steps.insert(step);
        }
    }

    /// Notes a record with its time, unless that is delayed, and its reading.
    fn see(&mut self, newest: Option<Timestamp>, reading: Timestamp, kind: TurnOf) {
        self.newest = self.newest.max(newest);
        self.reading = self.reading.max(Some(reading));
        // the steps of metrics are as many as their times, which their rows have
        if self.step > 1 {
            let number = reading.plus(-self.lateness).nanos().div_euclid(self.step);
            let turn = (reading, kind);
            if self.last_closing.is_none_or(|last| last.0 != number || turn < last.1) {
                let known = self.closing.entry(number).or_insert(turn);
                *known = (*known).min(turn);
                self.last_closing = Some((number, *known));
            }
        }
    }

    fn merge(&mut self, other: Self) {
        self.steps.extend(other.steps);
        for (number, turn) in other.closing {
            let known = self.closing.entry(number).or_insert(turn);
            *known = (*known).min(turn);
        }
        self.newest = self.newest.max(other.newest);
        self.reading = self.reading.max(other.reading);
    }

    /// Whether another one has steps of the same length.
    pub fn has_steps_of(&self, other: &Self) -> bool {
        (self.step, self.lateness) == (other.step, other.lateness)
    }

    /// The steps with records, each with whether it had ended when it was closed.
    pub fn steps(&self) -> impl Iterator<Item = (Timestamp, bool)> {
        let reading = self.reading.map(|reading| reading.plus(-self.lateness));
        let reached = self.newest.max(reading).unwrap_or(Timestamp::MIN);
        self.steps.iter().map(move |at| (*at, at.plus(self.step) <= reached))
    }

    /// The first record that closes a step; `None` for a step that the end of the input closes.
    pub fn closing(&self, step: Timestamp) -> Option<Turn> {
        let number = step.plus(self.step).nanos().div_euclid(self.step);
        self.closing.range(number..).next().map(|(_, turn)| *turn)
    }

    /// The allowed lateness, nanoseconds.
    pub fn lateness(&self) -> i64 {
        self.lateness
    }
}
