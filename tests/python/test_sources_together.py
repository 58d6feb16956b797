"""One server with every kind of source, from one settings file."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from peers import needs
from service import Server
from source_peers import PEERS

from mad.engine.source_contract import requests

ALL = [mark for of in PEERS.values() for mark in needs(*of)]
SETTINGS = """
[sources.orders]
type = "kafka"
brokers = ["{kafka.address}"]
topics = ["requests"]

[sources.orders.settings]
"session.timeout.ms" = "6000"
"max.poll.interval.ms" = "10000"

[sources.events]
type = "nats"
servers = ["{nats.server}"]
stream = "REQUESTS"

[sources.stream]
type = "redis"
url = "{redis.url}"
streams = ["requests"]

[sources.logs]
type = "elasticsearch"
url = "{elasticsearch.url}"
index = "requests"
time_field = "timestamp"

[sources.live]
type = "file"
paths = ["{live}"]
partition = "live"
"""


def _all_are_read(health: dict[str, Any]) -> bool:
    return {one["state"] for one in health["inputs"]} == {"reading"}


@pytest.mark.parametrize("count", [pytest.param(1_000, marks=ALL)])
def test_a_server_reads_every_kind_of_source_at_once(count: int, tmp_path: Path) -> None:
    """Also when one of them is slow to begin, though another one has much newer records, and after
    a restart. The health names the one whose peer is gone."""
    live = tmp_path / "live.jsonl"
    newer = [one.replace(b"2026-01-06", b"2026-03-06") for one in requests(0, count)]
    live.write_bytes(b"".join(one.replace(b"shop", b"live") + b"\n" for one in newer))
    settings = tmp_path / "mad.toml"
    total = count * (len(PEERS) + 1)
    with contextlib.ExitStack() as ending:
        peers = {}
        for place, peer in enumerate(PEERS):
            (directory := tmp_path / peer.__name__).mkdir()
            one = peers[peer.__name__] = ending.enter_context(peer(directory))
            name = b"shop-%d" % place
            one.write([record.replace(b"shop", name) for record in requests(0, count)])
        settings.write_text(SETTINGS.format(**peers, live=live))
        for _ in range(2):
            with Server(tmp_path / "data", "--config", str(settings)) as server:
                server.eventually(
                    "/ingest/stats", lambda stats: stats["accepted_total"] == total, 40
                )
                health = server.eventually(
                    "/health",
                    _all_are_read,
                )
                assert [one["rejected"] for one in health["inputs"]] == [0] * 5
                assert server.stop() == 0
        with Server(tmp_path / "data", "--config", str(settings)) as server:
            server.eventually("/health", _all_are_read)
            peers["redis"].cut()
            server.eventually("/health", lambda found: "source stream" in found["message"])
            assert server.get("/ingest/stats")["accepted_total"] == total
            assert server.stop() == 0
