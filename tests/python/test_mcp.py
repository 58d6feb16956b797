"""The MCP server with the official client, over a directory and over a running server."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from service import Server

from mad import errors
from mad.cli import main
from mad.cli.assistant import Directory, Tools
from mad.cli.assistant.tools import LONGEST_ANSWER, ToolError

TOOLS = {
    "list_incidents",
    "get_incident",
    "services_health",
    "why_not_flagged",
    "list_changes",
}


def ask(place: str, *calls: tuple[str, dict[str, Any]]) -> list[Any]:
    """The answers of `mad mcp PLACE` to the official client: the tools, then JSON or an error text
    for each call."""

    async def talk() -> list[Any]:
        parameters = StdioServerParameters(
            command=sys.executable,
            args=["-m", "mad.cli", "mcp", place],
            env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        answers: list[Any] = []
        async with Client(stdio_client(parameters)) as client:
            answers.append((await client.list_tools()).tools)
            for name, given in calls:
                result = await client.call_tool(name, given)
                text = result.content[0].text
                answers.append(text if result.is_error else json.loads(text))
        return answers

    return asyncio.run(asyncio.wait_for(talk(), 120))


@pytest.mark.parametrize("place", ["demo_directory", "demo_server"])
def test_an_assistant_reads_an_incident(place: str, request: pytest.FixtureRequest) -> None:
    found = request.getfixturevalue(place)
    where = found.url if isinstance(found, Server) else str(found)
    before = _files(found) if isinstance(found, Path) else {}
    tools, listed = ask(where, ("list_incidents", {"service": "payments", "limit": 5}))
    assert {tool.name for tool in tools} == TOOLS
    assert all(tool.annotations.read_only_hint for tool in tools)
    (incident,) = listed["incidents"]
    assert (incident["service"], incident["endpoint"]) == ("payments", "/pay")
    assert incident["culprit"] == {"service": "payments", "endpoint": "/pay"}
    _, whole, health, why, changes, unknown, wrong = ask(
        where,
        ("get_incident", {"id": incident["id"]}),
        ("services_health", {}),
        ("why_not_flagged", {"service": "auth", "endpoint": "/login"}),
        ("list_changes", {}),
        ("get_incident", {"id": "INC-none"}),
        ("list_incidents", {"limit": 5000}),
    )
    assert whole["explanation"]["summary"].startswith("payments /pay: ")
    assert whole["ranking"]["culprits"][0]["evidence"][0]["text"]
    assert {one["service"] for one in health["services"]} == {
        "auth",
        "catalog",
        "checkout",
        "payments",
    }
    assert all(0 <= one["health"] <= 100 for one in health["services"])
    assert why["states"][0]["reason"]
    assert changes == {"count": 0, "changes": []}
    assert "INC-none" in unknown
    assert wrong == "limit is 5000; give a number from 1 to 50"
    if isinstance(found, Path):
        assert _files(found) == before


def _files(directory: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in directory.iterdir()}


def test_a_deployment_before_an_incident_is_a_change(demo_directory: Path, tmp_path: Path) -> None:
    changes = tmp_path / "changes.csv"
    changes.write_text(
        "timestamp,service,kind,name,version\n2026-01-06T10:44:00Z,payments,deploy,,2.1\n"
    )
    out, requests = tmp_path / "out", str(demo_directory / "requests.csv")
    arguments = ["--changes", str(changes), "--out", str(out), "--no-report", "--json"]
    assert main(["detect", requests, *arguments]) == errors.FINE
    tools = Tools(Directory(out))
    (found,) = json.loads(tools.call("list_changes", {"service": "payments"}))["changes"]
    assert "deploy (2.1) at 2026-01-06 10:44 UTC" in found["text"]
    assert found["incident"].startswith("INC-")
    assert json.loads(tools.call("list_changes", {"service": "auth"}))["count"] == 0


def test_messages_that_are_no_requests(demo_directory: Path) -> None:
    lines = [
        b"no json",
        b"[]",
        b'{"jsonrpc": "2.0", "method": "notifications/initialized"}',
        b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "delete"}}',
        b'{"jsonrpc": "2.0", "id": 2, "method": "resources/list"}',
        b'{"jsonrpc": "2.0", "id": 3, "method": "ping", "params": []}',
        b'{"jsonrpc": "2.0", "id": 4, "method": "tools/call", "params": [1]}',
        b'{"x": "' + b"a" * (1 << 20) + b'"}',
        b'{"jsonrpc": "2.0", "id": 5, "method": "initialize", "params": {"protocolVersion": "1"}}',
        b"[" * 100_000,
        b'{"jsonrpc": "2.0", "id": 1e999, "method": "ping"}',
        b'{"jsonrpc": "2.0", "id": NaN, "method": "ping"}',
        b'{"jsonrpc": "2.0", "id": [6], "method": "ping"}',
        b'{"jsonrpc": "2.0", "id": "' + b"x" * 2_000 + b'", "method": "ping"}',
        b'{"jsonrpc": "2.0", "id": "7", "method": "' + b"x" * 2_000 + b'"}',
    ]
    done = subprocess.run(
        [sys.executable, "-m", "mad.cli", "mcp", str(demo_directory)],
        input=b"\n".join(lines) + b"\n\n",
        capture_output=True,
        check=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(one["id"], one.get("error", {}).get("code")) for one in answers] == [
        (None, -32700),
        (None, -32600),
        (1, -32602),
        (2, -32601),
        (3, None),
        (4, -32602),
        (None, -32600),
        (5, None),
        (None, -32700),
        *[(None, -32600)] * 4,
        ("7", -32601),
    ]
    assert all(len(line) < 1_000 for line in done.stdout.splitlines())
    assert answers[7]["result"]["protocolVersion"] == "2025-11-25"


def test_answers_are_short_and_clean(tmp_path: Path) -> None:
    hostile = "\x1b[31m\u202e" + "x" * 300
    incident = {
        "id": "INC-1",
        "service": hostile,
        "endpoint": "/",
        "severity": "Critical",
        "status": "open",
        "start": "2026-01-06T10:00:00Z",
        "end": "2026-01-06T10:10:00Z",
        "affected": [hostile] * 5_000,
        "explanation": {"line": hostile},
    }
    document = {"incidents": [incident] * 300, "states": []}
    (tmp_path / "incidents.json").write_text(json.dumps(document))
    tools = Tools(Directory(tmp_path))
    for name, given in (("list_incidents", {"limit": 50}), ("get_incident", {"id": "INC-1"})):
        text = tools.call(name, given)
        assert len(text) <= LONGEST_ANSWER
        assert "\x1b" not in text and "\u202e" not in text
    assert "left_out" in json.loads(text)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "service is missing"),
        ({"service": 3}, "service is not a text"),
        ({"service": "x" * 600}, "at most 512 characters"),
        ({"service": "x", "other": 1}, "other is no argument"),
        ({"service": "x"}, "has no such endpoint or metric"),
    ],
)
def test_wrong_arguments_are_named(
    demo_directory: Path, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(ToolError, match=message):
        Tools(Directory(demo_directory)).call("why_not_flagged", given)


def test_a_directory_without_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mcp", str(tmp_path)]) == errors.INPUT
    assert "incidents.json" in capsys.readouterr().err
