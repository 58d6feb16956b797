//! The first stage of a split input: one partition is judged, and nothing is grouped.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::fleet::Fleet;
use super::handover::{Handed, Outbox};
use super::newest_rows::NewestRows;
use super::part::{Forwarded, ForwardedSpan, Part, PartEntity, PartRow, Silence};
use super::plan::Plan;
use super::survey::version;
use super::{Pipeline, Update};
use crate::error::{Error, Result};
use crate::feature::{Row, RowBuffer, RowHead, RowKind};
use crate::series::EntityId;
use crate::telemetry::{PartitionId, Record, Source};
use crate::time::Timestamp;

/// Which part of the work a pipeline does.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) enum Stage {
    /// All of it.
    #[default]
    Whole,
    /// It judges one partition of a bounded input.
    #[serde(skip)]
    First(Box<FirstStage>),
    /// It groups rows of a bounded input that were judged elsewhere.
    #[serde(skip)]
    Second(Box<NewestRows>),
    /// It judges one partition of a group, and hands over the rows.
    Member(Box<Outbox>),
    /// It groups the rows that the members of a group hand over.
    Fleet(Box<Fleet>),
}

impl Stage {
    /// Whether it is all of the work.
    pub fn is_whole(&self) -> bool {
        matches!(self, Self::Whole)
    }

    /// The newest rows that were judged elsewhere, where they were.
    pub fn newest(&self) -> Option<&NewestRows> {
        match self {
            Self::Second(newest) => Some(newest),
            Self::Fleet(fleet) => Some(&fleet.newest),
            _ => None,
        }
    }
}

/// What the first stage hands to the second.
#[derive(Debug, Clone)]
pub(super) struct FirstStage {
    plan: Plan,
    fingerprint: u32,
    /// The steps with requests of the whole input, and whether each had ended.
    steps: Vec<(Timestamp, bool)>,
    /// How many of them have begun.
    begun: usize,
    /// Records, good and bad.
    pub records: u64,
    rows: Vec<PartRow>,
    silences: Vec<Silence>,
    forwarded: Vec<Forwarded>,
    /// The time of the record with which the name of each entity came, by id.
    seen: Vec<Timestamp>,
    /// The time of the newest record.
    now: Timestamp,
    /// The steps of services with lines whose rows have not closed.
    lines: BTreeSet<(EntityId, Timestamp)>,
    /// A step with requests that the plan does not know.
    stray: Option<Timestamp>,
}

impl Pipeline {
    /// A pipeline that judges one partition of an input that a plan describes. It takes the records of
    /// the partition in order of time, and groups no incidents: [`part`](Self::part) has the result.
    ///
    /// All records of a service have to come in one partition.
    ///
    /// # Errors
    ///
    /// A config field outside its range.
    ///
    /// # Examples
    ///
    /// ```
    /// use mad_core::pipeline::{Plan, Survey};
    /// use mad_core::{Pipeline, PipelineConfig, Request, Source, Timestamp};
    ///
    /// let config = PipelineConfig::default();
    /// let requests = |service| {
    ///     (0..7200_i64).map(move |second| {
    ///         let slow = service == "pay" && (5400..5700).contains(&second);
    ///         let latency = if slow { 2000.0 } else { 100.0 + (second * 37 % 50) as f64 };
    ///         Request::new(Timestamp::from_seconds(second), service, "/", 200, latency)
    ///     })
    /// };
    /// let services = ["cart", "pay"];
    /// let surveys = services.map(|service| {
    ///     let mut survey = Survey::new(service, &config);
    ///     for request in requests(service) {
    ///         survey.see(&request.into(), &Source::at(1), &config);
    ///     }
    ///     survey
    /// });
    /// let plan = Plan::new(config, surveys)?;
    /// // each of these may run on another machine
    /// let mut parts = Vec::new();
    /// for service in services {
    ///     let mut pipeline = Pipeline::of_partition(plan.clone())?;
    ///     pipeline.ingest(requests(service));
    ///     pipeline.finish();
    ///     parts.push(pipeline.part(service)?);
    /// }
    /// let (pipeline, _) = Pipeline::combine(&plan, parts)?;
    /// assert_eq!(&*pipeline.incidents()[0].entity.service, "pay");
    /// assert_eq!(pipeline.counters().requests, 14_400);
    /// # Ok::<(), mad_core::Error>(())
    /// ```
    pub fn of_partition(plan: Plan) -> Result<Self> {
        let mut pipeline = Self::new(plan.config().clone())?.bounded_input();
        pipeline.stage = Stage::First(Box::new(FirstStage {
            fingerprint: plan.fingerprint()?,
            steps: plan.windows.requests.steps().collect(),
            plan,
            begun: 0,
            records: 0,
            rows: Vec::new(),
            silences: Vec::new(),
            forwarded: Vec::new(),
            seen: Vec::new(),
            now: Timestamp::MIN,
            lines: BTreeSet::new(),
            stray: None,
        }));
        Ok(pipeline)
    }

