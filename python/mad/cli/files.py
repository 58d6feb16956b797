"""Inputs, plain or compressed, read piece by piece; outputs that appear whole or not at all."""

from __future__ import annotations

import io
import json
import os
import stat
import sys
import zlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from mad.cli.errors import InputError, UsageError, reason

CHUNK = 2 * 1024 * 1024
"""Bytes handed to the core at a time, unless asked otherwise."""
_ZSTD_STEP = 64 * 1024
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_FOREIGN = {
    b"PAR1": ("Parquet", "convert it to CSV or JSON Lines, or hand a dataframe to mad.detect"),
    b"PK\x03\x04": ("a zip archive", "unpack it first"),
    b"\xfd7zXZ\x00": ("xz-compressed", "use gzip or zstd"),
    b"BZh": ("bzip2-compressed", "use gzip or zstd"),
    b"ARROW1": ("an Arrow file", "hand the table to mad.detect"),
}


class Source:
    """One input: a file, or standard input as `-`. `consumed` counts its bytes as stored."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.standard = path == "-"
        self.name = "standard input" if self.standard else path
        self.consumed = 0
        self.size = 0
        if not self.standard:
            self.size = self._check()

    def _check(self) -> int:
        try:
            found = Path(self.path).stat()
        except OSError as error:
            raise self._unreadable(error) from error
        except ValueError as error:
            raise InputError(f"{self.path!r}: {error}") from error
        if stat.S_ISDIR(found.st_mode):
            raise InputError(f"{self.path} is a directory", "name a file, such as DIR/requests.csv")
        return found.st_size if stat.S_ISREG(found.st_mode) else 0

    def _unreadable(self, error: OSError) -> InputError:
        return InputError(f"cannot read {self.path}: {reason(error)}")

    def chunks(self, size: int = CHUNK) -> Iterator[bytes]:
        """The decompressed content in pieces of about `size` bytes.

        The compression is told by the first bytes, never by the name.
        """
        self.consumed = 0
        file = self._open()
        try:
            raw = self._raw(file, size)
            first = next(raw, b"")
            while 0 < len(first) < 6:
                more = next(raw, b"")
                if not more:
                    break
                first += more
            for magic, (what, hint) in _FOREIGN.items():
                if first.startswith(magic):
                    raise InputError(f"{self.name} is {what}, which is not read here", hint)
            if first.startswith(_GZIP):
                yield from self._gunzip(first, raw, size)
            elif first.startswith(_ZSTD) or _is_skippable(first):
                yield from self._unzstd(first, raw)
            elif first:
                yield first
                yield from raw
        finally:
            if not self.standard:
                file.close()

    def _open(self) -> IO[bytes]:
        if self.standard:
            return sys.stdin.buffer
        try:
            return Path(self.path).open("rb", buffering=0)
        except OSError as error:
            raise self._unreadable(error) from error

    def _raw(self, file: IO[bytes], size: int) -> Iterator[bytes]:
        while True:
            try:
                chunk = file.read(size)
            except OSError as error:
                raise self._unreadable(error) from error
            if not chunk:
                return
            self.consumed += len(chunk)
            yield chunk

    def _gunzip(self, first: bytes, raw: Iterator[bytes], size: int) -> Iterator[bytes]:
        """Every member of the file; zero bytes between and after members are padding."""
        data = first
        member = zlib.decompressobj(wbits=31)
        begun = False
        try:
            while True:
                if not begun:
                    data = data.lstrip(b"\0")
                if not data:
                    data = next(raw, b"")
                    if not data:
                        break
                    continue
                begun = True
                out = member.decompress(data, size)
                if out:
                    yield out
                data = member.unconsumed_tail
                if member.eof:
                    data = member.unused_data
                    member = zlib.decompressobj(wbits=31)
                    begun = False
        except zlib.error as error:
            raise InputError(f"{self.name}: damaged gzip data: {error}") from error
        if begun:
            raise InputError(
                f"{self.name}: the gzip data is cut off", "copy or download the file again"
            )

    def _unzstd(self, first: bytes, raw: Iterator[bytes]) -> Iterator[bytes]:
        from mad.cli import engine

        decoder = engine.zstd_decoder()
        ended = getattr(decoder, "finish", None)
        try:
            for chunk in chain((first,), raw):
                for at in range(0, len(chunk), _ZSTD_STEP):
                    out = decoder.feed(chunk[at : at + _ZSTD_STEP])
                    if out:
                        yield out
            if ended is not None:
                ended()
        except ValueError as error:
            raise InputError(f"{self.name}: damaged zstd data: {error}") from error


def _is_skippable(first: bytes) -> bool:
    return len(first) >= 4 and 0x50 <= first[0] <= 0x5F and first[1:4] == b"\x2a\x4d\x18"


def read_text(path: Path, hint: str = "") -> str:
    """A whole small file as text."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot read {path}: {reason(error)}", hint) from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text") from error


def read_json(path: Path, hint: str = "") -> Any:
    """A whole small file as JSON."""
    try:
        return json.loads(read_text(path, hint))
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}", hint) from error


def to_json(value: object, *, indent: int | None = 2) -> str:
    """JSON text with a final newline."""
    return json.dumps(value, ensure_ascii=False, indent=indent) + "\n"


class Outputs:
    """Files of one directory, written under other names and renamed together by `commit`.

    Leaving the `with` block without a commit removes what was written; files of an earlier run
    stay as they were.
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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for file in self._open.values():
            file.close()
        for name in [*self._open, *self._written]:
            self._partial(name).unlink(missing_ok=True)

    def _partial(self, name: str) -> Path:
        return self.directory / f".{name}.{os.getpid()}.partial"

    def _unwritable(self, error: OSError) -> UsageError:
        return UsageError(f"cannot write to {self.directory}: {reason(error)}")

    def append(self, name: str, data: bytes) -> None:
        """Adds bytes to the file `name`."""
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
        """Closes all files and gives them their names."""
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


def discard_standard_output() -> None:
    """After a broken pipe: nothing more can be written, also not by the interpreter's exit."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
    except (OSError, io.UnsupportedOperation):
        pass
