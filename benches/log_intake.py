"""Measures the intake of log lines against the template miner alone: `mad detect --logs` and the
route `/v1/ingest/logs`, in lines a second and in lines a second of processor time.

    python benches/log_intake.py [lines]

Ten services write lines of 30 templates each, 250 lines a second, with five variable parts. The
server gets bodies of 20,000 lines as CSV over one connection; it journals, judges and stores them.
"""

from __future__ import annotations

import http.client
import random
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

from service import Server

import mad
from mad.detection.directory import detect_into

_START = datetime(2026, 1, 6, 10, tzinfo=timezone.utc)
_BODY = 20_000
_HEAD = "timestamp,service,level,message\n"
_NOUNS = ("order", "cart", "payment", "session", "cache", "token", "worker", "queue", "price")
_VERBS = ("created", "updated", "loaded", "flushed", "expired", "accepted", "sent", "stored")
_LEVELS = (("INFO", 88), ("WARN", 8), ("ERROR", 4))


def lines(count: int) -> list[str]:
    """Lines of CSV without their header."""
    draw = random.Random(7)
    names, weights = zip(*_LEVELS, strict=True)
    templates = [
        (
            f"svc-{number % 10},{draw.choices(names, weights)[0]}",
            f"{draw.choice(_NOUNS)} %d {draw.choice(_VERBS)} for {draw.choice(_NOUNS)} %08x"
            f" after {draw.choice(_NOUNS)} {number // 10} in %d ms from 10.0.%d.%d",
        )
        for number in range(300)
    ]
    shares = [0.01 + draw.random() ** 3 for _ in templates]
    chosen = draw.choices(templates, shares, k=count)
    return [
        f"{(_START + timedelta(milliseconds=4 * i)).isoformat(timespec='milliseconds')},{place},"
        + text % (i * 7, draw.getrandbits(32), i % 3_000, i % 251, i % 241)
        + "\n"
        for i, (place, text) in enumerate(chosen)
    ]


def figure(name: str, count: int, work: Callable[[], object]) -> None:
    """Prints how fast this process does something."""
    began, used = time.monotonic(), time.process_time()
    work()
    used, took = time.process_time() - used, time.monotonic() - began
    _print(name, count, took, used)


def _print(name: str, count: int, took: float, used: float) -> None:
    print(f"{name:28} {count / took:12,.0f} lines/s {count / used:12,.0f} a processor second")


def ingest(all_lines: list[str], data: Path) -> None:
    """Prints how fast a server takes the lines."""
    server = Server(data, "--no-ticks")
    try:
        connection = http.client.HTTPConnection(server.host, server.port)
        began, used = time.monotonic(), server.cpu()
        for first in range(0, len(all_lines), _BODY):
            body = (_HEAD + "".join(all_lines[first : first + _BODY])).encode()
            for _ in range(1_000):
                connection.request("POST", "/v1/ingest/logs", body, {"Content-Type": "text/csv"})
                answer = connection.getresponse()
                said = answer.read()
                if answer.status not in (429, 503):
                    break
                time.sleep(0.1)
            if answer.status != 200:
                raise SystemExit(said.decode())
        took = time.monotonic() - began
        _print("/v1/ingest/logs", len(all_lines), took, server.cpu() - used)
    finally:
        server.stop()


def main(count: int) -> None:
    """Measures all three."""
    made = lines(count)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "logs.csv"
        path.write_text(_HEAD + "".join(made))
        messages = [line.rstrip("\n").split(",", 3)[3].encode() for line in made]
        figure("mad.LogTemplates", count, lambda: mad.LogTemplates().learn(messages))
        given = {"logs": [str(path)]}
        figure("mad detect --logs", count, lambda: detect_into(folder / "o", given, report=False))
        ingest(made, folder / "data")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
