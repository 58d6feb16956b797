"""Checks the structure of the whole database while the server runs."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic

#: Seconds that the check may delay the start; the rest runs beside the server.
FOREGROUND_SECONDS = 1.0
#: Instructions of SQLite between two looks at the clock.
_STEPS = 10_000


class PageCheck:
    """SQLite's `quick_check` of every page: at the start for a second, then in a thread.

    The checksums of entries and state do not cover the tables of results. This check finds pages of
    theirs that are zeroed, cut or of another table.
    """

    def __init__(self, path: Path) -> None:
        self._uri = f"{path.resolve().as_uri()}?mode=ro"
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        #: The damage; empty while none was found.
        self.problem = ""

    def begin(self) -> str:
        """Checks for `FOREGROUND_SECONDS` and continues in a thread. Returns the damage, or ""."""
        until = monotonic() + FOREGROUND_SECONDS
        found = self._check(lambda: monotonic() > until)
        if found is None:
            self._thread = threading.Thread(target=self._rest, name="mad-pages", daemon=True)
            self._thread.start()
        return found or ""

    def stop(self) -> None:
        """Ends the thread."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _rest(self) -> None:
        self.problem = self._check(self._stopping.is_set) or ""

    def _check(self, ends: Callable[[], int]) -> str | None:
        """The damage, empty for none; None when the check was interrupted."""
        try:
            with contextlib.closing(
                sqlite3.connect(self._uri, uri=True, check_same_thread=False)
            ) as db:
                db.set_progress_handler(ends, _STEPS)
                (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.Error as error:
            return None if "interrupted" in str(error) else f"a page is damaged ({error})"
        return "" if found == "ok" else f"a page is damaged ({' '.join(str(found).split())})"
