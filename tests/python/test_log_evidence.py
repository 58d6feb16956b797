"""The log template that changed most, as evidence on an incident."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from mad import simulate
from mad.detection.directory import detect_into

Json = dict[str, Any]
SEEDS = 3
"""Seeds of the saturated database. `make quality-log-evidence` has 50."""


def saturated(folder: Path, seed: int) -> list[Json]:
    """The incidents of an hour in which a database saturates after 40 minutes and times out."""
    folder.mkdir(parents=True, exist_ok=True)
    start = datetime(2026, 3, 9, tzinfo=timezone.utc)
    stream = simulate.radar(simulate.Run(start, 3600.0, 2400.0, 5.0, seed), "saturation")
    parts: dict[str, list[bytes]] = {}
    for piece in stream.due(stream.duration, 1_000):
        parts.setdefault(piece.kind, []).append(piece.lines)
    paths = {}
    for kind, lines in parts.items():
        path = folder / f"{kind}.jsonl"
        path.write_bytes(b"".join(lines))
        paths[kind] = [str(path)]
    detect_into(folder / "out", paths, report=False)
    return list(json.loads((folder / "out" / "incidents.json").read_text())["incidents"])


def names_the_timeout(incidents: list[Json]) -> bool:
    """Whether the log evidence of an incident, and that of its first culprit, is the time-out."""
    template = "DB timeout after <*> ms on orders"
    return any(
        any(f"error lines `{template}`" in text for text in one["explanation"]["log_evidence"])
        and one["ranking"]["culprits"][0]["log"]["template"] == template
        for one in incidents
    )


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_saturated_database_shows_its_timeouts(tmp_path: Path, seed: int) -> None:
    assert names_the_timeout(saturated(tmp_path, seed))


def test_the_counts_stand_in_the_document(tmp_path: Path) -> None:
    (incident,) = saturated(tmp_path, 0)
    log = incident["ranking"]["culprits"][0]["log"]
    lines = [json.loads(line) for line in (tmp_path / "logs.jsonl").read_text().splitlines()]
    timeouts = [line["timestamp"][:19] for line in lines if line["body"].startswith("DB timeout")]
    assert log["lines"] == sum(log["from"][:19] <= at < log["to"][:19] for at in timeouts) > 100
    assert (log["level"], log["lines_before"], log["ratio"]) == ("error", 0, None)
    assert incident["explanation"]["log_evidence"] == [log["text"]]
