"""The live service for long: memory, disk, answers, and how soon it is ready after a crash.

    python benches/soak.py [--minutes 30] [--rate 20000] [--services 20]
    python benches/soak.py --recovery [--entities 10000]

A second of the clock is a minute of event time, so that stores bounded by event time fill soon.

Memory at the end is compared with that of minute 5. Until then it grows by design: the baselines
hold 240 rows of each signal (`score.window`), which are full after four minutes of the clock.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from service import BATCH, Connection, Server, _head, figures

if TYPE_CHECKING:
    import polars as pl

START_MS = 1_767_693_600_000
ENDPOINTS = 12


def batch_of(place: int, rate: float, services: int, seed: int) -> pl.DataFrame:
    """1,000 requests of their place in time, at `rate` a second, a minute of event time each."""
    import polars as pl

    chance = np.random.default_rng([seed, place])
    at = START_MS + (place * BATCH + np.arange(BATCH)) * 60_000 / rate
    return pl.DataFrame(
        {
            "timestamp": at.astype(np.int64),
            "service": chance.integers(0, services, BATCH),
            "endpoint": chance.integers(0, ENDPOINTS, BATCH),
            "status_code": np.where(chance.random(BATCH) < 0.01, 500, 200),
            "latency_ms": chance.lognormal(4.0, 0.4, BATCH).round(3),
        }
    ).with_columns(
        pl.format("service-{}", "service").alias("service"),
        pl.format("/route/{}", pl.col("endpoint").cast(pl.String) + "x").alias("endpoint"),
    )


async def soak(minutes: float, rate: float, services: int, data: Path) -> bool:
    """Sends, prints a line a minute; whether memory at the end is within 5 % of minute 5's."""
    server = Server(data, "--retain", "rows=200000", "--retain", "batches=20000")
    connections = [Connection(server.host, server.port) for _ in range(4)]
    for connection in connections:
        await connection.open()
    began, place, times = time.monotonic(), 0, []
    after_five = 0.0
    minute = 1

    async def one(connection: Connection, body: bytes, due: float) -> None:
        head = _head(
            "POST",
            "/v1/ingest/requests",
            Content_Type="application/x-ndjson",
            Content_Length=len(body),
            Idempotency_Key=f"soak-{due}",
        )
        status, answer = await connection.ask(head, body)
        assert status == 200, (status, answer)
        times.append(time.monotonic() - due)

    waiting: list[asyncio.Task[None] | None] = [None] * len(connections)
    while time.monotonic() - began < minutes * 60:
        body = batch_of(place, rate, services, 0).write_ndjson().encode()
        due = began + place * BATCH / rate
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        slot = place % len(connections)
        if (before := waiting[slot]) is not None:
            await before
        waiting[slot] = asyncio.create_task(one(connections[slot], body, max(due, began)))
        place += 1
        if time.monotonic() - began >= minute * 60:
            disk = sum(file.stat().st_size for file in data.iterdir()) / 1e6
            memory = server.memory()
            after_five = memory if minute == 5 else after_five
            reached = place * BATCH / (time.monotonic() - began)
            print(
                f"minute {minute:3d}  {reached:8,.0f} requests a second  {figures(times)}  "
                f"memory {memory:6.1f} MB  disk {disk:6.1f} MB",
                flush=True,
            )
            times.clear()
            minute += 1
    for task in waiting:
        if task is not None:
            await task
    last = server.memory()
    server.stop()
    if not after_five:
        return True
    grown = last / after_five - 1
    print(f"memory at the end {last:.1f} MB, {grown:+.1%} of minute 5's (at most +5 %)")
    return grown <= 0.05


async def recovery(entities: int, data: Path) -> None:
    """Kills a server with this number of endpoints and measures the time until it answers."""
    services = max(1, entities // ENDPOINTS)
    server = Server(data, "--checkpoint-seconds", "20", "--no-ticks")
    connection = Connection(server.host, server.port)
    await connection.open()
    rate, place = 20_000.0, 0
    began = time.monotonic()
    while time.monotonic() - began < 60:
        body = batch_of(place, rate, services, 1).write_ndjson().encode()
        head = _head(
            "POST",
            "/v1/ingest/requests",
            Content_Type="application/x-ndjson",
            Content_Length=len(body),
        )
        status, answer = await connection.ask(head, body)
        assert status == 200, (status, answer)
        place += 1
        await asyncio.sleep(max(0.0, began + place * BATCH / rate - time.monotonic()))
    memory = server.memory()
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    again = Server(data, "--no-ticks")
    connection = Connection(again.host, again.port)
    for _ in range(1_000):
        try:
            await connection.open()
            status, _ = await connection.ask(_head("GET", "/health"))
            break
        except OSError:
            await asyncio.sleep(0.01)
    ready = time.monotonic() - again.began
    bound = 150 + 4 * entities * 8 / 1e3
    print(
        f"{services * ENDPOINTS:,} endpoints, {place * BATCH:,} requests: memory {memory:.0f} MB "
        f"(at most 150 MB + 8 kB a series of 4 = {bound:.0f} MB); ready {ready:.1f} s after a kill "
        "(at most 5 s)"
    )
    again.stop()


def main() -> int:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=float, default=20_000)
    parser.add_argument("--services", type=int, default=20)
    parser.add_argument("--recovery", action="store_true")
    parser.add_argument("--entities", type=int, default=10_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as data:
        if args.recovery:
            asyncio.run(recovery(args.entities, Path(data)))
            return 0
        return 0 if asyncio.run(soak(args.minutes, args.rate, args.services, Path(data))) else 1


if __name__ == "__main__":
    sys.exit(main())
