"""Errors with a message for the user, a hint, and the exit code of a command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

FINE = 0
FAILED = 1
"""`--fail-on` was met, or the demo named the wrong culprit."""
USAGE = 2
INPUT = 3
SERVICE = 4
INTERNAL = 70
"""An internal error; a traceback is printed."""
INTERRUPTED = 130
BROKEN_PIPE = 141
TERMINATED = 143


class CommandError(Exception):
    """An error with a message for the user, a hint, and the exit code."""

    code = INTERNAL

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(CommandError):
    """Wrong arguments or configuration, or an output that cannot be written."""

    code = USAGE


class InputError(CommandError, ValueError):
    """Input that cannot be read."""

    code = INPUT


class StateError(CommandError):
    """Saved state or a journal that cannot be used."""

    code = INPUT


class ServiceError(CommandError):
    """A server that cannot be reached, cannot start, or does not accept data."""

    code = SERVICE


class MissingExtraError(InputError, ImportError):
    """A missing optional package; the message names the extra."""


@contextmanager
def input_of(name: str) -> Iterator[None]:
    """Raises the ValueErrors of the block as `InputError`s that name the input."""
    try:
        yield
    except CommandError:
        raise
    except ValueError as error:
        raise InputError(f"{name}: {error}") from error


@contextmanager
def usage() -> Iterator[None]:
    """Raises the ValueErrors of the block as `UsageError`s."""
    try:
        yield
    except CommandError:
        raise
    except ValueError as error:
        raise UsageError(str(error)) from error


def reason(error: OSError) -> str:
    """`No such file or directory` without number and path."""
    return (error.strerror or str(error) or type(error).__name__).lower()


def text_of(error: BaseException) -> str:
    """The message of an error with its hint, in one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    hint = getattr(error, "hint", "")
    return f"{text}; {hint}" if hint else text
