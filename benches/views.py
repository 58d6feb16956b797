"""Ablation of the scorer of gauges: figures of the public sets with one part left out at a time.

    python benches/views.py DATA SCORER      # DATA holds microsoft, kpi, wsd, nab

The extension has to be built with the feature `ablation`, as `make quality-views` does.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from halves import FIGURES, judged, parts_of, series_of, total
from scorers import module

from mad import _core

PARTS = ("", "window", "long", "season", "present", "calibration", "decay")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("scorer", type=Path)
    arguments = parser.parse_args()
    leave_out = getattr(_core, "leave_out", None)
    if leave_out is None:
        raise SystemExit("build the extension with the feature `ablation`: make quality-views")
    detection = module(arguments.scorer)
    series = {name: series_of(name, detection, arguments.data) for name in detection.SETS}
    rows: dict[str, dict[str, float]] = {}
    for part in PARTS:
        leave_out(part)
        rows[part or "none"] = {}
        for name, data in series.items():
            if not data:
                continue
            parts = parts_of(name, detection, data, judged(name, data))
            for figure, (of, _) in FIGURES[name].items():
                keys = sorted(parts[figure])
                rows[part or "none"][f"{name} {figure}"] = total(parts[figure], keys, of)
    leave_out("")
    names = list(rows["none"])
    print("| left out | " + " | ".join(names) + " |")
    print("|---" * (len(names) + 1) + "|")
    for part, figures in rows.items():
        print(f"| {part} | " + " | ".join(f"{figures[name]:.3f}" for name in names) + " |")


if __name__ == "__main__":
    main()
