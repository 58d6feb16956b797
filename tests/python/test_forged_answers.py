"""Commands over answers of a server, and over files of a run, in which anything may stand.

Each part of a real document is replaced by values of other types, and left out: a command shows the
rest or refuses the document, and never ends with an internal error.
"""

from __future__ import annotations

import copy
import io
import json
import os
import random
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pytest
from fixed_peer import FixedPeer, peering

import mad
from mad import documents
from mad.cli import main
from mad.cli.assistant import Remote, Tools, serve

DRAWS = int(os.environ.get("MAD_FORGED", "16"))
"""Places of the documents that are forged."""
DEEP = json.loads("[" * 200 + "]" * 200)
FORGED: list[Any] = [
    ...,
    DEEP,
    None,
    True,
    0,
    -1,
    10**400,
    1.7976931348623157e308,
    float("inf"),
    float("nan"),
    "",
    "x" * 100_000,
    "\x1b[2J\u202e<script>[bold]\ud800",
    "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00+14:00",
    [],
    [None],
    [[[]]],
    {},
    {"": {"": None}},
    [{"service": 7}],
]
"""Values for any place; Ellipsis leaves the place out."""
TOOLS = (
    ("list_incidents", {}),
    ("get_incident", {"id": "INC-1"}),
    ("services_health", {}),
    ("why_not_flagged", {"service": "payments"}),
    ("list_changes", {}),
)
HEALTH = {"status": "ok", "watermark": "2026-01-06T11:00:00Z", "accepted": 10, "rejected": 1}
ALERT = {
    "id": 1,
    "created_at": "2026-01-06T11:00:00Z",
    "sink": "hook",
    "status": "dead",
    "event": "opened",
    "incident": "INC-1",
    "attempts": 2,
    "reason": None,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The document of a run with one incident, a change and a similar incident."""
    folder = tmp_path_factory.mktemp("run")
    assert main(["simulate", "--out", str(folder), "--seed", "5", "--json"]) == 0
    report = mad.detect(folder / "requests.csv")
    document: dict[str, Any] = json.loads(report.document())
    first = document["incidents"][0]
    first["chain"] = first["chain"] or [{"at": first["start"], "service": "payments"}]
    first["chain"][0]["change"] = {"kind": "deploy", "at": first["start"]}
    first["similar"] = [dict.fromkeys(("start", "end"), first["start"]) | {"id": "INC-0"}]
    of_it = [one for one in document["states"] if one["service"] == "payments"]
    document["incidents"], document["states"] = [first], of_it[:2]
    return document


def answers_of(run: dict[str, Any]) -> dict[str, Any]:
    """The answers of a server by the beginning of their path."""
    row = {"bucket_ts": "2026-01-06T10:59:00Z", "service": "payments", "endpoint": "/pay"}
    row |= {"req_count": 3, "error_rate": 0.5, "p95_latency_ms": 20.0, "is_anomaly": True}
    return {
        "/health": HEALTH,
        "/v1/query/incidents/": run["incidents"][0],
        "/v1/query/incidents": {"data": run["incidents"]},
        "/v1/query/entities": {"data": run["states"]},
        "/v1/query/rows": {"data": [row]},
        "/v1/query/culprits": run["incidents"][0]["ranking"],
        "/v1/query/alerts": {"data": [ALERT]},
        "/v1/levels/accept": {"levels": [{"text": "payments /pay: a new level"}]},
    }


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of each part of a document; of a list its first two entries."""
    if path:
        yield path
    if isinstance(value, dict):
        for name, one in value.items():
            yield from places(one, (*path, name))
    elif isinstance(value, list):
        for place, one in enumerate(value[:2]):
            yield from places(one, (*path, place))


def forged(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The document with another value at a path; with Ellipsis without it."""
    changed = copy.deepcopy(document)
    inner = changed
    for step in path[:-1]:
        inner = inner[step]
    if value is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return changed


class _Peer(FixedPeer):
    answers: ClassVar[dict[str, Any]] = {}
    protocol_version = "HTTP/1.1"

    def answer(self) -> bytes:
        path = urlsplit(self.path).path
        found = next((one for name, one in self.answers.items() if path.startswith(name)), None)
        return json.dumps(found).encode()


@pytest.fixture
def peer() -> Iterator[tuple[str, type[_Peer]]]:
    with peering(_Peer) as one:
        yield one


def commands(place: str) -> list[list[str]]:
    gate = [
        "gate",
        place,
        "--for",
        "1ms",
        "--since",
        "2026-01-01T00:00:00Z",
        "--annotations",
        "github",
    ]
    return [
        ["explain", place, "--incident", "all"],
        ["explain", place, "--language", "de"],
        ["explain", place, "--service", "payments"],
        ["culprits", place],
        ["watch", place, "--once"],
        gate,
        ["alert", "list", place],
        ["accept", place, "--service", "payments"],
    ]


def test_forged_answers_of_a_server_are_shown_or_refused(
    run: dict[str, Any], peer: tuple[str, type[_Peer]], capsys: pytest.CaptureFixture[str]
) -> None:
    url, server = peer
    chance, answers = random.Random(1), answers_of(run)
    server.answers = answers
    for command in commands(url):
        assert main(command) in (0, 1), capsys.readouterr()
    every = [(name, path) for name, one in answers.items() for path in places(one)]
    tools, refused = Tools(Remote(url)), 0
    for name, path in chance.sample(every, min(DRAWS, len(every))):
        for value in chance.sample(FORGED, 4):
            server.answers = answers | {name: forged(answers[name], path, value)}
            for command in commands(url):
                code = main(command)
                shown = capsys.readouterr()
                assert code in (0, 1, 2), (command[0], name, path, repr(value)[:80], shown.err)
                assert "\x1b[2J" not in shown.out + shown.err
                refused += code == 2
            asked = "".join(
                json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": one})
                + "\n"
                for one in ({"name": tool, "arguments": given} for tool, given in TOOLS)
            )
            target = io.BytesIO()
            serve(tools, io.BytesIO(asked.encode()), target)
            for line in target.getvalue().splitlines():
                assert "result" in json.loads(line), (name, path, repr(value)[:80], line)
    assert refused > DRAWS // 2


def test_forged_files_of_a_run_are_shown_or_refused(
    run: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chance, file = random.Random(2), tmp_path / "incidents.json"
    (tmp_path / "scored.csv").write_text("bucket_ts,service,endpoint\n")
    every, refused = list(places(run)), 0
    for path in chance.sample(every, min(3 * DRAWS, len(every))):
        for value in chance.sample(FORGED, 4):
            file.write_text(json.dumps(forged(run, path, value)))
            for command in (
                ["explain", str(tmp_path)],
                ["explain", str(tmp_path), "--language", "de", "--markdown"],
                ["explain", str(tmp_path), "--service", "x"],
            ):
                code = main(command)
                shown = capsys.readouterr()
                assert code in (0, 2, 3), (command, path, repr(value)[:80], shown.err)
                refused += code == 3
    assert refused > DRAWS // 2
    # sentences that are written in another language are texts in every depth
    messages = [path for path in every if "messages" in path[2:3]]
    for path in chance.sample(messages, min(DRAWS, len(messages))):
        for value in (float("inf"), float("nan"), 10**400, "\ud800", {"\ud800": ""}, True):
            file.write_text(json.dumps(forged(run, path, value)))
            assert main(["explain", str(tmp_path), "--language", "de"]) == 3, (path, value)
            assert "incidents[0].messages is dict" in capsys.readouterr().err
    file.write_text("[" * 200_000)
    assert main(["explain", str(tmp_path)]) == 3


def test_the_fault_of_a_document_is_named() -> None:
    shape = documents.listed(documents.STATE)
    state = {"service": "pay", "endpoint": "/", "state": "normal", "reason": ""}
    assert documents.fault({"data": [state]}, shape) is None
    assert documents.fault({}, shape) == "data is missing"
    assert documents.fault({"data": [state, {**state, "score": []}]}, shape) == (
        "data[1].score is list, which is not a number"
    )
    del state["reason"]
    assert documents.fault({"data": [state]}, shape) == "data[0].reason is missing"
    assert "64 levels" in (documents.fault({"data": [], "x": DEEP}, shape) or "")


def test_an_answer_longer_than_the_limit_and_one_without_an_end_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("mad.cli.remote._LONGEST", 1 << 20)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            one, _ = listening.accept()
            with one:
                one.recv(65536)
                one.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                while True:
                    try:
                        one.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
                    except OSError:
                        return

        thread = threading.Thread(target=answer)
        thread.start()
        begun = time.monotonic()
        assert main(["explain", f"http://127.0.0.1:{listening.getsockname()[1]}"]) == 4
        assert time.monotonic() - begun < 30
        thread.join()
    assert "an answer of more than 1 MiB" in capsys.readouterr().err
