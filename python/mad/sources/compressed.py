"""Decompresses gzip, zlib and Zstandard data piece by piece.

The time is linear in the bytes that go in and come out, and the memory is bounded.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

from mad._core import ZstdDecoder

#: Bytes that come out at a time.
PIECE = 256 * 1024
#: Bytes that go into a decoder at first and at most. What lies after the end of a member is copied,
#: so a short member must not be fed a long stretch.
_FIRST, _MOST = 512, 64 * 1024
#: The window bits for which zlib reads headers of gzip, and of gzip and zlib.
GZIP, GZIP_OR_ZLIB = 31, 47


class TruncatedError(ValueError):
    """Compressed data that ends early."""


def inflated(
    chunks: Iterable[bytes],
    header: int = GZIP,
    max_members: int | None = None,
    size: int = PIECE,
) -> Iterator[bytes]:
    """The content of all members of gzip or zlib data, in pieces of at most `size` bytes. Zero
    bytes between and after members are padding.

    Raises ValueError for damaged data and for more than `max_members` members, `TruncatedError`
    for data that ends early.
    """
    member, begun, members, step = zlib.decompressobj(header), False, 0, _FIRST
    for chunk in chunks:
        at, view = 0, memoryview(chunk)
        while at < len(view):
            piece = view[at : at + step]
            if not begun:
                begin = bytes(piece).lstrip(b"\0")
                at += len(piece) - len(begin)
                if not begin:
                    continue
                begun, members, piece = True, members + 1, view[at : at + step]
                if max_members is not None and members > max_members:
                    raise ValueError(f"it has more than {max_members} members")
            at += len(piece)
            yield from _decompressed(member, piece, size)
            step = min(2 * step, _MOST)
            if member.eof:
                at -= len(member.unused_data)
                member, begun, step = zlib.decompressobj(header), False, _FIRST
    if begun:
        raise TruncatedError("it is truncated")


def _decompressed(
    member: zlib._Decompress, piece: memoryview | bytes, size: int
) -> Iterator[bytes]:
    while True:
        try:
            out = member.decompress(piece, size)
        except zlib.error as error:
            raise ValueError(str(error)) from error
        if out:
            yield out
        piece = member.unconsumed_tail
        if member.eof or (not piece and len(out) < size):
            return


def unzstd(
    chunks: Iterable[bytes], *, max_window: int = 64 << 20, max_frames: int | None = None
) -> Iterator[bytes]:
    """The content of all frames of Zstandard data. Skippable frames are skipped.

    Raises ValueError for damaged and truncated data, for a frame that needs a window of more than
    `max_window` bytes, and for more than `max_frames` frames.
    """
    decoder = ZstdDecoder(max_window=max_window, max_frames=max_frames)
    for chunk in chunks:
        view = memoryview(chunk)
        for at in range(0, len(view), _MOST):
            decoder.feed(bytes(view[at : at + _MOST]))
            while out := decoder.read():
                yield out
    while out := decoder.finish():
        yield out
