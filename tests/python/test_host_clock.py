"""The clock of the host decides nothing: a day off, the same data gives the same state."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from peers import left_out
from service import Server, an_hour


def state_under(data: Path, *under: str) -> tuple[bytes, int]:
    """State and rejected records after an hour of data with ticks, under a command."""
    with Server(data, "--no-ticks", under=under) as server:
        records = an_hour()
        for start in range(0, len(records), 300):
            server.post("/v1/ingest/requests", records[start : start + 300])
        stats = server.get("/v1/query/stats")
        return server.http.get("/v1/state").content, stats["rejected"]


@left_out(shutil.which("faketime") is None, "faketime is not installed")
@pytest.mark.parametrize("offset", ["+1d", "-1d"])
def test_a_wrong_clock_of_the_host_changes_nothing(tmp_path: Path, offset: str) -> None:
    right = state_under(tmp_path / "right")
    assert state_under(tmp_path / "wrong", "faketime", "-f", offset) == right
    assert right[1] == 0
