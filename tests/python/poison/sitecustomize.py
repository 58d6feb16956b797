"""Makes the pipeline fail at marked batches, in any process that has this directory in
`PYTHONPATH`: as a panic of the core would."""

from __future__ import annotations

import os
import pathlib
from typing import Any

from mad import _core

_Pipeline: Any = _core.EnginePipeline


class Panic(BaseException):
    """Like a panic of the core, which is no `Exception`."""


class Poisonable:
    """A pipeline that fails where the body of a batch says so."""

    def __init__(self, config: object = None, inner: Any = None) -> None:
        self._inner = inner or _Pipeline(config)

    @staticmethod
    def restore(*given: Any) -> Poisonable:
        return Poisonable(inner=_Pipeline.restore(*given))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def ingest(self, table: Any, *given: Any, **named: Any) -> Any:
        update = self._inner.ingest(table, *given, **named)
        if isinstance(table, bytes):
            if b"poison-abort" in table:
                os.abort()
            if b"poison-always" in table:
                raise Panic("index out of bounds")
            once = pathlib.Path(os.environ.get("MAD_TEST_ONCE", "/nonexistent/once"))
            if b"poison-once" in table and once.exists():
                once.unlink()
                raise Panic("only once")
        return update


_core.EnginePipeline = Poisonable  # type: ignore[assignment, misc]
