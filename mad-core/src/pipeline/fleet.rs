//! The events that the partitions of a group hand over, in order, until all partitions have passed them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::handover::{Handed, HandedRow, Handover, HandoverPlace};
use super::newest_rows::NewestRows;
use super::part::{Forwarded, Silence};
use crate::feature::{LearntForms, RowKind};
use crate::series::{Entity, EntityId, SeriesId};
use crate::time::{HOUR, Timestamp};

/// How far ahead of the clock of its partition an event counts at its own time, nanoseconds. One that
/// is dated further ahead would wait for a time that does not come.
const MOST_AHEAD: i64 = HOUR;

/// The events of all partitions that wait, and the state of each partition.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Fleet {
    pub partitions: BTreeMap<String, Known>,
    /// What waits until the clocks of all partitions have passed it.
    waiting: BTreeMap<Timestamp, Moment>,
    /// Number of the events that wait.
    events: usize,
    /// The time up to which everything was grouped.
    pub grouped: Option<Timestamp>,
    /// The newest time of requests so far, by which the graph ends open traces.
    pub newest_request: Option<Timestamp>,
    pub newest: NewestRows,
    pub first_rows: BTreeMap<EntityId, Timestamp>,
    pub first_points: BTreeMap<SeriesId, Timestamp>,
    /// Moments that were grouped early, because too many events waited.
    early: u64,
}

/// The state of one partition.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Known {
    stream: Option<u64>,
    /// The number of the next event.
    next: u64,
    clock: Option<Timestamp>,
    is_idle: bool,
    /// Whether the others do not wait for it.
    pub is_left_out: bool,
    /// Rows that came after the others had been grouped without them.
    late_rows: u64,
    /// Events that are missing between two hand-overs.
    missing: u64,
    settings: Option<u32>,
}

/// The events of one moment.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Moment {
    pub names: Vec<Arc<Entity>>,
    pub records: Vec<Forwarded>,
    pub forms: Vec<(Arc<Entity>, LearntForms)>,
    pub rows: Vec<HandedRow>,
    pub silences: Vec<Silence>,
}

impl Moment {
    fn len(&self) -> usize {
        let Self { names, records, forms, rows, silences } = self;
        names.len() + records.len() + forms.len() + rows.len() + silences.len()
    }
}

/// The state of the live second stage.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FleetStatus {
    /// The event time up to which everything was grouped.
    pub grouped: Option<Timestamp>,
    /// Events that wait until all partitions have passed them.
    pub waiting: u64,
    /// Moments that were grouped early, because more events than
    /// [`Limits::held_events`](crate::Limits::held_events) waited.
    pub early: u64,
    /// The partitions by name.
    pub partitions: Vec<PartitionStatus>,
}

/// The state of one partition in the live second stage.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PartitionStatus {
    /// Its topic and number.
    pub name: String,
    /// The event time up to which its rows were handed over; `None` before the first record.
    pub clock: Option<Timestamp>,
    /// Whether the events of other partitions wait for it.
    pub is_awaited: bool,
    /// Whether the others continue without it.
    pub is_left_out: bool,
    /// Rows that came after the others had been grouped without them.
    pub late_rows: u64,
    /// Events that are missing between two hand-overs.
    pub missing: u64,
    /// A number that differs between settings; `None` before the first hand-over.
    pub settings: Option<u32>,
}

impl Known {
    /// Whether the others wait for it. They do not wait for one whose records have no clock, such as
    /// changes and edges.
    fn counts(&self) -> bool {
        !self.is_left_out && (self.clock.is_some() || self.next == 0)
    }
}

impl Fleet {
    /// The time up to which the clocks of all partitions have come, without those that are left out.
    pub fn bound(&self) -> Option<Timestamp> {
        let awaited = || self.partitions.values().filter(|known| known.counts());
        if awaited().next().is_none() {
            return self.partitions.values().filter_map(|known| known.clock).max();
        }
        awaited().map(|known| known.clock).min().flatten()
    }

    /// Whether no partition gets records: ticks moved the clocks of all of them.
    pub fn is_idle(&self) -> bool {
        self.partitions.values().filter(|known| known.counts()).all(|known| known.is_idle)
    }

    /// Whether all partitions of some topics may be known, of which there are `most` at most.
    pub fn has_room(&self, places: &[&HandoverPlace], most: usize) -> bool {
        let names = |place: &HandoverPlace| {
            let place = place.clone();
            (0..place.partitions).map(move |number| place.name_of(number))
        };
        let all = places.iter().copied().flat_map(names);
        let new: BTreeSet<_> = all.filter(|name| !self.partitions.contains_key(name)).collect();
        new.is_empty() || self.partitions.len() + new.len() <= most
    }

