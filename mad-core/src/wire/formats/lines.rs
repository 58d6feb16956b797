//! Decoders of formats whose records are lines of text.

use std::fmt;

use super::{FormatDecoder, Output};
use crate::error::Result;
use crate::telemetry::{RejectReason, RequestTime};
use crate::wire::lines::{Piece, Splitter};
use crate::wire::text::too_long;

/// Reads lines of one format.
pub(super) trait LineReader: fmt::Debug + Send + Sync {
    /// Reads a line that is not blank, without its end. Bytes that are not UTF-8 are replaced.
    fn line(&mut self, line: &str, position: u64, out: &mut Output<'_>);

    /// Sets the service of further lines that name none: the container that wrote them. Nothing
    /// where it is empty.
    fn set_service(&mut self, _: &str) {}

    /// Takes the end of the input: gives a record that could have had more lines.
    fn end(&mut self, _: &mut Output<'_>) {}

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
fn take(reader: &mut dyn LineReader, piece: Piece<'_>, out: &mut Output<'_>) {
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
    fn feed(&mut self, bytes: &[u8], out: &mut Output<'_>) -> Result<()> {
        let Self { splitter, reader } = self;
        splitter.feed(bytes, &mut |piece| {
            take(&mut **reader, piece, out);
            Ok(None)
        })
    }

    fn finish(&mut self, out: &mut Output<'_>) -> Result<()> {
        let Self { splitter, reader } = self;
        splitter.finish(&mut |piece| {
            take(&mut **reader, piece, out);
            Ok(None)
        })?;
        reader.end(out);
        Ok(())
    }

    fn request_time(&self) -> Option<RequestTime> {
        self.reader.request_time()
    }

    fn notes(&self) -> Vec<String> {
        self.reader.notes()
    }
}
