//! The graph of services, from tables and bytes.

use mad_core::time::ZonePolicy;
use mad_core::wire::ColumnMap;
use mad_core::{CallEdge, PipelineConfig, Record, RecordKind, Rejections, ServiceNode};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::config::{parse, read, to_json};
use crate::errors::{to_py, value_error};
use crate::pickle::{self, Reduced};
use crate::records::kinds::{parse_kind, read_table};
use crate::records::reading::{LINE, Reading};
use crate::records::source::{Piece, Source};
use crate::shared::Shared;
use crate::tables::table::{Table, flags, floats, integers, strings};

/// The graph of services and their calls, from spans, edges and requests that share a trace.
///
/// Related records may come in any order and in pieces. The number of services, calls and open
/// spans is bounded: of `config`, `limits.services`, `limits.graph_edges`, `limits.open_spans`,
/// `intake.map`, `intake.service` and `naive_offset_seconds` matter. Durations are in ms; NaN stands where nothing was seen. Records
/// that cannot be read are counted in `rejected`; an empty graph has empty tables. A graph can be
/// pickled and copied unless a source that was fed in pieces has not ended, and threads can share
/// it.
///
/// >>> import mad
/// >>> graph = mad.ServiceGraph()
/// >>> graph.add({"caller": ["web", "shop"], "callee": ["shop", "payments"]}, kind="edges")
/// >>> graph.callees("shop"), graph.upstream("payments")
/// (['payments'], [('shop', 1), ('web', 2)])
/// >>> graph.edges()["caller"]
/// ['shop', 'web']
#[pyclass(module = "mad._core", frozen)]
pub struct ServiceGraph {
    state: Shared<State>,
    config: PipelineConfig,
}

struct State {
    core: mad_core::ServiceGraph,
    /// The graph that queries read, until more records come.
    settled: Option<mad_core::ServiceGraph>,
    sources: Vec<Source>,
    reading: Reading,
}

#[pymethods]
impl ServiceGraph {
    #[new]
    #[pyo3(signature = (config=None))]
    fn new(config: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let config = parse(config)?;
        let core = mad_core::ServiceGraph::new(&config.limits).map_err(|error| to_py(&error))?;
        Ok(Self::of(core, Reading::default(), config))
    }

    /// Takes a table of spans, edges or requests.
    #[pyo3(signature = (table, kind="spans"))]
    fn add(&self, py: Python<'_>, table: &Bound<'_, PyAny>, kind: &str) -> PyResult<()> {
        let mut source = self.source(kind_of(kind)?);
        let zone = self.config.zone();
        self.with_piece(py, source.kind, table, |state, piece| {
            state.take(&mut source, piece, zone)?;
            state.take(&mut source, &Piece::End, zone)
        })
    }

    /// Takes a piece of a source: bytes, cut anywhere, or a table.
    fn feed(&self, py: Python<'_>, kind: &str, chunk: &Bound<'_, PyAny>) -> PyResult<()> {
        let (kind, zone) = (kind_of(kind)?, self.config.zone());
        self.with_piece(py, kind, chunk, |state, piece| {
            let mut source = state.open(kind).unwrap_or_else(|| self.source(kind));
            let outcome = state.take(&mut source, piece, zone);
            state.sources.push(source);
            outcome
        })
    }

    /// Ends a source.
    fn end(&self, py: Python<'_>, kind: &str) -> PyResult<()> {
        let (kind, zone) = (kind_of(kind)?, self.config.zone());
        let outcome = self.state.with(py, |state| match state.open(kind) {
            Some(mut source) => state.take(&mut source, &Piece::End, zone),
            None => Ok(()),
        })?;
        outcome.map_err(|error| to_py(&error))
    }

    /// The services.
    fn nodes(&self, py: Python<'_>) -> PyResult<Table> {
        let nodes = self.query(py, mad_core::ServiceGraph::nodes)?;
        let count = |of: fn(&ServiceNode) -> u64| integers(nodes.iter().map(of));
        Table::new(vec![
            ("service", strings(nodes.iter().map(|node| &*node.service))),
            ("spans", count(|node| node.spans)),
            ("requests", count(|node| node.requests)),
            ("errors", count(|node| node.errors)),
            ("inferred", flags(nodes.iter().map(|node| node.inferred))),
        ])
    }

