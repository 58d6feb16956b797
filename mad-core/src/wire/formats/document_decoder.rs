//! The decoder of formats whose files are JSON documents.

use std::fmt;

use serde_json::value::RawValue;

use super::decode::FormatDecoder;
use super::json_documents::JsonDocuments;
use super::memory::TelemetryMemory;
use super::output::Output;
use crate::error::Result;

/// Reads the documents of one format.
pub(super) trait DocumentReader: fmt::Debug + Send + Sync {
    /// Takes a document and its line.
    fn document(&mut self, value: &RawValue, line: u64, out: &mut Output<'_>);

    /// See [`FormatDecoder::notes`].
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }

    /// What it remembers from one body of a source to the next; `None` where that is nothing.
    fn memory(&mut self) -> Option<&mut TelemetryMemory> {
        None
    }
}

/// Hands each JSON document of an input to the reader of its format.
#[derive(Debug)]
pub(super) struct DocumentDecoder<R> {
    documents: JsonDocuments,
    reader: R,
}

impl<R> DocumentDecoder<R> {
    pub fn new(reader: R) -> Self {
        Self { documents: JsonDocuments::default(), reader }
    }
}

impl<R: DocumentReader> FormatDecoder for DocumentDecoder<R> {
    fn feed(&mut self, bytes: &[u8], out: &mut Output<'_>) -> Result<()> {
        let Self { documents, reader } = self;
        documents.feed(bytes, &mut |value, line, out| reader.document(value, line, out), out)
    }

    fn finish(&mut self, out: &mut Output<'_>) -> Result<()> {
        let Self { documents, reader } = self;
        documents.finish(&mut |value, line, out| reader.document(value, line, out), out)
    }

    fn notes(&self) -> Vec<String> {
        self.reader.notes()
    }

    fn swap_memory(&mut self, memory: &mut TelemetryMemory) {
        if let Some(own) = self.reader.memory() {
            std::mem::swap(own, memory);
        }
    }
}
