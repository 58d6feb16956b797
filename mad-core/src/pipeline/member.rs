//! The member of a group: it judges one partition, and hands over for the second stage.

use std::sync::Arc;

use super::first_stage::Stage;
use super::handover::{Handed, HandedPoint, HandedRow, Handover, HandoverPlace, Outbox};
use super::part::Silence;
use super::{Pipeline, Update, envelope};
use crate::error::{Error, Result};
use crate::feature::Row;
use crate::guard::JudgedRow;
use crate::history::{HistoryRing, NewHistoryRow};
use crate::incident::RowOutcome;
use crate::series::EntityId;
use crate::telemetry::PartitionId;
use crate::time::{SECOND, Timestamp};

/// Most events of one hand-over, so that it fits into a message: a row takes up to some kB.
const MOST_EVENTS: usize = 200;
/// How far the clock of a partition moves before it is handed over without an event, nanoseconds.
const CLOCK_MOVES: i64 = 10 * SECOND;

impl Pipeline {
    /// Judges for a second stage elsewhere from now on: nothing is grouped, and
    /// [`take_handovers`](Self::take_handovers) has what the second stage needs. `stream` is a
    /// number that differs from those of all streams of this partition before; it counts where the
    /// pipeline has not handed anything over yet.
    ///
    /// # Errors
    ///
    /// A failure of the encoder.
    ///
    /// # Examples
    ///
    /// ```
    /// use mad_core::pipeline::{Handover, HandoverPlace};
    /// use mad_core::{Pipeline, PipelineConfig, Request, Timestamp};
    ///
    /// let mut members = Vec::new();
    /// for (number, service) in ["cart", "pay"].into_iter().enumerate() {
    ///     let mut member = Pipeline::new(PipelineConfig::default())?;
    ///     let place = HandoverPlace {
    ///         topic: "requests".to_owned(),
    ///         number: number as u32,
    ///         partitions: 2,
    ///     };
    ///     member.hand_over(place, 1)?;
    ///     member.ingest((0..7200_i64).map(|second| {
    ///         let slow = service == "pay" && (5400..5700).contains(&second);
    ///         let latency = if slow { 2000.0 } else { 100.0 + (second * 37 % 50) as f64 };
    ///         Request::new(Timestamp::from_seconds(second), service, "/", 200, latency)
    ///     }));
    ///     members.push(member);
    /// }
    /// let mut second = Pipeline::new(PipelineConfig::default())?;
    /// for member in &mut members {
    ///     let read = |bytes: Vec<u8>| Handover::from_bytes(&bytes);
    ///     let handed: Result<Vec<_>, _> = member.take_handovers()?.into_iter().map(read).collect();
    ///     second.receive(handed?)?;
    /// }
    /// assert_eq!(&*second.incidents()[0].entity.service, "pay");
    /// # Ok::<(), mad_core::Error>(())
    /// ```
    pub fn hand_over(&mut self, place: HandoverPlace, stream: u64) -> Result<()> {
        let settings = rmp_serde::to_vec_named(&self.config)
            .map_err(|error| Error::state(format!("the settings cannot be encoded: {error}")))?;
        if !matches!(self.stage, Stage::Member(_)) {
            self.stage = Stage::Member(Box::new(Outbox { stream, ..Outbox::default() }));
        }
        if let Stage::Member(outbox) = &mut self.stage {
            outbox.place = place;
            outbox.settings = crc32fast::hash(&settings);
        }
        self.ingest.keep_log_forms();
        Ok(())
    }

    /// Whether there is something to hand over: events, or a clock that has moved on.
    pub fn has_handovers(&self) -> bool {
        let Stage::Member(outbox) = &self.stage else { return false };
        let moved = |clock: Timestamp| {
            outbox.handed.is_none_or(|handed| clock.since(handed) >= CLOCK_MOVES)
        };
        !outbox.events.is_empty() || self.handed_until().is_some_and(moved)
    }

    /// Takes the events that were not handed over yet, as bytes, in order. Empty unless
    /// [`hand_over`](Self::hand_over) was called.
    ///
    /// # Errors
    ///
    /// A failure of the encoder.
    pub fn take_handovers(&mut self) -> Result<Vec<Vec<u8>>> {
        let clock = self.handed_until();
        let features = self.config.features;
        let Stage::Member(outbox) = &mut self.stage else { return Ok(Vec::new()) };
        outbox.handed = clock;
        let mut events = std::mem::take(&mut outbox.events).into_iter();
        let mut out = Vec::new();
        loop {
            let piece: Vec<Handed> = events.by_ref().take(MOST_EVENTS).collect();
            let first = outbox.next;
            outbox.next += piece.len() as u64;
            let is_last = events.len() == 0;
            let handover = Handover {
                place: outbox.place.clone(),
                stream: outbox.stream,
                first,
                events: piece,
                clock: clock.filter(|_| is_last),
                is_idle: outbox.is_idle,
                step_seconds: features.step_seconds,
                lateness_seconds: features.lateness_seconds,
                settings: outbox.settings,
            };
            out.push(envelope::seal(envelope::HANDOVER, &handover)?);
            if is_last {
                return Ok(out);
            }
        }
    }

