//! Detection over byte streams: bytes in, bytes and a document out.

use mad_core::telemetry::RejectReason;
use mad_core::wire::{
    write_features_header, write_features_row, write_scored_header, write_scored_row,
};
use mad_core::{Error, JudgedRow, Pipeline, Rejections, Update};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::to_py;
use crate::report::Report;
use crate::sources::Sources;
use crate::{config, errors};

/// Detection over request logs that are read piece by piece: the files' lines come out as bytes
/// while it runs, and nothing is held but the pipeline's state.
#[pyclass(module = "mad._core")]
pub struct DetectRun {
    sources: Sources,
    pipeline: Pipeline,
    update: Update,
    rejections: Rejections,
    sort: bool,
    features: Vec<u8>,
    scored: Vec<u8>,
    kept: Option<Vec<JudgedRow>>,
}

#[pymethods]
impl DetectRun {
    /// `sort` holds all records and sorts them; `keep_rows` keeps judged rows for `report()`
    /// instead of writing them as CSV.
    #[new]
    #[pyo3(signature = (config, sources, sort=false, keep_rows=false))]
    fn new(
        config: Option<&Bound<'_, PyAny>>,
        sources: usize,
        sort: bool,
        keep_rows: bool,
    ) -> PyResult<Self> {
        let config = config::parse(config)?;
        let held = sort.then_some(config.limits.sort_records);
        let (mut features, mut scored) = (Vec::new(), Vec::new());
        write_features_header(&mut features);
        write_scored_header(&mut scored);
        Ok(Self {
            sources: Sources::new(sources, config.zone(), held),
            pipeline: Pipeline::new(config).map_err(|error| to_py(&error))?.trusting_the_clock(),
            update: Update::default(),
            rejections: Rejections::default(),
            sort,
            features,
            scored,
            kept: keep_rows.then(Vec::new),
        })
    }

    /// Reads bytes of a source, cut anywhere; the format is found from the first ones.
    fn feed(&mut self, py: Python<'_>, source: usize, chunk: &[u8]) -> PyResult<()> {
        py.detach(|| self.take(source, Some(chunk))).map_err(|error| to_py(&error))
    }

    /// That source has ended.
    fn end(&mut self, py: Python<'_>, source: usize) -> PyResult<()> {
        py.detach(|| self.take(source, None)).map_err(|error| to_py(&error))
    }

    /// Which source has to be read next, so that several merge by time; None when all have ended.
    fn wants(&self) -> Option<usize> {
        self.sources.wants()
    }

    /// All sources have ended: the last steps close.
    fn finish(&mut self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| {
            let Self { sources, pipeline, update, .. } = self;
            for record in sources.sorted() {
                if let Some(request) = sources.request(&record) {
                    pipeline.push(&request, record.position(), update);
                }
            }
            self.flush()?;
            let mut last = self.pipeline.finish();
            self.update.rows.append(&mut last.rows);
            self.flush()
        })
        .map_err(|error| to_py(&error))
    }

    /// Lines of the features file since the last call, the header first.
    fn take_features_csv<'py>(&mut self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let lines = PyBytes::new(py, &self.features);
        self.features.clear();
        lines
    }

    /// Lines of the scored file since the last call, the header first.
    fn take_scored_csv<'py>(&mut self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let lines = PyBytes::new(py, &self.scored);
        self.scored.clear();
        lines
    }

    /// Requests taken so far.
    #[getter]
    fn requests(&self) -> u64 {
        self.pipeline.counters().requests
    }

    /// Everything a report shows, as JSON.
    fn document(&self, py: Python<'_>) -> PyResult<String> {
        py.detach(|| config::to_json(&self.pipeline.document()))
    }

    /// The report over the rows kept; the run then starts anew with nothing kept.
    fn report(&mut self) -> PyResult<Report> {
        let rows = self.kept.replace(Vec::new()).ok_or_else(|| {
            errors::value_error("rows were not kept: make the run with keep_rows=True")
        })?;
        Ok(Report::new(self.pipeline.clone(), rows, Vec::new()))
    }
}

impl DetectRun {
    fn take(&mut self, source: usize, bytes: Option<&[u8]>) -> mad_core::Result<()> {
        let Self { sources, pipeline, update, rejections, .. } = self;
        let mut push = |request: mad_core::Request<'_>, position: u64| {
            pipeline.push(&request, position, update);
        };
        sources.feed(source, bytes, &mut push, rejections)?;
        self.flush()
    }

    fn flush(&mut self) -> mad_core::Result<()> {
        let mut rejected = std::mem::take(&mut self.update.rejected);
        if rejected.count(RejectReason::Late) > 0 && !self.sort {
            let first = rejected.first().iter().find(|record| record.reason == RejectReason::Late);
            let place = first.map_or_else(String::new, |record| {
                format!(" (record {}: {})", record.position, record.detail)
            });
            return Err(Error::unsorted(format!("the input is not ordered by time{place}")));
        }
        rejected.merge(std::mem::take(&mut self.rejections));
        self.pipeline.note_rejections(rejected);
        let rows = std::mem::take(&mut self.update.rows);
        self.update.changes.clear();
        match &mut self.kept {
            Some(kept) => kept.extend(rows),
            None => {
                for judged in &rows {
                    if let Some(entity) = self.pipeline.entities().get(judged.row.entity) {
                        write_features_row(&judged.row, entity, &mut self.features);
                        write_scored_row(judged, entity, &mut self.scored);
                    }
                }
            }
        }
        Ok(())
    }
}
