"""Output of commands: JSON for machines, notes and progress for people."""

from __future__ import annotations

import io
import json
import os
import sys
from contextlib import AbstractContextManager

from mad.cli.progress import WORTH_BYTES, Progress
from mad.detection.directory import Meter, Observer


class Terminal(Observer):
    """Writes the notes and the progress of a run to standard error."""

    def note(self, text: str) -> None:
        """Writes the sentence on a line."""
        sys.stderr.write(f"mad: {text}\n")

    def progress(self, label: str, total: int) -> AbstractContextManager[Meter]:
        """Shows a progress bar for large inputs."""
        return Progress(label, total, worth=total > WORTH_BYTES)


def print_json(value: object) -> None:
    """Prints one JSON document on standard output, in ASCII so that every terminal can show it.

    The text is written in pieces. An unbuffered stream does not report the rest of a piece that was
    not read; after a broken pipe the next piece then fails.
    """
    text = json.dumps(value, indent=2) + "\n"
    for start in range(0, len(text), 1 << 16):
        sys.stdout.write(text[start : start + (1 << 16)])


def open_standard_streams() -> None:
    """Opens the null device for standard streams that are closed. Otherwise the next files that are
    opened, such as the journal, get their numbers, and messages are written into them."""
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is not None:
            continue
        null = os.open(os.devnull, os.O_RDWR)
        if null != number:
            os.dup2(null, number)
            os.close(null)
        setattr(sys, name, os.fdopen(number, mode, encoding="utf-8"))


def discard_standard_output() -> None:
    """Redirects standard output after a broken pipe, so that the interpreter's exit does not
    fail."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
    except (OSError, io.UnsupportedOperation):
        pass
