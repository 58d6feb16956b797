//! The part that takes telemetry: windows, service graph and trace profiles.
//!
//! The file is longer than others because one type owns all windows, and each kind
//! of telemetry enters here.

use std::borrow::Cow;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Counters;
use super::names::Names;
use super::partition::Partition;
use crate::config::PipelineConfig;
use crate::error::{Error, Result};
use crate::feature::{
    ClockFault, EntityCursor, LearntForms, LogCursor, LogTemplatesOfServices, RowBuffer,
    ServiceLogs, ServiceRoutes, StepFinder,
};
use crate::graph::{ServiceGraph, TraceProfiles};
use crate::series::{EntityId, SeriesId};
use crate::telemetry::{Edge, PartitionId, Record, Rejections, Request, Source, Span, SpanKind};
use crate::time::{DAY, SECOND, Timestamp};

/// How often idle entities are looked for, in event time.
const SWEEP_INTERVAL: i64 = 3600 * SECOND;
/// How many names and open spans are looked at for each record since the last time. Otherwise
/// records with an hour between them would cost the time of all names each.
const LOOKED_AT_PER_RECORD: usize = 8;
/// The partition of all names beyond the limit.
const FURTHER: &str = "(other)";

/// Telemetry on its way to rows: the windows of each partition, the service graph and the traces.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Ingest {
    partitions: Vec<Partition>,
    graph: ServiceGraph,
    profiles: TraceProfiles,
    /// Position of the newest record in its source.
    position: u64,
    /// Start of the newest step that was judged.
    newest_step: Option<Timestamp>,
    /// The hour of event time in which idle entities were looked for last.
    swept: Option<Timestamp>,
    /// Records since idle entities were looked for.
    unswept: usize,
    bounded: bool,
    /// Whether records beyond the horizon of all partitions are refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    refuses_jumps: bool,
    /// Rows of closed steps that are not judged yet. The buffer is reused.
    #[serde(skip)]
    closed: RowBuffer,
}

impl Ingest {
    pub fn new(config: &PipelineConfig) -> Result<Self> {
        Ok(Self {
            partitions: vec![Partition::new("", config)?],
            graph: ServiceGraph::new(&config.limits)?,
            profiles: TraceProfiles::new(&config.limits),
            position: 0,
            newest_step: None,
            swept: None,
            unswept: 0,
            bounded: false,
            refuses_jumps: false,
            closed: RowBuffer::default(),
        })
    }

    pub fn bounded_input(mut self) -> Self {
        self.bounded = true;
        let partitions = std::mem::take(&mut self.partitions).into_iter();
        self.partitions = partitions.map(Partition::bounded_input).collect();
        self
    }

    /// Finds or adds the partition of a name. Names beyond the limit share one partition.
    pub fn partition(&mut self, name: &str, config: &PipelineConfig) -> Result<PartitionId> {
        let known = self.partitions.iter().position(|partition| *partition.name == *name);
        let place = known.unwrap_or(self.partitions.len());
        if known.is_none() {
            if place >= config.limits.partitions && name != FURTHER {
                return self.partition(FURTHER, config);
            }
            let mut partition = Partition::new(name, config)?;
            partition.pause(self.is_paused());
            self.partitions.push(if self.bounded { partition.bounded_input() } else { partition });
        }
        Ok(PartitionId::new(place as u32))
    }

    /// Whether the watermarks of all partitions stay while their clocks move on.
    pub fn pause(&mut self, on: bool) {
        for partition in &mut self.partitions {
            partition.pause(on);
        }
    }

    /// Whether the watermarks are paused.
    pub fn is_paused(&self) -> bool {
        self.partitions.iter().any(Partition::is_paused)
    }

    /// Refuses records that only a jump of the clocks could take, or takes them again.
    pub fn refuse_jumps(&mut self, on: bool) {
        self.refuses_jumps = on;
    }

    /// Whether records that only a jump of the clocks could take are refused.
    pub fn refuses_jumps(&self) -> bool {
        self.refuses_jumps
    }

