"""The figures of detection.py over all series and over each half of them, and their noise.

    python benches/halves.py DATA [SCORER] [--save FILE] [--against FILE]

DATA is the folder of labelled series, SCORER the script that scores them (../../bench/detection.py
of DATA unless given). The halves are every second series by name: a choice made on one half has to
hold on the other. An interval is the 2.5th to the 97.5th percentile over 2,000 bootstrap samples of
the series.

`--save` writes the counts of each series. `--against` compares with such a file from before a
change and prints the verdict. A change is accepted if

- the worse half of at least three sets gains in the first figure of the set, and
- no figure loses more than its noise: no interval of a paired difference is wholly below 0.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scorers import module

import mad

SAMPLES = 2_000
# Sets whose worse half has to gain.
LEAST_SETS = 3
Floats = npt.NDArray[np.float64]
Parts = dict[str, list[float]]


def f1(parts: Floats) -> Floats:
    """F1 of summed found, all and false events."""
    found, events, false = parts[..., 0], parts[..., 1], parts[..., 2]
    return np.asarray(2 * found / np.maximum(found + events + false, 1))


def mean(parts: Floats) -> Floats:
    """The mean of a value over the series that have one: sums of values and of series."""
    return np.asarray(parts[..., 0] / np.maximum(parts[..., 1], 1))


def nab(parts: Floats) -> Floats:
    """The normalised score of summed raw scores, scores of no detection, and windows."""
    raw, null, windows = parts[..., 0], parts[..., 1], parts[..., 2]
    return np.asarray(100 * (raw - null) / np.maximum(windows - null, 1e-9))


# The figures of each set, the deciding one first, and what sums up to them over series.
FIGURES: dict[str, dict[str, tuple[Callable[[Floats], Floats], Callable[[Any], list[float]]]]] = {
    "microsoft": {
        "event F1": (f1, lambda one: _events(one["event_f1_shipped"])),
        "VUS-PR": (mean, lambda one: _value(one["vus_pr"])),
    },
    "kpi": {
        "event F1": (f1, lambda one: _events(one["event_f1_at7"]["shipped"])),
        "macro F1": (mean, lambda one: _value(one["delay7_f1_macro"]["shipped"])),
    },
    "nab": {"standard, shipped": (nab, lambda parts: parts)},
}
FIGURES["wsd"] = FIGURES["kpitest"] = FIGURES["kpi"]


def _events(one: Any) -> list[float]:
    return [float(one["found"]), float(one["events"]), float(one["false"])]


def _value(value: float | None) -> list[float]:
    known = value is not None and bool(np.isfinite(value))
    return [float(value or 0.0) if known else 0.0, float(known)]


def nab_parts(detection: Any, one: Any, alarms: Any) -> list[float]:
    """Raw score, score of no detection, and windows of one file. The scorer itself divides by the
    number of windows, and some files have none."""
    reward, window, skip = detection.nab_points(one)
    in_file_order = np.empty(len(alarms))
    in_file_order[one["order"]] = alarms
    sweep = detection.nab_sweep(in_file_order[skip:], reward[skip:], window[skip:], "standard", 1.0)
    return [float(sweep["raw"]), float(sweep["null"]), float(len(one["windows"]))]


def parts_of(name: str, detection: Any, data: Any, answers: Any) -> dict[str, Parts]:
    """What each series adds to each figure, by figure and series."""
    score = detection.SETS[name][2]
    out: dict[str, Parts] = {figure: {} for figure in FIGURES[name]}
    with np.errstate(all="ignore"):
        for key in sorted(data):
            if name == "nab":
                one = nab_parts(detection, data[key], answers[key][1])
            else:
                one = score({key: data[key]}, {key: answers[key]})
            for figure, (_, parts) in FIGURES[name].items():
                out[figure][key] = parts(one)
    return out


def interval(values: Floats) -> tuple[float, float]:
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def sampled(parts: Parts, keys: list[str], of: Callable[[Floats], Floats]) -> Floats:
    """The figure for each bootstrap sample of the series; the same samples for the same keys."""
    rows = np.array([parts[key] for key in keys])
    rng = np.random.default_rng(0)
    counts = rng.multinomial(len(keys), np.full(len(keys), 1 / len(keys)), SAMPLES)
    return of(counts.astype(np.float64) @ rows)


def total(parts: Parts, keys: list[str], of: Callable[[Floats], Floats]) -> float:
    return float(of(np.array([parts[key] for key in keys]).sum(axis=0)))


def compare(name: str, now: dict[str, Parts], before: dict[str, Parts]) -> tuple[bool, bool]:
    """Prints the differences of a set; whether its worse half gains, and whether it loses."""
    gains = loses = False
    for place, (figure, (of, _)) in enumerate(FIGURES[name].items()):
        keys = sorted(now[figure].keys() & before[figure].keys())
        halves = []
        for chosen in (keys[0::2], keys[1::2]):
            old = total(before[figure], chosen, of)
            halves.append((old, total(now[figure], chosen, of) - old))
        old = total(before[figure], keys, of)
        change = total(now[figure], keys, of) - old
        low, high = interval(sampled(now[figure], keys, of) - sampled(before[figure], keys, of))
        loses |= high < 0
        gains |= place == 0 and min(halves)[1] > 0
        print(
            f"{name + ', ' + figure:30s} {old:7.3f} {change:+7.3f} ({low:+.3f} to {high:+.3f})"
            f"  halves {halves[0][1]:+.3f} {halves[1][1]:+.3f}, worse {min(halves)[1]:+.3f}"
        )
    return gains, loses


def figures(name: str, detection: Any, data: Any, answers: Any, parts: dict[str, Parts]) -> None:
    """Prints the figures of a set, all series and each half."""
    keys, score = sorted(data), detection.SETS[name][2]
    for half, chosen in (("all", keys), ("first", keys[0::2]), ("second", keys[1::2])):
        print(f"\n{name}, {half}: {len(chosen)} series")
        mine = {key: answers[key] for key in chosen}
        for label, value in detection.lines(name, score({key: data[key] for key in chosen}, mine)):
            if not label.startswith(" "):
                print(f"  {label:50s}{detection.show(value):>10s}")
        for figure, (of, _) in FIGURES[name].items():
            low, high = interval(sampled(parts[figure], chosen, of))
            print(f"  {'95 % of samples of the series, ' + figure:50s}   {low:.3f} to {high:.3f}")


def series_of(name: str, detection: Any, folder: Path) -> Any:
    """The labelled series of a set by name; empty without its folder."""
    load, read, _ = detection.SETS[name]
    return load(folder / name, **read) if (folder / name).is_dir() else {}


def judged(name: str, data: Any) -> Any:
    """Scores and flags of each series, as the scorer of the set takes them."""
    answers = {}
    for key, one in data.items():
        found = mad.score_series(one["ts"], one["x"])
        answers[key] = (
            (found.alarm_score, found.is_alarm)
            if name == "nab"
            else (found.score, found.is_anomaly)
        )
    return answers


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("scorer", type=Path, nargs="?")
    parser.add_argument("--save", type=Path, help="write the counts of each series")
    parser.add_argument("--against", type=Path, help="compare with counts from before a change")
    arguments = parser.parse_args()
    scorer = arguments.scorer or arguments.data.parent.parent / "bench/detection.py"
    detection = module(scorer)
    before = json.loads(arguments.against.read_text()) if arguments.against else None
    all_parts: dict[str, dict[str, Parts]] = {}
    gained: list[str] = []
    lost: list[str] = []
    for name in detection.SETS:
        data = series_of(name, detection, arguments.data)
        if not data:
            print(f"\n{name}: no series in {arguments.data / name}")
            continue
        answers = judged(name, data)
        all_parts[name] = parts_of(name, detection, data, answers)
        if before is None:
            figures(name, detection, data, answers, all_parts[name])
        elif name in before:
            gains, loses = compare(name, all_parts[name], before[name])
            gained += [name] * gains
            lost += [name] * loses
    if arguments.save:
        arguments.save.write_text(json.dumps(all_parts) + "\n")
    if before is not None:
        accepted = len(gained) >= LEAST_SETS and not lost
        print(
            f"worse half gains: {', '.join(gained) or 'none'}; loses: {', '.join(lost) or 'none'}"
        )
        print("accepted" if accepted else "not accepted")


if __name__ == "__main__":
    main()
