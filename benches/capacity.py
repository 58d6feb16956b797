"""Measures what a record, a row and a series cost, and calculates what a fleet needs.

    python benches/capacity.py measure [--quick]
    python benches/capacity.py need [--series 10e6] [--records 10e6] [--kind metrics] ...

`measure` judges simulated records on one core, through the calls of `mad serve`: JSON Lines in,
rows for the tables out. The pipeline is warm, so that its windows are full. A request and a row of
requests are separated by two runs that differ in the requests of a row alone; a point of a metric
is a row. Each kind runs in a child process, because memory is that of a process.

`need` multiplies the costs in `COSTS` by a load. `docs/capacity.md` explains the model.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from mad import _core

START = 1_767_657_600
#: Seconds of a step, the shipped default.
STEP = 60
#: Steps after which the longest window of a scorer, 240 rows, is full.
WARM = 245
#: Records of one body.
BODY = 10_000
#: Names without digits: a number in a path would be taken for an id.
NAMES = ("carts", "orders", "items", "users", "search", "prices", "stock", "pay", "mail", "log")


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What one kind of record costs on one core. Times are microseconds of CPU, sizes bytes.

    A series is one entity that gets a row in each step: an endpoint of a service with its signals,
    or one metric of a resource.
    """

    #: Decoding and counting one record.
    record_us: float
    #: Decoding and refusing one record, because it is late: about the decoding alone.
    decode_us: float
    #: Closing, judging and writing one row.
    row_us: float
    #: Memory of a series with full windows.
    memory_bytes: float
    #: Saved state of a series with full windows.
    state_bytes: float
    #: Encoding and decoding the saved state of a series.
    save_us: float
    restore_us: float
    #: One record as JSON, and in a batch that zlib has compressed at level 1.
    record_bytes: float
    packed_bytes: float
    #: Results of a row, and in a batch that zlib has compressed at level 1.
    result_bytes: float
    packed_result_bytes: float


#: The last figures of `measure`, on one of two shared cores.
COSTS = {
    "requests": Costs(
        record_us=2.4,
        decode_us=0.54,
        row_us=265,
        memory_bytes=45_700,
        state_bytes=34_600,
        save_us=62,
        restore_us=76,
        record_bytes=121,
        packed_bytes=8.5,
        result_bytes=868,
        packed_result_bytes=118,
    ),
    "metrics": Costs(
        record_us=0,
        decode_us=0.84,
        row_us=4.1,
        memory_bytes=16_200,
        state_bytes=6_830,
        save_us=18,
        restore_us=27,
        record_bytes=116,
        packed_bytes=8.7,
        result_bytes=109,
        packed_result_bytes=109,
    ),
}


