//! The decoder of formats whose files are JSON documents.

use std::fmt;

use serde_json::value::RawValue;

use super::decode::FormatDecoder;
use super::json_documents::JsonDocuments;
use super::lines::Out;
use super::memory::TelemetryMemory;
use super::sink::FormatSink;
use crate::error::Result;
use crate::telemetry::Rejections;

/// Reads the documents of one format.
pub(super) trait DocumentReader: fmt::Debug + Send + Sync {
    /// Takes a document and its line.
    fn document(&mut self, value: &RawValue, line: u64, out: &mut Out<'_>);

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
    fn feed(
        &mut self,
        bytes: &[u8],
        sink: &mut dyn FormatSink,
        rejections: &mut Rejections,
    ) -> Result<()> {
        let reader = &mut self.reader;
        let mut each = |value: &RawValue, line: u64, rejections: &mut Rejections| {
            reader.document(value, line, &mut Out { sink: &mut *sink, rejections });
        };
        self.documents.feed(bytes, &mut each, rejections)
    }

    fn finish(&mut self, sink: &mut dyn FormatSink, rejections: &mut Rejections) -> Result<()> {
        let reader = &mut self.reader;
        let mut each = |value: &RawValue, line: u64, rejections: &mut Rejections| {
            reader.document(value, line, &mut Out { sink: &mut *sink, rejections });
        };
        self.documents.finish(&mut each, rejections)
    }

    fn swap_memory(&mut self, memory: &mut TelemetryMemory) {
        if let Some(own) = self.reader.memory() {
            std::mem::swap(own, memory);
        }
    }
}
