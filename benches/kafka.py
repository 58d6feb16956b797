"""Measures how fast one partition of Kafka is read, journaled and judged.

    python benches/kafka.py [records]

The broker is Tansu in memory, from `requirements-test.txt`. The records are written first. The time
runs from the first batch in the journal to the last.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/python"))

from source_peers import kafka

from mad.engine import Engine
from mad.engine.source_contract import requests
from mad.engine.source_runner import SourceRunner
from mad.journal import Journal
from mad.sources.protocol import Source

#: Records of one write.
_GROUP = 50_000


def records(first: int, last: int) -> list[bytes]:
    """Requests of 40 endpoints, as JSON of 140 bytes."""
    return [
        one.replace(b'"shop"', b'"shop-%d"' % (number % 4)).replace(b"/buy", b"/%d" % (number % 10))
        for number, one in enumerate(requests(first, last))
    ]


def resident_mib() -> float:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * 4_096 / 2**20


def measure(name: str, source: Source, count: int, directory: Path) -> None:
    """Prints how fast a source with `count` records is read, journaled and judged."""
    engine = Engine(Journal(directory))
    engine.start()
    runner = SourceRunner(name, source, engine)
    before, most = resident_mib(), 0.0
    runner.start()
    while not engine.stats.accepted_total:
        time.sleep(0.001)
    began, cpu, first = time.monotonic(), time.process_time(), engine.stats.accepted_total
    while engine.stats.accepted_total < count:
        time.sleep(0.005)
        most = max(most, resident_mib())
    seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    rejected = runner.health().rejected
    runner.stop()
    engine.stop()
    done = count - first
    print(f"records            {count:>12,} (rejected {rejected})")
    print(f"records a second   {done / seconds:>12,.0f}")
    print(f"per second of CPU  {done / cpu:>12,.0f} (source, journal and core)")
    print(f"memory             {most - before:>12,.0f} MiB more than before")


def main(count: int) -> None:
    """Measures the source, without the processor time of the broker."""
    with tempfile.TemporaryDirectory() as directory, kafka(Path(directory)) as peer:
        for first in range(0, count, _GROUP):
            peer.write(records(first, min(first + _GROUP, count)))
        measure("kafka", peer.source(), count, Path(directory) / "data")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
