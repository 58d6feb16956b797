"""Detection over a file, its rows kept."""

from __future__ import annotations

from mad import _core
from mad._config import AnyConfig
from mad.sources.files import Source


def detect_file(path: str, config: AnyConfig) -> _core.Report:
    """Reads the file piece by piece; one that is not in order is read again and sorted."""
    try:
        return _read(path, config, sort=False)
    except _core.UnsortedError:
        return _read(path, config, sort=True)


def reference_file(path: str, settings: dict[str, int]) -> _core.Table:
    """The original's scored rows of a file."""
    run = _core.ReferenceRun(settings, 1)
    _feed(run, path)
    return run.scored()


def _read(path: str, config: AnyConfig, *, sort: bool) -> _core.Report:
    run = _core.DetectRun(config, 1, sort=sort, keep_rows=True)
    _feed(run, path)
    return run.report()


def _feed(run: _core.DetectRun | _core.ReferenceRun, path: str) -> None:
    for chunk in Source(path).chunks():
        run.feed(0, chunk)
    run.end(0)
    run.finish()
