"""Names without an end, of every kind: memory stays within the limits, and the service answers.

`MAD_NAMES=1000000` sends a million of each kind.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kind_tables import START
from service import Server

NAMES = int(os.environ.get("MAD_NAMES", "12000"))
BATCH = 2_000
#: Growth of resident memory in MiB that the limits below allow: tables, histories and one batch.
MEMORY = 150
LIMITS = "[limits]\nentities = 500\nseries = 1000\npartitions = 4\n"
AT = START.timestamp()
Row = Callable[[int], dict[str, Any]]
REQUEST = {"service": "a", "endpoint": "/", "status_code": 200, "latency_ms": 1.0}
WORDS = ("failed", "refused", "late", "broken", "lost", "unknown", "full")


def words(number: int) -> str:
    """A message of words that differs from the others in more than its numbers."""
    letters = "".join(chr(97 + int(digit)) for digit in str(number))
    return f"{WORDS[number % 7]} {letters} {WORDS[number // 7 % 7]} {letters[::-1]}"


KINDS: dict[str, tuple[str, Row]] = {
    "services": ("requests", lambda i: {**REQUEST, "service": f"s{i}"}),
    "endpoints": ("requests", lambda i: {**REQUEST, "endpoint": f"/e{i}x"}),
    "hosts": ("requests", lambda i: {**REQUEST, "host": f"h{i}", "version": f"v{i}"}),
    "traces": ("requests", lambda i: {**REQUEST, "trace_id": f"{i + 1:032x}"}),
    "metrics": ("metrics", lambda i: {"service": "a", "metric": f"m{i}", "value": float(i)}),
    "resources": (
        "metrics",
        lambda i: {"service": "a", "resource": f"r{i}", "metric": "m", "value": 1e308},
    ),
    "templates": ("logs", lambda i: {"service": "a", "level": "ERROR", "body": words(i)}),
    "spans": (
        "spans",
        lambda i: {
            "service": f"s{i}",
            "operation": f"o{i}",
            "trace_id": f"{i // 50 + 1:032x}",
            "span_id": f"{i + 1:016x}",
            "parent_span_id": f"{i:016x}",
            "duration_ms": 1.0,
        },
    ),
    "changes": ("changes", lambda i: {"service": f"s{i}", "kind": "deploy", "name": f"n{i}"}),
}


def resident(server: Server) -> int:
    """MiB."""
    status = Path(f"/proc/{server.process.pid}/status").read_text("ascii")
    (line,) = (one for one in status.splitlines() if one.startswith("VmHWM"))
    return int(line.split()[1]) // 1024


@pytest.mark.parametrize("name", KINDS)
def test_memory_is_bounded_under_new_names(name: str, tmp_path: Path) -> None:
    kind, row = KINDS[name]
    config = tmp_path / "mad.toml"
    config.write_text(LIMITS, encoding="utf-8")
    with Server(tmp_path / "data", "--no-ticks", "--config", str(config)) as server:
        before, accepted = resident(server), 0
        for start in range(0, NAMES, BATCH):
            rows = [{"timestamp": AT + start / 50, **row(start + i)} for i in range(BATCH)]
            for _ in range(600):
                answer = server.send(f"/v1/ingest/{kind}", rows)
                if answer.status_code not in (429, 503):
                    break
                time.sleep(0.1)
            assert answer.status_code == 200, answer.text
            accepted += answer.json()["accepted"]
        assert server.http.get("/health").status_code == 200
        assert accepted > NAMES / 2
        assert resident(server) - before < MEMORY
