"""Reads small files, and writes files that appear complete or not at all."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from mad.errors import InputError, UsageError, reason

#: Most bytes that are read as a whole from something else than a file: a device never ends.
MOST_BYTES = 64 << 20


def read_text(path: Path, hint: str = "", *, most: int | None = None) -> str:
    """A file of at most `most` bytes as text; see `read_bytes`."""
    try:
        return read_bytes(path, hint, most=most).decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text") from error


def read_json(path: Path, hint: str = "") -> Any:
    """A small file as JSON."""
    text = read_text(path, hint)
    try:
        return json.loads(text)
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}", hint) from error
    except RecursionError as error:
        raise InputError(f"{path} is not JSON of mad: it is nested too deep", hint) from error


def read_bytes(path: str | Path, hint: str = "", *, most: int | None = None) -> bytes:
    """A file of at most `most` bytes, without a limit for regular files. Raises `InputError`."""
    pieces, size = [], 0
    try:
        with Path(path).open("rb") as file:
            if most is None:
                most = max(MOST_BYTES, os.fstat(file.fileno()).st_size)
            while size <= most and (piece := file.read(1 << 20)):
                pieces.append(piece)
                size += len(piece)
    except OSError as error:
        raise InputError(f"cannot read {path}: {reason(error)}", hint) from error
    if most is not None and size > most:
        raise InputError(f"{path} is larger than {most >> 20} MiB", hint)
    return b"".join(pieces)


def write_bytes(path: str | Path, data: bytes) -> None:
    """Writes a file atomically and flushes it to disk."""
    partial = Path(path).with_name(f".{Path(path).name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise UsageError(f"cannot write {path}: {reason(error)}") from error


def to_json(value: object, *, indent: int | None = 2) -> str:
    """JSON text with a final newline."""
    return json.dumps(value, ensure_ascii=False, indent=indent) + "\n"


class Outputs:
    """Files of one directory, written under temporary names that `commit` replaces.

    Leaving the `with` block without `commit` deletes the temporary files; files of an earlier run
    stay unchanged.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        self._open: dict[str, IO[bytes]] = {}
        self._written: list[str] = []

    def __enter__(self) -> Outputs:
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._open.values():
            # a full disk was reported by the call that wrote
            with suppress(OSError):
                file.close()
        for name in [*self._open, *self._written]:
            with suppress(OSError):
                self._partial(name).unlink(missing_ok=True)

    def _partial(self, name: str) -> Path:
        return self.directory / f".{name}.{os.getpid()}.partial"

    def _unwritable(self, error: OSError) -> UsageError:
        return UsageError(f"cannot write to {self.directory}: {reason(error)}")

    def append(self, name: str, data: bytes) -> None:
        """Appends bytes to the file `name`."""
        try:
            if name not in self._open:
                self._open[name] = self._partial(name).open("wb", buffering=1 << 20)
            self._open[name].write(data)
        except OSError as error:
            raise self._unwritable(error) from error

    def write(self, name: str, text: str) -> None:
        """Writes the whole file `name`."""
        self.append(name, text.encode("utf-8"))

    def commit(self) -> list[Path]:
        """Closes all files and gives them their final names."""
        try:
            for name, file in list(self._open.items()):
                file.close()
                self._written.append(name)
                del self._open[name]
            paths = []
            for name in list(self._written):
                path = self.directory / name
                self._partial(name).replace(path)
                self._written.remove(name)
                paths.append(path)
        except OSError as error:
            raise self._unwritable(error) from error
        return paths
