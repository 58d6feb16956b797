//! The clock of an event-time window: its watermark, and the records that are dated too far ahead
//! of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::quorum_clock::QuorumClock;
use super::source_clocks::SourceId;
use super::source_waits::SourceWaits;
use crate::config::FeatureConfig;
use crate::limits::Limits;
use crate::series::EntityId;
use crate::telemetry::{RejectReason, Rejections};
use crate::time::{HOUR, Timestamp};

/// Held records that agree on a time before the clock starts.
const AGREEING_HELD: usize = 5;

/// Event time by which a paused watermark stays behind at most, nanoseconds.
const LONGEST_PAUSE: i64 = HOUR;

/// What a record says beside its names, with its time and origin.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Timed<T> {
    /// The moment at which it counts.
    pub timestamp: Timestamp,
    /// The event time at which its sender knew it. In bounded input, its own time.
    pub reading: Timestamp,
    pub entity: EntityId,
    /// Whether it counts at its completion, because that came after the step of its start.
    pub delayed: bool,
    pub source: SourceId,
    pub position: u64,
    pub item: T,
}

/// Held records by reading; those of one reading in order of arrival.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "Saved<T>", into = "Saved<T>", bound(serialize = "T: Clone + Serialize"))]
struct Held<T> {
    records: BTreeMap<(Timestamp, u64), Early<T>>,
    arrivals: u64,
}

/// A held record, and how far ahead of the clock it was.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Early<T> {
    ahead: i64,
    record: Timed<T>,
}

/// The saved form, because JSON has no pairs as keys.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Held", deny_unknown_fields)]
struct Saved<T> {
    records: Vec<(u64, Early<T>)>,
    arrivals: u64,
}

impl<T> From<Saved<T>> for Held<T> {
    fn from(Saved { records, arrivals }: Saved<T>) -> Self {
        let keyed = |(arrival, held): (u64, Early<T>)| ((held.record.reading, arrival), held);
        Self { records: records.into_iter().map(keyed).collect(), arrivals }
    }
}

impl<T> From<Held<T>> for Saved<T> {
    fn from(Held { records, arrivals }: Held<T>) -> Self {
        let records = records.into_iter().map(|((_, arrival), held)| (arrival, held)).collect();
        Self { records, arrivals }
    }
}

impl<T> Held<T> {
    fn new() -> Self {
        Self { records: BTreeMap::new(), arrivals: 0 }
    }

    fn hold(&mut self, record: Timed<T>, clock: Option<Timestamp>) {
        self.arrivals += 1;
        let ahead = clock.map_or(0, |clock| record.reading.since(clock));
        self.records.insert((record.reading, self.arrivals), Early { ahead, record });
    }

    /// Takes out the records with a reading at or before `until`, in order.
    fn due(&mut self, until: Timestamp) -> Vec<Early<T>> {
        match self.records.first_key_value() {
            Some(((first, _), _)) if *first <= until => {}
            _ => return Vec::new(),
        }
        let later = self.records.split_off(&(until.plus(1), 0));
        std::mem::replace(&mut self.records, later).into_values().collect()
    }

    /// Takes out the record that is dated furthest ahead.
    fn furthest(&mut self) -> Option<Timed<T>> {
        self.records.pop_last().map(|(_, held)| held.record)
    }
}

/// The answer to a record that is offered to a [`WindowClock`].
#[derive(Debug)]
pub(super) enum Offered<T> {
    /// It may enter its step now.
    Enters(Timed<T>),
    /// It waits until the clock has come near enough.
    Held,
    /// It is counted as rejected.
    Rejected,
}

/// Decides when a record may enter its step.
///
/// The watermark is the clock less the lateness. In bounded input, which is sorted by time, the
/// clock is the newest time. Otherwise it is the [`QuorumClock`]. A record that is further ahead of it
/// than those of right sources is held, and so is every record before there is a clock. It is taken
/// when the clock has come near enough. A record that was ahead by more than two steps is then
/// rejected if its source is known to be wrong, because it would count at a wrong time.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(bound(serialize = "T: Clone + Serialize"))]
pub(super) struct WindowClock<T> {
    lateness: i64,
    /// How far ahead records of a source with a wrong clock still count, nanoseconds.
    skew: i64,
    held_records: usize,
    held: Held<T>,
    /// Whether the input is read to its end in time order, so that a jump ahead is followed at
    /// once: no later record could confirm it.
    pub bounded_input: bool,
    quorum: QuorumClock,
    /// State of before it was added waits for none.
    #[serde(default)]
    waits: SourceWaits,
    /// The newest reading of a right source.
    sorted: Option<Timestamp>,
    newest: Option<Timestamp>,
    watermark: Timestamp,
    /// Whether the watermark does not follow the clock.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    paused: bool,
}

