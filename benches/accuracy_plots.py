"""Draws the pictures of docs/accuracy.md.

    python benches/accuracy_plots.py DATA [FOLDER]

DATA is the folder of labelled series; the pictures go to FOLDER (docs/ unless given):
`accuracy.svg`, each figure beside what others reach, and `false-alarms.svg`, false alarms of each
series and day, one dot a series.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from mad.quality import sets
from mad.quality.run import (
    DEFAULT,
    Judged,
    Measure,
    false_alarms_a_day,
    judge_of,
    measures_of,
    present,
)

INK, SOFT, OURS, THEIRS, BASE = "#222", "#777", "#1f6f8b", "#c98a2b", "#bbb"
TITLES = {"microsoft": "Microsoft", "kpi": "KPI", "nab": "NAB"}
ROW, LEFT, WIDE = 30, 250, 430
LEAST = 0.001
"""False alarms a day below which a dot stands at the left edge."""


def text(x: float, y: float, words: str, *, fill: str = INK, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{fill}" text-anchor="{anchor}">{words}</text>'


def picture(height: float, parts: list[str], label: str) -> str:
    width = LEFT + WIDE + 70
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:.0f}"'
        f' width="{width}" height="{height:.0f}" font-family="sans-serif" font-size="12" role="img"'
        f' aria-label="{label}"><rect width="100%" height="100%" fill="#fff"/>'
        + "".join(parts)
        + "</svg>\n"
    )


def share(figure: Measure, number: float) -> float:
    """The place of a number from 0 to 1: NAB's is of 100."""
    return float(np.clip(number / (100.0 if figure.set == "nab" else 1.0), 0.0, 1.0))


def bars(found: list[Measure]) -> str:
    parts = [
        text(LEFT, 18, "mad", fill=OURS),
        text(LEFT + 60, 18, "expanding MAD", fill=SOFT),
        text(LEFT + 180, 18, "| best anchor known", fill=THEIRS),
        text(LEFT + 330, 18, "| goal", fill=INK),
    ]
    y = 34.0
    for figure in found:
        if figure.goal is None:
            continue
        parts.append(text(LEFT - 10, y + 14, f"{TITLES[figure.set]}: {figure.name}", anchor="end"))
        width = WIDE * share(figure, figure.value)
        parts.append(
            f'<rect x="{LEFT}" y="{y + 2}" width="{width:.1f}" height="12" fill="{OURS}"/>'
        )
        if figure.baseline is not None:
            width = WIDE * share(figure, figure.baseline)
            parts.append(
                f'<rect x="{LEFT}" y="{y + 15}" width="{width:.1f}" height="5" fill="{BASE}"/>'
            )
        for mark, colour in ((figure.best, THEIRS), (figure.goal, INK)):
            if mark is not None:
                x = LEFT + WIDE * share(figure, mark)
                parts.append(
                    f'<path d="M{x:.1f} {y} v22" stroke="{colour}" stroke-width="2" fill="none"/>'
                )
        shown = f"{figure.value:.1f}" if figure.set == "nab" else f"{figure.value:.3f}"
        parts.append(text(LEFT + WIDE + 8, y + 14, shown, fill=OURS))
        y += ROW
    return picture(y + 8, parts, "Figures of mad beside what others reach")


def dots(judged: dict[str, Judged]) -> str:
    """False alarms of each series and day, on a logarithmic axis."""
    ticks = (0.001, 0.01, 0.1, 1.0, 10.0)

    def place(rate: float) -> float:
        span = np.log10(ticks[-1] / ticks[0])
        return LEFT + WIDE * float(np.log10(max(rate, LEAST) / LEAST)) / float(span)

    height = 40 + 60 * len(judged)
    parts = [text(LEFT, 18, "false alarms a day, one dot a series", fill=SOFT)]
    for tick in ticks:
        x = place(tick)
        parts.append(f'<path d="M{x:.1f} 30 V{height}" stroke="#ddd" fill="none"/>')
        words = "0.001 or none" if tick == LEAST else f"{tick:g}"
        parts.append(text(x, height + 16, words, fill=SOFT, anchor="middle"))
    for number, (name, series) in enumerate(judged.items()):
        y = 62 + 60 * number
        mean = false_alarms_a_day(name, series)
        parts.append(text(LEFT - 10, y + 4, f"{TITLES[name]}, {len(series)} series", anchor="end"))
        for row, (key, one) in enumerate(sorted(series.items())):
            x = place(false_alarms_a_day(name, {key: one}))
            lift = (row % 7 - 3) * 5
            parts.append(
                f'<circle cx="{x:.1f}" cy="{y + lift}" r="3" fill="{OURS}" fill-opacity=".6"/>'
            )
        x = place(mean)
        parts.append(
            f'<path d="M{x:.1f} {y - 22} v44" stroke="{INK}" stroke-width="2" fill="none"/>'
        )
        parts.append(text(LEFT + WIDE + 8, y + 4, f"{mean:.3f}"))
    return picture(height + 28, parts, "False alarms of each series and day")


def main(data: Path, folder: Path) -> None:
    judge = judge_of(DEFAULT)
    judged: dict[str, Judged] = {}
    for name in present(data):
        series = sets.read(data / name, name)
        judged[name] = {key: (one, judge(one)) for key, one in series.items()}
    found = [figure for name, series in judged.items() for figure in measures_of(name, series)]
    (folder / "accuracy.svg").write_text(bars(found))
    (folder / "false-alarms.svg").write_text(dots(judged))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2] if len(sys.argv) > 2 else "docs"))
