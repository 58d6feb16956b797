//! Telemetry of any kind to rows of closed steps.
//!
//! The file is longer than others because a third of it describes how steps close,
//! which users of the type have to know.

use serde::{Deserialize, Serialize};

use super::RecentIds;
use super::event_time_window::{EventTimeWindow, FeatureSink};
use super::log_forms::{ReadLine, read_part};
use super::log_step::{LogMemory, LogStep};
use super::metric_points::{Measured, MetricMemory, MetricPoints};
use super::request_step::{RequestMemory, RequestStep, Served};
use super::route_learner::ServiceRoutes;
use super::source_clocks::{ClockFault, HostTable};
use super::window_clock::Timed;
use crate::config::{FeatureConfig, SloConfig};
use crate::error::Result;
use crate::limits::Limits;
use crate::logs::FormReader;
use crate::series::{EntityId, Sample, SeriesId};
use crate::telemetry::{
    Doubt, LogLine, MetricPoint, Record, RejectReason, Request, RequestTime, Source, WrittenLevel,
};
use crate::time::Timestamp;

/// Points of metrics keep their own times: their window has a step of one nanosecond.
const METRIC_STEP: i64 = 1;

/// Builds rows from telemetry in any order within the allowed lateness.
///
/// | record | rows |
/// |---|---|
/// | request | one row per service, endpoint and step with the signals of [`Signal::ALL`](crate::Signal::ALL) |
/// | requests of a service with two endpoints or more | one more row per service and step, of the kind [`Services`](crate::RowKind::Services): sums, and latencies adjusted for the mix of endpoints |
/// | span | counts as a request of its service and operation, unless it is the caller's view of a call |
/// | metric point | one row per service, resource and time with the series that have a point; nothing is averaged |
/// | log line | one row per service and step with the counts [`LOG_ERRORS`](crate::series::LOG_ERRORS) and [`LOG_WARNINGS`](crate::series::LOG_WARNINGS), and with [`LOG_NEW_ERRORS`](crate::series::LOG_NEW_ERRORS) in a step where a new error template came five times within 30 s |
/// | change, edge | none |
///
/// # Event time
///
/// Requests, metrics and logs each have a clock and a watermark, which is the clock less
/// `lateness_seconds`. The clock is the event time that more than half of the sources have reached,
/// of the last two to 32 turns, so that no single source moves it. A source is the host of a record,
/// else its entity. A step closes when the watermark has passed its end. Its rows come out in the
/// order of the names. A record of a closed step is rejected as `late`. For a host that was regular and
/// stops while others continue, the watermark waits for at most `wait_for_source_seconds`.
///
/// A record further ahead of the clock than `max_ahead_seconds` (or than 64 steps, if that is less) is
/// held. It is taken when the clock comes near, which it does at once where 12 of the last 16 turns
/// are that far ahead, or when the stream ends and the record is plausible. Otherwise it is rejected as
/// `future`. Sources whose clocks are wrong are named by [`clock_faults`](Self::clock_faults).
///
/// # Logs
///
/// Steps between two rows of a service are counts of 0. At most 60 of them come out, with the next
/// line of the service. A service that writes only when something is wrong is therefore not taken
/// for one that is always wrong.
///
/// The templates of each service are found from the forms of its lines
/// ([`LogTemplates`](crate::LogTemplates)). An error template is new for ten minutes, unless its first
/// line came in the first 30 s of the log. Of the forms in one service and step 64 of error lines and 64
/// of other lines are read, those with the smallest hashes, and of a line the first 1,024 bytes.
///
/// # Examples
///
/// ```
/// use mad_core::feature::FeatureSink;
/// use mad_core::{
///     EntityTable, FeatureBuilder, FeatureConfig, Limits, MetricPoint, Record, Rejections, Request,
///     RowBuffer, RowKind, SeriesTable, Signal, Source, Timestamp,
/// };
///
/// let mut builder = FeatureBuilder::new(FeatureConfig::default(), &Limits::default())?;
/// let (mut entities, mut series) = (EntityTable::new(100), SeriesTable::new(100));
/// let (mut rows, mut rejections) = (RowBuffer::default(), Rejections::default());
/// let mut sink = FeatureSink {
///     entities: &mut entities,
///     series: &mut series,
///     rows: &mut rows,
///     rejections: &mut rejections,
/// };
/// for (second, latency) in [(0, 10.0), (30, 30.0), (90, 20.0)] {
///     let at = Timestamp::from_seconds(second);
///     let records = [
///         Record::from(Request::new(at, "payments", "/pay", 200, latency)),
///         Record::from(MetricPoint::new(at, "payments", "cpu", 0.5)),
///     ];
///     for record in records {
///         builder.push(record, &Source::at(1), &mut sink);
///     }
/// }
/// builder.finish(&mut sink);
/// let requests = rows.iter().filter(|row| row.head.kind == RowKind::Requests);
/// let medians: Vec<f64> = requests.map(|row| row.sample(Signal::P50Latency).value).collect();
/// assert_eq!(medians, [20.0, 20.0]);
/// assert_eq!(rows.len(), 5);
/// # Ok::<(), mad_core::Error>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FeatureBuilder {
    config: FeatureConfig,
    request_ids: usize,
    ids: RecentIds,
    hosts: HostTable,
    bounded: bool,
    pub(super) requests: EventTimeWindow<RequestStep>,
    pub(super) metrics: EventTimeWindow<MetricPoints>,
    pub(super) logs: EventTimeWindow<LogStep>,
    #[serde(skip)]
    forms: FormReader,
}

