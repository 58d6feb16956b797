"""Measures the server that groups the results of a group: its processor time and memory for each
1,000 rows, and the bytes of the messages.

    python benches/second_stage.py [--services 200] [--hours 6] [--partitions 12] [--traces]

Members judge requests of services with five endpoints each, of which some are slow for ten minutes
in each hour. With `--traces` every request is a span of a trace that two services share. Their
messages then go to a pipeline as the journal would give them. Nothing is written to a disk.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time

import psutil

from mad import _core
from mad.journal import TableWrites
from mad.journal.results import check_message, handovers, messages

START = 1_767_693_600


def minute(number: int, services: range, traces: bool, chance: random.Random) -> bytes:
    """The records of one minute of some services: ten of each endpoint."""
    lines = []
    for service in services:
        slow = service % 40 == 7 and number % 60 < 10
        for place in range(50):
            at = START + 60 * number + place * 1.2
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))
            latency = chance.lognormvariate(4.0, 0.2) * (20.0 if slow else 1.0)
            record = {"service": f"shop-{service}"}
            if traces:
                trace, callee = f"{number:08x}{service // 2:08x}{place:016x}", service % 2
                record |= {
                    "start": f"{stamp}Z",
                    "operation": f"/{place % 5}",
                    "duration_ms": latency,
                    "trace_id": trace,
                    "span_id": f"{trace[8:23]}{callee}",
                    "parent_id": f"{trace[8:23]}0" if callee else "",
                    "status": "ok",
                }
            else:
                record |= {
                    "timestamp": f"{stamp}Z",
                    "endpoint": f"/{place % 5}",
                    "status_code": "200",
                    "latency_ms": latency,
                }
            lines.append(json.dumps(record))
    return "\n".join(lines).encode()


def run(services: int, hours: int, partitions: int, traces: bool) -> None:
    """Prints the figures."""
    chance = random.Random(1)
    kind = "spans" if traces else "requests"
    members = [_core.EnginePipeline() for _ in range(partitions)]
    for number, member in enumerate(members):
        member.hand_over("requests", number, partitions, 1)
    view = _core.EnginePipeline()
    process = psutil.Process()
    rows = read = handed = incidents = 0
    seconds = 0.0
    for at in range(60 * hours):
        bodies: list[bytes] = []
        for number, member in enumerate(members):
            mine = range(number, services, partitions)
            update = member.ingest(minute(at, mine, traces, chance), kind)
            writes = TableWrites(rows=update.rows(), services=update.services())
            rows += len(writes.rows) + len(writes.services)
            taken = member.take_handovers()
            handed += sum(map(len, messages(TableWrites(), "requests", 1, taken)))
            bodies += messages(writes, f"requests/{number}", 1, taken)
        read += sum(map(len, bodies))
        began = time.process_time()
        for body in bodies:
            incidents += len(view.receive(handovers(check_message(body))).changes())
        seconds += time.process_time() - began
    before = process.memory_info().rss
    del members
    state = view.take_delta()
    saved = len(state[0]) + sum(len(part or b"") for _, part in state[1])
    print(f"{rows:,} rows of {services} services, {incidents} changes of incidents")
    print(f"messages: {read / rows:,.0f} bytes a row, of these handed over: {handed / rows:,.0f}")
    print(f"processor time: {1e6 * seconds / rows:,.0f} ms for 1,000 rows")
    print(f"saved state: {saved / 1e6:,.1f} MB; all processes together {before / 1e6:,.0f} MB")


def main() -> int:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, default=200)
    parser.add_argument("--hours", type=int, default=6)
    parser.add_argument("--partitions", type=int, default=12)
    parser.add_argument("--traces", action="store_true")
    given = parser.parse_args()
    run(given.services, given.hours, given.partitions, given.traces)
    return 0


if __name__ == "__main__":
    sys.exit(main())