    /// The result of judging a partition, after [`finish`](Self::finish).
    ///
    /// # Errors
    ///
    /// - The pipeline is not one [`of_partition`](Self::of_partition).
    /// - It took requests of a step that no survey saw, such as late ones: survey the partition again
    ///   and make another plan.
    /// - The plan has no partition of this name.
    pub fn part(&mut self, partition: &str) -> Result<Part> {
        let Stage::First(stage) = std::mem::take(&mut self.stage) else {
            return Err(Error::state("only the pipeline of a partition has a part"));
        };
        let FirstStage {
            plan, fingerprint, rows, silences, forwarded, seen, records, stray, ..
        } = *stage;
        if !plan.partitions().any(|name| name == partition) {
            return Err(Error::state(format!("the plan has no partition `{partition}`")));
        }
        if let Some(at) = stray {
            return Err(Error::state(format!(
                "partition `{partition}` has requests at {at}, where its survey saw none: survey it \
                 again and make another plan"
            )));
        }
        let entities = self.names.entities.iter().map(|(id, entity)| PartEntity {
            entity: entity.clone(),
            seen: seen.get(id.index()).copied().unwrap_or(Timestamp::MAX),
            export: self.entity_export(id),
        });
        Ok(Part {
            version: version(),
            partition: partition.to_owned(),
            plan: fingerprint,
            rows,
            silences,
            forwarded,
            entities: entities.collect(),
            records,
            counters: self.counters(),
            rejections: self.rejected().clone(),
            watermark: self.watermark(),
            attachment: Vec::new(),
        })
    }

    /// Takes a record of the partition. Those that are joined with records of other services are
    /// forwarded.
    pub(super) fn push_first(
        &mut self,
        record: &Record<'_>,
        source: &Source,
        update: &mut Update,
    ) -> bool {
        if let Stage::First(stage) = &mut self.stage {
            stage.now = record.timestamp().unwrap_or(Timestamp::MIN);
        }
        let (is_accepted, forwarded) = match record {
            Record::Request(request) => {
                let trace_id = request.trace_id.filter(|_| request.check().is_ok());
                let forwarded = trace_id.map(|trace_id| {
                    let features = &self.config.features;
                    let time = features.time_of_requests(source);
                    let counts = request.counts_at(time, features.step(), features.lateness());
                    Forwarded::Request {
                        at: request.timestamp,
                        began: request.began(time),
                        counts: Some(counts).filter(|at| *at == request.timestamp),
                        service: request.service.into(),
                        failed: request.is_error(),
                        latency_ms: request.latency().unwrap_or(f64::NAN),
                        trace_id: trace_id.into(),
                    }
                });
                (self.push_request(request, source, update), forwarded)
            }
            Record::Span(span) => {
                if let Err((reason, field)) = span.check() {
                    update.rejected.add(reason, source.position, || field.to_owned());
                    return false;
                }
                let route = self.ingest.route_of(span, source, (&self.config, &self.names));
                let is_request = self.ingest.stands_for_request(span);
                let forwarded = ForwardedSpan::new(span, &route, is_request);
                let is_accepted =
                    !is_request || self.push_request(&span.as_request(), source, update);
                (is_accepted, Some(Forwarded::Span(Box::new(forwarded))))
            }
            Record::Metric(_) | Record::Log(_) => {
                self.note_line(record);
                let names = &mut self.names;
                let rejected = &mut update.rejected;
                let is_accepted = self.ingest.point_or_line(record, source, names, rejected);
                self.drain(source.partition, update);
                (is_accepted, None)
            }
            Record::Change(change) => {
                if let Err((reason, field)) = change.check() {
                    update.rejected.add(reason, source.position, || field.to_owned());
                    return false;
                }
                (true, Some(Forwarded::Change(change.event())))
            }
            Record::Edge(edge) => {
                let is_accepted = self.ingest.edge(edge, source, &mut update.rejected);
                (is_accepted, is_accepted.then(|| Forwarded::edge(edge)))
            }
        };
        self.note_names(None);
        self.hand_names(false);
        match &mut self.stage {
            Stage::First(stage) => stage.forwarded.extend(forwarded),
            Stage::Member(outbox) => {
                outbox.events.extend(forwarded.map(|one| Handed::Record(Box::new(one))));
            }
            _ => {}
        }
        is_accepted
    }

    /// Notes the step of a log line.
    fn note_line(&mut self, record: &Record<'_>) {
        let Record::Log(line) = record else { return };
        if let Stage::First(stage) = &mut self.stage
            && line.check().is_ok()
        {
            let entity = self.names.entities.id(line.service, "");
            let step = line.timestamp.floor(self.config.features.step_nanos());
            stage.lines.insert((entity, step));
        }
        self.note_names(None);
    }

