"""The console of the command line: standard output, plain where it is not a terminal."""

from __future__ import annotations

import re
import sys
from typing import IO, cast

from rich.console import Console

_PLAIN_WIDTH = 110


class _Trimmed:
    """Standard output without trailing blanks."""

    def write(self, text: str) -> int:
        sys.stdout.write(re.sub(r" +(?=\n)", "", text))
        return len(text)

    def flush(self) -> None:
        sys.stdout.flush()

    def isatty(self) -> bool:
        return False

    @property
    def encoding(self) -> str:
        """The encoding decides whether rich draws lines with box characters."""
        return sys.stdout.encoding


class _Console(Console):
    """A console that leaves a broken pipe to the command line; rich would exit with 1."""

    def on_broken_pipe(self) -> None:
        """Raises the error."""
        raise BrokenPipeError


def console() -> Console:
    """The console for standard output; plain text of a fixed width where it is not a terminal."""
    terminal = sys.stdout.isatty()
    return _Console(
        file=sys.stdout if terminal else cast(IO[str], _Trimmed()),
        highlight=False,
        markup=False,
        emoji=False,
        width=None if terminal else _PLAIN_WIDTH,
    )