impl<T> WindowClock<T> {
    pub fn new(config: &FeatureConfig, limits: &Limits) -> Self {
        Self {
            lateness: config.lateness_nanos(),
            skew: config.lateness_nanos().saturating_add(config.step_nanos().saturating_mul(2)),
            held_records: limits.held_records,
            held: Held::new(),
            bounded_input: false,
            quorum: QuorumClock::new(config, limits.sources),
            waits: SourceWaits::new(config, limits.sources),
            sorted: None,
            newest: None,
            watermark: Timestamp::MIN,
            paused: false,
        }
    }

    /// The newest time of a record that was taken and is not ahead because its clock is wrong.
    pub fn newest(&self) -> Option<Timestamp> {
        self.newest
    }

    /// The event time that the sources agree on; in bounded input the newest time.
    pub fn clock(&self) -> Option<Timestamp> {
        if self.bounded_input {
            return self.sorted;
        }
        // the records held before the clock starts agree on a time from the fifth record on
        let held = &self.held.records;
        let middle = || held.keys().nth((held.len() - 1) / 2).map(|(reading, _)| *reading);
        let is_enough = || held.len() >= AGREEING_HELD;
        self.quorum.clock().or_else(|| is_enough().then(middle).flatten())
    }

    fn event_time(&self) -> Option<Timestamp> {
        if self.bounded_input { self.sorted } else { self.quorum.clock() }
    }

    pub fn watermark(&self) -> Timestamp {
        self.watermark
    }

    pub fn quorum(&self) -> &QuorumClock {
        &self.quorum
    }

    pub fn quorum_mut(&mut self) -> &mut QuorumClock {
        &mut self.quorum
    }

    /// Offers a record whose step ends at `end`, while the first open step ends at `first_end`.
    pub fn offer(
        &mut self,
        record: Timed<T>,
        end: Timestamp,
        first_end: Option<Timestamp>,
        rejections: &mut Rejections,
    ) -> Offered<T> {
        if self.bounded_input {
            return Offered::Enters(record);
        }
        if let Some(clock) = self.quorum.clock() {
            let now = self.quorum.newest_right().unwrap_or(clock);
            self.waits.observe(record.source, record.reading, clock, now);
        }
        // The step is closed. Its row was judged and is not opened again.
        if end <= self.watermark {
            self.quorum.late(record.source, record.reading);
            self.reject_late(&record, rejections);
            return Offered::Rejected;
        }
        // The clock closes the first open step when it passes its end by the lateness.
        let boundary = first_end.map_or(end, |first| first.min(end)).plus(self.lateness);
        let clock = self.quorum.clock();
        let moves = self.quorum.observe(record.source, record.reading, boundary);
        // A clock that stands still would add all later requests to one step.
        if !moves && self.quorum.sources.is_refused(record.source) {
            reject_wrong_clock(&record, rejections);
            return Offered::Rejected;
        }
        // Not ahead of what right sources send: the record enters its step at once.
        if clock.is_some() && record.reading <= self.quorum.plausible().max(self.watermark) {
            return Offered::Enters(record);
        }
        let (reading, position) = (record.reading, record.position);
        self.held.hold(record, clock);
        if clock.is_none() {
            self.refuse_strays(rejections);
        }
        // Memory is bounded: the record that is furthest ahead is the least likely to be right.
        if self.held.records.len() > self.held_records
            && let Some(held) = self.held.furthest()
        {
            reject_future(&held, rejections);
            if (held.reading, held.position) == (reading, position) {
                return Offered::Rejected;
            }
        }
        Offered::Held
    }

    /// Notes that a record entered its step.
    pub fn saw(&mut self, record: &Timed<T>) {
        // A source with a wrong clock must not make a step look complete.
        let is_right = self.bounded_input
            || record.timestamp <= self.quorum.plausible()
            || !self.quorum.sources.is_named(record.source);
        if is_right && !record.delayed && self.newest.is_none_or(|newest| record.timestamp > newest)
        {
            self.newest = Some(record.timestamp);
        }
        if is_right {
            self.sorted = self.sorted.max(Some(record.reading));
        }
    }

    /// The same input had records elsewhere: `newest` is the newest time of all of them that were not
    /// delayed, and `reading` their newest reading.
    pub fn reached(&mut self, newest: Option<Timestamp>, reading: Option<Timestamp>) {
        self.newest = self.newest.max(newest);
        self.sorted = self.sorted.max(reading);
    }

    /// The watermark that a sorted file of the same records would have: the newest reading of a
    /// right source, less the lateness.
    pub fn of_sorted(&self) -> Timestamp {
        self.sorted.map_or(Timestamp::MIN, |reading| reading.plus(-self.lateness))
    }

