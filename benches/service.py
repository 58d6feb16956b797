"""The live service under load: batches acknowledged, reads answered, incidents reported, memory.

    python benches/service.py [--rate 100000] [--seconds 20] [--reads]

One process sends batches of 1,000 requests as JSON Lines at a fixed rate, whatever the server
does, and takes the time from when a batch was due to its answer. Another reads. Both run on the
machine of the server, and their processor time is not the server's.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

BATCH = 1_000
CONNECTIONS = 8


class Server:
    """`mad serve` on a free port."""

    def __init__(self, data: Path, *arguments: str) -> None:
        command = [sys.executable, "-m", "mad.cli", "serve", "--port", "0", "--data", str(data)]
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [*command, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if found := re.search(r"listens on http://(\S+):(\d+)", line):
                self.host, self.port = found[1], int(found[2])
                break
        else:
            raise SystemExit("the server did not start")
        errors = self.process.stderr
        threading.Thread(target=lambda: [sys.stderr.write(line) for line in errors]).start()

    def memory(self) -> float:
        """Resident, MB."""
        return self._status("VmRSS")

    def peak(self) -> float:
        """Resident at most, MB."""
        return self._status("VmHWM")

    def cpu(self) -> float:
        """Seconds of processor time."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _status(self, name: str) -> float:
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(rf"{name}:\s+(\d+)", text)
        return int(found[1]) / 1024 if found else 0.0

    def stop(self) -> None:
        """Ends it."""
        self.process.terminate()
        self.process.wait(60)


def bodies(rows: int, minutes: float, seed: int = 0, services: int = 1) -> list[bytes]:
    """A shop's requests as JSON Lines, 1,000 a body, in the order of their times."""
    import polars as pl

    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "mad.cli", "simulate", "--out", out, "--rows", str(rows)]
        command += ["--duration", f"{minutes}m", "--seed", str(seed)]
        command += ["--start", "2026-01-06T10:00:00Z"]
        subprocess.run(command, check=True, capture_output=True)
        table = pl.read_csv(Path(out) / "requests.csv", infer_schema_length=10_000)
    names = ["timestamp", "service", "endpoint", "status_code", "latency_ms"]
    table = table.select(names)
    if services > 1:
        place = pl.int_range(pl.len()) % services
        table = table.with_columns(pl.col("service") + "-" + place.cast(pl.String))
    text = table.write_ndjson().encode()
    ends = np.flatnonzero(np.frombuffer(text, dtype=np.uint8) == ord("\n")) + 1
    cuts = [0, *ends[BATCH - 1 :: BATCH].tolist()]
    return [text[a:b] for a, b in itertools.pairwise(cuts)]


class Connection:
    """One kept-alive connection: a request, its answer, the next."""

    def __init__(self, host: str, port: int) -> None:
        self._at = host, port

    async def open(self) -> None:
        self.reader, self.writer = await asyncio.open_connection(*self._at)

    async def ask(self, head: bytes, body: bytes = b"") -> tuple[int, bytes]:
        """Status and body."""
        self.writer.write(head + body)
        start = await self.reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", start, re.IGNORECASE)
        answer = await self.reader.readexactly(int(length[1])) if length else b""
        return int(start[9:12]), answer


def _head(method: str, path: str, **headers: object) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def send(
    host: str, port: int, work: list[bytes], rate: float, kind: str = "requests"
) -> tuple[float, list[float], int]:
    """Seconds that it took, from due to acknowledged of each batch, batches that had to wait."""
    queue: asyncio.Queue[tuple[float, int]] = asyncio.Queue()
    times: list[float] = []
    refused = 0

    async def worker(connection: Connection) -> None:
        nonlocal refused
        while True:
            due, place = await queue.get()
            body = work[place]
            head = _head(
                "POST",
                f"/v1/ingest/{kind}",
                Content_Type="application/x-ndjson",
                Content_Length=len(body),
                Idempotency_Key=f"bench-{place}",
            )
            while True:
                status, answer = await connection.ask(head, body)
                if status == 200:
                    break
                refused += 1
                assert status == 429, (status, answer)
                await asyncio.sleep(0.05)
            times.append(time.monotonic() - due)
            queue.task_done()

    connections = [Connection(host, port) for _ in range(CONNECTIONS)]
    for connection in connections:
        await connection.open()
    workers = [asyncio.create_task(worker(connection)) for connection in connections]
    began = time.monotonic()
    for place in range(len(work)):
        due = began + place * BATCH / rate
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        queue.put_nowait((max(due, began), place))
    await queue.join()
    for one in workers:
        one.cancel()
    return time.monotonic() - began, times, refused


