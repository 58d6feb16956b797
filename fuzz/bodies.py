"""The fuzz targets in Python: Arrow streams, Parquet files, bodies of the service, settings, and
those of `stored.py`.

`python fuzz/bodies.py TARGET|all SECONDS [DIR]`. Seeds are changed at random, or drawn by coverage
of the Python code where atheris is installed and `FUZZER=atheris` is set.
DIR keeps the number of the next input and the inputs that failed: those that end in another error
than a refusal, take more than ten seconds of CPU time, or let the peak memory grow by more than
64 MiB. Exits 1 when an input failed.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import tomllib
import yaml
from pyarrow import parquet

import mad
from mad.api.bodies import records
from mad.api.errors import ApiError
from mad.config.deployment import Deployment
from mad.errors import StateError

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "python"))
import stored
from test_hostile_input import LINE, ROWS, mutated, requests, stream

LONGEST, MOST_KIB = 10.0, 64 * 1024
REFUSALS = (ValueError, TypeError, OSError, ApiError, StateError)
_FILE = Path(tempfile.mkdtemp()) / "input.parquet"
#: A server with sources and sinks.
DEPLOYMENT = """
[server]
host = "127.0.0.1"
port = 8000
retain = { rows = 1000 }
http = { connections = 10 }
[sources.logs]
type = "file"
paths = ["/var/log/*.log"]
[sources.topic]
type = "kafka"
brokers = ["localhost:9092"]
topics = ["requests"]
[sinks.chat]
type = "slack"
url = "env:SLACK"
quiet = "22:00-07:00"
zone = "Europe/Berlin"
[sinks.hook]
type = "webhook"
url = "https://example.com/hook"
mute = ["2026-12-24T18:00Z/2026-12-27T06:00Z"]
"""
CODINGS = ("", "gzip", "zstd", "deflate", "gzip, zstd")
FORMS = (".toml", ".yaml", ".json")
TYPES = ("application/x-ndjson", "application/json", "text/csv", "", "text/plain")


def arrow(data: bytes) -> None:
    """The bytes of an Arrow IPC stream."""
    mad.Pipeline().ingest(b"\xff\xff\xff\xff" + data[4:])


def parquet_file(data: bytes) -> None:
    """A Parquet file."""
    _FILE.write_bytes(data)
    mad.detect(_FILE)


def body(data: bytes) -> None:
    """A body of the service; the first byte names its coding and its type."""
    first = data[0] if data else 0
    kind, coding = TYPES[first % len(TYPES)], CODINGS[first // len(TYPES) % len(CODINGS)]
    text, encoding = records(data[1:], kind, coding, 1 << 20)
    if encoding == "text":
        mad.Pipeline().ingest(text)


def settings(data: bytes) -> None:
    """A file with the settings of a deployment; the first byte names its form."""
    path = _FILE.with_suffix(FORMS[data[0] % len(FORMS)] if data else ".toml")
    path.write_bytes(data[1:])
    Deployment.load(path, environ={})


def _parquet_seeds() -> list[bytes]:
    seeds = []
    for compression in ("none", "snappy", "gzip", "zstd"):
        out = io.BytesIO()
        parquet.write_table(requests(), out, compression=compression)
        seeds.append(out.getvalue())
    return seeds


def _settings_seeds() -> list[bytes]:
    every = mad.Config().to_toml() + DEPLOYMENT
    tables = json.loads(json.dumps(tomllib.loads(every), default=str))
    texts = (every, yaml.safe_dump(tables), json.dumps(tables))
    small = ("[guard]\nmin_points = 30\n", "guard: {min_points: 30}\n", '{"guard": {}}')
    return [
        bytes([form]) + text.encode()
        for form, pair in enumerate(zip(texts, small, strict=True))
        for text in pair
    ]


def _body_seeds() -> list[bytes]:
    line = json.dumps({name: column[0] for name, column in ROWS.items()}).encode()
    texts = [LINE, line + b"\n" + line, b'{"events": [' + line + b"]}", b"[" + line + b"]"]
    seeds = [bytes([kind]) + text for kind in range(3) for text in texts]
    return [*seeds, *(bytes([5 + kind]) + gzip.compress(text) for kind in (0, 2) for text in texts)]


TARGETS: dict[str, tuple[Callable[[bytes], None], Callable[[], list[bytes]]]] = {
    "arrow": (arrow, lambda: [stream(requests(), one) for one in (None, "lz4", "zstd")]),
    "parquet": (parquet_file, _parquet_seeds),
    "bodies": (body, _body_seeds),
    "settings": (
        settings,
        _settings_seeds,
    ),
    **stored.TARGETS,
}


def attack(name: str, seconds: float, folder: Path) -> int:
    """Runs a target for a time. Returns how many inputs failed."""
    target, make = TARGETS[name]
    folder = folder / name
    folder.mkdir(parents=True, exist_ok=True)
    seeds, next_file = make(), folder / "next"
    first = number = int(next_file.read_text()) if next_file.exists() else 0
    for seed in seeds:
        with contextlib.suppress(*REFUSALS):
            target(seed)
    usual, failed, slowest = _peak_kib(), 0, 0.0
    begun = time.monotonic()
    while time.monotonic() - begun < seconds and failed <= 20:
        drawn = random.Random(number)
        data = mutated(drawn.choice(seeds), drawn)
        number += 1
        started, fault = time.process_time(), None
        try:
            target(data)
        except REFUSALS:
            pass
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            fault = f"{type(error).__name__}: {error}"
        took = time.process_time() - started
        slowest = max(slowest, took)
        if took > LONGEST:
            fault = f"it took {took:.0f} s"
        elif _peak_kib() > usual + MOST_KIB:
            fault, usual = f"the memory grew to {_peak_kib() // 1024} MiB", _peak_kib()
        if fault is not None:
            failed += 1
            (folder / f"failed-{number}").write_bytes(data)
            sys.stdout.write(f"{name}: failed-{number}: {fault}\n")
        if number % 256 == 0:
            next_file.write_text(str(number))
    next_file.write_text(str(number))
    sys.stdout.write(
        f"{name}: {number - first} inputs from {first}, {failed} failed, slowest "
        f"{1000 * slowest:.0f} ms\n"
    )
    return failed


def by_coverage(name: str, seconds: float, folder: Path) -> int:
    """Runs a target with atheris in another process. Returns 1 when an input failed."""
    import atheris

    target, make = TARGETS[name]
    folder = folder / name
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for place, seed in enumerate(make()):
        (corpus / f"seed-{place}").write_bytes(seed)
        with contextlib.suppress(*REFUSALS):
            target(seed)
    limit = (_peak_kib() + MOST_KIB) // 1024 + 64
    child = os.fork()
    if not child:
        atheris.instrument_all()

        def run(data: bytes) -> None:
            with contextlib.suppress(*REFUSALS):
                target(data)

        options = [f"-max_total_time={seconds:.0f}", f"-timeout={LONGEST:.0f}"]
        options += [f"-rss_limit_mb={limit}", f"-artifact_prefix={folder}/failed-"]
        atheris.Setup(["mad", *options, "-print_final_stats=1", str(corpus)], run)
        atheris.Fuzz()
    return int(os.waitpid(child, 0)[1] != 0)


def _peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> int:
    """Runs the targets that the arguments name."""
    name, seconds, *rest = sys.argv[1:]
    folder = Path(rest[0] if rest else "target/fuzz")
    names = list(TARGETS) if name == "all" else [name]
    run = by_coverage if os.environ.get("FUZZER") == "atheris" else attack
    return int(sum(run(one, float(seconds), folder) for one in names) > 0)


if __name__ == "__main__":
    sys.exit(main())