@dataclass(frozen=True, kw_only=True)
class Load:
    """What a fleet has to take."""

    #: `requests` or `metrics`.
    kind: str = "requests"
    series: float = 10e6
    #: Records a second.
    records: float = 10e6
    #: Seconds between two rows of a series; a point of a metric is a row.
    step_seconds: float = STEP

    @property
    def rows(self) -> float:
        """Rows a second."""
        return self.records if self.kind == "metrics" else self.series / self.step_seconds


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What one machine offers, and how it is used."""

    cores: int = 16
    memory_bytes: float = 128e9
    #: Bytes a second, each way.
    network_bytes: float = 1.25e9
    #: Share of the cores, of the memory and of the network that is used in calm. The rest is for
    #: catching up, and for the partitions of a machine that is lost.
    used: float = 0.5
    #: Seconds between two saves of the state of a partition.
    save_seconds: float = 600.0
    #: Seconds until the group notices that a member is gone.
    detect_seconds: float = 10.0


@dataclass(frozen=True, kw_only=True)
class Need:
    """What a load needs. Sizes are bytes, times seconds, and rates bytes a second."""

    cores: float
    memory: float
    state: float
    records_in: float
    state_out: float
    results_out: float
    machines: int
    partitions: int
    #: Records a second of a partition, and the most that one core takes.
    of_partition: float
    of_core: float
    #: Why the number of machines is what it is.
    because: str
    #: From the loss of a machine until its partitions are read again, and until they are at the
    #: end: on average and, where it is lost just before a save, at most.
    restored: float
    caught_up: float
    caught_up_at_most: float


def need(load: Load, costs: Costs, machine: Machine) -> Need:
    """Calculates what a load needs.

    The state of each series is saved in every pause of `save_seconds`, because every series has a
    row in it. The partitions of a lost machine are divided over all cores of the others. A new
    owner reads the state of a partition, then the records since its last save. Where a core gets
    partitions that take a share `p` of it, and has a share `1 - u` left, a backlog of `t` seconds
    takes `t p / (1 - u)` seconds.
    """
    saves = 1e-6 * costs.save_us * load.series / machine.save_seconds
    busy = 1e-6 * (load.records * costs.record_us + load.rows * costs.row_us) + saves
    memory = load.series * costs.memory_bytes
    state = load.series * costs.state_bytes
    flows = (
        load.records * costs.packed_bytes,
        state / machine.save_seconds,
        load.rows * costs.packed_result_bytes,
    )
    wanted = {
        "processor": busy / machine.used / machine.cores,
        "memory": memory / machine.used / machine.memory_bytes,
        "network": max(flows[0], sum(flows[1:])) / machine.used / machine.network_bytes,
    }
    because = max(wanted, key=lambda name: wanted[name])
    machines = max(2, math.ceil(wanted[because]))
    # Four partitions for each core in use keep the shares of the cores within a quarter of each
    # other, and those of a lost machine are divided over all others.
    partitions = 4 * max(machines, math.ceil(busy / machine.used))
    busy_of_core = max(busy / (machines * machine.cores), 1e-9)
    after = min(0.95, busy_of_core * machines / (machines - 1))
    series = load.series / partitions
    read = state / partitions / (machine.network_bytes / machine.cores)
    restored = machine.detect_seconds + read + 1e-6 * costs.restore_us * series
    backlog = [restored + share * machine.save_seconds for share in (0.5, 1.0)]
    taken = max(busy_of_core / (machines - 1), busy / partitions)
    return Need(
        cores=busy,
        memory=memory,
        state=state,
        records_in=flows[0],
        state_out=flows[1],
        results_out=flows[2],
        machines=machines,
        partitions=partitions,
        of_partition=load.records / partitions,
        of_core=load.records / busy,
        because=because,
        restored=restored,
        caught_up=restored + backlog[0] * taken / (1 - after),
        caught_up_at_most=restored + backlog[1] * taken / (1 - after),
    )


def lines(kind: str, series: int, first: int, last: int, each: int) -> Iterator[bytes]:
    """Bodies of JSON Lines: `each` records of every series in every step, in order of time. A
    number that grows by a large step gives values that look like noise."""
    body: list[str] = []
    noise = 1
    for step in range(first, last):
        for turn in range(each):
            at = START + STEP * step + STEP * turn / each
            whole, part = divmod(round(at * 1000), 1000)
            text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{part:03}Z"
            for number in range(series):
                noise = (noise * 48_271) % 2_147_483_647
                value = 40 + noise % 4_096 / 100
                if kind == "requests":
                    status = 500 if noise % 211 == 0 else 200
                    body.append(
                        f'{{"timestamp":"{text}","service":"service-{number // 10}",'
                        f'"endpoint":"/{NAMES[number % 10]}","status_code":{status},'
                        f'"latency_ms":{value:.2f}}}'
                    )
                else:
                    body.append(
                        f'{{"timestamp":"{text}","service":"service-{number // 40}",'
                        f'"resource":"pod-{number // 10}","metric":"{NAMES[number % 10]}",'
                        f'"value":{value:.2f}}}'
                    )
                if len(body) == BODY:
                    yield "\n".join(body).encode()
                    body = []
    if body:
        yield "\n".join(body).encode()


def judged(
    pipeline: _core.EnginePipeline, kind: str, bodies: list[bytes]
) -> tuple[float, list[bytes]]:
    """Microseconds of CPU that the bodies took, with their results made; and the results."""
    results: list[bytes] = []
    began = time.process_time()
    updates = []
    for body in bodies:
        update = pipeline.ingest(body, kind)
        if update.has_news:
            updates.append((update.rows(), update.services(), update.points()))
            update.incidents()
            update.changes()
    taken = time.process_time() - began
    for rows, services, points in updates:
        results += [json.dumps(row).encode() for row in [*rows, *services]]
        results += [block for *_, block in points]
    return 1e6 * taken, results


def resident() -> int:
    """Resident bytes of this process."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * 4_096