/// Counts of the records that a [`FeatureBuilder`] took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FeatureCounts {
    /// Requests.
    pub requests: u64,
    /// Requests that failed.
    pub errors: u64,
    /// Points of metrics.
    pub points: u64,
    /// Log lines.
    pub lines: u64,
    /// Points, lines and counts of lines beyond [`Limits::series`] and [`Limits::entities`].
    pub overflowed: u64,
    /// Points that were merged with others of their series and time.
    pub merged: u64,
    /// Latencies beyond [`Limits::window_samples`].
    pub samples_dropped: u64,
}

impl FeatureBuilder {
    /// A builder without records.
    ///
    /// # Errors
    ///
    /// A field of the configuration or of the limits is outside its range.
    pub fn new(config: FeatureConfig, limits: &Limits) -> Result<Self> {
        config.validate()?;
        limits.validate()?;
        let objective_ms = SloConfig::default().latency_objective_ms;
        let requests = RequestMemory::new(limits, objective_ms);
        let metrics = MetricMemory::new(config.step_nanos());
        Ok(Self {
            config,
            request_ids: limits.request_ids,
            ids: RecentIds::default(),
            hosts: HostTable::new(limits.sources),
            bounded: false,
            requests: EventTimeWindow::new(config.step_nanos(), config, limits, requests),
            metrics: EventTimeWindow::new(METRIC_STEP, config, limits, metrics),
            logs: EventTimeWindow::new(
                config.step_nanos(),
                config,
                limits,
                LogMemory::new(limits.service_log_templates, limits.service_log_rates),
            ),
            forms: FormReader::default(),
        })
    }

    /// Follows every jump ahead in time at once. For input that is read to its end in time order,
    /// where a record that is dated far ahead is simply the last one.
    #[must_use]
    pub fn bounded_input(mut self) -> Self {
        self.bounded = true;
        self.requests.bound_input();
        self.metrics.bound_input();
        self.logs.bound_input();
        self
    }

    /// Sets the latency objective in ms for the rows that close from now on: of one entity, or of
    /// all of them. Longer requests count as
    /// [`over_objective`](super::RequestFacts::over_objective). The default is 500.
    pub fn set_latency_objective(&mut self, entity: Option<EntityId>, objective_ms: f64) {
        let memory = &mut self.requests.memory;
        if let Some(entity) = entity {
            memory.objective_of.insert(entity, objective_ms);
        } else {
            memory.objective_ms = objective_ms;
            memory.objective_of.clear();
        }
    }

