"""The live service under overload and slow clients: health, commands, accepted work, memory.

    python benches/overload.py [--seconds 20] [--senders 200]

Senders post batches of 1,000 requests as fast as they are answered and ignore `Retry-After`, which
offers many times of what the server accepts. Meanwhile one client asks for `/health` and another
sends mutes, each on new connections. Then 100 slow clients hold headers, bodies and answers open.
Exits with 1 when a response to either took longer than a second, when memory grew by more than the
limits allow, or when a command has no line in the audit trail.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import sys
import tempfile
import time
from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from service import Server

BATCH = 1_000
#: Memory that bodies, the queue of batches and answers may take, in MB.
LIMIT_MB = 128 + 256 + 64
SLOW_LIMIT_MB = 100
PROCESSES = 2


#: The minute in the template of a batch, and event minutes in a second of the run.
START = datetime(2026, 1, 6, tzinfo=timezone.utc)
MINUTES_PER_SECOND = 2


def body(minute: int) -> bytes:
    """A minute of requests of twenty endpoints as JSON Lines."""
    start = START + timedelta(minutes=minute)
    records = (
        {
            "timestamp": (start + timedelta(milliseconds=60 * place)).isoformat(),
            "service": f"service-{place % 20}",
            "endpoint": "/pay",
            "status_code": 200,
            "latency_ms": 100.0 + place * 37 % 50,
        }
        for place in range(BATCH)
    )
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


async def ask(
    at: tuple[str, int], method: str, path: str, content: bytes = b""
) -> tuple[int, float]:
    """One request on a new connection: its status and seconds; status 0 when the server closed."""
    began = time.monotonic()
    try:
        reader, writer = await asyncio.open_connection(*at)
        try:
            head = f"{method} {path} HTTP/1.1\r\nHost: {at[0]}\r\nConnection: close\r\n"
            kind = f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
            writer.write((head + kind).encode() + content)
            line = await reader.readline()
            await reader.read()
        finally:
            writer.close()
    except OSError:
        return 0, time.monotonic() - began
    return int(line.split()[1]) if line else 0, time.monotonic() - began


async def sender(at: tuple[str, int], began_at: float, end: float, out: list[Any]) -> None:
    """Posts batches on one connection until the end; adds (status, seconds) of each."""
    template, first = body(0), START.isoformat()[:16].encode()
    while time.monotonic() < end:
        try:
            reader, writer = await asyncio.open_connection(*at)
            while time.monotonic() < end:
                began = time.monotonic()
                minute = START + timedelta(minutes=int(MINUTES_PER_SECOND * (began - began_at)))
                content = template.replace(first, minute.isoformat()[:16].encode())
                writer.write(
                    f"POST /v1/ingest/requests HTTP/1.1\r\nHost: {at[0]}\r\nContent-Type: "
                    f"application/x-ndjson\r\nContent-Length: {len(content)}\r\n\r\n".encode()
                    + content
                )
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                await reader.readexactly(int(head.partition(b"content-length: ")[2].split()[0]))
                out.append((int(head.split()[1]), time.monotonic() - began))
            writer.close()
        except (OSError, asyncio.IncompleteReadError):
            out.append((0, 0.0))


def load(at: tuple[str, int], times: tuple[float, float], senders: int, done: Any) -> None:
    """The process of some senders, from the start to the end of the run."""
    out: list[Any] = []

    async def run() -> None:
        await asyncio.gather(*(sender(at, *times, out) for _ in range(senders)))

    asyncio.run(run())
    done.put(out)


async def probe(at: tuple[str, int], seconds: float) -> tuple[list[Any], list[Any]]:
    """Statuses and seconds of `/health` and of mutes while the load runs."""
    health: list[Any] = []
    mutes: list[Any] = []

    async def every(pause: float, out: list[Any], command: bool) -> None:
        end, place = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            mute = json.dumps({"service": f"s{place}", "minutes": 60}).encode()
            place += 1
            out.append(
                await (ask(at, "POST", "/v1/mutes", mute) if command else ask(at, "GET", "/health"))
            )
            await asyncio.sleep(pause)

    await asyncio.gather(every(0.1, health, False), every(0.25, mutes, True))
    return health, mutes


async def slow(at: tuple[str, int], count: int = 100) -> list[asyncio.StreamWriter]:
    """Clients that send a part of a header or body, or do not read their answer."""
    starts = (
        b"GET /stats HTTP/1.1\r\nX: ",
        b"POST /v1/ingest/requests HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n"
        + b"x" * 200_000,
        b"GET /v1/query/rows?limit=10000 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    )
    writers = []
    for place in range(count):
        _, writer = await asyncio.open_connection(*at, limit=1)
        writer.write(starts[place % len(starts)])
        writers.append(writer)
    return writers


def quantile(seconds: list[float], share: float) -> float:
    """A quantile in milliseconds."""
    found = sorted(seconds)
    return 1_000 * found[min(len(found) - 1, int(share * len(found)))] if found else float("nan")


def shown(name: str, found: list[Any]) -> str:
    """One line: count by status, median, p99 and longest time."""
    seconds = [one for _, one in found]
    times = "  ".join(
        f"{label} {quantile(seconds, share):,.0f} ms"
        for label, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
    )
    return f"{name:<10}{times}  statuses {dict(sorted(Counter(one for one, _ in found).items()))}"


def main() -> int:
    """Runs both attacks."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--senders", type=int, default=200)
    args = parser.parse_args()
    failures = []
    with tempfile.TemporaryDirectory() as data:
        server = Server(Path(data), "--no-ticks")
        at = server.host, server.port
        asyncio.run(ask(at, "POST", "/v1/ingest/requests", body(0)))
        before = server.memory()
        done: Any = multiprocessing.Queue()
        each, now = args.senders // PROCESSES, time.monotonic()
        processes = [
            multiprocessing.Process(target=load, args=(at, (now, now + args.seconds), each, done))
            for _ in range(PROCESSES)
        ]
        for process in processes:
            process.start()
        health, mutes = asyncio.run(probe(at, args.seconds))
        sent = [one for _ in processes for one in done.get()]
        for process in processes:
            process.join()
        taken = [one for one in sent if one[0] == 200]
        print(shown("health", health), shown("mutes", mutes), sep="\n")
        print(shown("accepted", taken), shown("all", sent), sep="\n")
        print(
            f"accepted {len(taken) * BATCH / args.seconds:,.0f} requests/s of "
            f"{len(sent) * BATCH / args.seconds:,.0f} offered"
        )
        print(f"memory    {before:,.0f} MB before, {server.peak():,.0f} MB at most")
        for name, found in (("health", health), ("mutes", mutes)):
            if max(one for _, one in found) > 1.0 or any(one == 0 for one, _ in found):
                failures.append(f"{name} took more than 1 s, or had no answer")
        if server.peak() - before > LIMIT_MB:
            failures.append(f"memory grew by {server.peak() - before:,.0f} MB")
        effective = sum(status == 200 for status, _ in mutes)
        failures += asyncio.run(_audited(at, effective))
        failures += asyncio.run(_slow_clients(server, at))
        server.stop()
    print("\n".join(failures) or "all limits hold")
    return 1 if failures else 0


