//! A pipeline and counts of the records read for it.

use mad_core::method::MethodSummary;
use mad_core::telemetry::RejectReason;
use mad_core::{
    Error, JudgedRow, Pipeline, PipelineConfig, Record, RecordKind, Rejections, Source, Timestamp,
    Update,
};
use pyo3::prelude::*;

use crate::errors::to_py;
use crate::records::reading::Reading;
use crate::results::opinions::{MethodRun, Opinions};

/// A pipeline, and counts of the records read for it.
pub struct Intake {
    pub pipeline: Pipeline,
    pub reading: Reading,
    update: Update,
    /// What the pipeline rejected, by kind; `update` holds the rejected requests.
    aside: [Rejections; RecordKind::ALL.len()],
    earlier: Option<Earlier>,
    /// The methods beside the default; none if none was chosen.
    methods: Option<MethodRun>,
}

/// The run before, from whose state this one continues.
struct Earlier {
    /// Everything before this time was judged then.
    end: Timestamp,
    /// Records of this run from before that time, by kind.
    records: [u64; RecordKind::ALL.len()],
}

impl Intake {
    /// A pipeline over telemetry that is read to its end: a new one, or one that
    /// continues from `state`; with `learn`, it flags nothing. All counters start at zero. `scorers` are
    /// the names of methods that judge its rows too, over `workers` threads.
    pub fn new(
        config: PipelineConfig,
        state: Option<&[u8]>,
        learn: bool,
        scorers: &[String],
        workers: usize,
    ) -> PyResult<Self> {
        let most = config.limits.entities;
        let pipeline = match state {
            Some(state) => Pipeline::restore(config, state),
            None => Pipeline::new(config),
        };
        let pipeline = pipeline.map_err(|error| to_py(&error))?.bounded_input();
        let end = state.and_then(|_| pipeline.newest().map(|_| pipeline.watermark()));
        let earlier = end.map(|end| Earlier { end, records: Default::default() });
        // the end of a backfill starts the counters at zero, so that they count this run alone
        let mut intake = Self::of(pipeline);
        intake.pipeline.backfill(true);
        intake.pipeline.backfill(learn);
        let methods = MethodRun::new(scorers, most, workers)?;
        Ok(Self { earlier, methods, ..intake })
    }

    /// The intake of a pipeline for bounded input.
    pub fn of(pipeline: Pipeline) -> Self {
        let (reading, update) = (Reading::default(), Update::default());
        let (aside, earlier, methods) = (Default::default(), None, None);
        Self { pipeline, reading, update, aside, earlier, methods }
    }

    /// Takes a good record. A setting that says what the time of a request is wins over its source.
    #[inline]
    pub fn push(&mut self, record: &Record<'_>, source: Source) {
        let kind = record.kind();
        self.reading.see(record);
        if let (Record::Change(change), Some(methods)) = (record, &mut self.methods) {
            methods.push_change(change);
        }
        if let Some(earlier) = &mut self.earlier
            && record.timestamp().is_some_and(|at| at < earlier.end)
            && let Some(count) = earlier.records.get_mut(kind.index())
        {
            *count += 1;
        }
        let Self { pipeline, update, aside, .. } = self;
        let is_set = pipeline.config().features.request_time.is_some();
        let source = if is_set { Source { request_time: None, ..source } } else { source };
        if kind == RecordKind::Requests {
            pipeline.push(record, &source, update);
            return;
        }
        let Some(aside) = aside.get_mut(kind.index()) else { return };
        std::mem::swap(aside, &mut update.rejected);
        pipeline.push(record, &source, update);
        std::mem::swap(aside, &mut update.rejected);
    }

    /// Counts records of a kind that could not be read.
    pub fn note(&mut self, kind: RecordKind, rejected: Rejections) {
        if kind.is_timed() {
            self.pipeline.note_rejections(rejected.clone());
        }
        self.reading.of_mut(kind).rejected.merge(rejected);
    }

    /// Counts records that the pipeline rejected; with `sorted`, a late record is an error unless
    /// it is from before the state that the run continues from.
    pub fn settle(&mut self, sorted: bool) -> mad_core::Result<()> {
        for kind in RecordKind::ALL {
            let rejected = match self.aside.get_mut(kind.index()) {
                Some(_) if kind == RecordKind::Requests => {
                    std::mem::take(&mut self.update.rejected)
                }
                Some(aside) => std::mem::take(aside),
                None => continue,
            };
            let known = self.reading.of(kind).rejected.count(RejectReason::Late);
            let late = known + rejected.count(RejectReason::Late);
            let first = rejected.first().iter().find(|one| one.reason == RejectReason::Late);
            if sorted && let Some(first) = first.filter(|_| late > self.earlier_records(kind)) {
                return Err(Error::unsorted(format!(
                    "the input is not ordered by time (record {}: {})",
                    first.position, first.detail
                )));
            }
            if kind.is_timed() {
                self.pipeline.note_rejections(rejected.clone());
            }
            self.reading.refuse(kind, rejected);
        }
        Ok(())
    }

    /// The rows judged since the last call.
    pub fn judged(&mut self) -> Vec<JudgedRow> {
        self.update.changes.clear();
        self.reading.note_levels(&std::mem::take(&mut self.update.levels));
        let rows = std::mem::take(&mut self.update.rows);
        if let Some(methods) = &mut self.methods {
            methods.push(&rows);
        }
        rows
    }

    /// The opinions since the last call, and the summaries of all; empty without methods.
    pub fn opinions(&mut self) -> Opinions {
        self.methods.as_mut().map(MethodRun::take).unwrap_or_default()
    }

    /// The summaries of the methods; empty without methods.
    pub fn method_summaries(&self) -> Vec<MethodSummary> {
        self.methods.as_ref().map(MethodRun::summaries).unwrap_or_default()
    }

    /// Closes every open step.
    pub fn finish(&mut self) {
        let mut end = self.pipeline.finish();
        self.update.rows.append(&mut end.rows);
        self.update.levels.append(&mut end.levels);
        // records that were held until the end, of which the pipeline does not name the kind
        self.reading.refuse(self.reading.main_kind(), end.rejected);
    }

    /// The settings that fit the records read so far, where those in use have too long a step.
    pub fn short_recording(&self) -> Option<PipelineConfig> {
        let (length, resolution) = self.reading.length_and_resolution();
        // the points of a series have the distance of their times, and requests any number in a row
        let of = |kind| self.reading.of(kind).records;
        let has_requests = of(RecordKind::Requests) + of(RecordKind::Spans) > 0;
        let entities = if has_requests { self.pipeline.entities().len() } else { 0 };
        let records = self.reading.accepted();
        self.pipeline.config().for_recording(length, resolution, records, entities)
    }

    /// The end of the run before; `None` when this run continues from nothing.
    pub fn earlier_end(&self) -> Option<Timestamp> {
        self.earlier.as_ref().map(|earlier| earlier.end)
    }

    /// Records of a kind from before the state that the run continues from.
    fn earlier_records(&self, kind: RecordKind) -> u64 {
        let earlier = self.earlier.as_ref();
        earlier.and_then(|earlier| earlier.records.get(kind.index())).copied().unwrap_or(0)
    }

    /// All records from before the state that the run continues from, with the end of that state.
    pub fn repeated(&self) -> Option<(u64, Timestamp)> {
        let earlier = self.earlier.as_ref()?;
        Some((earlier.records.iter().sum(), earlier.end)).filter(|(count, _)| *count > 0)
    }
}
