//! What files of any format hold, in counts.

use mad_core::telemetry::Rejections;
use mad_core::wire::ColumnMap;
use mad_core::wire::formats::{
    self, DETECT_BYTES, FileFormat, FormatDecoder, FormatOptions, Inspection, Output, decoder,
};
use mad_core::{Error, RecordKind, Result};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::border::detached;
use crate::config::parse;
use crate::errors::to_py;
use crate::records::kinds::parse_kind;
use crate::records::source::name_file;

/// The names of the formats of files, and what each is.
#[pyfunction]
pub fn file_formats() -> Vec<(&'static str, &'static str)> {
    FileFormat::ALL.iter().map(|format| (format.as_str(), format.describe())).collect()
}

/// The format of a file from its name and its first bytes; None where no rule fits.
#[pyfunction]
pub fn detect_format(name: &str, first: &[u8]) -> Option<&'static str> {
    FileFormat::detect(name, first).map(FileFormat::as_str)
}

/// The kinds of records that files of a format can give.
#[pyfunction]
pub fn kinds_of_format(name: &str) -> PyResult<Vec<&'static str>> {
    let format = FileFormat::parse(name).map_err(|error| to_py(&error))?;
    Ok(format.kinds().into_iter().map(RecordKind::as_str).collect())
}

/// The bytes at the end of whole lines of a format that belong to records whose further lines may
/// follow; 0 for text with the fields of mad.
#[pyfunction]
pub fn unfinished_bytes(format: &str, lines: &[u8]) -> PyResult<usize> {
    if format == "text" {
        return Ok(0);
    }
    let format = FileFormat::parse(format).map_err(|error| to_py(&error))?;
    Ok(formats::unfinished(format, lines))
}

/// The share of the first records of a CSV or JSON file that can be read as a kind.
#[pyfunction]
#[pyo3(signature = (kind, first, config=None))]
pub fn own_share(kind: &str, first: &[u8], config: Option<&Bound<'_, PyAny>>) -> PyResult<f64> {
    let (kind, config) = (parse_kind(kind)?, parse(config)?);
    let map = ColumnMap::new(&config.intake);
    let options = FormatOptions { zone: config.zone(), map, ..FormatOptions::default() };
    Ok(formats::own_share(kind, first, &options))
}

/// Counts what a file holds, or the bodies of a folder that belong together.
#[pyclass(module = "mad._core")]
pub struct Inspector {
    options: FormatOptions,
    named: Option<FileFormat>,
    found: Option<FileFormat>,
    first: Vec<u8>,
    decoder: Option<Box<dyn FormatDecoder>>,
    seen: Inspection,
    rejections: Rejections,
    notes: Vec<String>,
}

#[pymethods]
impl Inspector {
    /// `format` is found from the content where it is None.
    #[new]
    #[pyo3(signature = (config=None, format=None, service=None, pattern=None))]
    fn new(
        config: Option<&Bound<'_, PyAny>>,
        format: Option<&str>,
        service: Option<String>,
        pattern: Option<String>,
    ) -> PyResult<Self> {
        let config = parse(config)?;
        let named = format.map(FileFormat::parse).transpose().map_err(|error| to_py(&error))?;
        let options = FormatOptions {
            name: String::new(),
            service,
            zone: config.zone(),
            map: ColumnMap::new(&config.intake),
            pattern,
            written: None,
            kind: None,
        };
        Ok(Self {
            options,
            named,
            found: None,
            first: Vec::new(),
            decoder: None,
            seen: Inspection::default(),
            rejections: Rejections::default(),
            notes: Vec::new(),
        })
    }

    /// Begins the file of a path or a body without one, with this format and kind where they are
    /// known.
    #[pyo3(signature = (path, format=None, kind=None))]
    fn begin(&mut self, path: &str, format: Option<&str>, kind: Option<&str>) -> PyResult<()> {
        if let Some(format) = format {
            self.named = Some(FileFormat::parse(format).map_err(|error| to_py(&error))?);
        }
        self.options.kind = kind.map(parse_kind).transpose()?;
        name_file(&mut self.options, path);
        self.first.clear();
        self.decoder = None;
        Ok(())
    }

    /// Reads the next bytes, cut anywhere.
    fn feed(&mut self, py: Python<'_>, chunk: &Bound<'_, PyBytes>) -> PyResult<()> {
        let bytes = chunk.as_bytes();
        detached(py, || self.take(Some(bytes)))?.map_err(|error| to_py(&error))
    }

    /// Ends the file or body.
    fn end(&mut self, py: Python<'_>) -> PyResult<()> {
        detached(py, || self.take(None))?.map_err(|error| to_py(&error))
    }

    /// The name of the format; None before it is known.
    #[getter]
    fn format(&self) -> Option<&'static str> {
        self.found.map(FileFormat::as_str)
    }

    /// What the readers inferred.
    #[getter]
    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    /// The counts as JSON.
    fn document(&self) -> PyResult<String> {
        let format = self.found.or(self.named).unwrap_or(FileFormat::Csv);
        let document = self.seen.document(format, &self.rejections);
        serde_json::to_string(&document).map_err(|error| to_py(&Error::input(error.to_string())))
    }
}

impl Inspector {
    fn take(&mut self, bytes: Option<&[u8]>) -> Result<()> {
        if let Some(decoder) = &mut self.decoder {
            let mut out = Output::new(&mut self.seen, &mut self.rejections);
            let outcome = match bytes {
                Some(bytes) => decoder.feed(bytes, &mut out),
                None => decoder.finish(&mut out),
            };
            if bytes.is_none() {
                self.note();
            }
            return outcome;
        }
        self.first.extend_from_slice(bytes.unwrap_or_default());
        if self.first.len() < DETECT_BYTES && bytes.is_some() {
            return Ok(());
        }
        let first = std::mem::take(&mut self.first);
        let begin = first.get(..DETECT_BYTES).unwrap_or(&first);
        let format = match self.named {
            Some(format) => format,
            None => FileFormat::detect(&self.options.name, begin).ok_or_else(|| unknown(begin))?,
        };
        self.found = Some(format);
        let decoder = self.decoder.insert(decoder(format, &self.options, begin)?);
        let mut out = Output::new(&mut self.seen, &mut self.rejections);
        decoder.feed(&first, &mut out)?;
        if bytes.is_none() {
            decoder.finish(&mut out)?;
            self.note();
        }
        Ok(())
    }

    /// Keeps the notes of the decoder at hand.
    fn note(&mut self) {
        for note in self.decoder.iter().flat_map(|decoder| decoder.notes()) {
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
    }
}

fn unknown(first: &[u8]) -> Error {
    if first.trim_ascii().is_empty() {
        return Error::input("the file is empty");
    }
    Error::input("its format is not recognised; name it with --format, or give --pattern")
}

/// Decodes a body of a format and drops it; returns the number of its records. For measurements.
#[pyfunction]
pub fn count_records(py: Python<'_>, format: &str, body: &[u8]) -> PyResult<u64> {
    let format = FileFormat::parse(format).map_err(|error| to_py(&error))?;
    let mut records = 0_u64;
    let read = detached(py, || {
        let mut sink = |_: mad_core::Record<'_>, _: u64| records += 1;
        let mut decoder = decoder(format, &FormatOptions::default(), body)?;
        let mut rejections = Rejections::default();
        let mut out = Output::new(&mut sink, &mut rejections);
        decoder.feed(body, &mut out)?;
        decoder.finish(&mut out)
    })?;
    read.map_err(|error| to_py(&error))?;
    Ok(records)
}
