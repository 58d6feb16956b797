"""The service graph from tables of every library and from files."""

from __future__ import annotations

import json
import math
import pickle
from datetime import datetime
from typing import Any

import pytest
from kind_tables import BUILDS, FILES
from table_kinds import UTC

import mad

START = datetime(2026, 1, 6, 10, tzinfo=UTC)
SPANS: dict[str, list[Any]] = {
    "trace_id": ["t"] * 4,
    "span_id": ["3", "2", "1", "4"],
    "parent_id": ["2", "1", "", "3"],
    "service": ["cart", "front", "front", "cart"],
    "operation": ["pay", "pay", "GET /", "select"],
    "start": [START] * 4,
    "duration_ms": [5.0, 8.0, 10.0, 3.0],
    "status": ["error", "error", "ok", ""],
    "kind": ["server", "client", "SERVER", "SPAN_KIND_CLIENT"],
    "peer": ["", "cart:80", "", "db"],
}


def check(graph: mad.ServiceGraph) -> None:
    edges = graph.edges()
    assert list(zip(edges["caller"], edges["callee"], strict=True)) == [
        ("cart", "db"),
        ("front", "cart"),
    ]
    assert edges["inferred"].tolist() == [True, False]
    assert edges["errors"].tolist() == [0, 1]
    assert edges["client_ms"].tolist() == [3.0, 8.0]
    assert math.isnan(edges["server_ms"][0])
    assert edges["gap_ms"][1] == 3.0
    assert graph.nodes()["service"] == ["cart", "db", "front"]
    assert graph.downstream("front") == [("cart", 1), ("db", 2)]
    assert graph.upstream("db", depth=1) == [("cart", 1)]
    assert graph.callers("cart") == ["front"]
    assert graph.callees("cart") == ["db"]
    assert graph.rejected["total"] == 0


@pytest.mark.parametrize("build", BUILDS)
def test_every_table(build: str) -> None:
    graph = mad.ServiceGraph()
    graph.add(BUILDS[build](SPANS))
    check(graph)
    document = graph.document()
    assert document["counters"]["spans"] == 4
    assert document["edges"][0]["server"] == {"median_ms": None, "mad_ms": None, "n": 0}


@pytest.mark.parametrize("form", [form for form in FILES if form != "parquet"])
def test_bytes_cut_anywhere(form: str) -> None:
    data, graph = FILES[form](SPANS), mad.ServiceGraph()
    for at in range(0, len(data), 50):
        graph.feed("spans", data[at : at + 50])
    graph.end("spans")
    check(graph)


def test_edges_and_requests_extend_a_saved_graph() -> None:
    graph = mad.ServiceGraph({"limits": {"graph_edges": 3}})
    graph.add({"caller": ["a", "a", ""], "callee": ["b", "c", "d"], "calls": [2, 3, 4]}, "edges")
    requests = {
        "timestamp": [0.001, 0.0],
        "service": ["payment", "checkout"],
        "endpoint": ["/", "/"],
        "status_code": [500, 200],
        "latency_ms": [5.0, 9.0],
    }
    graph.add(requests, "requests")
    graph.feed("edges", b"caller,callee\n")
    graph = mad.ServiceGraph.restore(graph.state())
    graph.add(requests | {"trace_id": ["t", "t"]}, "requests")
    assert graph.callees("checkout") == ["payment"]
    graph.add({"caller": ["x"], "callee": ["y"], "calls": [2]}, "edges")
    assert graph.edges()["calls"].tolist() == [
        2,
        3,
        2,
    ]  # the calls of a trace are known when the trace is evicted
    assert graph.document()["counters"]["calls_dropped"] == 1
    assert repr(graph) == "ServiceGraph(7 services, 3 edges)"


def test_invalid_input_is_named() -> None:
    graph = mad.ServiceGraph()
    with pytest.raises(ValueError, match="a graph takes spans, edges or requests"):
        graph.add({}, "metrics")
    with pytest.raises(ValueError, match="no column `callee`"):
        graph.add({"caller": ["a"]}, "edges")
    graph.add(SPANS | {"duration_ms": [-1.0, 8.0, 10.0, 3.0]})
    assert graph.rejected["counts"] == {"bad_value": 1}
    assert graph.document()["counters"]["missing_parents"] == 1
    with pytest.raises(ValueError, match=r"limits\.open_spans"):
        mad.ServiceGraph({"limits": {"open_spans": 0}})
    state = json.loads(graph.state())
    state["nodes"].pop()
    with pytest.raises(ValueError, match=r"damaged: .* names an unknown service"):
        mad.ServiceGraph.restore(json.dumps(state))


def test_columns_that_the_configuration_names() -> None:
    config = {"intake": {"map": {"caller": "from", "callee": "to"}}}
    graph = mad.ServiceGraph(config)
    graph.add({"from": ["web"], "to": ["shop"]}, kind="edges")
    # a copy keeps its columns, and so do pieces of bytes
    graph = pickle.loads(pickle.dumps(graph))
    graph.feed("edges", b"from,to\nshop,payments\n")
    graph.end("edges")
    assert graph.edges()["callee"] == ["payments", "shop"]
    assert graph.rejected["total"] == 0
    one = {"intake": {"service": "web"}}
    rows = {"timestamp": [START], "endpoint": ["/"], "status_code": [200], "latency_ms": [3.0]}
    alone = mad.ServiceGraph(one)
    alone.add(rows, kind="requests")
    assert alone.nodes()["service"] == ["web"]
