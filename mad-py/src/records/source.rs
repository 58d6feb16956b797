//! One source: the bytes of a file, or tables one after the other.

use mad_core::time::ZonePolicy;
use mad_core::wire::{AnyDecoder, ColumnMap, Sink};
use mad_core::{Format, PipelineConfig, RecordKind, Rejections, Result};

use crate::records::kinds::Columns;

/// Bytes from which a format is guessed.
const SNIFF_BYTES: usize = 64;

/// The next piece of a source.
pub enum Piece<'a> {
    /// Bytes, cut anywhere.
    Bytes(&'a [u8]),
    /// Rows that follow those before.
    Table(Box<dyn Columns>),
    /// The end of the source.
    End,
}

/// Bytes or tables of one kind.
pub struct Source {
    pub kind: RecordKind,
    pub ended: bool,
    decoder: Option<AnyDecoder>,
    first_bytes: Vec<u8>,
    /// Rows of the tables so far; `None` for bytes.
    rows: Option<u64>,
    columns: ColumnMap,
}

impl Source {
    /// A source at its start.
    pub fn new(kind: RecordKind) -> Self {
        let columns = ColumnMap::default();
        Self { kind, ended: false, decoder: None, first_bytes: Vec::new(), rows: None, columns }
    }

    /// A source with the columns that a configuration names.
    pub fn with_columns(kind: RecordKind, config: &PipelineConfig) -> Self {
        Self { columns: ColumnMap::new(&config.intake), ..Self::new(kind) }
    }

    /// The columns that the configuration names.
    pub fn columns(&self) -> &ColumnMap {
        &self.columns
    }

    /// Reads a piece.
    pub fn read(
        &mut self,
        piece: &Piece<'_>,
        zone: ZonePolicy,
        sink: &mut Sink<'_>,
        rejections: &mut Rejections,
    ) -> Result<()> {
        match piece {
            Piece::Bytes(bytes) => self.decode(Some(bytes), zone, sink, rejections),
            Piece::Table(table) => {
                let rows = self.rows.get_or_insert(0);
                table.in_order(*rows, sink, rejections);
                *rows += table.rows() as u64;
                Ok(())
            }
            Piece::End => {
                self.ended = true;
                if self.rows.is_some() { Ok(()) } else { self.decode(None, zone, sink, rejections) }
            }
        }
    }

    fn decode(
        &mut self,
        bytes: Option<&[u8]>,
        zone: ZonePolicy,
        sink: &mut Sink<'_>,
        rejections: &mut Rejections,
    ) -> Result<()> {
        if let Some(decoder) = &mut self.decoder {
            return match bytes {
                Some(bytes) => decoder.feed(bytes, sink, rejections),
                None => decoder.finish(sink, rejections),
            };
        }
        self.first_bytes.extend_from_slice(bytes.unwrap_or_default());
        if self.first_bytes.len() < SNIFF_BYTES && bytes.is_some() {
            return Ok(());
        }
        let first = std::mem::take(&mut self.first_bytes);
        let format = Format::sniff(&first);
        let decoder = AnyDecoder::with_columns(self.kind, format, zone, &self.columns);
        let decoder = self.decoder.insert(decoder);
        decoder.feed(&first, sink, rejections)?;
        if bytes.is_none() { decoder.finish(sink, rejections) } else { Ok(()) }
    }
}
