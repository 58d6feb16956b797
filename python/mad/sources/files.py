"""Reads input files in pieces: plain, gzip or zstd text, and Parquet."""

from __future__ import annotations

import filecmp
import stat
import sys
import zlib
from codecs import getincrementaldecoder
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import IO, Any

from mad.errors import InputError, reason
from mad.sources import json_document
from mad.sources.foreign import ENOUGH, foreign, utf16

CHUNK = 2 * 1024 * 1024
"""Default number of bytes that one piece has."""
_ZSTD_STEP = 64 * 1024
_PARQUET = b"PAR1"
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"


class Source:
    """One input: a file, or standard input as `-`. `consumed` counts bytes as stored."""

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
            named = self.path or "an empty name"
            raise InputError(f"{named} is a directory", "name a file, such as DIR/requests.csv")
        return found.st_size if stat.S_ISREG(found.st_mode) else 0

    def _unreadable(self, error: OSError) -> InputError:
        return InputError(f"cannot read {self.path}: {reason(error)}")

    def is_same(self, other: Source) -> bool:
        """Whether both are the same file, or files with the same content. Empty files and standard
        input are never the same."""
        if self.standard or other.standard or not self.size or self.size != other.size:
            return False
        try:
            return Path(self.path).samefile(other.path) or filecmp.cmp(
                self.path, other.path, shallow=False
            )
        except OSError as error:
            raise self._unreadable(error) from error

    def pieces(self, kind: str, size: int = CHUNK) -> Iterator[Any]:
        """The content of a telemetry file: bytes in pieces, or the record batches of a Parquet
        file with the columns of that kind."""
        if not self._is_parquet():
            yield from self.chunks(size)
            return
        from mad.sources.parquet import batches

        for batch, share in batches(self.path, kind):
            self.consumed = int(self.size * share)
            yield batch

    def _is_parquet(self) -> bool:
        if self.standard or self.path.endswith(".parquet"):
            return not self.standard
        if self.size == 0:
            return False
        with self._open() as file:
            return file.read(len(_PARQUET)) == _PARQUET

    def chunks(self, size: int = CHUNK) -> Iterator[bytes]:
        """The decompressed content in pieces of about `size` bytes.

        The first bytes decide about the compression, not the name.
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
            if first.startswith(_GZIP):
                yield from self._as_utf8(self._gunzip(first, raw, size), " (gzip)")
            elif first.startswith(_ZSTD) or _is_skippable(first):
                yield from self._as_utf8(self._unzstd(first, raw), " (zstd)")
            elif first:
                yield from self._as_utf8(chain((first,), raw))
        finally:
            if not self.standard:
                file.close()

    def _as_utf8(self, content: Iterator[bytes], packed: str = "") -> Iterator[bytes]:
        """The content as UTF-8. Raises `InputError` for a format that mad does not read."""
        first = b""
        for piece in content:
            first += piece
            if len(first) >= ENOUGH:
                break
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
                yield json_document.lines(b"".join(chain((first,), content)), self.name)
            else:
                yield from chain((first,) if first else (), content)
            return
        decoder = getincrementaldecoder(encoding)()
        try:
            for piece in chain((first,), content):
                yield decoder.decode(piece).encode("utf-8", "replace")
            yield decoder.decode(b"", final=True).encode("utf-8", "replace")
        except UnicodeDecodeError as error:
            raise InputError(f"{self.name}: damaged {encoding.upper()} text: {error}") from error

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
        """All members of a gzip file; zero bytes between and after members are padding."""
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
                f"{self.name}: the gzip data is truncated", "copy or download the file again"
            )

    def _unzstd(self, first: bytes, raw: Iterator[bytes]) -> Iterator[bytes]:
        from mad._core import ZstdDecoder

        decoder = ZstdDecoder()
        try:
            for chunk in chain((first,), raw):
                for at in range(0, len(chunk), _ZSTD_STEP):
                    out = decoder.feed(chunk[at : at + _ZSTD_STEP])
                    if out:
                        yield out
            rest = decoder.finish()
            if rest:
                yield rest
        except ValueError as error:
            raise InputError(f"{self.name}: damaged zstd data: {error}") from error


def _is_skippable(first: bytes) -> bool:
    return len(first) >= 4 and 0x50 <= first[0] <= 0x5F and first[1:4] == b"\x2a\x4d\x18"
