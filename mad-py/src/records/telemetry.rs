//! Telemetry that is read and checked without being judged.

use mad_core::{Record, Rejections};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::config::parse;
use crate::errors::to_py;
use crate::records::kinds::{parse_kind, read_table};
use crate::records::reading::Reading;
use crate::records::source::{Piece, Source};

/// Counts of the records of one kind of telemetry: the good ones, and the rejected ones by reason.
#[pyclass(module = "mad._core")]
pub struct Telemetry {
    source: Source,
    reading: Reading,
    zone: mad_core::time::ZonePolicy,
}

#[pymethods]
impl Telemetry {
    /// Nothing of a kind yet; of `config`, `naive_offset_seconds` and `intake` matter.
    #[new]
    #[pyo3(signature = (kind, config=None))]
    fn new(kind: &str, config: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let config = parse(config)?;
        let source = Source::with_columns(parse_kind(kind)?, &config);
        Ok(Self { source, reading: Reading::default(), zone: config.zone() })
    }

    /// Reads a piece: bytes, cut anywhere, or a table.
    fn feed(&mut self, py: Python<'_>, chunk: &Bound<'_, PyAny>) -> PyResult<()> {
        if let Ok(bytes) = chunk.cast::<PyBytes>() {
            let bytes = bytes.as_bytes();
            return py.detach(|| self.take(&Piece::Bytes(bytes)));
        }
        let columns = self.source.columns();
        let table = Piece::Table(read_table(self.source.kind, chunk, self.zone, columns)?);
        py.detach(|| self.take(&table))
    }

    /// Ends the input.
    fn end(&mut self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.take(&Piece::End))
    }

    /// The kind.
    #[getter]
    fn kind(&self) -> &'static str {
        self.source.kind.as_str()
    }

    /// Records that were not taken: total, counts by reason, and the first of each.
    #[getter]
    fn rejected<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.reading.rejected(py)
    }

    fn __len__(&mut self) -> usize {
        self.reading.of_mut(self.source.kind).records as usize
    }

    fn __repr__(&mut self) -> String {
        let kind = self.source.kind;
        let read = self.reading.of_mut(kind);
        let (records, rejected) = (read.records, read.rejected.total());
        format!("Telemetry({records} {}, {rejected} rejected)", kind.as_str())
    }
}

impl Telemetry {
    fn take(&mut self, piece: &Piece<'_>) -> PyResult<()> {
        let read = self.reading.of_mut(self.source.kind);
        let mut rejected = Rejections::default();
        let mut count = |_: Record<'_>, _: u64| read.records += 1;
        let outcome = self.source.read(piece, self.zone, &mut count, &mut rejected);
        read.rejected.merge(rejected);
        outcome.map_err(|error| to_py(&error))
    }
}
