"""State from Python: batches, partitions, entities that move, merged shards, mutes, history."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from table_kinds import UTC

import mad


def hour(service: str, latency: float = 20.0) -> pd.DataFrame:
    times = pd.date_range("2026-01-06", periods=3_600, freq="s", tz="UTC")
    return pd.DataFrame(
        {
            "timestamp": times,
            "service": service,
            "endpoint": "/",
            "status_code": 200,
            "latency_ms": latency + np.arange(3_600) % 7,
        }
    )


def test_batches_and_partitions() -> None:
    pipeline = mad.Pipeline()
    first = pipeline.ingest(hour("cart"), partition="a", batch_id="a/1")
    assert (len(first.rows), first.repeated) == (59, False)
    again = pipeline.ingest(hour("cart"), partition="a", batch_id="a/1")
    assert (len(again.rows), again.repeated) == (0, True)
    behind = pipeline.ingest(hour("mail"), partition="b", batch_id="b/1")
    assert (len(behind.rows), behind.rejected["total"]) == (59, 0)
    with pytest.raises(ValueError, match="no column `service`"):
        pipeline.ingest(hour("mail").drop(columns="service"), batch_id="c")
    assert not pipeline.ingest(hour("shop"), partition="c", batch_id="c").repeated


def test_entities_move_and_shards_merge() -> None:
    whole, shards = mad.Pipeline(), [mad.Pipeline(), mad.Pipeline()]
    for shard, service in zip(shards, ["cart", "mail"], strict=True):
        for pipeline, partition in ((whole, service), (shard, "")):
            pipeline.ingest(hour(service), partition=partition)
    for pipeline in (whole, *shards):
        pipeline.finish()
    part = shards[0].export(("cart", "/"))
    fresh = mad.Pipeline()
    fresh.load(("basket", "/"), part)
    assert fresh.export(("basket", "/")) == part
    shards[0].merge(shards[1])
    assert json.loads(shards[0].document()) == json.loads(whole.document())
    with pytest.raises(ValueError, match="two histories"):
        shards[0].merge(shards[1])
    with pytest.raises(ValueError, match="is known here already"):
        shards[0].load(("cart", "/"), part)
    with pytest.raises(KeyError, match="no entity `x /`"):
        shards[0].export(("x", "/"))
    with pytest.raises(ValueError, match="is cut"):
        fresh.load(("cart", "/"), part[:-1])


def test_mute_and_history() -> None:
    at = datetime(2026, 1, 6, 1, tzinfo=UTC)
    slow = hour("cart", 900.0).assign(timestamp=lambda t: t["timestamp"] + pd.Timedelta("1h"))
    mute = {"command": "mute", "service": "ca*", "at": at, "until": at + timedelta(hours=2)}
    for commands, learn, reasons in (
        ([], False, {"above_expected"}),
        ([mute], False, {"muted"}),
        ([mute, {"command": "unmute", "service": "ca*", "at": at}], False, {"above_expected"}),
        ([], True, {"history"}),
    ):
        pipeline = mad.Pipeline()
        pipeline.ingest(hour("cart"), watermark=at)
        for command in commands:
            pipeline.apply(command)
        pipeline.backfill(learn)
        rows = pipeline.ingest(slow).rows.to_pandas()
        assert set(rows["reason"][:10]) == reasons
        assert bool(pipeline.incidents) == (reasons == {"above_expected"})
    for command, message in (
        ({**mute, "until": at}, "mute.to"),
        ({**mute, "untill": at}, 'the command mute has no "untill"'),
        ({**mute, "command": "silence"}, 'command = "silence"'),
        ({"command": "mute", "at": at}, 'the command has no "until"'),
    ):
        with pytest.raises(ValueError, match=message):
            mad.Pipeline().apply(command)
    with pytest.raises(KeyError, match="nothing is muted"):
        mad.Pipeline().apply({"command": "unmute", "service": "x", "at": at})
