//! Detection over streams: bytes or tables in, bytes and a document out.

use std::borrow::Cow;
use std::collections::BTreeSet;

use mad_core::export::{
    Overview, write_features_header, write_features_row, write_opinion, write_opinions_header,
    write_scored_header, write_scored_points, write_scored_points_header, write_scored_row,
};
use mad_core::wire::ColumnMap;
use mad_core::wire::formats::{FileFormat, FormatOptions};
use mad_core::{Document, IncidentStatus, JudgedRow, Record, RecordKind, Rejections, RowKind};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::border::detached;
use crate::config;
use crate::errors::{to_py, value_error};
use crate::records::intake::Intake;
use crate::records::kinds::parse_kind;
use crate::records::reading::{LINE, RunDocument, shared_names};
use crate::records::source::{Piece, Source, name_file};
use crate::records::sources::{SourceReader, Sources, reader};
use crate::results::report::Report;

/// Detection over telemetry read piece by piece: the lines of files come out as bytes while it runs,
/// and nothing is held but the state of the pipeline.
#[pyclass(module = "mad._core")]
pub struct DetectRun {
    sources: Sources,
    intake: Intake,
    sort: bool,
    features: Vec<u8>,
    scored: Vec<u8>,
    scored_metrics: Vec<u8>,
    services: Vec<u8>,
    methods: Vec<u8>,
    kept: Option<Vec<JudgedRow>>,
    overview: Overview,
    names: Vec<String>,
}

/// What stands before the name of a format in the place of a kind.
const FORMAT: &str = "format:";

/// Most notes of the readers of files that a document has.
const MOST_NOTES: usize = 5;

/// How many sources of requests there are, or the kind or `format:NAME` of each source.
#[derive(FromPyObject)]
enum Kinds {
    Count(usize),
    Names(Vec<String>),
}

#[pymethods]
impl DetectRun {
    /// `sort` holds all records and sorts them; `keep_rows` keeps rows for `report()`, not as CSV;
    /// `state` is that of the pipeline to go on from; to `learn` is to flag nothing; `names` are
    /// those of the sources, for messages and for services; `service` and `pattern` are options of
    /// formats of other tools; `scorers` are methods that judge the rows too, over
    /// `workers` threads.
    #[new]
    #[pyo3(signature = (config, sources, sort=false, keep_rows=false, state=None, learn=false, names=None, service=None, pattern=None, scorers=None, workers=1))]
    #[allow(clippy::too_many_arguments, reason = "the options of a run")]
    fn new(
        config: Option<&Bound<'_, PyAny>>,
        sources: Kinds,
        sort: bool,
        keep_rows: bool,
        state: Option<&[u8]>,
        learn: bool,
        names: Option<Vec<String>>,
        service: Option<String>,
        pattern: Option<String>,
        scorers: Option<Vec<String>>,
        workers: usize,
    ) -> PyResult<Self> {
        let config = config::parse(config)?;
        let names = names.unwrap_or_default();
        let layout = FormatOptions {
            service,
            pattern,
            zone: config.zone(),
            map: ColumnMap::new(&config.intake),
            ..FormatOptions::default()
        };
        let own = |kind| Source::with_columns(kind, &config);
        let sources = match sources {
            Kinds::Count(count) => (0..count).map(|_| own(RecordKind::Requests)).collect(),
            Kinds::Names(kinds) => {
                let named = kinds.iter().enumerate().map(|(i, kind)| {
                    let Some(format) = kind.strip_prefix(FORMAT) else {
                        return Ok(own(parse_kind(kind)?));
                    };
                    let format = FileFormat::parse(format).map_err(|error| to_py(&error))?;
                    let path = names.get(i).map_or("", String::as_str);
                    let mut options = layout.clone();
                    name_file(&mut options, path);
                    Ok(Source::of_format(format, options))
                });
                named.collect::<PyResult<Vec<Source>>>()?
            }
        };
        let held = sort.then_some(config.limits.sort_records);
        let (mut features, mut scored, mut services) = (Vec::new(), Vec::new(), Vec::new());
        let mut scored_metrics = Vec::new();
        write_features_header(&mut features);
        write_scored_header(&mut scored);
        write_scored_header(&mut services);
        write_scored_points_header(&mut scored_metrics);
        let mut methods = Vec::new();
        write_opinions_header(&mut methods);
        Ok(Self {
            sources: Sources::new(sources, &config, held),
            intake: Intake::new(config, state, learn, &scorers.unwrap_or_default(), workers)?,
            sort,
            features,
            scored,
            scored_metrics,
            services,
            methods,
            kept: keep_rows.then(Default::default),
            overview: Overview::default(),
            names,
        })
    }