    /// Whether a record of this time is refused, because no partition is near it.
    pub fn is_refused_jump(&self, at: Timestamp, source: &Source) -> bool {
        let horizon = |partition: &Partition| partition.features.horizon();
        let own = || self.partitions.get(source.partition.index()).and_then(horizon);
        let furthest = || self.partitions.iter().filter_map(horizon).max();
        self.refuses_jumps
            && own().is_none_or(|own| at > own)
            && furthest().is_some_and(|furthest| at > furthest)
    }

    pub fn partition_ids(&self) -> impl Iterator<Item = PartitionId> + use<> {
        (0..self.partitions.len() as u32).map(PartitionId::new)
    }

    /// Position of the newest record in its source.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Begins a record at a position of its source.
    pub fn begin_record(&mut self, position: u64) {
        self.position = position;
        self.unswept = self.unswept.saturating_add(1);
    }

    /// Counts records that were taken elsewhere.
    pub fn begin_records(&mut self, count: usize) {
        self.unswept = self.unswept.saturating_add(count);
    }

    /// Takes a request into its window, and into the graph if it has a trace id. Returns whether it
    /// was accepted, and the entity if its name is new.
    pub fn request(
        &mut self,
        request: &Request<'_>,
        source: &Source,
        (config, names): (&PipelineConfig, &mut Names),
        rejected: &mut Rejections,
    ) -> (bool, Option<EntityId>) {
        let open = self.partitions.get_mut(source.partition.index());
        let Some(Partition { features, .. }) = open else { return (false, None) };
        let entities = &names.entities;
        // a name that is known needs no route template and no check; without an endpoint it is that of
        // the service as a whole, to which no request goes
        let found = entities.find(request.service, request.endpoint);
        let known = found.filter(|_| !request.endpoint.is_empty());
        let is_good = || {
            if known.is_some() { request.check_known().is_ok() } else { request.check().is_ok() }
        };
        if request.trace_id.is_some() && is_good() {
            let known = features.newest_request();
            let time = config.features.time_of_requests(source);
            let request = &Request { timestamp: request.began(time), ..*request };
            self.graph.request_by(request, known.map(|known| known.min(request.timestamp)));
        }
        let route = if known.is_some() {
            Cow::Borrowed(request.endpoint)
        } else {
            config.routes.template(request.endpoint)
        };
        let learnt = if known.is_some() { None } else { features.route(request.service, &route) };
        let route = learnt.map_or(route, Cow::Owned);
        let of_route = || entities.find(request.service, &route).filter(|_| !route.is_empty());
        let known = known.or_else(of_route);
        let request = Request { endpoint: &route, ..*request };
        let sink = &mut names.sink(&mut self.closed, rejected);
        let is_accepted = features.push_request(&request, known, source, sink);
        // only an override makes a new entity different from others
        let is_new = found.is_none() && !config.overrides.is_empty();
        let new = is_new.then(|| names.entities.find(request.service, &route)).flatten();
        (is_accepted, new)
    }

