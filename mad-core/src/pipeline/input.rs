//! Telemetry and ticks that go into a pipeline.

use super::checkpointer::Checkpointer;
use super::first_stage::Stage;
use super::incident_log::IncidentLog;
use super::ingest::Ingest;
use super::judge::Judge;
use super::names::Names;
use super::tally::Tally;
use super::{Pipeline, Update};
use crate::config::PipelineConfig;
use crate::error::Result;
use crate::telemetry::{PartitionId, Record, RejectReason, Rejections, RequestTime, Source};
use crate::time::Timestamp;

impl Pipeline {
    /// Makes a pipeline without state.
    ///
    /// # Errors
    ///
    /// A config field outside its range.
    pub fn new(config: PipelineConfig) -> Result<Self> {
        config.validate()?;
        Ok(Self {
            names: Names::new(&config.limits),
            ingest: Ingest::new(&config)?,
            judge: Judge::new(&config)?,
            incidents: IncidentLog::new(&config)?,
            checkpointer: Checkpointer::default(),
            tally: Tally::default(),
            catalogue: None,
            stage: Stage::default(),
            config,
        })
    }

    /// Follows every jump of the event time ahead at once. For bounded input that is read to its
    /// end in time order, such as a file.
    #[must_use]
    pub fn bounded_input(mut self) -> Self {
        self.ingest = self.ingest.bounded_input();
        self
    }

    /// The partition of a name. A new name gets a new partition.
    ///
    /// Each partition has its own watermark, so that one may be behind another by any time. All
    /// records of one entity have to come in one partition. Incidents expire by the time of the
    /// partition that is furthest behind. [`advance`](Self::advance) moves all partitions.
    ///
    /// # Errors
    ///
    /// A new partition that the configuration does not allow. Names beyond
    /// [`Limits::partitions`](crate::Limits::partitions) share the partition `(other)`.
    ///
    /// # Examples
    ///
    /// ```
    /// use mad_core::{Pipeline, PipelineConfig, Request, Source, Timestamp, Update};
    ///
    /// let mut pipeline = Pipeline::new(PipelineConfig::default())?;
    /// let mut update = Update::default();
    /// for (name, service) in [("topic-0", "cart"), ("topic-1", "mail")] {
    ///     let partition = pipeline.partition(name)?;
    ///     for second in 0..120 {
    ///         let request = Request::new(Timestamp::from_seconds(second), service, "/", 200, 9.0);
    ///         let source = Source::at(1).in_partition(partition);
    ///         pipeline.push(request, &source, &mut update);
    ///     }
    /// }
    /// // the second partition came wholly after the first, and nothing was late
    /// assert_eq!((update.rows.len(), update.rejected.total()), (2, 0));
    /// # Ok::<(), mad_core::Error>(())
    /// ```
    pub fn partition(&mut self, name: &str) -> Result<PartitionId> {
        self.ingest.partition(name, &self.config)
    }

    /// Takes a batch of records of any kind. Their positions follow those of the batch before.
    ///
    /// ```
    /// use mad_core::{LogLine, Pipeline, PipelineConfig, Record, Request, Timestamp};
    ///
    /// let mut pipeline = Pipeline::new(PipelineConfig::default())?;
    /// let at = Timestamp::from_seconds(0);
    /// pipeline.ingest([Request::new(at, "payments", "/pay", 200, 80.0)]);
    /// pipeline.ingest([
    ///     Record::from(Request::new(at, "payments", "/pay", 200, 90.0)),
    ///     Record::from(LogLine::new(at, "payments", "ERROR", "card refused")),
    /// ]);
    /// pipeline.finish();
    /// assert_eq!((pipeline.counters().requests, pipeline.counters().lines), (2, 1));
    /// # Ok::<(), mad_core::Error>(())
    /// ```
    pub fn ingest<'a, R: Into<Record<'a>>>(
        &mut self,
        records: impl IntoIterator<Item = R>,
    ) -> Update {
        let mut update = Update::default();
        for record in records {
            let source = Source::at(self.ingest.position() + 1);
            self.push(record, &source, &mut update);
        }
        self.tally.reject(update.rejected.clone());
        update
    }

