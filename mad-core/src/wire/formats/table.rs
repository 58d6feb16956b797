//! Decoders of tables with a header: results of load tests.

use std::borrow::Cow;
use std::fmt;

use super::FormatDecoder;
use super::output::Output;
use crate::error::Result;
use crate::telemetry::{RejectReason, RequestTime};
use crate::wire::csv_fields::split_quoted;
use crate::wire::lines::{Piece, Splitter};
use crate::wire::text::too_long;

/// One row of a table.
#[derive(Debug)]
pub(super) struct Row<'a> {
    names: &'a [String],
    fields: Vec<Cow<'a, str>>,
}

impl Row<'_> {
    /// The field of a column, whatever the case of its name; empty where there is no such column.
    pub fn get(&self, name: &str) -> &str {
        let at = self.names.iter().position(|known| known.eq_ignore_ascii_case(name));
        at.and_then(|at| self.fields.get(at)).map_or("", |field| field.trim())
    }

    /// The columns and their fields.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.names.iter().zip(&self.fields).map(|(name, field)| (name.as_str(), field.trim()))
    }

    /// The field of a column as a number; NaN where it is none.
    pub fn number(&self, name: &str) -> f64 {
        self.get(name).parse().ok().filter(|number: &f64| number.is_finite()).unwrap_or(f64::NAN)
    }
}

/// Reads the rows of one kind of table.
pub(super) trait RowReader: fmt::Debug + Send + Sync {
    fn row(&mut self, row: &Row<'_>, position: u64, out: &mut Output<'_>);

    /// The columns of a table whose first line is no header.
    fn default_header(&self, _first: &[Cow<'_, str>]) -> Option<Vec<String>> {
        None
    }

    /// See [`FormatDecoder::request_time`].
    fn request_time(&self) -> Option<RequestTime> {
        None
    }

    /// See [`FormatDecoder::notes`].
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Splits bytes into rows for a [`RowReader`].
#[derive(Debug)]
pub(super) struct TableDecoder {
    splitter: Splitter,
    table: Table,
}

#[derive(Debug)]
struct Table {
    names: Vec<String>,
    delimiter: u8,
    reader: Box<dyn RowReader>,
}

impl TableDecoder {
    pub fn new(reader: Box<dyn RowReader>) -> Self {
        let table = Table { names: Vec::new(), delimiter: b',', reader };
        Self { splitter: Splitter::new(true), table }
    }
}

/// The character between the fields of a header.
pub(super) fn delimiter_of(header: &str) -> u8 {
    [b'\t', b';', b'|']
        .into_iter()
        .find(|one| header.bytes().filter(|b| b == one).count() > header.matches(',').count())
        .unwrap_or(b',')
}

impl Table {
    fn take(&mut self, piece: Piece<'_>, out: &mut Output<'_>) -> Option<u8> {
        let (line, bytes, ended) = match piece {
            Piece::Record { line, bytes, ended, .. } => (line, bytes, ended),
            Piece::TooLong { line } => {
                out.rejections.add(RejectReason::LineTooLong, line, too_long);
                return None;
            }
            Piece::Unclosed { line } => {
                let detail = || "a quote is not closed".into();
                out.rejections.add(RejectReason::Truncated, line, detail);
                return None;
            }
        };
        let text = String::from_utf8_lossy(bytes);
        let text = text.trim_end_matches('\r');
        if text.trim().is_empty() {
            return None;
        }
        let is_first = self.names.is_empty();
        if is_first {
            self.delimiter = delimiter_of(text);
        }
        let mut fields = Vec::new();
        split_quoted(text, self.delimiter, |_, field| fields.push(field.text()));
        if is_first {
            if let Some(names) = self.reader.default_header(&fields) {
                self.names = names;
            } else {
                self.names = fields.iter().map(|name| name.trim().to_owned()).collect();
                return Some(self.delimiter);
            }
        }
        let wanted = self.names.len();
        if fields.len() < wanted && !ended {
            out.rejections.add(RejectReason::Truncated, line, || text.to_owned());
        } else if fields.len() < wanted {
            let detail = || format!("{} fields, the header has {wanted}", fields.len());
            out.rejections.add(RejectReason::FieldCount, line, detail);
        } else {
            self.reader.row(&Row { names: &self.names, fields }, line, out);
        }
        is_first.then_some(self.delimiter)
    }
}

impl FormatDecoder for TableDecoder {
    fn feed(&mut self, bytes: &[u8], out: &mut Output<'_>) -> Result<()> {
        let Self { splitter, table } = self;
        splitter.feed(bytes, &mut |piece| Ok(table.take(piece, out)))
    }

    fn finish(&mut self, out: &mut Output<'_>) -> Result<()> {
        let Self { splitter, table } = self;
        splitter.finish(&mut |piece| Ok(table.take(piece, out)))
    }

    fn request_time(&self) -> Option<RequestTime> {
        self.table.reader.request_time()
    }

    fn notes(&self) -> Vec<String> {
        self.table.reader.notes()
    }
}
