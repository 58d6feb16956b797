//! One source: the bytes of a file, or tables one after the other.

use std::time::SystemTime;

use mad_core::time::{Timestamp, ZonePolicy};
use mad_core::wire::formats::{
    DETECT_BYTES, FileFormat, FormatDecoder, FormatOptions, Output, TelemetryMemory,
    decoder as decoder_of,
};
use mad_core::wire::{AnyDecoder, ColumnMap};
use mad_core::{Format, PipelineConfig, Record, RecordKind, Rejections, Result, Source as Origin};

use crate::records::kinds::Columns;

/// Bytes from which a format is guessed.
const SNIFF_BYTES: usize = 64;

/// Sets the name of a file, and when it was last changed; a source without a file changes now.
pub fn name_file(options: &mut FormatOptions, path: &str) {
    path.rsplit(['/', '\\']).next().unwrap_or_default().clone_into(&mut options.name);
    let changed = std::fs::metadata(path).and_then(|file| file.modified());
    let changed = changed.unwrap_or_else(|_| SystemTime::now());
    let since = changed.duration_since(SystemTime::UNIX_EPOCH).ok();
    let seconds = since.and_then(|since| i64::try_from(since.as_secs()).ok());
    options.written = seconds.map(Timestamp::from_seconds);
}

/// The next piece of a source.
pub enum Piece<'a> {
    /// Bytes, cut anywhere.
    Bytes(&'a [u8]),
    /// Rows that follow those before.
    Table(Box<dyn Columns>),
    /// The end of the source.
    End,
}

/// Takes a record and where it stands.
pub type SourceSink<'s> = dyn FnMut(Record<'_>, Origin) + 's;

/// What reads the bytes of a source.
enum Reader {
    /// Records of one kind with the fields of mad.
    Own(AnyDecoder),
    /// A file of another tool. Its requests are dated as its format defines it.
    Foreign(Box<dyn FormatDecoder>),
}

impl Reader {
    fn read(
        &mut self,
        bytes: Option<&[u8]>,
        memory: &mut TelemetryMemory,
        sink: &mut SourceSink<'_>,
        rejections: &mut Rejections,
    ) -> Result<()> {
        let request_time = match self {
            Self::Own(_) => None,
            Self::Foreign(decoder) => decoder.request_time(),
        };
        let mut pass = |record: Record<'_>, position: u64| {
            sink(record, Origin { request_time, ..Origin::at(position) });
        };
        match (self, bytes) {
            (Self::Own(decoder), Some(bytes)) => decoder.feed(bytes, &mut pass, rejections),
            (Self::Own(decoder), None) => decoder.finish(&mut pass, rejections),
            (Self::Foreign(decoder), bytes) => {
                // the files of a folder continue each other
                decoder.swap_memory(memory);
                let mut out = Output::new(&mut pass, rejections);
                let read = match bytes {
                    Some(bytes) => decoder.feed(bytes, &mut out),
                    None => decoder.finish(&mut out),
                };
                decoder.swap_memory(memory);
                read
            }
        }
    }
}

/// Bytes or tables of one kind, or a file of another tool.
pub struct Source {
    pub kind: RecordKind,
    pub ended: bool,
    reader: Option<Reader>,
    foreign: Option<(FileFormat, FormatOptions)>,
    first_bytes: Vec<u8>,
    /// Rows of the tables so far; `None` for bytes.
    rows: Option<u64>,
    columns: ColumnMap,
    /// What a decoder remembers of a source that is read alone.
    memory: TelemetryMemory,
}

impl Source {
    /// A source at its start.
    pub fn new(kind: RecordKind) -> Self {
        let columns = ColumnMap::default();
        let (reader, foreign, first_bytes) = (None, None, Vec::new());
        let memory = TelemetryMemory::default();
        Self { kind, ended: false, reader, foreign, first_bytes, rows: None, columns, memory }
    }

    /// A source with the columns that a configuration names.
    pub fn with_columns(kind: RecordKind, config: &PipelineConfig) -> Self {
        Self { columns: ColumnMap::new(&config.intake), ..Self::new(kind) }
    }

    /// A file of another tool. Its kind is that of most of its records.
    pub fn of_format(format: FileFormat, options: FormatOptions) -> Self {
        let kind = format.main_kind().unwrap_or(RecordKind::Requests);
        let columns = options.map.clone();
        Self { columns, foreign: Some((format, options)), ..Self::new(kind) }
    }

    /// What a user should know about the way the source is read.
    pub fn notes(&self) -> Vec<String> {
        match &self.reader {
            Some(Reader::Foreign(decoder)) => decoder.notes(),
            _ => Vec::new(),
        }
    }

    /// The columns that the configuration names.
    pub fn columns(&self) -> &ColumnMap {
        &self.columns
    }

    /// Reads a piece of a source that is read alone.
    pub fn read(
        &mut self,
        piece: &Piece<'_>,
        zone: ZonePolicy,
        sink: &mut SourceSink<'_>,
        rejections: &mut Rejections,
    ) -> Result<()> {
        let mut memory = std::mem::take(&mut self.memory);
        let outcome = self.read_with(piece, zone, &mut memory, sink, rejections);
        self.memory = memory;
        outcome
    }

    /// Reads a piece. `memory` is shared by the sources that are read together.
    pub fn read_with(
        &mut self,
        piece: &Piece<'_>,
        zone: ZonePolicy,
        memory: &mut TelemetryMemory,
        sink: &mut SourceSink<'_>,
        rejections: &mut Rejections,
    ) -> Result<()> {
        match piece {
            Piece::Bytes(bytes) => self.decode(Some(bytes), zone, memory, sink, rejections),
            Piece::Table(table) => {
                let rows = self.rows.get_or_insert(0);
                let mut pass =
                    |record: Record<'_>, position: u64| sink(record, Origin::at(position));
                table.in_order(*rows, &mut pass, rejections);
                *rows += table.rows() as u64;
                Ok(())
            }
            Piece::End => {
                self.ended = true;
                if self.rows.is_some() {
                    Ok(())
                } else {
                    self.decode(None, zone, memory, sink, rejections)
                }
            }
        }
    }

    fn decode(
        &mut self,
        bytes: Option<&[u8]>,
        zone: ZonePolicy,
        memory: &mut TelemetryMemory,
        sink: &mut SourceSink<'_>,
        rejections: &mut Rejections,
    ) -> Result<()> {
        if let Some(reader) = &mut self.reader {
            return reader.read(bytes, memory, sink, rejections);
        }
        self.first_bytes.extend_from_slice(bytes.unwrap_or_default());
        let enough = if self.foreign.is_some() { DETECT_BYTES } else { SNIFF_BYTES };
        if self.first_bytes.len() < enough && bytes.is_some() {
            return Ok(());
        }
        let first = std::mem::take(&mut self.first_bytes);
        let reader = if let Some((format, options)) = &self.foreign {
            let begin = first.get(..DETECT_BYTES).unwrap_or(&first);
            Reader::Foreign(decoder_of(*format, options, begin)?)
        } else {
            let format = Format::sniff(&first);
            Reader::Own(AnyDecoder::with_columns(self.kind, format, zone, &self.columns))
        };
        let reader = self.reader.insert(reader);
        reader.read(Some(&first), memory, sink, rejections)?;
        if bytes.is_none() { reader.read(None, memory, sink, rejections) } else { Ok(()) }
    }
}
