"""Rates of single log templates: false alarms of a quiet simulation, and faults that are found.

    python benches/log_rates.py [--services N] [--days N] [--seed N]

A service writes 30 templates with Zipf volumes. Most follow the traffic, which has a rhythm of a
day, a memory and surges; some come at a fixed rate; some come in heavy-tailed bursts. Counts are
negative binomial. Jobs write at a minute of the hour or of the day. Releases replace some
templates within 5 to 60 minutes, and restarts interrupt the log. Two templates have words in a
variable place, so that they are split at first and merged later. There are no errors, and the
first four days are not measured.

The faults are added to the same logs: one template with a fixed rate or one that follows the
traffic comes 3, 10 or 30 times as often for five minutes, or stops for ten minutes while the
others gain as many lines. A low volume is 1 to 5 lines a minute, a middle one 5 to 20, a high
one more. `without` does not count the lines of templates, as by default.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

import mad

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

DAY = 1440
LEARNT = 4 * DAY
START = pd.Timestamp("2026-03-02", tz="UTC")
TEMPLATES, SHARED, JOBS = 30, 2, 3
VARIANTS = 24
LEVELS = {"low": (1.0, 5.0), "middle": (5.0, 20.0), "high": (20.0, 1e9)}
FAULTS = [(times, level) for times in (3, 10, 30, 0) for level in LEVELS]
WORDS = ("order", "cart", "payment", "session", "cache", "token", "worker", "queue", "price")
MORE = ("basket", "invoice", "customer", "address", "stock", "shipment", "coupon", "profile")
LAST = ("image", "search", "index", "batch", "report", "ledger", "quota", "tenant", "region")
NOUNS = (*WORDS, *MORE, *LAST)
VERBS = ("created", "updated", "loaded", "flushed", "expired", "accepted", "sent", "stored")
VERBS = (*VERBS, "settled", "checked", "moved")


@dataclass
class Log:
    """The lines of one service: how many of each text in each minute."""

    texts: list[list[str]]
    counts: Counts
    regular: list[int]
    mean: Floats
    faults: list[tuple[int, int, tuple[int, str]]] = field(default_factory=list)

    def table(self, rng: np.random.Generator, name: str) -> pa.Table:
        templates = self.counts.shape[1]
        flat = self.counts.ravel()
        cell = np.repeat(np.arange(flat.size), flat)
        second = rng.integers(0, 60_000, cell.size)
        at = (cell // templates) * 60_000 + second
        order = np.argsort(at, kind="stable")
        text = (cell % templates)[order] * VARIANTS + rng.integers(0, VARIANTS, cell.size)
        bodies = pa.array([body for variants in self.texts for body in variants])
        times = (START.value // 1_000_000 + at[order]).astype("datetime64[ms]")
        size = len(order)
        return pa.table(
            {
                "timestamp": pa.array(times).cast(pa.timestamp("ms", "UTC")),
                "service": pa.array([name]).take(pa.array(np.zeros(size, np.int64))),
                "level": pa.array(["INFO"]).take(pa.array(np.zeros(size, np.int64))),
                "body": bodies.take(pa.array(text)),
            }
        )


def memory(rng: np.random.Generator, size: int, r: float, scatter: float) -> Floats:
    """The exponential of an AR(1) process."""
    noise = rng.normal(size=size) * scatter * np.sqrt(1 - r * r)
    out = np.empty(size)
    last = 0.0
    for place, one in enumerate(noise):
        last = r * last + one
        out[place] = last
    return np.exp(out)


def surges(rng: np.random.Generator, size: int, a_day: float, longest: int) -> Floats:
    """Factors of surges with heavy tails at random times."""
    out = np.ones(size)
    for start in rng.integers(0, size, rng.poisson(a_day * size / DAY)):
        height = 1 + min(rng.pareto(1.5), 30.0)
        out[start : start + rng.integers(2, longest)] *= height
    return out


def quiet(rng: np.random.Generator, days: int) -> Log:
    """A service without faults."""
    size = days * DAY
    minute = np.arange(size)
    swing = rng.uniform(0.2, 0.8)
    traffic = 1 + swing * np.sin(2 * np.pi * (minute / DAY + rng.random()))
    traffic *= memory(rng, size, 0.95, 0.1) * surges(rng, size, 1.0, 30) ** 0.7
    share = 1 / np.arange(1, TEMPLATES + 1) ** rng.uniform(0.8, 1.3)
    mean = rng.lognormal(np.log(120), 0.8) * share / share.sum()
    rates = np.zeros((size, TEMPLATES))
    kinds = rng.choice(["traffic", "fixed", "bursts"], TEMPLATES, p=[0.6, 0.2, 0.2])
    for place, kind in enumerate(kinds):
        if kind == "traffic":
            rates[:, place] = mean[place] * traffic
        elif kind == "fixed":
            rates[:, place] = mean[place]
        else:
            rates[:, place] = mean[place] * traffic * surges(rng, size, 6.0, 15)
    texts = [phrase(rng, place) for place in range(TEMPLATES)]
    for place in rng.choice(np.arange(3, TEMPLATES), SHARED, replace=False):
        texts[place] = [
            f"{place} region {NOUNS[rng.zipf(1.6) % 14]} of the store was refreshed in {one} ms"
            for one in rng.integers(1, 900, VARIANTS)
        ]
    regular = {place for place in range(TEMPLATES) if kinds[place] != "bursts"}
    # releases: old texts end while new ones begin
    for release in np.arange(rng.integers(600, 2 * DAY), size - 120, 2 * DAY):
        ends = int(release + rng.integers(5, 60))
        fades = np.clip((minute - release) / (ends - release), 0, 1)
        for place in rng.choice(TEMPLATES, 3, replace=False):
            if rng.random() < 0.75:
                rates = np.column_stack([rates, rates[:, place] * fades * rng.uniform(0.8, 1.2)])
                texts.append(phrase(rng, len(texts)))
            rates[:, place] *= 1 - fades
            regular.discard(place)
        rates[release : release + rng.integers(1, 3)] *= 0.02
    shape = rng.choice([2.0, 5.0, 20.0, 1e6], rates.shape[1], p=[0.1, 0.2, 0.4, 0.3])
    shape[: len(kinds)][kinds == "fixed"] = 1e6
    for restart in rng.integers(0, size, days // 2):
        rates[restart : restart + rng.integers(1, 3)] *= rng.uniform(0, 0.5)
    counts = rng.poisson(rates * rng.gamma(shape, 1 / shape, rates.shape))
    for _ in range(JOBS):
        length, lines = rng.integers(1, 4), rng.lognormal(4, 1)
        every = rng.choice([60, 60, DAY])
        job = (minute + rng.integers(0, every)) % every < length
        counts = np.column_stack([counts, rng.poisson(np.where(job, lines, 0))])
        texts.append(phrase(rng, len(texts)))
    return Log(texts, counts, sorted(regular), rates.mean(axis=0))


def phrase(rng: np.random.Generator, place: int) -> list[str]:
    noun, verb, other = rng.choice(NOUNS), rng.choice(VERBS), rng.choice(NOUNS)
    letters = "".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz"), 6))
    return [
        f"{noun} {letters} {one} {verb} for {other} in {one % 97} ms"
        for one in rng.integers(1, 100_000, VARIANTS)
    ]


def with_faults(rng: np.random.Generator, log: Log) -> Log:
    """The same log with faults after the first four days, at most one of a template."""
    counts, faults = log.counts.copy(), []
    left = set(log.regular)
    kinds = [FAULTS[place] for place in rng.permutation(len(FAULTS))]
    for slot, (times, level) in zip(range(LEARNT, len(counts) - 180, 300), kinds * 2, strict=False):
        least, most = LEVELS[level]
        fits = [one for one in sorted(left) if least <= log.mean[one] < most]
        if not fits:
            continue
        start = slot + int(rng.integers(0, 120))
        place = int(rng.choice(fits))
        left.discard(place)
        length = 5 if times else 10
        gone = counts[start : start + length, place].copy()
        if times:
            more = rng.poisson((times - 1) * log.mean[place], length)
            counts[start : start + length, place] += more
        else:
            counts[start : start + length, place] = 0
            weight = np.delete(log.mean, place) / np.delete(log.mean, place).sum()
            others = np.delete(np.arange(log.mean.size), place)
            moved = np.array([rng.multinomial(n, weight) for n in gone])
            counts[start : start + length, others] += moved
        faults.append((start, length, (times, level)))
    return Log(log.texts, counts, log.regular, log.mean, faults)


def judged(table: pa.Table, watched: bool) -> tuple[set[int], list[tuple[float, float]], list[str]]:
    """Flagged minutes, incidents from start to end in minutes, and their signals."""
    config = {"limits": {"service_log_rates": 16}} if watched else None
    report = mad.detect(logs=table, config=config)
    points = report.scored.to_pandas()
    points = points[points["is_anomaly"]]
    minute = ((pd.to_datetime(points["bucket_ts"]) - START) / pd.Timedelta(minutes=1)).astype(int)
    spans = [
        tuple((time - START).total_seconds() / 60 for time in (one.start, one.end))
        for one in report.incidents
    ]
    return set(minute), spans, [", ".join(one.signals) for one in report.incidents]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--services", type=int, default=12, help="how many (default: 12)")
    parser.add_argument("--days", type=int, default=7, help="days of each (default: 7)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verbose", action="store_true", help="print false incidents")
    args = parser.parse_args()
    false = {True: [0, 0], False: [0, 0]}
    found: dict[tuple[bool, tuple[int, str]], list[list[float]]] = {}
    lines = 0
    for service in range(args.services):
        log = quiet(np.random.default_rng([args.seed, service]), args.days)
        broken = with_faults(np.random.default_rng([args.seed, service, 1]), log)
        tables = [
            one.table(np.random.default_rng([args.seed, service, 2]), "shop")
            for one in (log, broken)
        ]
        lines += tables[0].num_rows
        for watched in (True, False):
            flagged, spans, signals = judged(tables[0], watched)
            false[watched][0] += sum(one >= LEARNT for one in flagged)
            late = [one for one in zip(spans, signals, strict=True) if one[0][0] >= LEARNT]
            false[watched][1] += len(late)
            if args.verbose and watched:
                for (start, end), signal in late:
                    print(f"  service {service}: {start:.0f} to {end:.0f}: {signal}", flush=True)
            flagged, spans, _ = judged(tables[1], watched)
            for start, length, kind in broken.faults:
                own = sorted(flagged & set(range(start, start + length)))
                alarmed = any(a < start + length + 2 and b > start for a, b in spans)
                delay = own[0] + 1 - start if own else np.nan
                found.setdefault((watched, kind), []).append([bool(own), alarmed, delay])
    weeks = args.services * (args.days - 4) / 7
    print(f"{args.services} services, {lines:,} lines; {weeks:.1f} service-weeks are measured")
    for watched in (False, True):
        rows, incidents = false[watched]
        print(
            f"{'with' if watched else 'without'}: {rows / weeks:.1f} false flagged minutes, "
            f"{incidents / weeks:.2f} false incidents a service-week ({incidents})"
        )
    print("fault | faults | flagged without, with | in an incident | median delay, min")
    for times, level in FAULTS:
        both = [np.array(found.get((one, (times, level)), [])) for one in (False, True)]
        if not both[0].size:
            continue
        flagged, alarmed = zip(*(one[:, :2].mean(axis=0) for one in both), strict=True)
        delay = both[1][:, 2]
        wait = f"{np.nanmedian(delay):.0f}" if np.isfinite(delay).any() else "-"
        print(
            f"{f'x{times}' if times else 'stops'} {level} | {len(both[0])}"
            f" | {flagged[0]:.0%}, {flagged[1]:.0%} | {alarmed[0]:.0%}, {alarmed[1]:.0%} | {wait}"
        )


if __name__ == "__main__":
    main()