async def read(host: str, port: int, path: str, seconds: float, width: int = 16) -> list[float]:
    """Time of each answer."""
    times: list[float] = []
    head = _head("GET", path)
    until = time.monotonic() + seconds

    async def worker() -> None:
        connection = Connection(host, port)
        await connection.open()
        while (began := time.monotonic()) < until:
            status, _ = await connection.ask(head)
            assert status == 200, status
            times.append(time.monotonic() - began)

    await asyncio.gather(*(worker() for _ in range(width)))
    return times


async def visible(host: str, port: int) -> float:
    """Seconds from sending the record that closes a bad minute until the incident is answered."""
    connection = Connection(host, port)
    await connection.open()
    for minute in range(60):
        slow = 10.0 if minute >= 40 else 1.0
        body = "".join(
            f'{{"timestamp": {1_767_693_600 + 60 * minute + 2 * place}, "service": "pay", '
            f'"endpoint": "/", "status_code": 200, "latency_ms": {(100 + place) * slow}}}\n'
            for place in range(30)
        ).encode()
        head = _head("POST", "/v1/ingest/requests", Content_Length=len(body))
        began = time.monotonic()
        await connection.ask(head, body)
        _, answer = await connection.ask(_head("GET", "/v1/query/incidents"))
        if json.loads(answer)["count"]:
            return time.monotonic() - began
    raise SystemExit("no incident was reported")


def reading(host: str, port: int, path: str, seconds: float, width: int, out: Any) -> None:
    """Runs in a separate process and signals when it starts."""
    out.put(None)
    out.put(np.array(_run(read(host, port, path, seconds, width))))


def figures(times: Any) -> str:
    """Median, 99th percentile and longest, in milliseconds."""
    p50, p99 = np.percentile(np.asarray(times) * 1e3, [50, 99])
    return f"p50 {p50:6.1f} ms  p99 {p99:6.1f} ms  longest {np.max(times) * 1e3:6.1f} ms"


def _run(work: Any) -> Any:
    try:
        import uvloop

        return uvloop.run(work)
    except ImportError:
        return asyncio.run(work)


def in_process(function: Any, *arguments: Any) -> tuple[Any, Any]:
    """A function that puts its answer into a queue, begun."""
    context = multiprocessing.get_context("spawn")
    out = context.Queue()
    process = context.Process(target=function, args=(*arguments, out))
    process.start()
    assert out.get() is None
    return process, out


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=float, default=100_000, help="requests a second")
    parser.add_argument("--seconds", type=float, default=20)
    args = parser.parse_args()
    rows = int(args.rate * args.seconds)
    # a minute of event time each second: every second a step closes
    work = bodies(rows, minutes=args.seconds)
    print(
        f"batches of {BATCH} requests, {len(work[0]) / BATCH:.0f} bytes each, {os.cpu_count()} CPUs"
    )
    with tempfile.TemporaryDirectory() as data:
        server = Server(Path(data), "--no-ticks")
        took, times, refused = _run(send(server.host, server.port, work, args.rate))
        print(
            f"ingest        {rows / took:9,.0f} requests a second (asked {args.rate:,.0f})  "
            f"{figures(times)}  refused {refused}  "
            f"CPU {server.cpu() / took:.2f}  memory {server.peak():.0f} MB at most"
        )
        for path in ("/incidents", "/culprit"):
            process, out = in_process(reading, server.host, server.port, path, 5.0, 16)
            answers = out.get()
            process.join()
            print(
                f"GET {path:10s}{len(answers) / 5:9,.0f} answers a second{'':21s}{figures(answers)}"
            )
        server.stop()
    half = work[: len(work) // 2]
    with tempfile.TemporaryDirectory() as data:
        server = Server(Path(data), "--no-ticks")
        process, out = in_process(reading, server.host, server.port, "/incidents", args.seconds, 4)
        took, times, refused = _run(send(server.host, server.port, half, args.rate / 2))
        answers = out.get()
        process.join()
        print(
            f"with reads    {len(half) * BATCH / took:9,.0f} requests a second (asked "
            f"{args.rate / 2:,.0f})  {figures(times)}  beside {len(answers) / args.seconds:,.0f} "
            f"reads a second  {figures(answers)}"
        )
        server.stop()
    with tempfile.TemporaryDirectory() as data:
        server = Server(Path(data), "--no-ticks")
        took, times, refused = _run(send(server.host, server.port, work, 1e9))
        print(f"at most       {rows / took:9,.0f} requests a second")
        server.stop()
    with tempfile.TemporaryDirectory() as data:
        server = Server(Path(data), "--no-ticks")
        seconds = _run(visible(server.host, server.port))
        print(f"visible       {seconds * 1e3:9.1f} ms after its minute closed")
        server.stop()


if __name__ == "__main__":
    main()
