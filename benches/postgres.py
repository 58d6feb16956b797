"""Measures the copy of the journal in PostgreSQL: throughput, acknowledgements, restore, takeover.

    python benches/postgres.py [--batches 3000] [--rate 20000] [--rounds 2] [--kills 5]

PostgreSQL runs in a temporary directory with its defaults (fsync on) on the machine of the server
and the senders. A server without and a server with the copy take turns in each round: once as fast
as eight connections send, once at a rate. Then pairs of servers with one name are measured: the
first is killed, or stopped with SIGSTOP, and the time is taken until the second accepts a batch.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from service import BATCH, Server, bodies, figures, send

# the modules of the tests, which include another `peers` than that of this folder
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/python"))

import httpx
from peers import free_port
from postgres_peer import Postgres, postgres

#: Seconds that anything takes at most.
LONGEST = 120.0
SETTINGS = '[server.journal]\nurl = "{url}"\nname = "{name}"\nlease_seconds = {lease}\n'


def load(directory: Path, work: list[bytes], rate: float, *arguments: str) -> tuple[float, str]:
    """Requests a second, and the figures of a server under load. As fast as possible, the time of
    an acknowledgement would be that of the queue of the sender."""
    server = Server(directory, "--no-ticks", *arguments)
    try:
        seconds, times, refused = asyncio.run(send(server.host, server.port, work, rate))
        cpu = server.cpu()
    finally:
        server.stop()
    pace = len(work) * BATCH / seconds
    acknowledged = f"{figures(times)}  " if rate < float("inf") else ""
    return pace, f"{acknowledged}{cpu:5.1f} s CPU  {refused} refused"


def throughput(
    peer: Postgres, directory: Path, work: list[bytes], rate: float, rounds: int
) -> None:
    """Compares servers with and without the copy."""
    paces: dict[str, list[float]] = {"SQLite alone": [], "with PostgreSQL": []}
    for round_ in range(rounds):
        for label, found in paces.items():
            for kind, wanted in (("fast", float("inf")), ("rate", rate)):
                name = f"bench_{kind}_{round_}"
                copy = () if label == "SQLite alone" else ("--journal", peer.url, "--name", name)
                place = directory / f"{label}-{name}".replace(" ", "-")
                batches = work if kind == "fast" else work[: max(100, int(10 * rate / BATCH))]
                pace, text = load(place, batches, wanted, *copy)
                if kind == "fast":
                    found.append(pace)
                print(f"{label:16} {kind}  {pace:9,.0f} requests/s  {text}", flush=True)
    alone, copied = (max(found) for found in paces.values())
    print(f"highest: {copied:,.0f} with PostgreSQL, {alone:,.0f} alone ({copied / alone:.0%})")


def restore(peer: Postgres, directory: Path) -> None:
    """Prints the time of a start on an empty directory, after a load as fast as possible."""
    arguments = ("--no-ticks", "--journal", peer.url, "--name", "bench_fast_0")
    server = Server(directory / "restored", *arguments)
    httpx.get(f"http://{server.host}:{server.port}/health", trust_env=False).raise_for_status()
    ready = time.monotonic() - server.began
    server.stop()
    megabytes = (directory / "restored" / "mad.db").stat().st_size / 1e6
    print(f"restore: a journal of {megabytes:,.0f} MB, ready {ready:.1f} s after the start")


def takeover(peer: Postgres, directory: Path, name: str, how: signal.Signals, work: bytes) -> float:
    """Seconds from a signal to the first server until the second accepts a batch."""
    settings = directory / f"{name}.toml"
    settings.write_text(SETTINGS.format(url=peer.url, name=name, lease=10))
    arguments = ["--no-ticks", "--config", str(settings)]
    first = Server(directory / f"{name}-first", *arguments)
    port = free_port()
    command = [sys.executable, "-m", "mad.cli", "serve", "--port", str(port)]
    command += ["--data", str(directory / f"{name}-second"), *arguments]
    second = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        with httpx.Client(trust_env=False, timeout=LONGEST) as http:
            one, two = (f"http://127.0.0.1:{at}/v1/ingest/requests" for at in (first.port, port))
            assert http.post(one, content=work).status_code == 200
            until = time.monotonic() + LONGEST
            while _status(http, two, work) != 503:
                assert time.monotonic() < until
                time.sleep(0.05)
            # until it follows the first one
            while not (directory / f"{name}-second" / "mad.db").exists():
                assert time.monotonic() < until
                time.sleep(0.05)
            time.sleep(2)
            began = time.monotonic()
            first.process.send_signal(how)
            while _status(http, two, work) != 200:
                assert time.monotonic() < began + LONGEST
                time.sleep(0.005)
            return time.monotonic() - began
    finally:
        for process in (first.process, second):
            process.kill()
            process.wait(30)


def _status(http: httpx.Client, url: str, body: bytes) -> int:
    with contextlib.suppress(httpx.TransportError, socket.error):
        return http.post(url, content=body).status_code
    return 0


def main() -> None:
    """Runs all parts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--batches", type=int, default=3_000)
    parser.add_argument("--rate", type=float, default=20_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--kills", type=int, default=5)
    args = parser.parse_args()
    work = bodies(args.batches * BATCH, 60.0)
    with postgres() as peer, tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        throughput(peer, directory, work, args.rate, args.rounds)
        restore(peer, directory)
        seconds = takeover(peer, directory, "bench_fast_0", signal.SIGKILL, work[-1])
        print(f"takeover of this journal after SIGKILL: {seconds:.2f} s")
        for how in (signal.SIGKILL, signal.SIGSTOP):
            names = [f"bench_{how.name.lower()}_{number}" for number in range(args.kills)]
            times = [takeover(peer, directory, name, how, work[0]) for name in names]
            middle, longest = statistics.median(times), max(times)
            print(
                f"takeover after {how.name} (lease of 10 s): median {middle:.2f} s, longest "
                f"{longest:.2f} s of {len(times)}"
            )


if __name__ == "__main__":
    main()
