"""Ray gives the report of one process."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from fleet import fleet, same, simulated
from processes import started

import mad

engine = pytest.importorskip("ray")
ray = pytest.importorskip("mad.ray")


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    engine.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    engine.data.DataContext.get_current().enable_progress_bars = False
    yield
    engine.shutdown()


def datasets(tables: dict[str, pd.DataFrame]) -> dict[str, Any]:
    found = {}
    for kind, table in tables.items():
        arrow = pa.Table.from_pandas(table, preserve_index=False)
        third = -(-len(table) // 3)
        found[kind] = engine.data.from_arrow([arrow.slice(n * third, third) for n in range(3)])
    return found


@pytest.mark.parametrize("count", [1, 2, 8])
@pytest.mark.parametrize("system", ["shop", "melt"])
def test_simulated_systems(system: str, count: int, tmp_path: Path) -> None:
    tables = simulated(system, tmp_path)
    same(ray.detect(**datasets(tables), partitions=count), mad.detect(**tables))


def test_settings_and_other_columns() -> None:
    requests = fleet(3, 2.0)["requests"].assign(region="eu")
    config = {"features": {"step_seconds": 30.0}}
    report = ray.detect(**datasets({"requests": requests}), config=config, partitions=3)
    same(report, mad.detect(requests, config=config))
    with pytest.raises(TypeError, match="no input"):
        ray.detect()


def busy() -> list[int]:
    """The workers of this Ray that run a task of mad: Ray names the process after its task."""
    names = (b"ray::_cut", b"ray::_judge")
    return [one for one, (_, command) in started().items() if command.startswith(names)]


def test_a_worker_is_killed() -> None:
    tables = fleet()
    whole = mad.detect(**tables)
    given = datasets(tables)
    done, killed = threading.Event(), []

    def kill() -> None:
        while not done.is_set() and len(killed) < 2:
            for process in busy()[:1]:
                try:
                    os.kill(process, signal.SIGKILL)
                    killed.append(process)
                except ProcessLookupError:
                    pass
            time.sleep(0.02)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        report = ray.detect(**given, partitions=8)
    finally:
        done.set()
        killer.join()
    assert killed
    same(report, whole)
