//! Decoders of formats whose records are lines of text.

use std::fmt;

use super::{FormatDecoder, FormatSink};
use crate::error::Result;
use crate::telemetry::{RejectReason, Rejections, RequestTime};
use crate::time::{TimeError, Timestamp};
use crate::wire::lines::{Piece, Splitter};
use crate::wire::text::too_long;
use crate::wire::time_reason;

/// Takes what a line or a document gives: records and units, or the reason why it is rejected.
pub(super) struct Out<'a> {
    pub sink: &'a mut dyn FormatSink,
    pub rejections: &'a mut Rejections,
}

impl Out<'_> {
    /// Counts a line that has not the layout of the format.
    pub fn refuse(&mut self, line: &str, position: u64) {
        self.rejections.add(RejectReason::BadLine, position, || line.to_owned());
    }

    /// The time of a line; counts a line whose time, as `written`, cannot be read.
    pub fn time(
        &mut self,
        found: std::result::Result<Timestamp, TimeError>,
        written: &str,
        position: u64,
    ) -> Option<Timestamp> {
        let refuse = |error| {
            self.rejections.add(time_reason(error), position, || format!("time = {written:?}"));
        };
        found.map_err(refuse).ok()
    }
}

/// Reads lines of one format.
pub(super) trait LineReader: fmt::Debug + Send + Sync {
    /// Reads a line that is not blank, without its end. Bytes that are not UTF-8 are replaced.
    fn line(&mut self, line: &str, position: u64, out: &mut Out<'_>);

    /// Takes the end of the input: gives a record that could have had more lines.
    fn end(&mut self, _: &mut Out<'_>) {}

    /// See [`FormatDecoder::request_time`].
    fn request_time(&self) -> Option<RequestTime> {
        None
    }

    /// See [`FormatDecoder::notes`].
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Splits bytes into lines for a [`LineReader`].
#[derive(Debug)]
pub(super) struct LineDecoder {
    splitter: Splitter,
    reader: Box<dyn LineReader>,
}

impl LineDecoder {
    pub fn new(reader: Box<dyn LineReader>) -> Self {
        Self { splitter: Splitter::new(false), reader }
    }
}

/// Gives a piece of the input to a reader.
fn take(reader: &mut dyn LineReader, piece: Piece<'_>, out: &mut Out<'_>) {
    match piece {
        Piece::Record { line, bytes, .. } => {
            let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
            if bytes.trim_ascii().is_empty() {
                return;
            }
            match std::str::from_utf8(bytes) {
                Ok(text) => reader.line(text, line, out),
                Err(_) => reader.line(&String::from_utf8_lossy(bytes), line, out),
            }
        }
        Piece::TooLong { line } | Piece::Unclosed { line } => {
            out.rejections.add(RejectReason::LineTooLong, line, too_long);
        }
    }
}

impl FormatDecoder for LineDecoder {
    fn feed(
        &mut self,
        bytes: &[u8],
        sink: &mut dyn FormatSink,
        rejections: &mut Rejections,
    ) -> Result<()> {
        let Self { splitter, reader } = self;
        let mut out = Out { sink, rejections };
        splitter.feed(bytes, &mut |piece| {
            take(&mut **reader, piece, &mut out);
            Ok(None)
        })
    }

    fn finish(&mut self, sink: &mut dyn FormatSink, rejections: &mut Rejections) -> Result<()> {
        let Self { splitter, reader } = self;
        let mut out = Out { sink, rejections };
        splitter.finish(&mut |piece| {
            take(&mut **reader, piece, &mut out);
            Ok(None)
        })?;
        reader.end(&mut out);
        Ok(())
    }

    fn request_time(&self) -> Option<RequestTime> {
        self.reader.request_time()
    }

    fn notes(&self) -> Vec<String> {
        self.reader.notes()
    }
}
