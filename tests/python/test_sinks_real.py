"""Sinks over a real broker and a real index."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from peers import free_port, needs
from sink_peer import document
from source_peers import PEERS, elasticsearch, kafka

from mad.config.components import component
from mad.config.options import read_options
from mad.sinks.protocol import Notification, Retry


def sink(type_: str, **table: Any) -> Any:
    kind = component("sinks", type_)
    options, problems = read_options(kind.Options, table, "sinks.ops")
    assert not problems, problems
    return kind(options)


def group(count: int) -> Notification:
    found = [document(id=f"INC-{i}:1:{i}", key=f"INC-{i}") for i in range(count)]
    return Notification(found, "https://mad.example.com/")


@pytest.mark.parametrize("type_", [pytest.param("kafka", marks=needs(*PEERS[kafka]))])
def test_kafka_has_one_message_for_each_document(type_: str, tmp_path: Path) -> None:
    with kafka(tmp_path) as peer:
        one = sink(type_, brokers=[peer.address], topic="requests", timeout_seconds=20)
        assert one.check() == []
        one.send(group(3))
        source = peer.source()
        source.open({})
        found: list[dict[str, Any]] = []
        for _ in range(100):
            if (batch := source.read(0.2)) is not None:
                found += [json.loads(line) for line in batch.body.splitlines()]
            if len(found) == 3:
                break
        source.close()
        assert [(one["key"], one["version"]) for one in found] == [
            ("INC-0", 1),
            ("INC-1", 1),
            ("INC-2", 1),
        ]
        (fault,) = sink(type_, brokers=[peer.address], topic="unknown").check()
        assert "unknown" in fault
        peer.cut()
        began = time.monotonic()
        hasty = sink(type_, brokers=[peer.address], topic="requests", timeout_seconds=1)
        with pytest.raises(Retry, match=r"no answer|timed out"):
            hasty.send(group(1))
        assert time.monotonic() - began < 10
        assert hasty.check() != []
        peer.restore()
        hasty.send(group(1))


@pytest.mark.parametrize(
    "type_", [pytest.param("elasticsearch", marks=needs(*PEERS[elasticsearch]))]
)
def test_an_index_has_one_document_for_each_event(type_: str, tmp_path: Path) -> None:
    """Also after a message was sent twice, and the documents can be read as requests of a view."""
    with elasticsearch(tmp_path) as peer:
        one = sink(type_, url=peer.url)
        assert one.check() == []
        one.send(group(3))
        one.send(group(3))
        with httpx.Client(trust_env=False) as client:
            client.post(f"{peer.url}/api-anomalies/_refresh")
            query = {"query": {"match": {"service.name": document()["incident"]["service"]}}}
            answer = client.post(f"{peer.url}/api-anomalies/_search", json=query).json()
        hits = answer["hits"]["hits"]
        assert len(hits) == 3
        first = hits[0]["_source"]
        assert first["is_anomaly"] is True
        assert first["request"]["endpoint"] == document()["incident"]["endpoint"]
        assert first["mad"]["version"] == 1
        (fault,) = sink(type_, url=f"http://127.0.0.1:{free_port()}").check()
        assert "refused" in fault