    /// The calls between them.
    fn edges(&self, py: Python<'_>) -> PyResult<Table> {
        let edges = self.query(py, mad_core::ServiceGraph::edges)?;
        let number = |of: fn(&CallEdge) -> f64| floats(edges.iter().map(of));
        let mut columns = vec![
            ("caller", strings(edges.iter().map(|edge| &*edge.caller))),
            ("callee", strings(edges.iter().map(|edge| &*edge.callee))),
            ("calls", integers(edges.iter().map(|edge| edge.calls))),
            ("errors", integers(edges.iter().map(|edge| edge.errors))),
            ("inferred", flags(edges.iter().map(|edge| edge.inferred))),
        ];
        columns.extend([
            ("client_ms", number(|edge| edge.client.median_ms)),
            ("client_mad_ms", number(|edge| edge.client.mad_ms)),
            ("server_ms", number(|edge| edge.server.median_ms)),
            ("server_mad_ms", number(|edge| edge.server.mad_ms)),
            ("gap_ms", number(|edge| edge.gap.median_ms)),
            ("gap_mad_ms", number(|edge| edge.gap.mad_ms)),
        ]);
        Table::new(columns)
    }

    /// The services that call a service.
    fn callers(&self, py: Python<'_>, service: &str) -> PyResult<Vec<String>> {
        self.query(py, |graph| graph.callers(service).iter().map(ToString::to_string).collect())
    }

    /// The services that a service calls.
    fn callees(&self, py: Python<'_>, service: &str) -> PyResult<Vec<String>> {
        self.query(py, |graph| graph.callees(service).iter().map(ToString::to_string).collect())
    }

    /// The services that call a service, directly and through others.
    #[pyo3(signature = (service, depth=None))]
    fn upstream(
        &self,
        py: Python<'_>,
        service: &str,
        depth: Option<usize>,
    ) -> PyResult<Vec<(String, usize)>> {
        self.query(py, |graph| named(graph.upstream(service, depth.unwrap_or(usize::MAX))))
    }

    /// The services that a service calls, directly and through others.
    #[pyo3(signature = (service, depth=None))]
    fn downstream(
        &self,
        py: Python<'_>,
        service: &str,
        depth: Option<usize>,
    ) -> PyResult<Vec<(String, usize)>> {
        self.query(py, |graph| named(graph.downstream(service, depth.unwrap_or(usize::MAX))))
    }

    /// Nodes, edges and counters.
    fn document<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let json = to_json(&self.query(py, mad_core::ServiceGraph::document)?)?;
        py.import("json")?.call_method1("loads", (json,))
    }

    /// The state as JSON, for `restore`.
    fn state(&self, py: Python<'_>) -> PyResult<String> {
        self.state.with(py, |state| to_json(&state.core))?
    }

    /// A graph from its state; of `config`, `intake` and `naive_offset_seconds` matter.
    #[staticmethod]
    #[pyo3(signature = (state, config=None))]
    fn restore(state: &str, config: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let core = serde_json::from_str(state)
            .map_err(|error| value_error(format!("the saved graph cannot be read: {error}")))?;
        Ok(Self::of(core, Reading::default(), parse(config)?))
    }

    /// Records that were not taken: total, counts by reason, and the first of each.
    #[getter]
    fn rejected<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.state.with(py, |state| state.reading.clone())?.rejected(py)
    }

    /// The number of accepted records.
    #[getter]
    fn accepted(&self, py: Python<'_>) -> PyResult<u64> {
        self.state.with(py, |state| state.reading.accepted())
    }

    /// Why the input as a whole was not read: nothing, or less than the share `min_accepted`, of a
    /// kind of records was accepted; None when enough was accepted.
    #[pyo3(signature = (min_accepted=0.95))]
    fn problem(&self, py: Python<'_>, min_accepted: f64) -> PyResult<Option<String>> {
        self.state.with(py, |state| state.reading.problem(min_accepted, LINE))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> Reduced<'py, (String, String)> {
        let saved = self.state.with(py, |state| match state.sources.first() {
            Some(open) => Err(value_error(format!(
                "the source of {} has not ended: call end({:?}) first",
                open.kind.as_str(),
                open.kind.as_str(),
            ))),
            None => to_json(&(&state.core, &state.reading)),
        })??;
        pickle::reduce_with::<Self, _>(py, (saved, to_json(&self.config)?))
    }

    #[staticmethod]
    fn _from_state(state: &str, config: &str) -> PyResult<Self> {
        let (core, reading) = serde_json::from_str(state)
            .map_err(|error| value_error(format!("the saved graph cannot be read: {error}")))?;
        Ok(Self::of(core, reading, read(config)?))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let size = |graph: &mad_core::ServiceGraph| (graph.nodes().len(), graph.edges().len());
        let (services, edges) = self.query(py, size)?;
        Ok(format!("ServiceGraph({services} services, {edges} edges)"))
    }
}

