"""Root causes of failing traces, the graph's pictures, and their commands."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from kind_tables import BUILDS
from table_kinds import UTC

import mad
from mad import _core
from mad.cli import main
from mad.report import graph, render_html

START = datetime(2026, 1, 6, 10, tzinfo=UTC)


def spans(failing: bool = True) -> dict[str, list[Any]]:
    """Twenty traces front -> cart -> db, of which the last five fail in the database."""
    rows = []
    for n in range(20):
        status = "error" if failing and n >= 15 else "ok"
        at = START + timedelta(seconds=n)
        for depth, service in enumerate(["front", "cart", "db"]):
            parent = f"{n}-{depth - 1}" if depth else ""
            rows.append((f"t{n}", f"{n}-{depth}", parent, service, "call", at, 9.0 - depth, status))
    names = ["trace_id", "span_id", "parent_id", "service", "operation", "start", "duration_ms"]
    return dict(zip([*names, "status"], map(list, zip(*rows, strict=True)), strict=True))


@pytest.mark.parametrize("build", BUILDS)
def test_the_deepest_failing_callee_is_named_from_every_table(build: str) -> None:
    ranking = mad.rank_traces(BUILDS[build](spans()))
    first = ranking.culprits[0]
    assert (first.service, first.operation, first.fault) == ("db", "call", "error")
    assert (first.share, first.traces, ranking.failing, ranking.traces) == (1.0, 5, 5, 20)
    assert first.onset == START + timedelta(seconds=15)
    assert first.sample_traces == [f"t{n}" for n in range(15, 20)]
    assert first.chain == ["front", "cart", "db"]
    assert len(ranking) == 1 and not ranking.abstained
    assert repr(first) == "TraceCulprit(db call, error, share 1.00)"


def test_without_failures_there_is_no_culprit_and_invalid_input_is_named() -> None:
    assert mad.rank_traces(spans(failing=False)).abstained
    # it failed as often before
    assert mad.rank_traces(spans(), spans()).abstained
    wrong = spans() | {"duration_ms": [-1.0] * 60}
    assert mad.rank_traces(wrong).rejected["counts"] == {"bad_value": 60}
    with pytest.raises(ValueError, match="no column `trace_id`"):
        mad.rank_traces({"service": ["a"]})
    with pytest.raises(ValueError, match="slow_effect"):
        mad.rank_traces(spans(), slow_effect=0.0)


def test_simulated_traces_are_the_same_bytes_and_their_root_is_found(tmp_path: Path) -> None:
    one, same = [_core.TraceSimulation("cascade", seed=5, missing=0.1) for _ in range(2)]
    assert (one.spans_csv(), one.requests_csv()) == (same.spans_csv(), same.requests_csv())
    assert len(one) == one.spans_csv().count(b"\n") - 1
    path = tmp_path / "spans.csv"
    path.write_bytes(one.spans_csv())
    first = mad.rank_traces(path).culprits[0]
    truth = json.loads(one.truth_json())[0]
    assert (first.service, first.operation) == (truth["service"], f"POST {truth['endpoint']}")
    assert first.onset.isoformat() >= truth["start"].replace("Z", "+00:00")
    assert _core.rank_traces([one.spans_csv()[:999], one.spans_csv()[999:]]).culprits
    with pytest.raises(ValueError, match="one of slow-payment"):
        _core.TraceSimulation("sideways")


def document(chain: list[str] | None = None) -> dict[str, Any]:
    built = mad.ServiceGraph()
    built.add(spans())
    built.add({"caller": ["db", "<x>", "a"], "callee": ["cart", "a", "a"]}, "edges")
    return built.document() | {"chain": chain or []}


def test_the_picture_is_xml_and_marks_the_path() -> None:
    made = document(["front", "cart", "db"])
    drawn = graph.picture(made, made["chain"])
    root = ElementTree.fromstring(drawn.svg)
    groups = [child.get("class", "") for child in root if child.tag.endswith("}g")]
    assert sum("g-call" in kind for kind in groups) == len(made["edges"]) == 5
    assert sum("g-call g-path" in kind for kind in groups) == 2
    assert [kind for kind in groups if "g-culprit" in kind] == ["g-node g-culprit"]
    assert "&lt;x&gt;" in drawn.svg and "<x>" not in drawn.svg and drawn.hidden == 0


def test_the_tree_names_each_service_and_ends_in_circles() -> None:
    made = document(["front", "cart", "db"])
    text = graph.lines(made, made["chain"])
    assert text[0][0].startswith("<x>")
    assert [line for line, _ in text if line.startswith("front")] == ["front"]
    assert [line.split("  2")[0] for line, _ in text if "culprit" in line] == ["   └─ db"]
    assert any("(above)" in line for line, _ in text)


def test_many_services_are_omitted_but_not_the_path() -> None:
    built = mad.ServiceGraph()
    names = [f"s{n}" for n in range(400)]
    built.add({"caller": names[:-1], "callee": names[1:], "calls": [9] * 399}, "edges")
    made = built.document()
    drawn = graph.picture(made, ["s398", "s399"])
    assert drawn.hidden == 340 and "g-culprit" in drawn.svg
    assert len(graph.lines(made)) == graph.LINES + 1


def test_a_report_shows_the_graph_of_its_document() -> None:
    report = json.loads(
        mad.detect(
            {"timestamp": [], "service": [], "endpoint": [], "status_code": [], "latency_ms": []}
        ).document()
    )
    assert "Service graph" not in render_html(report)
    page = render_html(report | {"graph": document(["front", "cart", "db"])})
    assert "Service graph" in page and "Path to the culprit: front → cart → db" in page


def test_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "sim")
    chain = ["--scenario", "errors", "--depth", "3", "--rows", "200"]
    assert main(["simulate", "--system", "aiops", "--out", out, *chain]) == 0
    assert {path.name for path in Path(out).iterdir()} == {
        "spans.csv",
        "requests.csv",
        "truth.json",
    }
    capsys.readouterr()
    file = f"{out}/spans.csv"
    assert main(["culprits", "--spans", file, "--graph"]) == 0
    said = capsys.readouterr().out
    assert "└─ tier-3" in said and "◀ culprit" in said and "tier-1 → tier-2 → tier-3" in said
    assert main(["culprits", "--spans", file, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["culprits"][0]["service"] == "tier-3"
    for form, begins in [("html", "<!doctype html>"), ("svg", "<svg "), ("json", "{")]:
        picture = tmp_path / f"graph.{form}"
        assert main(["graph", file, "--out", str(picture)]) == 0
        assert picture.read_text().startswith(begins)
    capsys.readouterr()
    assert main(["graph", "--requests", f"{out}/requests.csv", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["edges"]) == 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["graph"], "give SPANS"),
        (["graph", "x.csv", "--out", "x.png"], "ends in .html"),
        (["graph", "--edges", "x.csv", "--reference", "y.csv"], "--reference needs SPANS"),
        (["culprits"], "either DIR or --spans"),
        (["culprits", "out", "--graph"], "need --spans"),
        (["culprits", "--spans", "x.csv", "--at", "2026-01-06T10:00:00Z"], "--at needs DIR"),
        (["simulate", "--out", "x", "--depth", "3"], "--depth is not for --system shop"),
        (["simulate", "--out", "x", "--system", "aiops", "--services", "3"], "--services is not"),
        (["simulate", "--out", "x", "--system", "aiops", "--missing", "2"], "missing"),
        (["simulate", "--out", "x", "--system", "aiops", "--scenario", "y"], "one of slow-payment"),
    ],
)
def test_wrong_arguments(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert said in capsys.readouterr().err