    /// All sources have ended: the last steps close.
    fn finish(&mut self, py: Python<'_>) -> PyResult<()> {
        detached(py, || {
            for held in self.sources.sorted() {
                if let Some((record, source)) = self.sources.record(&held) {
                    self.intake.push(&record, source);
                }
            }
            self.flush()?;
            self.intake.finish();
            self.flush()
        })?
        .map_err(|error| to_py(&error))
    }

    /// Lines of the features file since the last call, the header first.
    fn take_features_csv<'py>(&mut self, py: Python<'py>) -> Bound<'py, PyBytes> {
        drained(py, &mut self.features)
    }

    /// Lines of the scored file since the last call, the header first.
    fn take_scored_csv<'py>(&mut self, py: Python<'py>) -> Bound<'py, PyBytes> {
        drained(py, &mut self.scored)
    }

    /// Lines of the scored file of metrics since the last call, the header first.
    fn take_scored_metrics_csv<'py>(&mut self, py: Python<'py>) -> Bound<'py, PyBytes> {
        drained(py, &mut self.scored_metrics)
    }

    /// Lines of the file of services since the last call, the header first. It has the columns of
    /// the scored file.
    fn take_services_csv<'py>(&mut self, py: Python<'py>) -> Bound<'py, PyBytes> {
        drained(py, &mut self.services)
    }

    /// Lines of the file of methods since the last call, the header first.
    fn take_methods_csv<'py>(&mut self, py: Python<'py>) -> Bound<'py, PyBytes> {
        drained(py, &mut self.methods)
    }

    /// Requests taken so far.
    #[getter]
    fn requests(&self) -> u64 {
        self.intake.pipeline.counters().requests
    }

    /// The records read so far, by kind: the number of good `records`, and the `rejected` ones.
    #[getter]
    fn read<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.intake.reading.by_kind(py)
    }

    /// The settings for another run, as JSON, where the records read so far cover too short a time for
    /// the step in use; None where it fits them.
    fn short_recording(&self) -> PyResult<Option<String>> {
        let config = self.intake.short_recording();
        config.map(|config| config::to_json(&config)).transpose()
    }

    /// The state of the pipeline, to go on from.
    fn checkpoint(&self, py: Python<'_>) -> PyResult<Cow<'static, [u8]>> {
        let state = detached(py, || self.intake.pipeline.checkpoint())?;
        Ok(state.map_err(|error| to_py(&error))?.into())
    }

    /// Everything a report shows, as JSON.
    fn document(&self, py: Python<'_>) -> PyResult<String> {
        detached(py, || config::to_json(&self.run_document()))?
    }

    /// Why the input as a whole was not read: a source, or a kind of records, of which nothing or
    /// less than `intake.min_accepted` was accepted; None when enough was accepted.
    fn problem(&self) -> Option<String> {
        let min_accepted = self.intake.pipeline.config().intake.min_accepted;
        let whole = self.intake.reading.problem(min_accepted, LINE);
        let parts = self.sources.shortfalls(min_accepted).into_iter();
        let parts: Vec<String> =
            parts.map(|(i, text)| format!("{}: {text}", self.name(i))).collect();
        match (whole, parts.is_empty()) {
            (whole, true) => whole,
            (_, false) => Some(parts.join("; ")),
        }
    }

    /// The report over the rows kept; the run keeps no row of before the call.
    fn report(&mut self) -> PyResult<Report> {
        let kept = self
            .kept
            .replace(Vec::new())
            .ok_or_else(|| value_error("rows were not kept: make the run with keep_rows=True"))?;
        let opinions = self.intake.opinions();
        let pipeline = self.intake.pipeline.clone();
        Ok(Report::new(pipeline, kept, opinions, self.intake.reading.clone()))
    }
}

