"""Dask gives the report of one process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fleet import fleet, same, simulated

import mad

dd = pytest.importorskip("dask.dataframe")
dask = pytest.importorskip("mad.dask")


def frames(tables: dict[str, pd.DataFrame]) -> dict[str, Any]:
    return {kind: dd.from_pandas(table, npartitions=3) for kind, table in tables.items()}


@pytest.mark.parametrize("count", [1, 2, 8])
@pytest.mark.parametrize("system", ["shop", "melt"])
def test_simulated_systems(system: str, count: int, tmp_path: Path) -> None:
    tables = simulated(system, tmp_path)
    same(dask.detect(**frames(tables), partitions=count), mad.detect(**tables))


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_a_fleet_of_several_kinds(scheduler: str) -> None:
    import dask as engine

    tables = {kind: table.reset_index(drop=True) for kind, table in fleet().items()}
    with engine.config.set(scheduler=scheduler, num_workers=2):
        report = dask.detect(**frames(tables), partitions=5)
    same(report, mad.detect(**tables))


def test_settings_and_other_columns() -> None:
    requests = fleet(3, 2.0)["requests"].reset_index(drop=True).assign(region="eu")
    config = {"features": {"step_seconds": 30.0}}
    report = dask.detect(dd.from_pandas(requests, npartitions=2), config=config, partitions=3)
    same(report, mad.detect(requests, config=config))
    with pytest.raises(TypeError, match="no input"):
        dask.detect()
