"""Random worlds with faults, for checks of explanations: requests, metrics, spans, logs and
changes of a few services, the same for the same seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
T0 = np.datetime64("2026-03-09T00:00:00", "ms")
KINDS = ("requests", "metrics", "spans", "logs", "mixed")
SERVICES = ("till", "session", "store", "portal", "ledger", "kiosk")
ENDPOINTS = ("/charge", "/open", "/get", "/home", "/order", "/search")
METRICS = {
    "rss_mb": (400.0, 8.0),
    "cpu_percent": (35.0, 3.0),
    "queue_depth": (20.0, 3.0),
    "latency_p99_ms": (180.0, 14.0),
    "open_files": (130.0, 5.0),
    "heap_bytes": (3e8, 1e7),
    "saturation": (0.4, 0.03),
}


@dataclass
class World:
    """Rows by kind, each a list of lines with its header first; empty kinds are left out."""

    seed: int
    kind: str
    files: dict[str, str] = field(default_factory=dict)

    def write(self, folder: Path) -> dict[str, list[str]]:
        """Writes the files; returns their paths by kind."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = {}
        for kind, text in self.files.items():
            path = folder / f"{kind}.csv"
            path.write_text(text)
            paths[kind] = [str(path)]
        return paths


def world(seed: int, kind: str | None = None) -> World:
    """The world of a seed; its kind is drawn unless it is given."""
    draw = np.random.default_rng([seed, 18])
    kind = kind or KINDS[int(draw.integers(len(KINDS)))]
    made = World(seed, kind)
    minutes = int(draw.choice([75, 110, 160, 220]))
    start = int(draw.integers(minutes // 3, minutes - 22))
    faults = [(start, start + int(draw.integers(3, 28)))]
    if draw.random() < 0.35 and start > 70:
        earlier = start - int(draw.integers(25, 50))
        faults.append((earlier, earlier + int(draw.integers(3, 12))))
    if kind in ("requests", "mixed"):
        made.files["requests"] = requests(seed, draw, minutes, faults)
    if kind in ("metrics", "mixed"):
        made.files["metrics"] = metrics(draw, minutes, faults)
    if kind == "spans":
        made.files["spans"] = spans(draw, minutes, faults)
    if kind in ("logs", "mixed"):
        made.files["logs"] = logs(draw, minutes, faults)
    if draw.random() < 0.4:
        made.files["changes"] = changes(draw, faults)
    if kind in ("requests", "metrics", "mixed") and draw.random() < 0.5:
        edges = "".join(f"{SERVICES[i]},{SERVICES[i + 1]}\n" for i in range(3))
        made.files["edges"] = "caller,callee\n" + edges
    return made


def stamp(seconds: Floats) -> list[str]:
    """Times as RFC 3339 from seconds since the start of the world."""
    moments = T0 + np.round(seconds * 1000).astype("timedelta64[ms]")
    return [f"{moment}Z" for moment in np.datetime_as_string(moments).tolist()]


def inside(minute: Floats, faults: list[tuple[int, int]], delay: int = 0) -> npt.NDArray[np.bool_]:
    """Whether a minute is part of a fault that shows `delay` minutes late."""
    found = np.zeros(len(minute), bool)
    for start, end in faults:
        found |= (minute >= start + delay) & (minute < end)
    return found


def requests(
    seed: int, draw: np.random.Generator, minutes: int, faults: list[tuple[int, int]]
) -> str:
    """Requests of two to five services, some of which go wrong together. Worlds with an odd seed
    name hosts and versions."""
    count = int(draw.integers(2, 6))
    broken = int(draw.integers(1, count + 1))
    parts: list[tuple[Floats, list[str]]] = []
    for place in range(count):
        rate = float(draw.choice([4.0, 12.0, 30.0, 70.0]))
        base = float(draw.choice([0.4, 18.0, 70.0, 240.0]))
        usual = float(draw.choice([0.0, 0.004, 0.02, 0.08]))
        m = np.arange(minutes, dtype=float)
        sick = inside(m, faults, int(draw.integers(0, 3)))
        per_minute, ms, share = (
            np.full(minutes, rate),
            np.full(minutes, base),
            np.full(minutes, usual),
        )
        code = int(draw.choice([500, 502, 503, 504, 429]))
        if place < broken:
            kinds = ("slow", "errors", "both", "drop", "surge", "silent", "ramp", "tail", "climb")
            fault = kinds[int(draw.integers(len(kinds)))]
            size = float(draw.uniform(1.6, 14.0))
            if fault in ("slow", "both"):
                ms[sick] *= size
            if fault in ("errors", "both"):
                share[sick] = draw.uniform(0.08, 0.9)
            if fault == "drop":
                per_minute[sick] *= draw.uniform(0.02, 0.5)
            if fault == "surge":
                per_minute[sick] *= 1.0 + size
            if fault == "silent":
                per_minute[sick] = 0.0
            if fault == "ramp":
                ms[sick] *= 1.0 + np.arange(sick.sum()) * draw.uniform(0.05, 0.9)
            if fault == "climb":
                ms *= np.where(m > faults[0][0], 1.0 + 0.02 * (m - faults[0][0]), 1.0)
        else:
            fault = "none"
        at = np.repeat(m, draw.poisson(per_minute))
        t = (at + draw.random(len(at))) * 60.0
        each = at.astype(int)
        latency = ms[each] * draw.gamma(1 / 0.22**2, 0.22**2, len(at))
        if fault == "tail":
            hit = sick[each] & (draw.random(len(at)) < 0.12)
            latency = np.where(hit, latency * 20.0, latency)
        failed = draw.random(len(at)) < share[each]
        status = np.where(failed, code, 200)
        name = f"{SERVICES[place]},{ENDPOINTS[place]}"
        order = np.argsort(t)
        by = served_by(seed + place, failed & sick[each], latency) if seed % 2 else None
        lines = [
            f"{name},{status[i]},{latency[i]:.3f}" + (f",{by[i]}" if by else "") for i in order
        ]  # the time comes in front of each
        parts.append((t[order], lines))
    header = "timestamp,service,endpoint,status_code,latency_ms"
    return _sorted(header + (",host,version" if seed % 2 else ""), parts)


def served_by(seed: int, failed: npt.NDArray[np.bool_], latency: Floats) -> list[str]:
    """Host and version of each request; in most services a canary or a host has the bad ones."""
    draw = np.random.default_rng([seed, 19])
    host = draw.integers(0, int(draw.integers(1, 6)), len(latency))
    new = draw.random(len(latency)) < 0.06
    cause = draw.random()
    bad = failed | (latency > np.median(latency) * 2.5)
    caught = bad & (draw.random(len(latency)) < 0.9)
    if cause < 0.35:
        new |= caught
    elif cause < 0.7:
        host = np.where(caught, 0, host)
    return [f"pod-{h},{'2.5.0' if n else '2.4.1'}" for h, n in zip(host, new, strict=True)]


def metrics(draw: np.random.Generator, minutes: int, faults: list[tuple[int, int]]) -> str:
    """Metrics of one to four services, with and without resources."""
    parts: list[tuple[Floats, list[str]]] = []
    step = float(draw.choice([15.0, 30.0, 60.0, 60.0]))
    length = int(minutes * 60 / step) * (1 if step >= 60 else 2)
    t = np.arange(length) * step
    scale = length * step / (minutes * 60.0)
    m = t / 60.0 / scale
    for place in range(int(draw.integers(1, 5))):
        resource = f"{SERVICES[place]}-0" if draw.random() < 0.5 else ""
        for name in draw.choice(list(METRICS), int(draw.integers(1, 4)), replace=False):
            level, noise = METRICS[str(name)]
            values = level + noise * draw.standard_normal(length)
            fault = str(draw.choice(["none", "high", "low", "ramp", "climb", "peak", "late"]))
            sick = inside(m, faults, int(draw.integers(0, 3)))
            size = float(draw.uniform(6.0, 40.0)) * noise
            ramp = np.cumsum(sick) / max(int(sick.sum()), 1)
            if fault == "high":
                values[sick] += size
            if fault == "low":
                values[sick] -= min(size, 0.9 * level)
            if fault == "ramp":
                values += sick * ramp * 2 * size
            if fault == "climb":
                values += np.maximum(m - faults[0][0], 0.0) * noise * 0.6
            if fault == "peak":
                values[sick] += size * draw.uniform(0.5, 1.5, int(sick.sum()))
            if fault == "late":
                values += sick * size * (0.6 + ramp)
            values = np.maximum(values, 0.0)
            lines = [f"{SERVICES[place]},{resource},{name},{value:.6g}" for value in values]
            parts.append((t, lines))
    return _sorted("timestamp,service,resource,metric,value", parts)


def spans(draw: np.random.Generator, minutes: int, faults: list[tuple[int, int]]) -> str:
    """Traces of a chain of two to four services, one of which is slow, fails or is not called."""
    depth, rate = int(draw.integers(2, 5)), float(draw.choice([6.0, 15.0]))
    sick_place = int(draw.integers(depth))
    fault = str(draw.choice(["slow", "failing", "absent", "network"]))
    size = float(draw.uniform(2.0, 12.0))
    out: list[tuple[float, str]] = []
    for minute in range(minutes):
        sick = bool(inside(np.array([float(minute)]), faults)[0])
        for second in np.sort(draw.random(draw.poisson(rate))) * 60.0:
            trace = f"{draw.integers(1 << 62):016x}"
            own = draw.gamma(20.0, 1.0, depth) * 1.2
            wait = np.full(depth, 1.0)
            failed = np.zeros(depth, bool)
            reached = depth
            if sick and fault == "slow":
                own[sick_place] *= size
            if sick and fault == "network" and sick_place > 0:
                wait[sick_place] += 30.0 * size
            if sick and fault == "failing" and draw.random() < 0.7:
                failed[: sick_place + 1] = True
                reached = sick_place + 1
            if sick and fault == "absent" and sick_place > 0:
                reached = sick_place
            begin = minute * 60.0 + float(second)
            for place in range(reached):
                length = float(own[place:reached].sum() + 2 * wait[place + 1 : reached].sum())
                at = begin + float(own[:place].sum() * 0.3 + wait[1 : place + 1].sum()) / 1000.0
                parent = f"{place - 1:x}{trace[:8]}" if place else ""
                status = "error" if failed[place] else "ok"
                row = f"{trace},{place:x}{trace[:8]},{parent},{SERVICES[place]},{ENDPOINTS[place]}"
                out.append((at, f"{row},%s,{length:.3f},{status}"))
    out.sort(key=lambda one: one[0])
    times = stamp(np.array([at for at, _ in out]))
    head = "trace_id,span_id,parent_id,service,operation,start,duration_ms,status\n"
    return head + "".join(text % at + "\n" for at, (_, text) in zip(times, out, strict=True))


def logs(draw: np.random.Generator, minutes: int, faults: list[tuple[int, int]]) -> str:
    """Log lines of one to three services, with bursts of errors or warnings."""
    parts: list[tuple[Floats, list[str]]] = []
    m = np.arange(minutes, dtype=float)
    sick = inside(m, faults)
    for place in range(int(draw.integers(1, 4))):
        for level, usual in (
            ("INFO", 20.0),
            ("WARN", 1.0),
            ("ERROR", float(draw.choice([0.1, 0.8]))),
        ):
            rate = np.full(minutes, usual)
            if level != "INFO" and draw.random() < 0.6:
                rate[sick] += draw.uniform(5.0, 40.0)
            at = np.repeat(m, draw.poisson(rate))
            t = np.sort((at + draw.random(len(at))) * 60.0)
            lines = [f"{SERVICES[place]},{level},request {i % 7} done" for i in range(len(t))]
            parts.append((t, lines))
    return _sorted("timestamp,service,level,body", parts)


def changes(draw: np.random.Generator, faults: list[tuple[int, int]]) -> str:
    """Deploys and flags before the faults and at any time."""
    rows: list[tuple[float, str]] = []
    for start, _ in faults:
        before = float(draw.choice([0.5, 1.5, 4.0, 12.0, 45.0]))
        service = SERVICES[int(draw.integers(4))]
        kind = str(draw.choice(["deploy", "config", "flag"]))
        rows.append(
            (max(start - before, 0.0) * 60.0, f"{service},{kind},{service}-{kind},v{start}")
        )
    rows.sort()
    times = stamp(np.array([at for at, _ in rows]))
    body = "".join(f"{at},{text}\n" for at, (_, text) in zip(times, rows, strict=True))
    return "timestamp,service,kind,name,version\n" + body


def _sorted(header: str, parts: list[tuple[Floats, list[str]]]) -> str:
    """The lines of all parts in the order of their times, behind the header."""
    times = np.concatenate([t for t, _ in parts])
    lines = [line for _, part in parts for line in part]
    order = np.argsort(times, kind="stable")
    moments = stamp(times[order])
    body = "".join(f"{at},{lines[i]}\n" for at, i in zip(moments, order, strict=True))
    return f"{header}\n{body}"
