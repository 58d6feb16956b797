"""A progress bar on standard error."""

from __future__ import annotations

import sys
from typing import Any

WORTH_BYTES = 8 * 1024 * 1024
"""Inputs below this many bytes need no progress bar."""


class Progress:
    """Counts up to `total`; visible only on a terminal and if `worth` is true."""

    def __init__(self, label: str, total: int, *, worth: bool, unit: str = "bytes") -> None:
        self._label, self._total, self._unit = label, total, unit
        self._shown = worth and total > 0 and sys.stderr.isatty()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Progress:
        if self._shown:
            from rich import progress
            from rich.console import Console

            amount = (
                progress.DownloadColumn()
                if self._unit == "bytes"
                else progress.MofNCompleteColumn()
            )
            self._bar = progress.Progress(
                progress.TextColumn("{task.description}", markup=False),
                progress.BarColumn(),
                amount,
                progress.TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._bar.start()
            self._task = self._bar.add_task(self._label, total=self._total)
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def reached(self, done: int) -> None:
        """Moves the bar to `done`."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done)