    /// The event time of the partition, up to which its rows are closed.
    fn handed_until(&self) -> Option<Timestamp> {
        let is_begun = self.ingest.furthest_watermark().is_some();
        is_begun.then(|| self.ingest.watermark().plus(self.config.features.lateness_nanos()))
    }

    /// Hands over the names of new entities, which came with the newest record. While a step closes,
    /// services get names as well: those come with their rows.
    pub(super) fn hand_names(&mut self, is_closing: bool) {
        let Self { names, stage, .. } = self;
        let Stage::Member(outbox) = stage else { return };
        let slots = names.entities.slots();
        for index in outbox.named..slots {
            let entity = names.entities.get(EntityId(index as u32));
            if let Some(entity) = entity.filter(|one| !(is_closing && one.is_service())) {
                outbox.events.push(Handed::Name(Arc::clone(entity), outbox.now));
            }
        }
        outbox.named = slots;
    }

    /// Notes that the newest record has a time, or that a tick moves the clock of the partition.
    pub(super) fn note_record(&mut self, at: Option<Timestamp>) {
        if let Stage::Member(outbox) = &mut self.stage {
            outbox.is_idle = at.is_none();
            outbox.now = at.unwrap_or(outbox.now);
        }
    }

    /// Judges the rows that the last input closed, and hands them over.
    pub(super) fn drain_member(&mut self, partition: PartitionId, update: &mut Update) {
        let closed = self.ingest.take_closed();
        self.hand_log_forms();
        self.hand_names(true);
        let is_request = |row: &Row<'_>| row.head.kind.is_requests();
        let mut current = None;
        for row in closed.iter().filter(is_request) {
            let at = row.head.at;
            let before = current.replace(at);
            if before != Some(at) {
                self.hand_silences(before, partition);
                self.ingest.step_begins(partition, at);
                self.judge.begin_step(partition, at, row.head.whole);
            }
            let Some((judged, outcome)) = self.judged_requests(&row, partition, update) else {
                continue;
            };
            self.hand_row(judged, outcome, update);
        }
        self.hand_silences(current, partition);
        if current.is_some() {
            self.sweep(&closed);
        }
        let mut has_others = false;
        for row in closed.iter().filter(|row| !is_request(row)) {
            has_others = true;
            self.ingest.step_begins(partition, row.head.at);
            let Some((judged, outcome)) = self.judged_points(&row, update) else { continue };
            self.hand_row(judged, outcome, update);
        }
        if has_others {
            self.sweep(&crate::feature::RowBuffer::default());
        }
        self.ingest.recycle(closed);
    }

    fn hand_row(&mut self, judged: JudgedRow, outcome: RowOutcome, update: &mut Update) {
        let Self { judge, stage, .. } = self;
        let Stage::Member(outbox) = stage else { return };
        let head = &judged.head;
        let first = judge.newest_row(head.entity).map(|(maturity, _)| maturity.first);
        let mut kept = HistoryRing::default();
        let points = if head.kind.is_requests() {
            kept.push(NewHistoryRow::of_requests(&judged).row(), 1);
            Vec::new()
        } else {
            let point = |signal: &crate::guard::JudgedSignal| {
                let series = signal.id.series()?;
                let mut kept = HistoryRing::default();
                kept.push(NewHistoryRow::of_series(head.at, signal).row(), 1);
                let first = judge.newest_point(series).map_or(head.at, |newest| newest.0.first);
                Some(HandedPoint { metric: signal.name.as_str().into(), first, kept })
            };
            judged.signals.iter().filter_map(point).collect()
        };
        outbox.events.push(Handed::Row(Box::new(HandedRow {
            entity: Arc::clone(&judged.entity),
            at: head.at,
            kind: head.kind,
            whole: head.whole,
            first: first.filter(|_| head.kind.is_requests()).unwrap_or(head.at),
            kept,
            points,
            outcome,
        })));
        update.rows.push(judged);
    }

    /// Hands over the forms of log lines that were learnt.
    fn hand_log_forms(&mut self) {
        let Self { names, ingest, stage, .. } = self;
        let Stage::Member(outbox) = stage else { return };
        for forms in ingest.take_log_forms() {
            let Some(entity) = names.entities.get(forms.entity).cloned() else { continue };
            outbox.events.push(Handed::Forms(entity, Box::new(forms)));
        }
    }

    /// Hands over the entities that are silent at the end of a step.
    fn hand_silences(&mut self, step: Option<Timestamp>, partition: PartitionId) {
        let Some(step) = step else { return };
        let Self { config, names, judge, checkpointer, stage, .. } = self;
        let Stage::Member(outbox) = stage else { return };
        for row in judge.silences(partition, config, names) {
            checkpointer.mark_dirty([row.entity]);
            let Some(entity) = names.entities.get(row.entity).cloned() else { continue };
            outbox.events.push(Handed::Silence(Box::new(Silence { step, entity, row })));
        }
    }
}
