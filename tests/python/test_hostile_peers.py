"""Peers of sources that answer with anything: each answer is a failure that is tried again."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from fixed_peer import FixedPeer, peering

from mad.cli import main
from mad.sources.elastic import ElasticOptions, ElasticSource
from mad.sources.prometheus import PrometheusOptions, PrometheusSource
from mad.sources.protocol import SourceUnavailable

DEEP = b"[" * 200_000


@pytest.fixture
def peer() -> Iterator[tuple[str, type[FixedPeer]]]:
    with peering(FixedPeer) as one:
        yield one


@pytest.mark.parametrize(
    "body", [DEEP, b"[]", b"null", b"<html>", b'{"data": 7}', b'{"data": [1, null]}']
)
def test_a_url_of_something_else_is_named(
    peer: tuple[str, type[FixedPeer]], body: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    url, answers = peer
    answers.body = body
    for command in ("explain", "culprits"):
        assert main([command, url]) == 2
        assert f"{url} is no mad server" in capsys.readouterr().err
    answers.body = b'{"status": "ok"}'
    assert main(["explain", url]) == 2


def time_of(value: object) -> bytes:
    return json.dumps({"data": {"result": [0, value]}}).encode()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, DEEP),
        (200, b""),
        (200, b"null"),
        (200, b"[]"),
        (200, b"\xff\xfe"),
        (200, b'{"data": {"result": []}}'),
        (200, time_of("Inf")),
        (200, time_of("1e999")),
        (200, time_of("NaN")),
        (200, time_of(None)),
        (302, b""),
        (400, DEEP[:60_000]),
        (500, b'{"error": {"reason": 7}}'),
        (503, b"<html>"),
    ],
)
def test_any_answer_of_a_peer_is_a_failure_that_is_tried_again(
    peer: tuple[str, type[FixedPeer]], status: int, body: bytes
) -> None:
    url, answers = peer
    answers.status, answers.body = status, body
    answers.headers_of_answer = (("Location", "http://127.0.0.1:1/"),) if status == 302 else ()
    prometheus = PrometheusSource(PrometheusOptions(url=url, queries={"up": "up"}))
    elastic = ElasticSource(ElasticOptions(url=url, index="logs"))
    for source in (prometheus, elastic):
        with pytest.raises(SourceUnavailable) as error:
            source.open({})
        assert len(str(error.value)) < 600
        assert source.check()
