"""The figures of detection.py over all series and over each half of them.

    python benches/halves.py DATA [SCORER]

DATA is the folder of labelled series, SCORER the script that scores them (../../bench/detection.py
of DATA unless given). The halves are every second series by name: a choice made on
one half has to hold on the other.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import mad


def main(data_folder: Path, scorer: Path) -> None:
    spec = importlib.util.spec_from_file_location("detection", scorer)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{scorer} is no Python file")
    detection: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(detection)
    for name, (load, read, score) in detection.SETS.items():
        data = load(data_folder / name, **read)
        judged = {key: mad.score_series(one["ts"], one["x"]) for key, one in data.items()}
        keys = sorted(data)
        if not keys:
            print(f"\n{name}: no series in {data_folder / name}")
            continue
        for half, chosen in (("all", keys), ("first", keys[0::2]), ("second", keys[1::2])):
            answers = {
                key: (judged[key].alarm_score, judged[key].is_alarm)
                if name == "nab"
                else (judged[key].score, judged[key].is_anomaly)
                for key in chosen
            }
            print(f"\n{name}, {half}: {len(chosen)} series")
            for label, value in detection.lines(
                name, score({key: data[key] for key in chosen}, answers)
            ):
                if not label.startswith(" "):
                    print(f"  {label:50s}{detection.show(value):>10s}")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    folder = Path(sys.argv[1])
    given = sys.argv[2] if len(sys.argv) > 2 else folder.parent.parent / "bench/detection.py"
    main(folder, Path(given))