async def _audited(at: tuple[str, int], effective: int) -> list[str]:
    reader, writer = await asyncio.open_connection(*at)
    request = "GET /v1/query/audit?limit=10000 HTTP/1.1"
    writer.write(f"{request}\r\nHost: {at[0]}\r\nConnection: close\r\n\r\n".encode())
    lines = (await reader.read()).count(b'"action":"mute"')
    writer.close()
    print(f"audit     {lines} lines of {effective} mutes")
    return [] if lines == effective else [f"{effective} mutes have {lines} lines in the audit"]


async def _slow_clients(server: Server, at: tuple[str, int]) -> list[str]:
    before = server.memory()
    writers = await slow(at)
    await asyncio.sleep(1)
    answers = [await ask(at, "GET", "/health") for _ in range(20)]
    grown = server.memory() - before
    for writer in writers:
        writer.close()
    print(shown("slow", answers), f"memory +{grown:,.0f} MB with 100 slow clients", sep="\n")
    late = [f"health took {max(answers, key=lambda one: one[1])[1]:.1f} s beside slow clients"]
    return (late if max(one for _, one in answers) > 1.0 else []) + (
        [f"100 slow clients cost {grown:,.0f} MB"] if grown > SLOW_LIMIT_MB else []
    )


if __name__ == "__main__":
    sys.exit(main())