def measured(kind: str, series: int, steps: int) -> Costs:
    """The costs of one kind of record, measured in this process."""
    is_metric = kind == "metrics"
    few, many = (1, 6) if is_metric else (60, 240)
    config = {"limits": {"entities": 2 * series, "series": 8 * series}}
    pipeline = _core.EnginePipeline(config)
    before = resident()
    for body in lines(kind, series, 0, WARM, 1 if is_metric else 20):
        pipeline.ingest(body, kind)
    memory = (resident() - before) / series
    at, rows = WARM, series * steps
    sparse = list(lines(kind, series, at, at + steps, few))
    with_few, results = judged(pipeline, kind, sparse)
    at += steps
    dense = list(lines(kind, series, at, at + steps, many))
    with_many, _ = judged(pipeline, kind, dense)
    at += steps
    # A point of a metric is a row: nothing is left for the record.
    record = 0.0 if is_metric else (with_many - with_few) / (rows * (many - few))
    row = with_many / (rows * many) if is_metric else with_few / rows - record * few
    pipeline.advance((START + STEP * (at + 5)) * 10**9)
    began = time.process_time()
    for body in sparse:
        pipeline.ingest(body, kind)
    decode = 1e6 * (time.process_time() - began) / (rows * few)
    pipeline.take_delta()
    # Every series of the next step is in the delta.
    at += 6
    pipeline.ingest(b"\n".join(lines(kind, series, at, at + 1, 2)), kind)
    pipeline.advance((START + STEP * (at + 5)) * 10**9)
    began = time.process_time()
    whole, entities, incidents = pipeline.take_delta()
    save = 1e6 * (time.process_time() - began) / series
    parts = [(id, part) for id, part in entities if part is not None]
    closed = [(id, part) for id, part in incidents if part is not None]
    began = time.process_time()
    _core.EnginePipeline.restore(config, whole, parts, closed)
    restore = 1e6 * (time.process_time() - began) / series
    size = sum(len(one) for one in results)
    made = rows * few if is_metric else rows
    packed = size if is_metric else len(zlib.compress(b"\n".join(results), 1))
    body = dense[0]
    return Costs(
        record_us=record,
        decode_us=decode,
        row_us=row,
        memory_bytes=memory,
        state_bytes=(len(whole) + sum(len(part) for _, part in parts)) / series,
        save_us=save,
        restore_us=restore,
        record_bytes=len(body) / BODY,
        packed_bytes=len(zlib.compress(body, 1)) / BODY,
        result_bytes=size / made,
        packed_result_bytes=packed / made,
    )


def child(kind: str, *, quick: bool) -> Costs:
    """The costs of one kind of record, measured in a child process."""
    series, steps = (100, 2) if quick else (1_000, 5) if kind == "requests" else (5_000, 10)
    command = [sys.executable, __file__, "child", kind, str(series), str(steps)]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return Costs(**json.loads(answer))


def shown(number: float) -> str:
    """A number with its unit prefix: 41,746 is 41.7 k."""
    for limit, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= limit:
            return f"{number / limit:.3g} {unit}"
    return f"{number:.3g}"


def table(rows: list[tuple[str, list[str]]], heads: list[str]) -> str:
    """A table in Markdown."""
    lines = [f"| | {' | '.join(heads)} |", f"|---|{'---|' * len(heads)}"]
    lines += [f"| {name} | {' | '.join(values)} |" for name, values in rows]
    return "\n".join(lines)


def table_of_needs(needs: dict[str, Need]) -> str:
    """What loads need, as a table."""
    found = needs.values()
    rows = [
        ("machines", [f"{one.machines:,} ({one.because})" for one in found]),
        ("cores busy", [f"{one.cores:,.0f}" for one in found]),
        ("memory", [f"{shown(one.memory)}B" for one in found]),
        ("saved state", [f"{shown(one.state)}B" for one in found]),
        ("partitions", [f"{one.partitions:,}" for one in found]),
        ("records a second of a partition", [f"{one.of_partition:,.0f}" for one in found]),
        ("most records a second of a core", [f"{one.of_core:,.0f}" for one in found]),
        ("network in: records", [f"{shown(one.records_in)}B/s" for one in found]),
        ("network out: state", [f"{shown(one.state_out)}B/s" for one in found]),
        ("network out: results", [f"{shown(one.results_out)}B/s" for one in found]),
        ("machine lost: read again after", [f"{one.restored:,.0f} s" for one in found]),
        ("at the end after, on average", [f"{one.caught_up:,.0f} s" for one in found]),
        ("at the end after, at most", [f"{one.caught_up_at_most:,.0f} s" for one in found]),
    ]
    return table(rows, list(needs))


def main() -> None:
    """Measures, or calculates."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    measure = commands.add_parser("measure", help="measure the costs")
    measure.add_argument("--quick", action="store_true", help="a smoke run")
    wanted = commands.add_parser("need", help="calculate what a load needs")
    for name, value in {**asdict(Load()), **asdict(Machine())}.items():
        option = "--" + name.replace("_", "-")
        kinds = {"choices": list(COSTS)} if name == "kind" else {"type": type(value)}
        shown_default = "both" if name == "kind" else f"{value:g}"
        default = None if name == "kind" else value
        wanted.add_argument(option, default=default, help=f"default: {shown_default}", **kinds)
    one = commands.add_parser("child")
    for name, kind in (("kind", str), ("series", int), ("steps", int)):
        one.add_argument(name, type=kind)
    given = vars(parser.parse_args())
    match given.pop("command"):
        case "child":
            print(json.dumps(asdict(measured(**given))))
        case "measure":
            for kind in ("requests", "metrics"):
                print(kind, child(kind, quick=given["quick"]))
        case _:
            machine = Machine(**{name: given.pop(name) for name in asdict(Machine())})
            kinds = [given.pop("kind")]
            kinds = list(COSTS) if kinds == [None] else kinds
            loads = {kind: Load(kind=kind, **given) for kind in kinds}
            needs = {kind: need(load, COSTS[kind], machine) for kind, load in loads.items()}
            print(table_of_needs(needs))


if __name__ == "__main__":
    main()
