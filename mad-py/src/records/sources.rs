//! Sources of any kind merged by time, or sorted in memory.

use std::collections::{BTreeMap, VecDeque};

use mad_core::export::ClockFaultDocument;
use mad_core::feature::ClockWatch;
use mad_core::telemetry::KindCounts;
use mad_core::time::ZonePolicy;
use mad_core::wire::ColumnMap;
use mad_core::wire::formats::TelemetryMemory;
use mad_core::{Error, PipelineConfig, Record, RecordKind, Rejections, Result, Source as Origin};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::border::detached;
use crate::errors::to_py;
use crate::records::kinds::read_table;
use crate::records::owned::{Names, Owned};
use crate::records::reading::LINE;
use crate::records::source::{Piece, Source, SourceSink};

/// A run that reads its sources piece by piece.
pub trait SourceReader: Send {
    fn sources(&self) -> &Sources;

    /// Takes a piece of a source.
    fn take(&mut self, source: usize, piece: &Piece<'_>) -> Result<()>;

    /// Takes a chunk of a source: bytes, cut anywhere, or a table.
    fn take_chunk(
        &mut self,
        py: Python<'_>,
        source: usize,
        chunk: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        if let Ok(bytes) = chunk.cast::<PyBytes>() {
            return self.take_piece(py, source, &Piece::Bytes(bytes.as_bytes()));
        }
        let sources = self.sources();
        let kind = sources.kind(source).map_err(|error| to_py(&error))?;
        let table = read_table(kind, chunk, sources.zone(), sources.columns())?;
        self.take_piece(py, source, &Piece::Table(table))
    }

    /// Takes a piece while other threads run.
    fn take_piece(&mut self, py: Python<'_>, source: usize, piece: &Piece<'_>) -> PyResult<()> {
        detached(py, || self.take(source, piece))?.map_err(|error| to_py(&error))
    }
}

/// The methods with which Python hands a [`SourceReader`] its sources.
macro_rules! reader {
    ($class:ty) => {
        #[pyo3::pymethods]
        impl $class {
            /// Reads a piece of a source: bytes, cut anywhere, or a table; the first bytes show the
            /// format.
            fn feed(
                &mut self,
                py: Python<'_>,
                source: usize,
                chunk: &Bound<'_, PyAny>,
            ) -> PyResult<()> {
                self.take_chunk(py, source, chunk)
            }

            /// Ends a source.
            fn end(&mut self, py: Python<'_>, source: usize) -> PyResult<()> {
                self.take_piece(py, source, &crate::records::source::Piece::End)
            }

            /// Which source has to be read next, so that several merge by time; None when all have
            /// ended.
            fn wants(&self) -> Option<usize> {
                self.sources.wants()
            }
        }
    };
}
pub(crate) use reader;

/// Any number of sources. One comes out as it is read; several are merged by time, each being in
/// order itself; or all are held and sorted. Edges, which have no time, only pass through.
pub struct Sources {
    sources: Vec<(Source, VecDeque<Owned>)>,
    read: Vec<KindCounts>,
    names: Names,
    zone: ZonePolicy,
    columns: ColumnMap,
    /// What the decoders of other tools' formats remember from file to file.
    memory: TelemetryMemory,
    sort: Option<usize>,
    held: usize,
    /// Of records that are sorted: their order of arrival shows wrong clocks.
    watch: ClockWatch,
}

impl Sources {
    /// `sort` is how many records may be held to sort them; `None` takes them as they come.
    pub fn new(sources: Vec<Source>, config: &PipelineConfig, sort: Option<usize>) -> Self {
        Self {
            read: vec![KindCounts::default(); sources.len()],
            sources: sources.into_iter().map(|source| (source, VecDeque::new())).collect(),
            names: Names::new(),
            zone: config.zone(),
            columns: ColumnMap::new(&config.intake),
            memory: TelemetryMemory::default(),
            sort,
            held: 0,
            watch: ClockWatch::new(config.features, &config.limits),
        }
    }

    /// The kind of a source.
    pub fn kind(&self, index: usize) -> Result<RecordKind> {
        let count = self.sources.len();
        let source = self.sources.get(index).filter(|(source, _)| !source.ended);
        source.map(|(source, _)| source.kind).ok_or_else(|| {
            Error::argument("source", index, &format!("the index of an open source, below {count}"))
        })
    }

    /// Which sources were read too little, of more than one: the place, and the sentence about it.
    /// A source without any record is none of them.
    pub fn shortfalls(&self, min_accepted: f64) -> Vec<(usize, String)> {
        if self.read.len() < 2 {
            return Vec::new();
        }
        let all = self.sources.iter().zip(&self.read).enumerate();
        let short = all.filter(|(_, (_, read))| read.falls_short(min_accepted));
        short.map(|(i, ((source, _), read))| (i, read.shortfall(source.kind, LINE))).collect()
    }

