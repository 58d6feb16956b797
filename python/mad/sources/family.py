"""The files of one log and those that it was rotated to, by their first bytes: copies are found
without comparing each file with all others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from itertools import chain
from typing import TypeAlias

from mad.sources.follower import Follower
from mad.sources.rotation import Seen

FIRST_BYTES = 512
"""First bytes by which copies are looked for. Lines of logs differ in them, by their times."""
#: Bytes of a key. Files with fewer are few and small, and are compared with all.
_KEY = 128

Member: TypeAlias = Follower | Seen


class Family:
    """The known files of a family, and the new ones that a look has found."""

    def __init__(self, first_bytes: Callable[[Seen], bytes | None]) -> None:
        self._first_bytes = first_bytes
        self._by_key: dict[bytes, list[tuple[Member, bytes | None]]] = defaultdict(list)
        self._others: list[tuple[Member, bytes | None]] = []

    def __bool__(self) -> bool:
        return bool(self._by_key or self._others)

    def add(self, one: Member) -> None:
        """Adds a file."""
        found = one.seen if isinstance(one, Follower) else one
        first = None if found is None else self._first_bytes(found)
        is_long = first is not None and len(first) >= _KEY
        (self._by_key[first[:_KEY]] if first and is_long else self._others).append((one, first))

    def like(self, first: bytes | None) -> list[Member]:
        """The files that may begin with these first bytes, or with some of them; all where the
        first bytes are unknown."""
        if first is None or len(first) < _KEY:
            some = chain(*self._by_key.values(), self._others)
        else:
            some = chain(self._by_key.get(first[:_KEY], ()), self._others)
        return [one for one, other in some if _may_begin(first, other)]


def _may_begin(one: bytes | None, other: bytes | None) -> bool:
    return one is None or other is None or one.startswith(other) or other.startswith(one)
