//! Telemetry that is read and checked without being judged.

use mad_core::wire::ColumnMap;
use mad_core::{Record, RecordKind, Rejections};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::config::parse;
use crate::errors::to_py;
use crate::records::kinds::{parse_kind, read_table};
use crate::records::reading::Reading;
use crate::records::source::{Piece, Source};
use crate::shared::Shared;

/// Counts of the records of one kind of telemetry: the good ones, and the rejected ones by reason.
///
/// >>> import mad
/// >>> lines = mad.Telemetry("logs")
/// >>> lines.feed(b"timestamp,service,level,message\n2026-01-06T10:00:00Z,shop,ERROR,no stock\n")
/// >>> lines.end()
/// >>> lines.kind, len(lines)
/// ('logs', 1)
#[pyclass(module = "mad._core", frozen)]
pub struct Telemetry {
    read: Shared<Read>,
    kind: RecordKind,
    columns: ColumnMap,
    zone: mad_core::time::ZonePolicy,
}

struct Read {
    source: Source,
    reading: Reading,
}

#[pymethods]
impl Telemetry {
    /// Nothing of a kind yet; of `config`, `naive_offset_seconds` and `intake` matter.
    #[new]
    #[pyo3(signature = (kind, config=None))]
    fn new(kind: &str, config: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let (config, kind) = (parse(config)?, parse_kind(kind)?);
        let source = Source::with_columns(kind, &config);
        let (columns, zone) = (source.columns().clone(), config.zone());
        let read = Read { source, reading: Reading::default() };
        Ok(Self { read: Shared::new(read), kind, columns, zone })
    }

    /// Reads a piece: bytes, cut anywhere, or a table.
    fn feed(&self, py: Python<'_>, chunk: &Bound<'_, PyAny>) -> PyResult<()> {
        if let Ok(bytes) = chunk.cast::<PyBytes>() {
            let bytes = bytes.as_bytes();
            return self.take(py, &Piece::Bytes(bytes));
        }
        let table = Piece::Table(read_table(self.kind, chunk, self.zone, &self.columns)?);
        self.take(py, &table)
    }

    /// Ends the input.
    fn end(&self, py: Python<'_>) -> PyResult<()> {
        self.take(py, &Piece::End)
    }

    /// The kind.
    #[getter]
    fn kind(&self) -> &'static str {
        self.kind.as_str()
    }

    /// Records that were not taken: total, counts by reason, and the first of each.
    #[getter]
    fn rejected<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.read.with(py, |read| read.reading.clone())?.rejected(py)
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.counts(py)?.0 as usize)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (records, rejected) = self.counts(py)?;
        Ok(format!("Telemetry({records} {}, {rejected} rejected)", self.kind.as_str()))
    }
}

impl Telemetry {
    /// Accepted and rejected records.
    fn counts(&self, py: Python<'_>) -> PyResult<(u64, u64)> {
        self.read.with(py, |read| {
            let counts = read.reading.of(self.kind);
            (counts.records, counts.rejected.total())
        })
    }

    fn take(&self, py: Python<'_>, piece: &Piece<'_>) -> PyResult<()> {
        let outcome = self.read.with(py, |Read { source, reading }| {
            let read = reading.of_mut(self.kind);
            let mut rejected = Rejections::default();
            let mut count = |_: Record<'_>, _| read.records += 1;
            let outcome = source.read(piece, self.zone, &mut count, &mut rejected);
            read.rejected.merge(rejected);
            outcome
        })?;
        outcome.map_err(|error| to_py(&error))
    }
}