    /// Notes when the names of new entities came: that of an endpoint with its record, and that of a
    /// service as a whole when its first step closes, which is `closing` in the whole input.
    fn note_names(&mut self, closing: Option<Timestamp>) {
        let Stage::First(stage) = &mut self.stage else { return };
        for index in stage.seen.len()..self.names.entities.slots() {
            let entity = self.names.entities.get(EntityId(index as u32));
            let closing = closing.filter(|_| entity.is_some_and(|entity| entity.is_service()));
            stage.seen.push(closing.unwrap_or(stage.now));
        }
    }

    /// Judges the rows that the last input closed.
    pub(super) fn drain_first(&mut self, partition: PartitionId, update: &mut Update) {
        let closed = self.ingest.take_closed();
        let is_request = |row: &Row<'_>| row.head.kind.is_requests();
        if let Stage::First(stage) = &self.stage
            && let Some(first) = closed.iter().find(is_request)
        {
            let closing = stage.plan.windows.requests.closing(first.head.at);
            self.note_names(Some(closing.map_or(Timestamp::MAX, |turn| turn.0)));
        }
        let mut current = None;
        for row in closed.iter().filter(is_request) {
            if current.replace(row.head.at) != Some(row.head.at) {
                self.begin_steps(row.head.at, partition);
                self.ingest.step_begins(partition, row.head.at);
            }
            let Some((judged, outcome)) = self.judged_requests(&row, partition, update) else {
                continue;
            };
            if let Stage::First(stage) = &mut self.stage {
                stage.rows.push(PartRow { closes: judged.head.at, judged, outcome });
            }
        }
        let mut closing = self.closing_steps(&closed).into_iter();
        for row in closed.iter().filter(|row| !is_request(row)) {
            let closes = closing.next().unwrap_or(row.head.at);
            self.ingest.step_begins(partition, row.head.at);
            let Some((judged, outcome)) = self.judged_points(&row, update) else { continue };
            if let Stage::First(stage) = &mut self.stage {
                stage.rows.push(PartRow { closes, judged, outcome });
            }
        }
        self.sweep(&closed);
        self.ingest.recycle(closed);
    }

    /// The step that closes each of the closed rows of other kinds than requests.
    fn closing_steps(&mut self, closed: &RowBuffer) -> Vec<Timestamp> {
        let Stage::First(stage) = &mut self.stage else { return Vec::new() };
        let mut next: BTreeMap<EntityId, Timestamp> = BTreeMap::new();
        let others = closed.iter().filter(|row| !row.head.kind.is_requests());
        let heads: Vec<RowHead> = others.map(|row| *row.head).collect();
        let backwards = heads.iter().rev().map(|RowHead { at, entity, kind, .. }| {
            if *kind != RowKind::Logs || stage.lines.remove(&(*entity, *at)) {
                next.insert(*entity, *at);
                return *at;
            }
            next.get(entity).copied().unwrap_or(*at)
        });
        let mut steps: Vec<Timestamp> = backwards.collect();
        steps.reverse();
        steps
    }

    /// Begins the steps of the whole input up to one of the partition.
    fn begin_steps(&mut self, until: Timestamp, partition: PartitionId) {
        let Stage::First(stage) = &mut self.stage else { return };
        let is_known = stage.steps.binary_search_by_key(&until, |step| step.0).is_ok();
        if !is_known && until != Timestamp::MAX {
            stage.stray = stage.stray.or(Some(until));
        }
        let begun = stage.begun;
        let last = stage.steps.partition_point(|step| step.0 <= until).max(begun);
        stage.begun = last;
        let ended = begun.checked_sub(1);
        let mut ended = ended.and_then(|place| stage.steps.get(place)).map(|step| step.0);
        let new: Vec<(Timestamp, bool)> = stage.steps.get(begun..last).unwrap_or_default().to_vec();
        for (at, whole) in new {
            if let Some(ended) = ended.replace(at) {
                self.find_silences(ended, partition);
            }
            self.judge.begin_step(partition, at, whole);
        }
    }

    /// Notes the entities that are silent at the end of a step.
    fn find_silences(&mut self, step: Timestamp, partition: PartitionId) {
        let Self { config, names, judge, stage, .. } = self;
        let Stage::First(stage) = stage else { return };
        for row in judge.silences(partition, config, names) {
            let Some(entity) = names.entities.get(row.entity).cloned() else { continue };
            stage.silences.push(Silence { step, entity, row });
        }
    }

    /// Takes over how far the whole input reaches, before the last steps close.
    pub(super) fn reach_end_of_plan(&mut self) {
        if let Stage::First(stage) = &self.stage {
            self.ingest.reached(stage.plan.windows.ends());
        }
    }

    /// Begins the steps after the last row of the partition.
    pub(super) fn end_first_stage(&mut self) {
        let partition = PartitionId::default();
        self.begin_steps(Timestamp::MAX, partition);
        if let Stage::First(stage) = &self.stage
            && let Some((last, _)) = stage.steps.last().copied()
        {
            self.find_silences(last, partition);
        }
    }
}
