//! The second stage of a split input: the judged rows of all partitions become incidents.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::counters::Counters;
use super::first_stage::Stage;
use super::part::{Forwarded, Part, PartEntity, Silence};
use super::plan::Plan;
use super::replay::{Event, events};
use super::{Pipeline, Update};
use crate::error::{Error, Result};
use crate::series::Entity;
use crate::telemetry::{Edge, PartitionId};
use crate::time::Timestamp;

impl Pipeline {
    /// Combines the parts of all partitions of a plan. The result has the rows and incidents that one
    /// pipeline would have, which took all records in order of time. The counters of rejected records
    /// name the positions within their partitions.
    ///
    /// A part that came twice counts once. A bound of [`Limits`](crate::Limits) holds for each
    /// partition, so that the result may have more entities and series than one pipeline.
    ///
    /// # Errors
    ///
    /// - The part of a partition is missing, or comes from another plan.
    /// - Two parts of one partition differ.
    /// - The parts have more or fewer records than the surveys.
    /// - A service has rows in two partitions.
    /// - The bytes of a part cannot be read.
    ///
    /// # Examples
    ///
    /// See [`of_partition`](Self::of_partition).
    pub fn combine(plan: &Plan, parts: impl IntoIterator<Item = Part>) -> Result<(Self, Update)> {
        let parts = checked(plan, parts)?;
        let mut config = plan.config().clone();
        let entities = parts.iter().map(|part| part.entities.len()).sum::<usize>();
        let series =
            |part: &Part| part.entities.iter().map(|one| one.export.series()).sum::<usize>();
        config.limits.entities = config.limits.entities.max(entities);
        config.limits.series = config.limits.series.max(parts.iter().map(series).sum());
        let mut pipeline = Self::new(config)?.bounded_input();
        pipeline.stage = Stage::Second(Box::default());
        let (mut rows, mut forwarded, mut learnt) = (Vec::new(), Vec::new(), Vec::new());
        let mut silences: BTreeMap<Timestamp, Vec<Silence>> = BTreeMap::new();
        let mut watermark = Timestamp::MIN;
        for part in parts {
            rows.extend(part.rows);
            forwarded.extend(part.forwarded);
            for silence in part.silences {
                silences.entry(silence.step).or_default().push(silence);
            }
            // the whole input forgets idle entities by the rows of all partitions
            let counters = Counters { entities_forgotten: 0, series_forgotten: 0, ..part.counters };
            pipeline.tally.absorb(&counters, part.rejections);
            watermark = watermark.max(part.watermark);
            learnt.extend(part.entities);
        }
        pipeline.register(&mut learnt);
        let mut update = Update::default();
        pipeline.replay_all(events(rows, forwarded, &plan.windows), silences, plan, &mut update);
        for PartEntity { entity, export, .. } in learnt {
            let Self { names, ingest, judge, .. } = &mut pipeline;
            // it was idle for too long, and is forgotten
            let known = names.entities.find(&entity.service, &entity.endpoint);
            let Some(id) = known else { continue };
            export.put_learnt(id, &entity, names, (ingest, judge));
        }
        pipeline.ingest.reached(plan.windows.ends());
        pipeline.ingest.raise(watermark);
        pipeline.stage = Stage::Whole;
        Ok((pipeline, update))
    }

    /// Gives the entities and series ids in the order in which their names came, and the services the
    /// templates of their logs, which rankings read.
    fn register(&mut self, learnt: &mut [PartEntity]) {
        learnt.sort_by(|a, b| {
            let key = |one: &PartEntity| (one.seen, one.entity.is_service());
            key(a).cmp(&key(b)).then_with(|| a.entity.cmp(&b.entity))
        });
        for PartEntity { entity, export, .. } in learnt.iter() {
            let id = if export.is_whole_service(entity) {
                self.names.entities.service(&entity.service)
            } else {
                self.id_of(entity)
            };
            for metric in export.metrics() {
                self.names.series.id(id, metric, &self.names.entities);
            }
            if let Some(logs) = export.templates() {
                self.ingest.set_templates(id, logs.clone());
            }
        }
    }