    /// Takes a hand-over that was checked.
    pub fn take(&mut self, handover: Handover, (step, lateness): (i64, i64)) {
        let place = &handover.place;
        // the others may have something to hand over, too
        for number in 0..place.partitions {
            self.partitions.entry(place.name_of(number)).or_default();
        }
        let grouped = self.grouped;
        let is_known = |known: &Known| known.clock.is_some() && !known.is_left_out;
        let Some(known) = self.partitions.get_mut(&place.name_of(place.number)) else { return };
        if known.stream != Some(handover.stream) {
            (known.stream, known.next) = (Some(handover.stream), handover.first);
        }
        // the steps without a line are known only with the next line
        let may_be_late = !is_known(known);
        let after = handover.first.saturating_add(handover.events.len() as u64);
        if after < known.next {
            return;
        }
        let missing = handover.first.saturating_sub(known.next);
        known.missing = known.missing.saturating_add(missing);
        let repeated = known.next.saturating_sub(handover.first) as usize;
        (known.next, known.settings) = (after, Some(handover.settings));
        (known.clock, known.is_idle) = (known.clock.max(handover.clock), handover.is_idle);
        let ahead = known.clock.map(|clock| clock.plus(MOST_AHEAD));
        for event in handover.events.into_iter().skip(repeated) {
            let at = match &event {
                Handed::Row(row) if matches!(row.kind, RowKind::Metrics | RowKind::Traces) => {
                    row.at.plus(1 + lateness)
                }
                Handed::Row(row) => row.at.plus(step + lateness),
                Handed::Name(_, at) => *at,
                Handed::Forms(_, forms) => forms.at.plus(step + lateness),
                Handed::Silence(silence) => silence.step.plus(step + lateness),
                Handed::Record(record) => record.turn().0,
            };
            let is_late = may_be_late && grouped.is_some_and(|grouped| at <= grouped);
            let at = ahead.map_or(at, |ahead| at.min(ahead));
            let moment = self.waiting.entry(at).or_default();
            self.events += 1;
            match event {
                Handed::Row(row) => {
                    known.late_rows += u64::from(is_late);
                    moment.rows.push(*row);
                }
                Handed::Name(entity, _) => moment.names.push(entity),
                Handed::Forms(entity, forms) => moment.forms.push((entity, *forms)),
                Handed::Silence(silence) => moment.silences.push(*silence),
                Handed::Record(record) => moment.records.push(*record),
            }
        }
        // the others wait for it again when it has caught up
        known.is_left_out &= known.clock.is_none() || known.clock < grouped;
    }

    /// Takes out the first moment that all partitions have passed, or that has to make room.
    pub fn pop(&mut self, most: usize) -> Option<(Timestamp, Moment)> {
        let bound = self.bound().max(self.grouped);
        let (at, _) = self.waiting.first_key_value()?;
        let is_passed = bound.is_some_and(|bound| *at <= bound);
        if !is_passed && self.events <= most {
            return None;
        }
        self.early += u64::from(!is_passed);
        let (at, moment) = self.waiting.pop_first()?;
        self.events -= moment.len();
        self.grouped = self.grouped.max(Some(at));
        Some((at, moment))
    }

    /// The first row of an entity in its partition.
    pub fn first_row(&self, entity: EntityId) -> Option<Timestamp> {
        self.first_rows.get(&entity).copied()
    }

    /// The first point of a series in its partition.
    pub fn first_point(&self, series: SeriesId) -> Option<Timestamp> {
        self.first_points.get(&series).copied()
    }

    /// The time up to which everything was grouped.
    pub fn grouped(&self) -> Option<Timestamp> {
        self.grouped
    }

    pub fn forget(&mut self, entity: EntityId) {
        self.newest.rows.remove(&entity);
        self.first_rows.remove(&entity);
    }

    pub fn forget_series(&mut self, series: SeriesId) {
        self.newest.points.remove(&series);
        self.first_points.remove(&series);
    }

    pub fn status(&self) -> FleetStatus {
        let first = self.waiting.first_key_value().map(|(at, _)| *at);
        let partition = |(name, known): (&String, &Known)| PartitionStatus {
            name: name.clone(),
            clock: known.clock,
            is_awaited: known.counts() && first.is_some() && known.clock < first,
            is_left_out: known.is_left_out,
            late_rows: known.late_rows,
            missing: known.missing,
            settings: known.settings,
        };
        FleetStatus {
            grouped: self.grouped,
            waiting: self.events as u64,
            early: self.early,
            partitions: self.partitions.iter().map(partition).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handover(topic: &str, partitions: u32, first: u64) -> Handover {
        let at = Timestamp::from_seconds(60);
        Handover {
            place: HandoverPlace { topic: topic.to_owned(), number: 0, partitions },
            stream: 1,
            first,
            events: vec![Handed::Name(Arc::new(Entity::new("cart", "/")), at)],
            clock: Some(at),
            is_idle: false,
            step_seconds: 60.0,
            lateness_seconds: 10.0,
            settings: 1,
        }
    }

    #[test]
    fn partitions_of_many_topics_are_bounded() {
        let mut fleet = Fleet::default();
        fleet.take(handover("orders", 3, 0), (0, 0));
        let room =
            |topic: &str, partitions| fleet.has_room(&[&handover(topic, partitions, 0).place], 5);
        assert!(room("orders", 3) && room("carts", 2) && !room("carts", 3));
    }

    #[test]
    fn numbers_of_events_at_the_end_of_their_range_are_taken() {
        let mut fleet = Fleet::default();
        for first in [0, u64::MAX, u64::MAX] {
            fleet.take(handover("orders", 1, first), (0, 0));
        }
        assert_eq!(fleet.status().partitions[0].missing, u64::MAX - 1);
    }
}
