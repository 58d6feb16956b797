"""Judges one entry of a journal in a separate process, because it may end the process.

python -m mad.engine.trial DIRECTORY ENTRY < config.json
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

from mad import _core
from mad.config import Config
from mad.engine.clock import EventClock
from mad.engine.intake import RecentIntake
from mad.engine.judge import Judge, Poisoned
from mad.engine.stats import EngineStats
from mad.journal.stored import StoredInputs

#: Seconds after which an entry counts as one that cannot be judged.
PATIENCE = 300.0


def survives(directory: Path, config: Config, seq: int) -> str:
    """Why an entry cannot be judged; empty when another process judged it."""
    command = [sys.executable, "-m", "mad.engine.trial", str(directory), str(seq)]
    try:
        done = subprocess.run(
            command,
            input=json.dumps(config.to_dict()),
            text=True,
            timeout=PATIENCE,
            check=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
    except subprocess.TimeoutExpired:
        return f"a separate process did not judge it in {PATIENCE:g} s"
    except OSError as error:
        return f"no process could be started to judge it ({error})"
    if done.returncode == 0:
        return ""
    last = (done.stderr.strip().splitlines() or [""])[-1][:500]
    return f"a separate process ended with {done.returncode} ({last})"


def main() -> int:
    """Judges the entries up to the given one; the exit code is 0 unless that one cannot be
    judged."""
    directory, until = Path(sys.argv[1]), int(sys.argv[2])
    config = Config(json.loads(sys.stdin.read()))
    path = directory / "mad.db"
    with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db:
        stored = StoredInputs(db, path)
        saved = stored.state()
        pipeline = (
            _core.EnginePipeline(config)
            if saved is None
            else _core.EnginePipeline.restore(config, *saved)
        )
        judge = Judge(config, pipeline, EngineStats(), EventClock(), RecentIntake())
        for entry in stored.entries():
            if entry.seq > until:
                break
            try:
                judge.judge(entry, live=False)
            except Poisoned:
                if entry.seq == until:
                    raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
