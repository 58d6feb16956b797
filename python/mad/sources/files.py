"""Reads input files in pieces: plain, gzip or zstd text, and Parquet."""

from __future__ import annotations

import os
import stat
import sys
from codecs import getincrementaldecoder
from collections.abc import Generator, Iterable, Iterator
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from typing import IO, Any

from mad.errors import InputError, reason
from mad.sources import json_document
from mad.sources.compressed import PIECE, TruncatedError, inflated, unzstd
from mad.sources.foreign import ENOUGH, foreign, utf16

CHUNK = 2 * 1024 * 1024
"""Default number of bytes that one piece has."""
MAX_DOCUMENT = 512 * 1024 * 1024
"""Most bytes of a file that is one JSON document, which is held in memory."""
DETECT = 64 * 1024
"""First bytes from which the format of a file is detected."""
_PARQUET = b"PAR1"
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"


def text_of(path: str | os.PathLike[str]) -> str:
    """A path as text of reports. Bytes of the path that are not UTF-8 become U+FFFD, because the
    core takes no other text."""
    return os.fsencode(path).decode("utf-8", "replace")


class InputFile:
    """One input: a file, or standard input as `-`. `name` is its path for people, `consumed` counts
    bytes as stored."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.standard = path == "-"
        self.name = "standard input" if self.standard else text_of(path)
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
            named = self.path or "an empty name"
            raise InputError(f"{named} is a directory", "name a file, such as DIR/requests.csv")
        return found.st_size if stat.S_ISREG(found.st_mode) else 0

    def _unreadable(self, error: OSError) -> InputError:
        return InputError(f"cannot read {self.path}: {reason(error)}")

    def digest(self, most: int | None = None) -> bytes:
        """A hash of the file as it is stored, of its first `most` bytes where given."""
        found = blake2b(digest_size=16)
        try:
            with Path(self.path).open("rb", buffering=0) as file:
                left = most if most is not None else sys.maxsize
                while left > 0 and (piece := file.read(min(left, PIECE))):
                    found.update(piece)
                    left -= len(piece)
        except OSError as error:
            raise self._unreadable(error) from error
        return found.digest()

    def pieces(self, kind: str, size: int = CHUNK) -> Iterator[Any]:
        """The content of a telemetry file: bytes in pieces, or the record batches of a Parquet
        file with the columns of that kind."""
        if not self.is_parquet():
            yield from self.chunks(size)
            return
        from mad.sources.parquet import batches

        for batch, share in batches(self.path, kind):
            self.consumed = int(self.size * share)
            yield batch

    def is_parquet(self) -> bool:
        """Whether the file is Parquet, by its name or its first bytes."""
        if self.standard or self.path.endswith(".parquet"):
            return not self.standard
        if self.size == 0:
            return False
        with self._open() as file:
            return file.read(len(_PARQUET)) == _PARQUET

    def can_grow(self) -> bool:
        """Whether it is a file of lines to which more can be added: no pipe, no Parquet, no UTF-16
        and no JSON document."""
        if self.standard or not Path(self.path).is_file() or self.is_parquet():
            return False
        content, _ = self._content(PIECE)
        first, content = _begin(content)
        content.close()
        return not first or (utf16(first) is None and not json_document.is_document(first))

    def chunks(self, size: int = CHUNK) -> Iterator[bytes]:
        """The decompressed content as UTF-8 in pieces of about `size` bytes; `InputError` for a
        format that is neither CSV nor JSON."""
        content, packed = self._content(size)
        yield from self._as_utf8(content, packed)

    def contents(self, size: int = CHUNK) -> Iterator[bytes]:
        """The decompressed content in pieces of about `size` bytes, whatever its format. Text in
        UTF-16 becomes UTF-8."""
        content, _ = self._content(size)
        first, content = _begin(content)
        yield from self._decoded(first, content, utf16(first))

    def begin(self) -> bytes:
        """The beginning of the content, from which a format is detected."""
        if self.standard:
            return b""
        content, _ = self._content(PIECE)
        first, content = _begin(content, DETECT)
        content.close()
        return b"".join(self._decoded(first, iter(()), utf16(first), final=False))

    def _content(self, size: int) -> tuple[Generator[bytes, None, None], str]:
        """The decompressed content, and the compression for messages.

        The first bytes decide about the compression, not the name.
        """
        self.consumed = 0
        file = self._open()
        raw = self._raw(file, size)
        first = next(raw, b"")
        while 0 < len(first) < 6:
            more = next(raw, b"")
            if not more:
                break
            first += more
        stored = chain((first,) if first else (), raw)
        if first.startswith(_GZIP):
            pieces = self._unpacked(inflated(stored, size=min(size, PIECE)), "gzip")
            return self._closing(file, pieces), " (gzip)"
        if first.startswith(_ZSTD) or _is_skippable(first):
            return self._closing(file, self._unpacked(unzstd(stored), "zstd")), " (zstd)"
        return self._closing(file, stored), ""

    def _closing(self, file: IO[bytes], pieces: Iterable[bytes]) -> Generator[bytes, None, None]:
        """The pieces; the file is closed after them."""
        try:
            yield from pieces
        finally:
            if not self.standard:
                file.close()

    def _as_utf8(self, content: Generator[bytes, None, None], packed: str) -> Iterator[bytes]:
        """The content as UTF-8. Raises `InputError` for a format that mad does not read."""
        first, content = _begin(content)
        if not first:
            return
        if first.startswith(_PARQUET):
            raise InputError(
                f"{self.name} is Parquet{packed}, which is not supported here",
                "give the plain Parquet file by name",
            )
        encoding = utf16(first)
        if encoding is None:
            named = foreign(first)
            if named is not None:
                what, hint = named
                raise InputError(f"{self.name} is {what}{packed}, which is not supported", hint)
            if first and json_document.is_document(first):
                yield json_document.lines(self._whole(chain((first,), content)), self.name)
                return
        yield from self._decoded(first, content, encoding)

    def _decoded(
        self, first: bytes, content: Iterator[bytes], encoding: str | None, *, final: bool = True
    ) -> Iterator[bytes]:
        """The content as UTF-8 where its encoding is another."""
        if encoding is None:
            yield from chain((first,) if first else (), content)
            return
        decoder = getincrementaldecoder(encoding)()
        try:
            for piece in chain((first,), content):
                yield decoder.decode(piece).encode("utf-8", "replace")
            yield decoder.decode(b"", final=final).encode("utf-8", "replace")
        except UnicodeDecodeError as error:
            raise InputError(f"{self.name}: damaged {encoding.upper()} text: {error}") from error

    def _whole(self, content: Iterator[bytes]) -> bytes:
        """The content of a document that has to be held in memory."""
        pieces, size = [], 0
        for piece in content:
            size += len(piece)
            if size > MAX_DOCUMENT:
                raise InputError(
                    f"{self.name} is one JSON document of more than {MAX_DOCUMENT >> 20} MiB",
                    "write one object a line (JSON Lines), which is read piece by piece",
                )
            pieces.append(piece)
        return b"".join(pieces)

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

    def _unpacked(self, content: Iterator[bytes], coding: str) -> Iterator[bytes]:
        """Decompressed content; damage is an `InputError`."""
        try:
            yield from content
        except TruncatedError as error:
            raise InputError(
                f"{self.name}: the {coding} data is truncated", "copy or download the file again"
            ) from error
        except ValueError as error:
            raise InputError(
                f"{self.name}: damaged {coding} data: {error}",
                "copy or download the file again; windows above 64 MiB are not read",
            ) from error


def bounded(pieces: Iterable[Any], most: int, name: str) -> Iterator[Any]:
    """The pieces of a file that is held in memory: bytes, or record batches.

    Raises `InputError` when they have more than `most` bytes.
    """
    size = 0
    for piece in pieces:
        size += len(piece) if isinstance(piece, bytes) else piece.nbytes
        if size > most:
            raise InputError(f"{name} has more than {most >> 20} MiB, decompressed", "split it")
        yield piece


def _begin(
    content: Generator[bytes, None, None], enough: int = ENOUGH
) -> tuple[bytes, Generator[bytes, None, None]]:
    """At least `enough` bytes, or all of them, and the pieces after them."""
    pieces, size = [], 0
    while size < enough:
        piece = next(content, None)
        if piece is None:
            break
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces), content


def _is_skippable(first: bytes) -> bool:
    return len(first) >= 4 and 0x50 <= first[0] <= 0x5F and first[1:4] == b"\x2a\x4d\x18"
