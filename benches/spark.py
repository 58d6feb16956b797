"""The CPU time of Spark over that of the core, and two cores over one.

    make bench-spark            # 10 million requests
    .venv-engines/bin/python benches/spark.py --requests 2000000

Each line is a separate process. The CPU time is that of the whole tree of processes: driver, JVM
and Python workers. The start of Spark is not counted, because it does not depend on the records: a
small job runs before. The first large job still compiles the code of the JVM, so that it runs
twice, and both are named. `local[1]` has one processor for the whole tree, `local[2]` has two: with
more than one, JVM and worker would run beside each other in `local[1]` too.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

TICKS = os.sysconf("SC_CLK_TCK")


def write(to: Path, requests: int, services: int) -> None:
    """A day of requests of services with two endpoints each, in sixteen files."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(5)
    names = pa.array([f"service-{number:03}" for number in range(services)])
    endpoints = pa.array(["/read", "/write"])
    each = requests // 16
    for number in range(16):
        begin = 1_767_693_600_000_000 + number * 5_400_000_000
        times = np.sort(rng.integers(begin, begin + 5_400_000_000, each))
        service = rng.integers(0, services, each)
        latency = rng.lognormal(3.0, 0.4, each)
        status = np.where(rng.random(each) < 0.003, 500, 200)
        if number == 10:
            slow = (service == 7) & (times > begin + 1_000_000_000)
            latency[slow] *= 15
        table = pa.table(
            {
                "timestamp": pa.array(times, pa.timestamp("us", "UTC")),
                "service": names.take(pa.array(service)),
                "endpoint": endpoints.take(pa.array(rng.integers(0, 2, each))),
                "status_code": pa.array(status, pa.int32()),
                "latency_ms": latency,
            }
        )
        pq.write_table(table, to / f"part-{number:02}.parquet")


def cpu_of_tree() -> Counter[str]:
    """CPU seconds of this process and all that it started, by program; of ended ones too."""
    times, parents, programs = {}, {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            process = int(entry.name)
            parents[process] = int(fields[1])
            times[process] = sum(int(field) for field in fields[11:15]) / TICKS
            is_jvm = command.split(b"\0")[0].endswith(b"java")
            programs[process] = "JVM" if is_jvm else "workers" if b"daemon" in command else "driver"

    def is_own(process: int) -> bool:
        while process in parents and process != os.getpid():
            process = parents[process]
        return process == os.getpid()

    spent: Counter[str] = Counter()
    for process, seconds in times.items():
        if is_own(process):
            spent[programs[process]] += seconds
    return spent


def core(files: Path, partitions: int) -> Any:
    import pyarrow.parquet as pq

    import mad
    from mad import partition

    table = pq.read_table(files)
    return partition.detect(table, partitions=partitions) if partitions else mad.detect(table)


def measure(what: str, files: Path, partitions: int) -> list[dict[str, Any]]:
    if what == "core":
        run = lambda: core(files, 0)  # noqa: E731
    elif what == "split":
        run = lambda: core(files, partitions)  # noqa: E731
    else:
        from pyspark.sql import SparkSession

        from mad import spark

        if what == "local[1]":
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        os.environ["PYSPARK_PYTHON"] = sys.executable
        os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
        builder = SparkSession.builder.master(what).config("spark.driver.memory", "3g")
        for name in ("spark.driver.bindAddress", "spark.driver.host"):
            builder = builder.config(name, "127.0.0.1")
        builder = builder.config("spark.ui.enabled", "false")
        builder = builder.config("spark.driver.maxResultSize", "0")
        builder = builder.config("spark.sql.session.timeZone", "UTC")
        builder = builder.config("spark.sql.adaptive.coalescePartitions.enabled", "false")
        builder = builder.config("spark.sql.shuffle.partitions", str(partitions))
        session = builder.getOrCreate()
        session.sparkContext.setLogLevel("ERROR")
        frame = session.read.parquet(str(files))
        spark.detect(frame.limit(1000), partitions=2)
        run = lambda: spark.detect(frame, partitions=partitions)  # noqa: E731
    found = []
    for _ in range(2 if what.startswith("local") else 1):
        begin, before = time.monotonic(), cpu_of_tree()
        report = run()
        wall, cpu = time.monotonic() - begin, cpu_of_tree()
        cpu.subtract(before)
        rows, incidents = len(report.scored), len(report.incidents)
        found.append({"wall": wall, "cpu": cpu, "rows": rows, "incidents": incidents})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000_000)
    parser.add_argument("--services", type=int, default=100)
    parser.add_argument("--partitions", type=int, default=16)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--files", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one, Path(options.files), options.partitions)))
        return
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), options.requests, options.services)
        found = {}
        for what in ("core", "split", "local[1]", "local[2]"):
            command = [sys.executable, __file__, "--one", what, "--files", folder]
            command += ["--partitions", str(options.partitions)]
            out = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=3600)
            found[what] = json.loads(out.stdout.splitlines()[-1])
            for one in found[what]:
                spent = ", ".join(f"{name} {cpu:.1f}" for name, cpu in one["cpu"].items())
                print(
                    f"{what:10} wall {one['wall']:7.1f} s  CPU {sum(one['cpu'].values()):7.1f} s "
                    f"({spent})  {one['rows']:,} rows  {one['incidents']} incidents",
                    flush=True,
                )
    core_cpu = sum(found["core"][0]["cpu"].values())
    for name, run in (("first", 0), ("second", 1)):
        one, two = (found[what][run] for what in ("local[1]", "local[2]"))
        print(
            f"{name} job: CPU of Spark over mad.detect "
            f"{sum(one['cpu'].values()) / core_cpu:.2f} with one core, "
            f"{sum(two['cpu'].values()) / core_cpu:.2f} with two; "
            f"two cores over one {one['wall'] / two['wall']:.2f}"
        )


if __name__ == "__main__":
    main()
