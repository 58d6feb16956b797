//! The log lines of one step by level and form, before it closes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::event_time_window::{Accumulator, ClosedStep, FeatureSink};
use super::log_forms::{ReadLine, StepForms};
use super::log_rates::has_room;
use super::row_buffer::RowKind;
use super::service_logs::{LearntForms, NewErrors, RateRules, ServiceLogs};
use super::window_clock::Timed;
use crate::series::{EntityId, LOG_ERRORS, LOG_NEW_ERRORS, LOG_WARNINGS, Sample};
use crate::telemetry::{LevelNumbers, LogLevel, WrittenLevel};
use crate::time::Timestamp;

/// Most empty steps between two rows of a service that become counts of 0.
const MOST_EMPTY: i64 = 60;

/// Lines of one service in one step.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Lines {
    errors: u64,
    warnings: u64,
    /// Lines whose levels are numbers.
    numbers: LevelNumbers,
    /// Time of the first line.
    first: Option<Timestamp>,
    forms: StepForms,
}

/// The memory of one service between its steps.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LogCursor {
    /// Start of its newest closed step.
    pub last: Timestamp,
    /// The numbers that its lines had as levels so far.
    numbers: LevelNumbers,
}

impl LogCursor {
    fn new(last: Timestamp) -> Self {
        Self { last, numbers: LevelNumbers::default() }
    }
}

/// One step of all services.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct LogStep {
    services: BTreeMap<EntityId, Lines>,
}

/// What outlives a step of logs.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct LogMemory {
    /// The memory of each service.
    pub services: BTreeMap<EntityId, LogCursor>,
    /// The templates of each service.
    pub templates: BTreeMap<EntityId, Box<ServiceLogs>>,
    /// Most templates of one service, and most that are counted as signals.
    max_templates: usize,
    #[serde(default)]
    max_rates: usize,
    /// Time of the first line of any service.
    first: Option<Timestamp>,
    pub lines: u64,
    /// Lines and counts of services beyond the limits.
    pub overflowed: u64,
    /// The forms that were learnt since they were last taken; None where they are not kept.
    #[serde(skip)]
    pub learnt: Option<Vec<LearntForms>>,
}

impl LogMemory {
    /// No lines yet; at most `max_templates` templates of a service are kept, and `max_rates` of them
    /// are counted as signals.
    pub fn new(max_templates: usize, max_rates: usize) -> Self {
        Self { max_templates, max_rates, ..Self::default() }
    }
}

impl LogStep {
    /// The services with lines.
    pub fn entities(&self) -> impl Iterator<Item = EntityId> {
        self.services.keys().copied()
    }
}

impl Lines {
    /// Counts the lines with numbers by the scale of all numbers of the service.
    fn read_numbers(&mut self, all: &LevelNumbers) {
        for (number, lines) in self.numbers.iter() {
            match all.level(number) {
                LogLevel::Error => self.errors += lines,
                LogLevel::Warning => self.warnings += lines,
                LogLevel::Other => {}
            }
        }
    }
}

impl Accumulator for LogStep {
    type Item = ReadLine;
    type Memory = LogMemory;

    fn add(&mut self, record: Timed<ReadLine>, memory: &mut LogMemory) {
        memory.lines += 1;
        let lines = self.services.entry(record.entity).or_default();
        let at = record.timestamp;
        lines.first = Some(lines.first.map_or(at, |first| first.min(at)));
        lines.forms.add(&record.item, at);
        match record.item.level {
            WrittenLevel::Named(LogLevel::Error) => lines.errors += 1,
            WrittenLevel::Named(LogLevel::Warning) => lines.warnings += 1,
            WrittenLevel::Number(number) => lines.numbers.add(number, 1),
            WrittenLevel::Named(LogLevel::Other) | WrittenLevel::Unknown => {}
        }
    }

    fn close(&mut self, closed: ClosedStep, memory: &mut LogMemory, sink: &mut FeatureSink<'_>) {
        let ClosedStep { at, step, whole } = closed;
        let mut services: Vec<(EntityId, Lines)> =
            std::mem::take(&mut self.services).into_iter().collect();
        services.sort_by_key(|(entity, _)| sink.entities.get(*entity));
        let first = services.iter().filter_map(|(_, lines)| lines.first).min();
        let since = *memory.first.get_or_insert(first.unwrap_or(at));
        for (entity, mut lines) in services {
            let known = memory.services.get(&entity);
            // The steps without a line since the last one are counts of 0: they are known only now.
            let empty = known.map_or(0, |known| (at.since(known.last) / step - 1).max(0));
            let cursor = memory.services.entry(entity).or_insert_with(|| LogCursor::new(at));
            cursor.last = at;
            // The meaning of a numeric level follows from all numbers of the service so far.
            cursor.numbers.add_all(&lines.numbers);
            lines.read_numbers(&cursor.numbers);
            for before in (1..=empty.min(MOST_EMPTY)).rev() {
                let at = at.plus(-step.saturating_mul(before));
                let counts = (&Lines::default(), NewErrors::default());
                memory.overflowed += count(at, step, entity, counts, sink);
            }
            let max_templates = memory.max_templates;
            let fresh = || Box::new(ServiceLogs::new(since, at, step, max_templates));
            let templates = memory.templates.entry(entity).or_insert_with(fresh);
            // the number of lines in a part of a step is no evidence
            let left_out = lines.forms.left_out();
            let rules = RateRules { most: memory.max_rates, left_out };
            let rules =
                Some(rules).filter(|rules| rules.most > 0 && whole && has_room(sink.series));
            let forms = std::mem::take(&mut lines.forms).by_level(&cursor.numbers);
            // a service whose counts are beyond the limits is not judged, and learns nothing
            let is_judged = sink.series.id(entity, LOG_ERRORS, sink.entities).is_some();
            if let Some(learnt) = memory.learnt.as_mut().filter(|_| is_judged) {
                learnt.push(LearntForms::new(entity, (at, step, since), &forms));
            }
            let (new, rates) =
                if is_judged { templates.learn(at, forms, rules) } else { Default::default() };
            memory.overflowed += count(at, step, entity, (&lines, new), sink);
            for (name, count) in rates {
                if let Some(series) = sink.series.id(entity, &name, sink.entities) {
                    let sample = Sample { value: count as f64, n: 1 };
                    sink.rows.add_sample(RowKind::Logs, entity, at, step, (series, sample, 0));
                }
            }
        }
    }
}

/// Writes the row of one service; returns how many of its counts are beyond the limits.
fn count(
    at: Timestamp,
    step: i64,
    entity: EntityId,
    (lines, new): (&Lines, NewErrors),
    sink: &mut FeatureSink<'_>,
) -> u64 {
    let mut overflowed = 0;
    // most services never have new error templates, and need no third series
    let is_known = sink.series.find(entity, LOG_NEW_ERRORS).is_some();
    let new = (new.lines > 0 || is_known).then_some((LOG_NEW_ERRORS, new.lines, new.burst));
    let counts = [(LOG_ERRORS, lines.errors, 1), (LOG_WARNINGS, lines.warnings, 1)];
    for (signal, count, n) in counts.into_iter().chain(new) {
        match sink.series.id(entity, signal, sink.entities) {
            Some(series) => {
                let sample = Sample { value: count as f64, n };
                sink.rows.add_sample(RowKind::Logs, entity, at, step, (series, sample, 0));
            }
            None => overflowed += 1,
        }
    }
    overflowed
}