    /// Whether the watermark stays where it is while the clock moves on.
    pub fn pause(&mut self, on: bool) {
        self.paused = on;
    }

    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Raises the watermark to the clock less the lateness, or to the newest reading of a host for
    /// which it waits. A paused one stays until it is `LONGEST_PAUSE` behind, so that the open steps
    /// are bounded. Returns whether it was lower.
    pub fn follow(&mut self) -> bool {
        // A paused watermark follows at a distance, so that open steps take bounded memory.
        let lag = if self.paused { LONGEST_PAUSE.max(self.quorum.reach()) } else { 0 };
        let behind = self.lateness.saturating_add(lag);
        let Some(clock) = self.event_time() else { return false };
        let waits_at = if self.bounded_input {
            None
        } else {
            self.waits.until(clock, self.quorum.newest_right().unwrap_or(clock))
        };
        self.raise(waits_at.map_or(clock, |at| at.min(clock)).plus(-behind))
    }

    /// Raises the watermark; returns whether it was lower.
    pub fn raise(&mut self, to: Timestamp) -> bool {
        let rises = to > self.watermark;
        self.watermark = self.watermark.max(to);
        rises
    }

    /// The watermark was moved to `at` without a record: takes out what may then enter its step.
    pub fn advance(&mut self, at: Timestamp, rejections: &mut Rejections) -> Vec<Timed<T>> {
        self.quorum.advance(at);
        self.due_until(self.quorum.clock().unwrap_or(at).plus(self.quorum.reach()), rejections)
    }

    /// Takes out the held records whose time has come.
    pub fn due(&mut self, rejections: &mut Rejections) -> Vec<Timed<T>> {
        if self.held.records.is_empty() || self.quorum.clock().is_none() {
            return Vec::new();
        }
        self.due_until(self.quorum.plausible().max(self.watermark), rejections)
    }

    /// Takes out the held records at the end of the stream that are not too far ahead of the
    /// others. The rest is rejected.
    pub fn drain(&mut self, rejections: &mut Rejections) -> Vec<Timed<T>> {
        if self.quorum.clock().is_none() {
            self.quorum.settle();
            self.refuse_strays(rejections);
        }
        let clock = self.quorum.clock().unwrap_or(self.watermark).max(self.watermark);
        let taken = self.due_until(clock.plus(self.quorum.reach()), rejections);
        for held in std::mem::take(&mut self.held.records).into_values() {
            reject_future(&held.record, rejections);
        }
        taken
    }

    /// Takes out the held records with a reading at or before `until`. Those that were far ahead are
    /// rejected where their source is known to be wrong.
    fn due_until(&mut self, until: Timestamp, rejections: &mut Rejections) -> Vec<Timed<T>> {
        let mut taken = Vec::new();
        for Early { ahead, record } in self.held.due(until) {
            // Its source proved wrong while it waited: the time it names is not when it happened.
            if ahead > self.skew && self.quorum.sources.is_refused(record.source) {
                reject_wrong_clock(&record, rejections);
            } else {
                taken.push(record);
            }
        }
        taken
    }

    /// The slack within which a tick still finds a step whole after the newest record.
    pub fn slack(&self) -> i64 {
        // Records come in batches: four turns after the newest one, more may still be on the way.
        (self.lateness / 2).saturating_add(self.quorum.spacing().saturating_mul(4))
    }

    /// The held records.
    pub fn held(&self) -> impl Iterator<Item = &Timed<T>> {
        self.held.records.values().map(|held| &held.record)
    }

    /// Counts a record whose step the watermark has passed.
    pub fn reject_late(&self, record: &Timed<T>, rejections: &mut Rejections) {
        rejections.add(RejectReason::Late, record.position, || {
            format!("timestamp = {}, watermark = {}", record.timestamp, self.watermark)
        });
    }

    /// Rejects records that were held before the clock started and are far behind the others, such as a
    /// record from 1970.
    fn refuse_strays(&mut self, rejections: &mut Rejections) {
        let Some(clock) = self.quorum.clock() else { return };
        // The third smallest reading, so that up to two strays do not set the limit.
        let third = self.held.records.keys().nth(2).map_or(clock, |(reading, _)| *reading);
        let behind = clock.since(third).max(0).saturating_mul(2).max(self.quorum.reach());
        for stray in self.held.due(clock.plus(-behind).plus(-1)) {
            self.reject_late(&stray.record, rejections);
        }
    }
}

fn reject_wrong_clock<T>(record: &Timed<T>, rejections: &mut Rejections) {
    rejections.add(RejectReason::WrongClock, record.position, || {
        format!("timestamp = {}", record.timestamp)
    });
}

fn reject_future<T>(held: &Timed<T>, rejections: &mut Rejections) {
    rejections
        .add(RejectReason::Future, held.position, || format!("timestamp = {}", held.timestamp));
}