    /// Takes one record of any kind. Rows that it closes are judged, and what came of them is added
    /// to `update`. A rejection is only in `update`: hand it to
    /// [`note_rejections`](Self::note_rejections).
    ///
    /// Returns whether this record was accepted. A record that is held until its time is accepted,
    /// although a later push may reject it; held records of earlier pushes do not matter here.
    ///
    /// | record | effect |
    /// |---|---|
    /// | request | counts in the row of its service and endpoint; requests with the same trace id give the service graph an edge |
    /// | metric point | a value of its series. It is judged as a gauge, or by its increase if it is a running total ([`RunningTotal`](crate::score::RunningTotal)) |
    /// | span | an edge of the service graph, and a row of its service and operation as a request gives one, unless it is the caller's view of a call or its service also sends requests with trace ids. Spans that are missing from their traces ([`TraceProfiles`](crate::graph::TraceProfiles)) are counted per operation and step and judged as a metric, `missing_spans` |
    /// | log line | counts in `log_errors` or `log_warnings` of its service, by its level. Only more lines than expected are flagged |
    /// | change | evidence against its service in the half hour after it |
    /// | edge | an edge of the service graph |
    ///
    /// # Examples
    ///
    /// ```
    /// use mad_core::{MetricPoint, Pipeline, PipelineConfig, Source, Timestamp, Update};
    ///
    /// let mut pipeline = Pipeline::new(PipelineConfig::default())?;
    /// let mut update = Update::default();
    /// for minute in 0..10 {
    ///     let at = Timestamp::from_seconds(60 * minute);
    ///     let point = MetricPoint::new(at, "payments", "cpu", 0.4);
    ///     pipeline.push(point, &Source::at(1), &mut update);
    /// }
    /// // the newest point waits until the watermark has passed it
    /// assert_eq!(update.rows.len(), 9);
    /// # Ok::<(), mad_core::Error>(())
    /// ```
    pub fn push<'a>(
        &mut self,
        record: impl Into<Record<'a>>,
        source: &Source,
        update: &mut Update,
    ) -> bool {
        self.ingest.begin_record(source.position);
        if let Stage::First(stage) = &mut self.stage {
            stage.records += 1;
        }
        let rejected = &mut update.rejected;
        let record = record.into();
        if let Some(at) = clock_reading(&record, source, &self.config)
            && self.ingest.is_refused_jump(at, source)
        {
            let detail = || format!("timestamp = {at}");
            rejected.add(RejectReason::Future, source.position, detail);
            return false;
        }
        self.note_record(Some(record.timestamp().unwrap_or(Timestamp::MIN)));
        if matches!(self.stage, Stage::First(_) | Stage::Member(_)) {
            return self.push_first(&record, source, update);
        }
        match record {
            Record::Request(request) => self.push_request(&request, source, update),
            Record::Span(span) => {
                let names = (&self.config, &self.names);
                let (mut is_accepted, request) = self.ingest.span(&span, source, names, rejected);
                if let Some(request) = request {
                    is_accepted = self.push_request(&request, source, update);
                    self.ingest.close_traces(false, &self.config, &mut self.names);
                    self.drain(source.partition, update);
                }
                is_accepted
            }
            record @ (Record::Metric(_) | Record::Log(_)) => {
                let names = &mut self.names;
                let is_accepted = self.ingest.point_or_line(&record, source, names, rejected);
                self.drain(source.partition, update);
                is_accepted
            }
            Record::Change(change) => {
                if let Err((reason, field)) = change.check() {
                    rejected.add(reason, source.position, || field.to_owned());
                    return false;
                }
                self.incidents.push_change(change.event());
                true
            }
            Record::Edge(edge) => self.ingest.edge(&edge, source, rejected),
        }
    }

    /// Adds rejected records of a decoder or a push to the counts of the pipeline.
    pub fn note_rejections(&mut self, rejections: Rejections) {
        self.tally.reject(rejections);
    }

    /// Begins a batch that its sender may repeat. Returns whether the batch is new: skip a batch
    /// whose id is among the last [`Limits::batch_ids`](crate::Limits::batch_ids), because it was
    /// taken already.
    ///
    /// ```
    /// use mad_core::{Pipeline, PipelineConfig};
    ///
    /// let mut pipeline = Pipeline::new(PipelineConfig::default())?;
    /// assert!(pipeline.begin_batch("2026-01-06/17"));
    /// assert!(!pipeline.begin_batch("2026-01-06/17"));
    /// assert_eq!(pipeline.counters().batches_repeated, 1);
    /// # Ok::<(), mad_core::Error>(())
    /// ```
    pub fn begin_batch(&mut self, id: &str) -> bool {
        let is_new = self.checkpointer.remember_batch(id, self.config.limits.batch_ids);
        if !is_new {
            self.tally.repeated_batch();
        }
        is_new
    }

    /// Whether a batch of this id was begun.
    pub fn has_batch(&self, id: &str) -> bool {
        self.checkpointer.has_batch(id)
    }

    /// Starts (`true`) or ends (`false`) a backfill, in which rows and points are learnt but never
    /// flagged. Use it to teach the past of a system before watching it. The rows of a backfill
    /// have the reason `history`. All counters start at zero when a backfill ends.
    pub fn backfill(&mut self, on: bool) {
        if self.judge.set_backfill(on) {
            self.tally.reset();
            self.ingest.reset_counts();
        }
    }

    /// Pauses the watermarks of all partitions (`true`), or lets them follow their clocks again.
    ///
    /// After an outage of the network every source sends what it kept, at its own pace. While the
    /// watermarks are paused no step closes, so that no such record is late. The steps close with
    /// the first record after the end. A paused watermark is at most an hour of event time behind its
    /// clock, or the reach of the clock if that is more. [`advance`](Self::advance) moves the watermarks all the same.
    ///
    /// # Examples
    ///
    /// ```
    /// use mad_core::{Pipeline, PipelineConfig, Request, Timestamp};
    ///
    /// let mut pipeline = Pipeline::new(PipelineConfig::default())?;
    /// let at = |second: i64, service| {
    ///     Request::new(Timestamp::from_seconds(second), service, "/", 200, 9.0)
    /// };
    /// let mut rejected = 0;
    /// pipeline.ingest((0..60).flat_map(|second| [at(second, "cart"), at(second, "mail")]));
    /// pipeline.pause_watermarks(true);
    /// // both were cut off for two minutes, and send one after the other
    /// for service in ["cart", "mail"] {
    ///     let update = pipeline.ingest((60..180).map(|second| at(second, service)));
    ///     rejected += update.rejected.total();
    /// }
    /// pipeline.pause_watermarks(false);
    /// assert_eq!(rejected, 0);
    /// # Ok::<(), mad_core::Error>(())
    /// ```
    pub fn pause_watermarks(&mut self, on: bool) {
        self.ingest.pause(on);
    }

    /// Whether the watermarks are paused.
    pub fn is_paused(&self) -> bool {
        self.ingest.is_paused()
    }

    /// Refuses records that are dated so far ahead that only a jump of the clocks could take them
    /// (`true`), or lets the clocks jump again.
    ///
    /// A clock follows a jump when most of the newest sources agree on it, because a system may have
    /// been off for hours. One sender can name any number of sources, so that a single batch with a
    /// wrong time could make the records of all others late. While the records come at the pace of
    /// real time, no right source jumps: a server then refuses jumps. Records further ahead of every
    /// partition than `max_ahead_seconds` (or 64 steps, if that is less) are rejected as `future`.
    ///
    /// # Examples
    ///
    /// ```
    /// use mad_core::{Pipeline, PipelineConfig, Request, Timestamp};
    ///
    /// let mut pipeline = Pipeline::new(PipelineConfig::default())?;
    /// let names: Vec<String> = (0..32).map(|number| format!("service-{number}")).collect();
    /// let at = |second: i64| {
    ///     let at = Timestamp::from_seconds(second);
    ///     names.iter().map(move |name| Request::new(at, name, "/", 200, 9.0)).collect::<Vec<_>>()
    /// };
    /// pipeline.ingest((0..60).flat_map(at));
    /// pipeline.refuse_jumps(true);
    /// assert_eq!(pipeline.ingest(at(90_000)).rejected.total(), 32);
    /// assert_eq!(pipeline.ingest(at(60)).rejected.total(), 0);
    /// # Ok::<(), mad_core::Error>(())
    /// ```
    pub fn refuse_jumps(&mut self, on: bool) {
        self.ingest.refuse_jumps(on);
    }

    /// Whether records that only a jump of the clocks could take are refused.
    pub fn refuses_jumps(&self) -> bool {
        self.ingest.refuses_jumps()
    }

    /// Moves the watermark of every partition to `at`, for example when a source is idle. Times
    /// outside those of records count as [`Timestamp::EARLIEST`] or [`Timestamp::LATEST`].
    pub fn advance(&mut self, at: Timestamp) -> Update {
        let at = at.clamp(Timestamp::EARLIEST, Timestamp::LATEST);
        let mut update = Update::default();
        self.close(Some(at), &mut update);
        self.note_record(None);
        self.expire(at, &mut update);
        self.tally.reject(update.rejected.clone());
        update
    }

    /// Closes all open steps at the end of the stream.
    pub fn finish(&mut self) -> Update {
        let mut update = Update::default();
        self.reach_end_of_plan();
        self.close(None, &mut update);
        self.end_first_stage();
        self.tally.reject(update.rejected.clone());
        update
    }
}

/// The time at which the sender of a record knew it; None for records that move no clock.
fn clock_reading(
    record: &Record<'_>,
    source: &Source,
    config: &PipelineConfig,
) -> Option<Timestamp> {
    match record {
        Record::Request(request) => {
            let time = config.features.time_of_requests(source);
            Some(request.completed(time))
        }
        Record::Span(span) => Some(span.as_request().completed(RequestTime::Start)),
        Record::Metric(point) => Some(point.timestamp),
        Record::Log(line) => Some(line.timestamp),
        Record::Change(_) | Record::Edge(_) => None,
    }
}
