//! A batch of records for a pipeline.

use mad_core::telemetry::RequestTime;
use mad_core::time::ZonePolicy;
use mad_core::wire::formats::{self, FileFormat, FormatOptions, Output, TelemetryMemory};
use mad_core::wire::{AnyDecoder, ColumnMap};
use mad_core::{Format, Pipeline, Record, RecordKind, Rejections, Source, Update};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::to_py;
use crate::records::kinds::{Columns, read_table};
use crate::service::seen::Seen;
use crate::tables::arrow_stream::is_arrow;

/// Records of one kind that are handed over at once, readable without Python.
pub struct Batch<'a> {
    pub kind: RecordKind,
    pub records: Records<'a>,
    /// The name of the partition whose clock the batch follows.
    pub partition: &'a str,
    /// The id by which the batch is known when it is sent again.
    pub id: Option<&'a str>,
    /// The zone of times in bytes that carry none.
    pub zone: ZonePolicy,
    /// The columns that the configuration names.
    pub columns: &'a ColumnMap,
    /// Whether its requests are dated by their start or their end; `None` as the configuration or
    /// the format says.
    pub request_time: Option<RequestTime>,
}

/// What holds the records.
pub enum Records<'a> {
    /// CSV or JSON Lines.
    Bytes(&'a [u8]),
    /// A body of another tool's format.
    Formatted(FileFormat, &'a [u8]),
    Table(Box<dyn Columns>),
}

impl<'a> Records<'a> {
    /// Of a `bytes` object of text or of an Arrow IPC stream, or of any table.
    pub fn new(
        source: &'a Bound<'_, PyAny>,
        kind: RecordKind,
        zone: ZonePolicy,
        columns: &ColumnMap,
    ) -> PyResult<Self> {
        match source.cast::<PyBytes>() {
            Ok(bytes) if !is_arrow(bytes.as_bytes()) => Ok(Self::Bytes(bytes.as_bytes())),
            _ => Ok(Self::Table(read_table(kind, source, zone, columns)?)),
        }
    }
}

impl<'a> Records<'a> {
    /// Of the body of an entry. `format` is `text`, `arrow` or the name of a file format.
    pub fn of_format(
        source: &'a Bound<'_, PyAny>,
        format: &str,
        kind: RecordKind,
        zone: ZonePolicy,
        columns: &ColumnMap,
    ) -> PyResult<Self> {
        if matches!(format, "text" | "arrow") {
            return Self::new(source, kind, zone, columns);
        }
        let format = FileFormat::parse(format).map_err(|error| to_py(&error))?;
        Ok(Self::Formatted(format, source.cast::<PyBytes>()?.as_bytes()))
    }
}

/// The options with which a body is read.
fn options(kind: RecordKind, zone: ZonePolicy, columns: &ColumnMap) -> FormatOptions {
    FormatOptions { zone, map: columns.clone(), kind: Some(kind), ..FormatOptions::default() }
}

/// Bytes of a CSV batch that are read for its header, and the most of them.
const HEADER: usize = 1024;
const LONGEST_HEADER: usize = 64 * 1024;
/// JSON batches up to this size are read whole for a check: larger ones have records.
const SMALL_JSON: usize = 4 * 1024;

impl Records<'_> {
    /// Checks what makes a batch unreadable as a whole, such as a CSV header without a needed
    /// column, without reading its records.
    ///
    /// # Errors
    ///
    /// The error that [`Batch::ingest`] would give.
    pub fn check(
        &self,
        kind: RecordKind,
        zone: ZonePolicy,
        columns: &ColumnMap,
    ) -> mad_core::Result<()> {
        let bytes = match self {
            Self::Bytes(bytes) => bytes,
            Self::Formatted(format, body) => {
                return formats::check(*format, &options(kind, zone, columns), body);
            }
            Self::Table(_) => return Ok(()),
        };
        let format = Format::sniff(bytes);
        let has_line = bytes.iter().take(HEADER).any(|byte| *byte == b'\n');
        let most = match format {
            Format::Csv if has_line => HEADER,
            Format::Csv => LONGEST_HEADER,
            _ if bytes.len() <= SMALL_JSON => SMALL_JSON,
            _ => return Ok(()),
        };
        let head = bytes.get(..most).unwrap_or(bytes);
        let mut rejections = Rejections::default();
        let mut sink = |_: Record<'_>, _: u64| {};
        let mut decoder = AnyDecoder::with_columns(kind, format, zone, columns);
        decoder.feed(head, &mut sink, &mut rejections)?;
        if head.len() == bytes.len() {
            decoder.finish(&mut sink, &mut rejections)?;
        }
        Ok(())
    }
}

/// The result of a batch.
pub struct Ingested {
    pub update: Update,
    /// Records that the pipeline took, those that it holds included.
    pub accepted: u64,
}

impl Batch<'_> {
    /// Takes the records, unless a batch of the same id was taken before.
    pub fn ingest(
        &self,
        core: &mut Pipeline,
        mut seen: Option<&mut Seen>,
        memory: &mut TelemetryMemory,
    ) -> mad_core::Result<Ingested> {
        let partition = core.partition(self.partition)?;
        if let Some(id) = self.id
            && core.has_batch(id)
        {
            core.begin_batch(id);
            let update = Update { repeated: true, ..Update::default() };
            return Ok(Ingested { update, accepted: 0 });
        }
        let (mut update, mut read) = (Update::default(), 0_u64);
        let mut rejections = Rejections::default();
        let set = self.request_time.or(core.config().features.request_time);
        let mut take = |record: Record<'_>, position: u64, request_time: Option<RequestTime>| {
            #[cfg(feature = "faults")]
            crate::border::panic_for(&record);
            read += 1;
            let source = Source { partition, position, request_time };
            let is_accepted = core.push(record, &source, &mut update);
            if let Some(seen) = seen.as_deref_mut().filter(|_| is_accepted) {
                seen.record(core, &record);
            }
        };
        let mut push = |record: Record<'_>, position: u64| take(record, position, set);
        match &self.records {
            Records::Bytes(bytes) => {
                let format = Format::sniff(bytes);
                let mut decoder =
                    AnyDecoder::with_columns(self.kind, format, self.zone, self.columns);
                decoder.feed(bytes, &mut push, &mut rejections)?;
                decoder.finish(&mut push, &mut rejections)?;
            }
            Records::Formatted(format, body) => {
                let options = options(self.kind, self.zone, self.columns);
                let mut decoder = formats::decoder(*format, &options, body)?;
                let time = set.or(decoder.request_time());
                let mut push = |record: Record<'_>, position: u64| take(record, position, time);
                decoder.swap_memory(memory);
                let mut out = Output::new(&mut push, &mut rejections);
                let read = decoder.feed(body, &mut out).and_then(|()| decoder.finish(&mut out));
                decoder.swap_memory(memory);
                read?;
            }
            Records::Table(table) => table.in_order(0, &mut push, &mut rejections),
        }
        // only now: a batch that cannot be read may be sent again
        if let Some(id) = self.id {
            core.begin_batch(id);
        }
        let accepted = read.saturating_sub(update.rejected.total());
        rejections.merge(std::mem::take(&mut update.rejected));
        core.note_rejections(rejections.clone());
        update.rejected = rejections;
        Ok(Ingested { update, accepted })
    }
}