    fn replay_all(
        &mut self,
        events: Vec<Event>,
        mut silences: BTreeMap<Timestamp, Vec<Silence>>,
        plan: &Plan,
        update: &mut Update,
    ) {
        let whole: BTreeMap<Timestamp, bool> = plan.windows.requests.steps().collect();
        let lateness = plan.config().features.lateness_nanos();
        let partition = PartitionId::default();
        // The newest time of the requests so far, by which the graph ends open traces.
        let mut newest = None;
        for event in events {
            match event {
                Event::Rows(rows) => self.replay(rows, &mut silences, &whole, update),
                Event::Traces(at) => {
                    let Self { config, names, ingest, .. } = self;
                    ingest.close_traces_by(at.plus(-lateness), config, names);
                    self.drain(partition, update);
                }
                Event::Forwarded(record) => self.take_forwarded(record, &mut newest),
            }
        }
        let Self { config, names, ingest, .. } = self;
        ingest.close_traces_by(Timestamp::MAX, config, names);
        self.drain(partition, update);
    }

    /// Takes a record that is joined with those of other partitions. `newest` is the newest time of
    /// requests so far.
    pub(super) fn take_forwarded(&mut self, record: Forwarded, newest: &mut Option<Timestamp>) {
        if let Some(request) = record.request() {
            let now = newest.map(|newest| newest.min(request.timestamp));
            self.ingest.graph_mut().request_by(&request, now);
        }
        match record {
            Forwarded::Request { counts, .. } => *newest = (*newest).max(counts),
            Forwarded::Span(span) => {
                self.ingest.trace(&span.span(), &span.routed());
                if span.is_request {
                    *newest = (*newest).max(Some(span.span().start));
                }
            }
            Forwarded::Change(change) => self.incidents.push_change(change),
            Forwarded::Edge { caller, callee, calls } => {
                let edge = Edge { calls, ..Edge::new(&caller, &callee) };
                self.ingest.graph_mut().edge(&edge);
            }
        }
    }
}

/// The parts of a plan, each once, in the order of their names.
fn checked(plan: &Plan, parts: impl IntoIterator<Item = Part>) -> Result<Vec<Part>> {
    let fingerprint = plan.fingerprint()?;
    let mut known: BTreeMap<String, Part> = BTreeMap::new();
    for part in parts {
        let name = part.partition.clone();
        if part.plan != fingerprint {
            return Err(Error::state(format!(
                "the part of partition `{name}` was judged by another plan: judge it again"
            )));
        }
        match known.get(&name) {
            Some(same) if same.is_same(&part)? => {}
            Some(_) => {
                return Err(Error::state(format!(
                    "there are two different parts of partition `{name}`"
                )));
            }
            None => drop(known.insert(name, part)),
        }
    }
    let missing: Vec<String> = plan
        .partitions()
        .filter(|name| !known.contains_key(*name))
        .map(|name| format!("`{name}`"))
        .collect();
    if !missing.is_empty() {
        return Err(Error::state(format!(
            "the parts of these partitions are missing: {}",
            missing.join(", ")
        )));
    }
    let judged: u64 = known.values().map(|part| part.records).sum();
    if judged != plan.records {
        return Err(Error::state(format!(
            "the partitions were judged from {judged} records and the surveys saw {}: survey and judge \
             the same records, each in one partition",
            plan.records
        )));
    }
    let mut of_service: HashMap<Arc<str>, &str> = HashMap::new();
    for part in known.values() {
        for PartEntity { entity, export, .. } in &part.entities {
            if export.is_empty() {
                continue;
            }
            let first = of_service.entry(Arc::clone(&entity.service)).or_insert(&part.partition);
            if *first != part.partition {
                let remedy = if **entity == Entity::overflow() {
                    "raise `limits.entities`, because a partition has no place for more services"
                } else {
                    "all records of a service have to be in one partition"
                };
                return Err(Error::state(format!(
                    "service `{}` is in the partitions `{first}` and `{}`: {remedy}",
                    entity.service, part.partition
                )));
            }
        }
    }
    Ok(known.into_values().collect())
}
