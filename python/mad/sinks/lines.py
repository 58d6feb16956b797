"""Notifications as lines: on the standard error of the server, and in a file of JSON Lines."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from mad.config.options import option
from mad.regular import open_regular
from mad.sinks.protocol import Notification, Retry, SinkOptions


@dataclass(frozen=True, kw_only=True)
class ConsoleOptions(SinkOptions):
    """Options of the type `console`."""

    group_seconds: float = option(0.0, help="Time for which a message waits", least=0, most=3_600)
    rate_per_minute: int = option(600, help="Most messages a minute", least=1, most=6_000)


class ConsoleSink:
    """Writes each notification to standard error, one line of text per fact."""

    Options: ClassVar[type[ConsoleOptions]] = ConsoleOptions
    groups: ClassVar[bool] = False
    keyed: ClassVar[bool] = False

    def __init__(self, options: ConsoleOptions) -> None:
        del options

    def send(self, notification: Notification) -> None:
        """Writes a notification. Raises `Retry`."""
        lines = ("".join(filter(str.isprintable, line)) for line in notification.text().split("\n"))
        try:
            sys.stderr.write("mad: " + "\n     ".join(lines) + "\n")
            sys.stderr.flush()
        except (OSError, ValueError) as error:
            raise Retry(f"standard error cannot be written: {error}") from None

    def check(self) -> list[str]:
        """Standard error is always there."""
        return []


@dataclass(frozen=True, kw_only=True)
class FileOptions(SinkOptions):
    """Options of the type `file`."""

    path: str = option(help="File to which one JSON document per message is appended")
    group_seconds: float = option(0.0, help="Time for which a message waits", least=0, most=3_600)
    rate_per_minute: int = option(6_000, help="Most messages a minute", least=1, most=6_000)


class FileSink:
    """Appends each notification to a file as one line of JSON, and syncs it. A reader recognizes a
    repetition after a crash by its `id`."""

    Options: ClassVar[type[FileOptions]] = FileOptions
    groups: ClassVar[bool] = False
    keyed: ClassVar[bool] = False

    def __init__(self, options: FileOptions) -> None:
        self._path = Path(options.path)

    def send(self, notification: Notification) -> None:
        """Appends a notification. Raises `Retry`."""
        line = json.dumps(notification.payload(), ensure_ascii=False).encode() + b"\n"
        try:
            with open_regular(self._path, "ab") as file:
                # a crash may have left half a line
                if file.tell() and not self._ends_with_newline():
                    file.write(b"\n")
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise Retry(f"{self._path}: {(error.strerror or str(error)).lower()}") from None

    def _ends_with_newline(self) -> bool:
        with open_regular(self._path) as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"

    def check(self) -> list[str]:
        """Whether the file can be appended to."""
        try:
            existed = self._path.exists()
            with open_regular(self._path, "ab"):
                pass
            if not existed:
                self._path.unlink()
        except OSError as error:
            return [f"{self._path}: {(error.strerror or str(error)).lower()}"]
        return []