    /// Takes a span into the graph and the trace profiles. Returns whether it was accepted, and the
    /// request that it stands for: None where the span is the caller's view of a call, or where its
    /// service also sends requests with trace ids.
    pub fn span<'a>(
        &mut self,
        span: &Span<'a>,
        source: &Source,
        (config, names): (&PipelineConfig, &Names),
        rejected: &mut Rejections,
    ) -> (bool, Option<Request<'a>>) {
        if let Err((reason, field)) = span.check() {
            rejected.add(reason, source.position, || field.to_owned());
            return (false, None);
        }
        let operation = self.route_of(span, source, (config, names));
        self.trace(span, &Span { operation: &operation, ..*span });
        (true, self.stands_for_request(span).then(|| span.as_request()))
    }

    /// The operation of a span by its template or its learnt route.
    pub fn route_of<'a>(
        &self,
        span: &Span<'a>,
        source: &Source,
        (config, names): (&'a PipelineConfig, &Names),
    ) -> Cow<'a, str> {
        let (service, operation) = (span.service, span.operation);
        if names.entities.find(service, operation).is_some() {
            return Cow::Borrowed(operation);
        }
        let operation = config.routes.template(operation);
        let open = self.partitions.get(source.partition.index());
        let learnt = open.and_then(|open| open.features.route(service, &operation));
        learnt.map_or(operation, Cow::Owned)
    }

    /// Whether a span counts as a request: it does not where it is the caller's view of a call, or where
    /// its service also sends requests with trace ids.
    pub fn stands_for_request(&self, span: &Span<'_>) -> bool {
        let has_request = span.kind == SpanKind::Server && self.graph.has_requests(span.service);
        !span.kind.is_caller() && !has_request
    }

    /// Takes a span into the graph, and the span with its route into the trace profiles.
    pub fn trace(&mut self, span: &Span<'_>, routed: &Span<'_>) {
        self.graph.span(span);
        self.profiles.span(routed);
    }

    /// The graph, to be changed.
    pub fn graph_mut(&mut self) -> &mut ServiceGraph {
        &mut self.graph
    }

    /// The same bounded input had records elsewhere, see `FeatureBuilder::reached`.
    pub fn reached(&mut self, ends: [(Option<Timestamp>, Option<Timestamp>); 3]) {
        if let Some(first) = self.partitions.first_mut() {
            first.features.reached(ends);
        }
    }

    /// Raises the watermark of every partition.
    pub fn raise(&mut self, watermark: Timestamp) {
        for partition in &mut self.partitions {
            partition.raise(watermark);
        }
    }

    /// Takes an edge into the graph; returns whether it was accepted.
    pub fn edge(&mut self, edge: &Edge<'_>, source: &Source, rejected: &mut Rejections) -> bool {
        if let Err((reason, field)) = edge.check() {
            rejected.add(reason, source.position, || field.to_owned());
            return false;
        }
        self.graph.edge(edge);
        true
    }

    /// Takes a metric point or a log line into its window; returns whether it was accepted. Other
    /// kinds have methods of their own.
    pub fn point_or_line(
        &mut self,
        record: &Record<'_>,
        source: &Source,
        names: &mut Names,
        rejected: &mut Rejections,
    ) -> bool {
        let Some(open) = self.partitions.get_mut(source.partition.index()) else { return false };
        open.features.push(record, source, &mut names.sink(&mut self.closed, rejected))
    }

    /// Closes the steps of a partition before `at`, or all of them where `at` is None.
    pub fn close(
        &mut self,
        partition: PartitionId,
        at: Option<Timestamp>,
        names: &mut Names,
        rejected: &mut Rejections,
    ) {
        let Some(open) = self.partitions.get_mut(partition.index()) else { return };
        let mut sink = names.sink(&mut self.closed, rejected);
        match at {
            Some(at) => open.features.advance(at, &mut sink),
            None => open.features.finish(&mut sink),
        }
    }

    /// Closes the traces that have waited long enough for their spans, or all where `all` is set,
    /// and adds the counts of their missing spans and their network gaps to the closed rows.
    ///
    /// Spans are requests, so the end of another kind, such as the log of a service that only logs its
    /// errors, does not hold traces back.
    pub fn close_traces(&mut self, all: bool, config: &PipelineConfig, names: &mut Names) {
        let watermark = |open: &Partition| open.features.request_watermark();
        let behind = self.partitions.iter().filter_map(watermark).min();
        if let Some(at) = if all { Some(Timestamp::MAX) } else { behind } {
            self.close_traces_by(at, config, names);
        }
    }

    /// The same by the watermark of requests; all traces by the latest time there is.
    pub fn close_traces_by(&mut self, at: Timestamp, config: &PipelineConfig, names: &mut Names) {
        let step = config.features.step_nanos();
        let until = if at == Timestamp::MAX {
            at
        } else {
            (at - TraceProfiles::HOLD).floor(step) + TraceProfiles::HOLD
        };
        let traces = self.profiles.close(until);
        super::trace_rows::add_rows(&traces, &self.profiles, step, names, &mut self.closed);
    }

    /// Whether rows wait to be judged.
    pub fn has_closed(&self) -> bool {
        !self.closed.is_empty()
    }

    /// Takes the closed rows out.
    pub fn take_closed(&mut self) -> RowBuffer {
        std::mem::take(&mut self.closed)
    }

    /// Takes the buffer of judged rows back.
    pub fn recycle(&mut self, mut closed: RowBuffer) {
        closed.clear();
        self.closed = closed;
    }

    /// Notes that a step of a partition is judged. Returns the newest judged step of
    /// the partition that is furthest behind, if the step is new.
    pub fn step_begins(&mut self, partition: PartitionId, step: Timestamp) -> Option<Timestamp> {
        let open = self.partitions.get_mut(partition.index())?;
        if open.bucket.is_some_and(|known| step <= known) {
            return None;
        }
        open.bucket = Some(step);
        self.newest_step = self.newest_step.max(Some(step));
        self.judged_until()
    }

    /// The newest step that was judged, if it has entered an hour in which idle ones of `names`
    /// entities and series were not looked for yet, and enough records came since.
    pub fn sweep_due(&mut self, names: usize) -> Option<Timestamp> {
        let at = self.judged_until()?;
        let hour = at.floor(SWEEP_INTERVAL);
        let is_later = self.swept.replace(hour).is_some_and(|swept| swept < hour);
        let looked_at = names.saturating_add(self.graph.open_records());
        if !is_later || self.unswept < looked_at / LOOKED_AT_PER_RECORD {
            return None;
        }
        self.unswept = 0;
        Some(at)
    }

    /// Entities and series with records that are not judged yet, those of `waiting` rows included.
    pub fn in_flight(&self, waiting: &RowBuffer) -> (BTreeSet<EntityId>, BTreeSet<SeriesId>) {
        let mut entities = BTreeSet::new();
        let waiting = waiting.iter().flat_map(|row| row.samples);
        let mut series: BTreeSet<SeriesId> =
            waiting.filter_map(|sample| sample.signal.series()).collect();
        for partition in &self.partitions {
            entities.extend(partition.features.entities_in_flight());
            series.extend(partition.features.series_in_flight());
        }
        (entities, series)
    }

    pub fn forget(&mut self, entities: &BTreeSet<EntityId>, series: &BTreeSet<SeriesId>) {
        for partition in &mut self.partitions {
            partition.features.forget(entities, series);
        }
    }

    /// Forgets calls that were seen last before `idle_since`.
    pub fn forget_calls(&mut self, idle_since: Timestamp) {
        self.graph.forget(idle_since);
    }

    /// Sets the latency objective of an entity: slower requests are counted.
    pub fn set_objective(&mut self, entity: EntityId, objective_ms: f64) {
        for partition in &mut self.partitions {
            partition.features.set_latency_objective(Some(entity), objective_ms);
        }
    }

    /// Sets the latency objective that holds where no override gives another one.
    pub fn reconfigure(&mut self, config: &PipelineConfig) {
        for partition in &mut self.partitions {
            partition.set_latency_objective(config);
        }
    }

    /// Starts the counts of accepted records at zero.
    pub fn reset_counts(&mut self) {
        for partition in &mut self.partitions {
            partition.reset_counts();
        }
    }

    /// Whether no record waits for its step to close.
    pub fn is_at_rest(&self) -> bool {
        self.partitions.iter().all(Partition::is_at_rest)
    }

    /// Takes over the graph, trace profiles and clocks of another pipeline at rest.
    pub fn absorb(&mut self, other: &Self) {
        let watermark = other.watermark();
        self.graph.absorb(other.graph.clone());
        self.profiles.absorb(&other.profiles);
        self.newest_step = self.newest_step.max(other.newest_step);
        self.raise(watermark);
    }

    pub fn graph(&self) -> &ServiceGraph {
        &self.graph
    }

    /// Everything before this time is closed, in every partition that has records.
    pub fn watermark(&self) -> Timestamp {
        let furthest_behind = self.partitions.iter().filter_map(Partition::watermark).min();
        let first = self.partitions.first().map(|first| first.features.watermark());
        furthest_behind.or(first).unwrap_or_default()
    }

    /// The watermark of the partition and the kind of records that are furthest on; none before the first
    /// record.
    pub fn furthest_watermark(&self) -> Option<Timestamp> {
        let started = self.partitions.iter().filter(|open| open.features.has_started());
        started.map(|open| open.features.furthest_watermark()).max()
    }

    /// The event time that the sources of the partition that is furthest on agree on.
    pub fn clock(&self) -> Option<Timestamp> {
        self.partitions.iter().filter_map(|open| open.features.clock()).max()
    }

    /// The sources with a wrong clock, each once: its kinds of records are added up.
    pub fn clock_faults(&self) -> Vec<ClockFault> {
        let mut faults: BTreeMap<_, ClockFault> = BTreeMap::new();
        for fault in self.partitions.iter().flat_map(|open| open.features.clock_faults()) {
            match faults.entry((fault.host.clone(), fault.entity)) {
                Entry::Vacant(place) => drop(place.insert(fault)),
                Entry::Occupied(mut known) => known.get_mut().add(&fault),
            }
        }
        faults.into_values().collect()
    }

    /// Checks the times and the durations of saved state.
    ///
    /// # Errors
    ///
    /// A clock or a judged step lies outside the times that records may have, a duration of a
    /// window outside its range, or the steps have another length than the configuration says.
    pub fn check_times(&self) -> Result<()> {
        for open in &self.partitions {
            let checked = open.features.config().validate();
            checked
                .map_err(|error| Error::state(format!("the saved state is damaged: {error}")))?;
            if !open.features.has_steps_of_config() {
                let text = "the saved state is damaged: the length of a step is not \
                            `features.step_seconds`";
                return Err(Error::state(text));
            }
        }
        let times = [
            ("newest time", self.newest()),
            ("clock", self.clock()),
            ("newest step", self.newest_step),
        ];
        for (name, time) in times {
            // A request counts at its completion, which is up to a day after its time.
            let latest = Timestamp::LATEST.plus(2 * DAY);
            if let Some(time) = time.filter(|time| *time < Timestamp::EARLIEST || *time > latest) {
                return Err(Error::state(format!(
                    "the {name} of the saved state is {time}; expected a time of the years 1970 to \
                     2199; start again without this state"
                )));
            }
        }
        Ok(())
    }

    /// The first series of which different values came for one time.
    pub fn merged_series(&self) -> Option<SeriesId> {
        self.partitions.iter().find_map(|open| open.features.merged_series())
    }

    /// The newest event time of all partitions.
    pub fn newest(&self) -> Option<Timestamp> {
        self.partitions.iter().filter_map(|open| open.features.newest()).max()
    }

    /// The newest step that was judged, of the partition that is furthest behind.
    pub fn judged_until(&self) -> Option<Timestamp> {
        self.partitions.iter().filter_map(|partition| partition.bucket).min()
    }

    /// Start of the newest step that was judged.
    pub fn newest_step(&self) -> Option<Timestamp> {
        self.newest_step
    }

    /// Adds the counts of records that were taken.
    pub fn count(&self, counters: &mut Counters) {
        for partition in &self.partitions {
            let counts = partition.features.counts();
            counters.requests += counts.requests;
            counters.errors += counts.errors;
            counters.lines += counts.lines;
            counters.points_overflowed += counts.overflowed;
            counters.points_merged += counts.merged;
            counters.samples_dropped += counts.samples_dropped;
        }
    }

    /// What outlives the steps of an entity with requests and with log lines.
    pub fn cursors(&self, entity: EntityId) -> (Option<EntityCursor>, Option<LogCursor>) {
        let open = || self.partitions.iter().map(|open| &open.features);
        let requests = open().filter_map(|features| features.request_cursor(entity));
        let logs = open().filter_map(|features| features.log_cursor(entity));
        let logs = logs.max_by_key(|cursor| cursor.last).cloned();
        (requests.max_by_key(|cursor| cursor.last).cloned(), logs)
    }

    /// The log templates of a service, of each partition that has some.
    pub fn templates_of(&self, service: EntityId) -> impl Iterator<Item = &ServiceLogs> {
        self.partitions.iter().filter_map(move |open| open.features.templates_of(service))
    }

    /// Sets the log templates of a service, in the first partition.
    pub fn set_templates(&mut self, service: EntityId, logs: ServiceLogs) {
        if let Some(partition) = self.partitions.first_mut() {
            partition.features.templates_mut().insert(service, Box::new(logs));
        }
    }

    /// Keeps the forms that log templates learn from now on, until they are taken.
    pub fn keep_log_forms(&mut self) {
        for partition in &mut self.partitions {
            partition.features.keep_log_forms();
        }
    }

    /// The forms that log templates have learnt since they were last taken.
    pub fn take_log_forms(&mut self) -> Vec<LearntForms> {
        let open = self.partitions.iter_mut();
        open.flat_map(|open| open.features.take_log_forms()).collect()
    }

    /// Learns forms of a service that were learnt elsewhere, in the first partition.
    pub fn learn_log_forms(&mut self, forms: LearntForms, max_templates: usize) {
        if let Some(partition) = self.partitions.first_mut() {
            let templates = partition.features.templates_mut();
            let fresh = || Box::new(ServiceLogs::of_learnt(&forms, max_templates));
            templates.entry(forms.entity).or_insert_with(fresh).learn_forms(forms);
        }
    }

    /// The log templates of all services, by partition, out of here.
    pub fn take_templates(&mut self) -> Vec<LogTemplatesOfServices> {
        let open = self.partitions.iter_mut();
        open.map(|open| std::mem::take(open.features.templates_mut())).collect()
    }

    pub fn put_templates(&mut self, logs: Vec<LogTemplatesOfServices>) {
        for (open, logs) in self.partitions.iter_mut().zip(logs) {
            *open.features.templates_mut() = logs;
        }
    }

    /// Sets both, in the first partition.
    pub fn set_cursors(
        &mut self,
        entity: EntityId,
        requests: Option<EntityCursor>,
        logs: Option<LogCursor>,
    ) {
        if let Some(partition) = self.partitions.first_mut() {
            partition.features.set_request_cursor(entity, requests);
            partition.features.set_log_cursor(entity, logs);
        }
    }

    /// The routes with unbounded positions that were learnt, by service.
    pub fn learnt_routes(&self) -> impl Iterator<Item = (&str, Vec<String>)> {
        self.partitions.iter().flat_map(|partition| partition.features.learnt_routes())
    }

    /// The paths of a service as far as they are known.
    pub fn routes_of(&self, service: &str) -> Option<ServiceRoutes> {
        self.partitions.iter().find_map(|open| open.features.routes_of(service)).cloned()
    }

    /// Sets the paths of a service, in the first partition.
    pub fn set_routes(&mut self, service: &str, routes: ServiceRoutes) {
        if let Some(partition) = self.partitions.first_mut() {
            partition.features.set_routes(service, Some(routes));
        }
    }

    /// The step of a series as far as it is known.
    pub fn step_of(&self, series: SeriesId) -> StepFinder {
        let known = self.partitions.iter().map(|partition| partition.features.step_of(series));
        known.max_by_key(StepFinder::last).unwrap_or_default()
    }

    /// Sets the step of a series, in the first partition.
    pub fn set_step(&mut self, series: SeriesId, step: StepFinder) {
        if let Some(partition) = self.partitions.first_mut() {
            partition.features.set_step(series, step);
        }
    }
}
