"""What commands print: JSON for machines, progress for people."""

from __future__ import annotations

import io
import json
import os
import sys
from contextlib import AbstractContextManager

from mad.cli.progress import WORTH_BYTES, Progress
from mad.detection.directory import Meter, Observer


class Terminal(Observer):
    """Writes the notes of a run, and its progress where it takes long, to standard error."""

    def note(self, text: str) -> None:
        """Writes the sentence on a line."""
        sys.stderr.write(f"mad: {text}\n")

    def progress(self, label: str, total: int) -> AbstractContextManager[Meter]:
        """Shows a bar for inputs that are not read in an instant."""
        return Progress(label, total, worth=total > WORTH_BYTES)


def print_json(value: object) -> None:
    """One JSON document on standard output, ASCII so that any terminal can take it.

    Written in pieces: an unbuffered stream says nothing of the rest of a piece that a reader
    who went away did not take; the next piece then fails as it should.
    """
    text = json.dumps(value, indent=2) + "\n"
    for start in range(0, len(text), 1 << 16):
        sys.stdout.write(text[start : start + (1 << 16)])


def discard_standard_output() -> None:
    """After a broken pipe: nothing more can be written, also not by the interpreter's exit."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
    except (OSError, io.UnsupportedOperation):
        pass