impl DetectRun {
    fn name(&self, source: usize) -> String {
        self.names.get(source).cloned().unwrap_or_else(|| format!("input {}", source + 1))
    }

    /// What the readers of files inferred, with the names of the files where there are several.
    fn notes(&self) -> Vec<String> {
        let found = self.sources.notes();
        let more = found.len().saturating_sub(MOST_NOTES);
        let named = found.into_iter().take(MOST_NOTES).map(|(note, of)| match of.as_slice() {
            _ if self.names.len() < 2 => note,
            [one] => format!("{}: {note}", self.name(*one)),
            [one, rest @ ..] => {
                format!("{} and {} more: {note}", self.name(*one), rest.len())
            }
            [] => note,
        });
        let rest =
            (more > 0).then(|| format!("{more} more notes; mad inspect shows those of a file"));
        named.chain(rest).collect()
    }

    fn run_document(&self) -> RunDocument {
        let pipeline = &self.intake.pipeline;
        let mut document = Document::with_overview(pipeline, &self.overview);
        let mut warnings = self.intake.reading.warnings(&pipeline.config().features);
        if let Some(end) = self.intake.earlier_end() {
            let all = pipeline.incidents().into_iter();
            let ended = all.filter(|one| one.status == IncidentStatus::Resolved && one.end <= end);
            let earlier: BTreeSet<&str> = ended.map(|one| one.id.as_str()).collect();
            document.incidents.retain(|one| !earlier.contains(one.id.as_str()));
        }
        warnings.extend(shared_names(pipeline));
        warnings.extend(self.notes());
        document.clock_faults.extend(self.sources.clock_faults());
        warnings.extend(document.clock_faults.iter().map(|fault| fault.text.clone()));
        warnings.extend(document.learnt_routes.iter().map(|(service, routes)| {
            format!(
                "paths of {service} have no bounded number of values and share {}; \
                 `routes.patterns` sets other routes",
                routes.join(", ")
            )
        }));
        if let Some((count, end)) = self.intake.repeated() {
            warnings.push(format!(
                "{count} records are from before {end}, up to which the saved state has been \
                 judged: the same input may be given twice"
            ));
        }
        let methods = self.intake.method_summaries();
        let problem = self.problem();
        self.intake.reading.document(document, problem, warnings, &methods, LINE)
    }
}

reader!(DetectRun);

impl SourceReader for DetectRun {
    fn sources(&self) -> &Sources {
        &self.sources
    }

    fn take(&mut self, index: usize, piece: &Piece<'_>) -> mad_core::Result<()> {
        let kind = self.sources.kind(index)?;
        let Self { sources, intake, .. } = self;
        let mut rejected = Rejections::default();
        let mut push = |record: Record<'_>, source: mad_core::Source| intake.push(&record, source);
        let outcome = sources.feed(index, piece, &mut push, &mut rejected);
        self.intake.note(kind, rejected);
        outcome?;
        self.flush()
    }
}

impl DetectRun {
    fn flush(&mut self) -> mad_core::Result<()> {
        self.intake.settle(!self.sort)?;
        let rows = self.intake.judged();
        for row in &rows {
            self.overview.add(row);
        }
        if let Some(kept) = &mut self.kept {
            kept.extend(rows);
            return Ok(());
        }
        for opinion in &self.intake.opinions().rows {
            write_opinion(opinion, &mut self.methods);
        }
        for judged in &rows {
            match judged.head.kind {
                RowKind::Requests => {
                    write_features_row(judged, &mut self.features);
                    write_scored_row(judged, &mut self.scored);
                }
                RowKind::Services => write_scored_row(judged, &mut self.services),
                _ => write_scored_points(judged, &mut self.scored_metrics),
            }
        }
        Ok(())
    }
}

fn drained<'py>(py: Python<'py>, lines: &mut Vec<u8>) -> Bound<'py, PyBytes> {
    let out = PyBytes::new(py, lines);
    lines.clear();
    out
}