    /// What a user should know about the way the sources are read: each note with the places of the
    /// sources that have it.
    pub fn notes(&self) -> BTreeMap<String, Vec<usize>> {
        let mut notes: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, (source, _)) in self.sources.iter().enumerate() {
            for note in source.notes() {
                notes.entry(note).or_default().push(index);
            }
        }
        notes
    }

    /// The sources with a wrong clock, where the records are sorted.
    pub fn clock_faults(&self) -> Vec<ClockFaultDocument> {
        let document = |fault| ClockFaultDocument::new(&fault, self.watch.entities());
        self.watch.faults().map(document).collect()
    }

    /// How times without a zone are read.
    pub fn zone(&self) -> ZonePolicy {
        self.zone
    }

    /// The columns that the configuration names.
    pub fn columns(&self) -> &ColumnMap {
        &self.columns
    }

    /// The source that has to be read next; `None` when all have ended.
    pub fn wants(&self) -> Option<usize> {
        let open = || self.sources.iter().enumerate().filter(|(_, (source, _))| !source.ended);
        // what has no time is known before all else
        let timeless = open().find(|(_, (source, _))| !source.kind.is_timed());
        // sources that are sorted are read one after the other, because bodies of one sender continue
        // each other
        let is_merged = self.sort.is_none();
        let empty = || open().find(|(_, (_, queue))| is_merged && queue.is_empty());
        timeless.or_else(empty).or_else(|| open().next()).map(|(i, _)| i)
    }

    /// Reads a piece of a source. Records that are then in order go to `sink`.
    pub fn feed(
        &mut self,
        index: usize,
        piece: &Piece<'_>,
        sink: &mut SourceSink<'_>,
        rejections: &mut Rejections,
    ) -> Result<()> {
        let kind = self.kind(index)?;
        let judged = self.sources.iter().filter(|(source, _)| source.kind.is_timed()).count();
        let Self { sources, read, names, zone, memory, sort, held, watch, .. } = self;
        let Some((source, queue)) = sources.get_mut(index) else { return Ok(()) };
        let Some(read) = read.get_mut(index) else { return Ok(()) };
        let mut rejected = Rejections::default();
        let outcome = if !kind.is_timed() || (judged == 1 && sort.is_none()) {
            let pass: &mut SourceSink<'_> = &mut |record, origin| {
                read.records += 1;
                sink(record, origin);
            };
            source.read_with(piece, *zone, memory, pass, &mut rejected)
        } else {
            let keep: &mut SourceSink<'_> = &mut |record, origin| {
                if sort.is_some() {
                    watch.see(&record);
                }
                queue.extend(names.keep(&record, origin));
                read.records += 1;
                *held += 1;
            };
            source.read_with(piece, *zone, memory, keep, &mut rejected)
        };
        read.rejected.merge(rejected.clone());
        rejections.merge(rejected);
        outcome?;
        match *sort {
            Some(limit) if *held > limit => Err(Error::input(format!(
                "the input is not ordered by time and has more than {limit} records; sort it, or \
                 raise limits.sort_records"
            ))),
            Some(_) => Ok(()),
            None => {
                self.merge(sink);
                Ok(())
            }
        }
    }

    /// The records held for sorting, by time; equal times keep their order.
    pub fn sorted(&mut self) -> Vec<Owned> {
        let queues = self.sources.iter_mut().flat_map(|(_, queue)| std::mem::take(queue));
        let mut all: Vec<Owned> = queues.collect();
        all.sort_by_key(|record| record.timestamp);
        self.held = 0;
        all
    }

    /// A held record as it was read, and where it stands.
    pub fn record<'a>(&'a self, held: &'a Owned) -> Option<(Record<'a>, Origin)> {
        self.names.record(held)
    }

    /// Hands out the oldest records as long as every open source of judged records has one.
    fn merge(&mut self, sink: &mut SourceSink<'_>) {
        let ready = |(source, queue): &(Source, VecDeque<Owned>)| {
            source.ended || !source.kind.is_timed() || !queue.is_empty()
        };
        while self.sources.iter().all(ready) {
            let fronts = self.sources.iter().enumerate();
            let oldest =
                fronts.filter_map(|(i, (_, queue))| Some((queue.front()?.timestamp, i))).min();
            let Some((_, index)) = oldest else { return };
            let record = self.sources.get_mut(index).and_then(|(_, queue)| queue.pop_front());
            if let Some(held) = record {
                self.held -= 1;
                if let Some((record, origin)) = self.names.record(&held) {
                    sink(record, origin);
                }
            }
        }
    }
}
