"""Places in files, by which a file is recognised under any name and in its copies."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Protocol

from mad.sources.content import CHUNK, Content, content_of

HEAD, TAIL = 1_024, 256
"""First bytes that identify a file beside its inode, and bytes before the place in it."""
LEFT = 1 << 62
"""Offset of a file of which nothing more is read, such as one that is older than the first look."""
#: Bytes at the beginning and at the end by which copies are compared.
_BLOCK = 4_096


class Named(Protocol):
    """A file under the name that it had a moment ago."""

    @property
    def path(self) -> Path:
        """The name."""

    @property
    def inode(self) -> int:
        """The inode of the file."""


@dataclass(frozen=True, slots=True)
class Place:
    """How far a file was read: `offset` in bytes of its (decompressed) content, its inode, and
    hashes of its first bytes and of the last ones before the offset, by which a compressed or
    copied form is recognised."""

    inode: int
    offset: int
    head_bytes: int
    head: str
    tail: str = ""

    @classmethod
    def of(cls, stored: Any) -> Place:
        """The place of a stored position. Raises ValueError for anything else."""
        try:
            place = cls(**{key: value for key, value in stored.items() if key != "path"})
        except (TypeError, AttributeError) as error:
            raise ValueError("it is no place in a file") from error
        numbers = (place.inode, place.offset, place.head_bytes)
        texts = (place.head, place.tail, stored.get("path", ""))
        if (
            not all(type(one) is int and 0 <= one < 2**64 for one in numbers)
            or not all(isinstance(one, str) and "\0" not in one for one in texts)
            or place.head_bytes > HEAD
        ):
            raise ValueError("it is no place in a file")
        return place

    def as_json(self) -> dict[str, Any]:
        """The place as the position of a batch."""
        return asdict(self)

    @property
    def is_left(self) -> bool:
        """Whether the rest of the file is not read."""
        return self.offset == LEFT

    def is_in(self, path: Path) -> bool:
        """Whether a file is the one of this place, or a copy of it."""
        return bool(self.is_known_in(path, None))

    def is_known_in(self, path: Path, inode: int | None) -> bool | None:
        """Whether a file is the one of this place, or a copy of it; None when the file of the inode
        no longer has the name."""
        try:
            content = content_of(path)
        except FileNotFoundError:
            return None
        except OSError:
            return False
        try:
            if inode is not None and content.inode() != inode:
                return None
            return self.fits(content)
        except (OSError, ValueError):
            return False
        finally:
            content.close()

    def fits(self, content: Content) -> bool:
        """Whether the content of a file is that of this place, up to it."""
        is_same = content.inode() == self.inode
        if is_same and not content.is_packed and not self.is_left and content.size() < self.offset:
            return False
        # An empty head identifies nothing but the inode.
        if not self.head_bytes and not is_same:
            return False
        if hash_of(content.at(0, self.head_bytes)) != self.head:
            return False
        if not self.tail or self.is_left:
            return True
        size = min(TAIL, self.offset)
        tail = content.at(self.offset - size, size)
        # lines that were written between a copy and the truncation are read, and not in the copy
        return hash_of(tail) == self.tail or (not is_same and len(tail) < size)


def is_copy(one: Named, other: Named) -> bool | None:
    """Whether a file holds the beginning of another one, or all of it, as its copies do, also while
    they are being written; None when a name belongs to another file by now."""
    try:
        copy = content_of(one.path)
    except OSError as error:
        return None if isinstance(error, FileNotFoundError) else False
    try:
        original = content_of(other.path)
    except OSError as error:
        copy.close()
        return None if isinstance(error, FileNotFoundError) else False
    try:
        if copy.inode() != one.inode or original.inode() != other.inode:
            return None
        return begins(original, copy)
    except (OSError, ValueError):
        return False
    finally:
        copy.close()
        original.close()


def place_at_end(path: Path) -> Place:
    """The place at the end of a file; of a compressed one, nothing more is read."""
    content = content_of(path)
    try:
        size = LEFT if content.is_packed else content.size()
        try:
            head = content.at(0, min(HEAD, size))
        except ValueError:
            head = b""
        last = min(TAIL, size)
        tail = b"" if content.is_packed else content.at(size - last, last)
        return Place(content.inode(), size, len(head), hash_of(head), hash_of(tail) if tail else "")
    finally:
        content.close()


def begins(original: Content, copy: Content) -> bool:
    """Whether the content of a copy is the beginning of another content, or all of it. Of plain
    files the first and the last bytes are compared."""
    first = copy.at(0, _BLOCK)
    if original.at(0, len(first)) != first:
        return False
    if len(first) < _BLOCK:
        return True
    if not copy.is_packed and not original.is_packed:
        last = copy.size() - _BLOCK
        return last + _BLOCK <= original.size() and copy.at(last, _BLOCK) == original.at(
            last, _BLOCK
        )
    offset = len(first)
    while piece := copy.at(offset, CHUNK):
        if original.at(offset, len(piece)) != piece:
            return False
        offset += len(piece)
    return True


def hash_of(content: bytes) -> str:
    """The hash by which bytes are recognised."""
    return blake2b(content, digest_size=12).hexdigest()


EMPTY = hash_of(b"")
"""The hash of no bytes, which a file has that was not read yet."""