    /// Learns routes from now on: positions of paths with more than a bounded number of values
    /// become `{*}`, so that a service whose paths name articles, users or files has endpoints with
    /// a history. Off by default.
    #[must_use]
    pub fn learn_routes(mut self, on: bool) -> Self {
        self.requests.memory.learns_routes = on;
        self
    }

    /// The learnt route of an endpoint; `None` if it keeps its name.
    pub fn route(&self, service: &str, endpoint: &str) -> Option<String> {
        self.requests.memory.routes.route(service, endpoint)
    }

    /// The routes with unbounded positions that were learnt, by service.
    pub fn learnt_routes(&self) -> impl Iterator<Item = (&str, Vec<String>)> {
        self.requests.memory.routes.learnt().map(|(service, routes)| (&**service, routes))
    }

    /// The paths of a service.
    pub(crate) fn routes_of(&self, service: &str) -> Option<&ServiceRoutes> {
        self.requests.memory.routes.of(service)
    }

    /// Sets the paths of a service.
    pub(crate) fn set_routes(&mut self, service: &str, routes: Option<ServiceRoutes>) {
        self.requests.memory.routes.set(service, routes);
    }

    /// Takes one record. Rows of steps that it closes are added to `sink.rows`. Of `source`, only
    /// the position is used. Returns whether this record was accepted; one that is held until its
    /// time is.
    pub fn push<'a>(
        &mut self,
        record: impl Into<Record<'a>>,
        source: &Source,
        sink: &mut FeatureSink<'_>,
    ) -> bool {
        match record.into() {
            Record::Request(request) => self.push_request(&request, None, source, sink),
            // The callee reports the same request; counting both would double the traffic.
            Record::Span(span) if span.kind.is_caller() => true,
            Record::Span(span) => {
                let source = source.dated_by(RequestTime::Start);
                self.push_request(&span.as_request(), None, &source, sink)
            }
            Record::Metric(point) => self.push_metric(&point, source, sink),
            Record::Log(line) => self.push_log(&line, source, sink),
            Record::Change(_) | Record::Edge(_) => true,
        }
    }

    /// Takes a request. Of a `known` entity the names were checked when it was first seen.
    pub(crate) fn push_request(
        &mut self,
        request: &Request<'_>,
        known: Option<EntityId>,
        source: &Source,
        sink: &mut FeatureSink<'_>,
    ) -> bool {
        let position = source.position;
        let checked = if known.is_some() { request.check_known() } else { request.check() };
        if let Err((reason, field)) = checked {
            sink.rejections.add(reason, position, || describe_request(request, field));
            return false;
        }
        if let Some(id) = request.request_id
            // Checked before anything is counted, so that a repeated delivery changes nothing.
            && !self.ids.remember(id, self.request_ids)
        {
            let detail = || format!("request_id = {id:?}");
            sink.rejections.add(RejectReason::Duplicate, position, detail);
            return false;
        }
        let entity = known.unwrap_or_else(|| sink.entities.id(request.service, request.endpoint));
        let time = self.config.time_of_requests(source);
        let (step, lateness) = (self.config.step(), self.config.lateness());
        let timestamp = request.counts_at(time, step, lateness);
        // A file is sorted by the start of requests; live requests are sent when they complete.
        let reading = if self.bounded { request.timestamp } else { request.completed(time) };
        let names = &mut self.requests.memory.subset_names;
        let subsets = [names.number(request.version), names.number(request.host)];
        let record = Timed {
            timestamp,
            reading,
            entity,
            delayed: timestamp != request.timestamp,
            source: self.hosts.source(request.host, entity),
            position,
            item: Served {
                status: request.status,
                latency_ms: request.latency().unwrap_or(f64::NAN),
                subsets,
            },
        };
        self.requests.push(record, sink)
    }

    /// A point of a series beyond [`Limits::series`], or of an entity beyond [`Limits::entities`],
    /// is counted and makes no row, because values of different series cannot be judged together.
    fn push_metric(
        &mut self,
        point: &MetricPoint<'_>,
        source: &Source,
        sink: &mut FeatureSink<'_>,
    ) -> bool {
        let position = source.position;
        if let Err((reason, field)) = point.check() {
            sink.rejections.add(reason, position, || describe_point(point, field));
            return false;
        }
        let FeatureSink { entities, series: names, .. } = sink;
        // two hosts that report one metric of a service are two series
        let resource = if point.resource.is_empty() { point.host } else { point.resource };
        // sources send their series in rounds, so the series after the last one is tried first
        let name = (point.service, resource, point.metric);
        let found = names.guess(name, entities).or_else(|| {
            let entity = entities.id(point.service, resource);
            let within = !entities.is_overflow(entity);
            let series = within.then(|| names.id(entity, point.metric, entities)).flatten();
            series.map(|series| (entity, series))
        });
        let Some((entity, series)) = found else {
            self.metrics.memory.overflowed += 1;
            return true;
        };
        names.came(series);
        let sample = Sample { value: point.value, n: point.n };
        let item = Measured { series, sample };
        let source = self.hosts.source(point.host, entity);
        let at = point.timestamp;
        let record =
            Timed { timestamp: at, reading: at, entity, delayed: false, source, position, item };
        self.metrics.push(record, sink)
    }

    /// A line of a service beyond [`Limits::entities`] is counted and makes no row.
    fn push_log(
        &mut self,
        line: &LogLine<'_>,
        source: &Source,
        sink: &mut FeatureSink<'_>,
    ) -> bool {
        let position = source.position;
        if let Err((reason, field)) = line.check() {
            sink.rejections.add(reason, position, || field.to_owned());
            return false;
        }
        let entity = sink.entities.id(line.service, "");
        if sink.entities.is_overflow(entity) {
            self.logs.memory.overflowed += 1;
            return true;
        }
        let level = WrittenLevel::parse(line.level);
        if level == WrittenLevel::Unknown {
            sink.rejections.remark(Doubt::UnknownLevel, position, || line.level.to_owned());
        }
        let text = read_part(line.body);
        let item = ReadLine { level, form: self.forms.form(text.as_bytes()), text: text.into() };
        let source = self.hosts.source(line.host, entity);
        let at = line.timestamp;
        let record =
            Timed { timestamp: at, reading: at, entity, delayed: false, source, position, item };
        self.logs.push(record, sink)
    }

    /// Moves the watermarks to `at` and closes the steps before it. A source without records calls
    /// it, so that its last steps close.
    pub fn advance(&mut self, at: Timestamp, sink: &mut FeatureSink<'_>) {
        self.requests.advance(at, sink);
        self.metrics.advance(at, sink);
        self.logs.advance(at, sink);
    }

    /// Closes every open step at the end of the stream. The step in which it ends is not whole.
    /// Records that are still held are rejected as `future`, unless they are near the others or no
    /// other record was ever taken.
    pub fn finish(&mut self, sink: &mut FeatureSink<'_>) {
        self.requests.finish(sink);
        self.metrics.finish(sink);
        self.logs.finish(sink);
    }

    /// The configuration.
    pub fn config(&self) -> &FeatureConfig {
        &self.config
    }

    /// All steps before this moment are closed, of each kind of telemetry that has sent a record.
    pub fn watermark(&self) -> Timestamp {
        self.watermarks().min().unwrap_or(self.requests.watermark())
    }

    /// The watermark of the kind that is furthest on. Unlike [`watermark`](Self::watermark) it does not
    /// stay where a kind has ended, such as the log of a service that only logs its errors.
    pub fn furthest_watermark(&self) -> Timestamp {
        self.watermarks().max().unwrap_or(self.requests.watermark())
    }

    /// The watermark of requests and of the spans that count as requests; none before the first.
    pub(crate) fn request_watermark(&self) -> Option<Timestamp> {
        self.requests.newest().map(|_| self.requests.watermark())
    }

    /// The watermark of each kind of which a record was taken.
    fn watermarks(&self) -> impl Iterator<Item = Timestamp> {
        let Self { requests, metrics, logs, .. } = self;
        let all = [
            (requests.newest(), requests.watermark()),
            (metrics.newest(), metrics.watermark()),
            (logs.newest(), logs.watermark()),
        ];
        all.into_iter().filter_map(|(newest, watermark)| newest.map(|_| watermark))
    }

    /// Whether a record was taken.
    pub(crate) fn has_started(&self) -> bool {
        self.newest().or(self.logs.newest()).is_some()
    }

    /// The newest event time of requests and metrics.
    pub fn newest(&self) -> Option<Timestamp> {
        self.newest_request().max(self.metrics.newest())
    }

    /// The event time that the sources of each kind agree on, of the kind that is furthest on.
    pub fn clock(&self) -> Option<Timestamp> {
        self.requests.clock().max(self.metrics.clock()).max(self.logs.clock())
    }

    /// Whether the windows have the steps of the configuration, as they have unless saved state was
    /// changed.
    pub(crate) fn has_steps_of_config(&self) -> bool {
        let step = self.config.step_nanos();
        let found = [self.requests.step(), self.metrics.step(), self.logs.step()];
        found == [step, METRIC_STEP, step]
    }

    /// The latest time that a clock of any kind reaches without a jump; None before one starts.
    pub(crate) fn horizon(&self) -> Option<Timestamp> {
        let quorums = [self.requests.quorum(), self.metrics.quorum(), self.logs.quorum()];
        quorums.into_iter().filter_map(|quorum| Some(quorum.clock()?.plus(quorum.reach()))).max()
    }

    /// The sources whose records have wrong times, by kind of record: requests, metrics, logs.
    pub fn clock_faults(&self) -> impl Iterator<Item = ClockFault> + '_ {
        let quorums = [self.requests.quorum(), self.metrics.quorum(), self.logs.quorum()];
        quorums.into_iter().flat_map(|quorum| quorum.sources.faults(&self.hosts))
    }

    /// The newest event time of requests.
    pub(crate) fn newest_request(&self) -> Option<Timestamp> {
        self.requests.newest()
    }

    /// The same bounded input had records elsewhere: for requests, metrics and logs the newest time of
    /// all of them that were not delayed, and their newest reading.
    pub(crate) fn reached(&mut self, ends: [(Option<Timestamp>, Option<Timestamp>); 3]) {
        let [requests, metrics, logs] = ends;
        self.requests.reached(requests.0, requests.1);
        self.metrics.reached(metrics.0, metrics.1);
        self.logs.reached(logs.0, logs.1);
    }

    /// Counts of the records that were taken.
    pub fn counts(&self) -> FeatureCounts {
        let Self { requests, metrics, logs, .. } = self;
        FeatureCounts {
            requests: requests.memory.requests,
            errors: requests.memory.errors,
            points: metrics.memory.points,
            lines: logs.memory.lines,
            overflowed: metrics.memory.overflowed + logs.memory.overflowed,
            merged: metrics.memory.merged,
            samples_dropped: requests.memory.dropped,
        }
    }

    /// The first series of which different values came for one time.
    pub fn merged_series(&self) -> Option<SeriesId> {
        self.metrics.memory.merged_series
    }
}

fn describe_request(request: &Request<'_>, field: &str) -> String {
    match field {
        "service" => format!("service = {:?}", request.service),
        "endpoint" => format!("endpoint = {:?}", request.endpoint),
        "request_id" => format!("request_id = {:?}", request.request_id.unwrap_or_default()),
        "timestamp" => format!("timestamp = {}", request.timestamp),
        "host" => format!("host = {:?}", request.host),
        "version" => format!("version = {:?}", request.version),
        _ => format!("trace_id = {:?}", request.trace_id.unwrap_or_default()),
    }
}

fn describe_point(point: &MetricPoint<'_>, field: &str) -> String {
    match field {
        "service" => format!("service = {:?}", point.service),
        "resource" => format!("resource = {:?}", point.resource),
        "metric" => format!("metric = {:?}", point.metric),
        "timestamp" => format!("timestamp = {}", point.timestamp),
        _ => format!("value = {}", point.value),
    }
}
