"""A file that grows: judged in this process while it is written."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from glob import escape
from pathlib import Path

from mad import _core
from mad.sources.files import bounded
from mad.sources.protocol import Batch, SourceUnavailable
from mad.sources.tail import TailOptions, TailSource
from mad.view.local import LocalFeed
from mad.view.records import MOST_BYTES, lines_of
from mad.view.snapshot import EntityTable, Snapshot

IDLE_SECONDS = 10.0
"""Time without a new line after which the file is shown as if it had ended."""
_LOOK_SECONDS = 0.2
_STEP, _MOST = 3600.0, 100_000


class FollowedFile(LocalFeed):
    """Follows one file of CSV or JSON Lines through rotation and truncation, as the source `file`
    does.

    What the file holds at the start is sorted by time. A step closes when later records arrive. A
    file that has not grown for ten seconds is shown as if it had ended: its last steps are closed
    in a copy, which is dropped as soon as the file grows.
    """

    def __init__(self, path: str, kind: str) -> None:
        super().__init__(Path(path).name)
        self._path, self._kind = Path(path), kind
        paths = (escape(str(path)),)
        options = TailOptions(paths=paths, kind=kind, poll_seconds=_LOOK_SECONDS)
        self._source = TailSource(options)
        self._end: tuple[_core.Pipeline, EntityTable] | None = None
        self._grown = 0.0
        #: Whether the lines are JSON; None before the first one.
        self._is_json: bool | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def start(self) -> None:
        """Judges what the file holds, and follows it from there on.

        Raises `InputError` when it holds no times, or more than a replay takes.
        """
        self._source.open({})
        content = b"".join(bounded(self._present(), MOST_BYTES, str(self._path)))
        header = _header(content)
        self._is_json = not header if content else None
        if len(content) > len(header):
            lines = lines_of(str(self._path), content)
            self._rejected += lines.skipped
            for _, body, records in lines.pieces(_STEP, _MOST):
                self.take(body, self._kind, records)
        age = time.time() - self._path.stat().st_mtime
        self._grown = time.monotonic() - max(age, 0.0)
        self._look_for_end()
        self._thread.start()

    def _present(self) -> Iterator[bytes]:
        """What the file holds now, with one header."""
        header = None
        while (batch := self._source.read(0.0)) is not None:
            if not batch.body:
                continue
            if header is None:
                header = _header(batch.body)
                yield header
            yield batch.body.removeprefix(header)

    def snapshot(self) -> Snapshot:
        """The present state; of a file that does not grow, that of its end."""
        end = self._end
        return self._snapshot(*end) if end else super().snapshot()

    def close(self) -> None:
        """Ends the following."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(10.0)
        self._source.close()

    def _follow(self) -> None:
        try:
            self._follow_until_stopped()
        except BaseException as error:  # a panic of the core too
            self.problem = f"{self._path.name} is no longer followed: {error}"
            self.note = "stopped"

    def _follow_until_stopped(self) -> None:
        is_gone = False
        while not self._stop.is_set():
            try:
                batch = self._source.read(_LOOK_SECONDS)
            except SourceUnavailable as error:
                self.problem, is_gone = str(error), True
                self._stop.wait(1.0)
                continue
            if is_gone:
                self.problem, is_gone = "", False
            if batch is None:
                self._look_for_end()
            elif batch.body:
                self._take(batch)

    def _take(self, batch: Batch) -> None:
        """Judges further lines."""
        self._grown, self._end, self.note = time.monotonic(), None, "following"
        body = batch.body
        if self._is_json is None:
            self._is_json = not _header(body)
        if self._is_json:
            # a body that does not begin with an object is read as CSV
            begin = next((at for at, line in _lines(body) if line.lstrip()[:1] == b"{"), len(body))
            with self._lock:
                self._rejected += body.count(b"\n", 0, begin)
            body = body[begin:]
        try:
            if body:
                self.take(body, self._kind, body.count(b"\n") - (not self._is_json))
            self.problem = ""
        except ValueError as error:
            self.problem = f"{self._path.name}: {error}"

    def _look_for_end(self) -> None:
        """Closes the last steps in a copy when the file has not grown for a while."""
        if self._end is not None:
            return
        self.note = "following"
        if time.monotonic() - self._grown < IDLE_SECONDS:
            return
        with self._lock:
            pipeline, table = copy.deepcopy((self._pipeline, self._table))
        for batch in self._source.unfinished():
            with suppress(ValueError):  # half a line
                self._add(pipeline.ingest(batch.body, self._kind).rows, table)
        self._add(pipeline.finish().rows, table)
        self.note = "no new lines"
        self._end = pipeline, table


def _lines(body: bytes) -> Iterator[tuple[int, bytes]]:
    """The lines, each with its place."""
    at = 0
    for line in body.splitlines(keepends=True):
        yield at, line
        at += len(line)


def _header(body: bytes) -> bytes:
    """The header of CSV; empty for JSON Lines."""
    return b"" if body.lstrip()[:1] in (b"{", b"[") else body[: body.find(b"\n") + 1]