impl ServiceGraph {
    fn of(core: mad_core::ServiceGraph, reading: Reading, config: PipelineConfig) -> Self {
        let state = State { core, settled: None, sources: Vec::new(), reading };
        Self { state: Shared::new(state), config }
    }

    /// A source of a kind at its start.
    fn source(&self, kind: RecordKind) -> Source {
        Source::with_columns(kind, &self.config)
    }

    /// Asks the settled graph.
    fn query<R: Send>(
        &self,
        py: Python<'_>,
        ask: impl FnOnce(&mad_core::ServiceGraph) -> R + Send,
    ) -> PyResult<R> {
        self.state.with(py, |state| ask(state.settled()))
    }

    /// Takes a chunk: bytes or a table of a kind.
    fn with_piece(
        &self,
        py: Python<'_>,
        kind: RecordKind,
        chunk: &Bound<'_, PyAny>,
        take: impl FnOnce(&mut State, &Piece<'_>) -> mad_core::Result<()> + Send,
    ) -> PyResult<()> {
        let outcome = if let Ok(bytes) = chunk.cast::<PyBytes>() {
            let bytes = bytes.as_bytes();
            self.state.with(py, |state| take(state, &Piece::Bytes(bytes)))?
        } else {
            let columns = ColumnMap::new(&self.config.intake);
            let table = Piece::Table(read_table(kind, chunk, self.config.zone(), &columns)?);
            self.state.with(py, |state| take(state, &table))?
        };
        outcome.map_err(|error| to_py(&error))
    }
}

impl State {
    fn settled(&mut self) -> &mad_core::ServiceGraph {
        self.settled.get_or_insert_with(|| self.core.settled())
    }

    /// Removes the source of a kind that has not ended.
    fn open(&mut self, kind: RecordKind) -> Option<Source> {
        let place = self.sources.iter().position(|source| source.kind == kind)?;
        Some(self.sources.swap_remove(place))
    }

    fn take(
        &mut self,
        source: &mut Source,
        piece: &Piece<'_>,
        zone: ZonePolicy,
    ) -> mad_core::Result<()> {
        self.settled = None;
        let Self { core, reading, .. } = self;
        let mut sink = |record: Record<'_>, _| {
            reading.see(&record);
            match record {
                Record::Span(span) => core.span(&span),
                Record::Edge(edge) => core.edge(&edge),
                Record::Request(request) => core.request(&request),
                _ => {}
            }
        };
        let mut rejected = Rejections::default();
        let outcome = source.read(piece, zone, &mut sink, &mut rejected);
        self.reading.of_mut(source.kind).rejected.merge(rejected);
        outcome
    }
}

fn named(reached: Vec<(std::sync::Arc<str>, usize)>) -> Vec<(String, usize)> {
    reached.into_iter().map(|(name, depth)| (name.to_string(), depth)).collect()
}

/// A kind whose records show calls.
fn kind_of(kind: &str) -> PyResult<RecordKind> {
    match parse_kind(kind)? {
        known @ (RecordKind::Spans | RecordKind::Edges | RecordKind::Requests) => Ok(known),
        _ => Err(value_error(format!("kind = {kind:?}; a graph takes spans, edges or requests"))),
    }
}
