"""Which file is which: the files that a look finds, and those that a source knows.

A file keeps its inode when it is renamed. Where it was copied and truncated, or compressed, its
copy is found by the content.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from time import time

from mad.sources.content import first_bytes, is_being_packed
from mad.sources.family import FIRST_BYTES, Family, Member
from mad.sources.follower import WRITTEN_SECONDS, Follower
from mad.sources.place import is_copy
from mad.sources.rotation import Patterns, Seen, files_of, infixed, seen, shape, suffixed

#: Most copies that are remembered, so that they are not compared again.
_MOST_COPIES = 10_000


class Identity:
    """Finds the known files under their present names, and those that are new."""

    def __init__(self, patterns: Patterns) -> None:
        self._patterns = patterns
        #: Copies by their form, with the file of which they are copies, and its form.
        self._copies: dict[tuple[int, int, int], tuple[Follower, tuple[int, int, int]]] = {}
        #: First bytes of files by their form.
        self._firsts: dict[tuple[int, int, int], bytes] = {}
        #: Styles of names before the ending that rotated files of a family have.
        self._styles: dict[Path, set[str]] = defaultdict(set)
        #: The new rotated files of the last look, by device and inode, and those of them that need
        #: another look.
        self._sighted: set[tuple[int, int]] = set()
        self._unsure: set[tuple[int, int]] = set()

    @property
    def is_unsure(self) -> bool:
        """Whether the last look found files of which only another look can say what they are."""
        return bool(self._unsure)

    def look(
        self, known: Iterable[Follower], *, is_first: bool = False, is_again: bool = False
    ) -> tuple[list[tuple[Seen, Path]], dict[Path, Seen]]:
        """Gives the known files their present names. Returns the other files with their families,
        and the files that the patterns name.

        A copy may be made, and its original truncated, while a look compares them. So a rotated
        file counts as new when a second look, which is made `is_again`, finds it too.
        """
        asked = self._patterns.asked()
        found, is_whole = self._listed(asked, known)
        by_inode: dict[int, list[Seen]] = defaultdict(list)
        for one in found.values():
            by_inode[one.inode].append(one)
        taken: dict[tuple[int, int], Follower] = {}
        missing = []
        for follower in known:
            of_inode = by_inode.get(follower.place.inode, [])
            # a name that is asked for wins over the target of a link
            of_inode = sorted(of_inode, key=lambda one: one.path not in asked)
            results = [(one, self._is_same(follower, one)) for one in of_inode]
            same = next((one for one, is_same in results if is_same), None)
            moving = next((one for one, is_same in results if is_same is None), None)
            if same is None and moving is not None:
                # renamed in this moment: the next look finds it
                taken.setdefault((moving.device, moving.inode), follower)
                continue
            if same is None or (same.device, same.inode) in taken:
                missing.append(follower)
                continue
            taken[same.device, same.inode] = follower
            self._name(follower, same, asked)
        others = [one for one in found.values() if (one.device, one.inode) not in taken]
        others = list({(one.device, one.inode): one for one in reversed(others)}.values())
        forms = [(one, self._family(one.path)) for one in others]
        for follower in missing:
            copy = self._copy_of(follower, forms)
            if copy is not None:
                forms = [pair for pair in forms if pair[0] is not copy]
                follower.continue_in(copy)
                self._name(follower, copy, asked)
            elif is_whole and not is_again:
                follower.missed()
        self._unsure = set()
        new = self._new(forms, asked, known)
        if is_first:
            return new, asked
        keys = {(one.device, one.inode) for one, family in new if one.path != family}
        self._unsure |= keys - self._sighted
        self._sighted = keys
        waiting = {family for one, family in new if (one.device, one.inode) in self._unsure}
        return [(one, family) for one, family in new if family not in waiting], asked

    def _new(
        self,
        forms: list[tuple[Seen, Path]],
        asked: dict[Path, Seen],
        known: Iterable[Follower],
    ) -> list[tuple[Seen, Path]]:
        """The files that are neither known nor copies, the oldest first."""
        new: list[tuple[Seen, Path]] = []
        families: dict[Path, Family] = defaultdict(lambda: Family(self._first_bytes))
        wanted = {family for _, family in forms}
        members = [one for one in known if one.family in wanted]
        for follower in members:
            families[follower.family].add(follower)
        # copies are recognised by the file that is written to
        for one, family in sorted(
            forms, key=lambda pair: (pair[0].path != pair[1], pair[0].changed)
        ):
            if one.path not in asked and not self._is_rotated(one.path, family):
                continue
            if one.path == family or not self._is_copy(one, families[family]):
                new.append((one, family))
                families[family].add(one)
        changed = {one.family for one in members if not _is_unchanged(one)}
        self._unsure |= {
            (one.device, one.inode)
            for one, family in new
            if family in changed and one.path != family
        }
        return sorted(new, key=lambda pair: pair[0].changed)

    def is_live(self, path: Path, asked: dict[Path, Seen]) -> bool:
        """Whether a name is one that is written to, and not one that a file was rotated to."""
        if path not in asked:
            return False
        return suffixed(path.name) is None or self._patterns.original(path) == path

    def _listed(
        self, asked: dict[Path, Seen], known: Iterable[Follower]
    ) -> tuple[dict[Path, Seen], bool]:
        """The files that may be known or rotated ones, and whether all folders could be read."""
        found, is_whole = dict(asked), True
        inodes = {one.place.inode for one in known}
        folders = self._patterns.folders(asked) | {one.path.parent for one in known}
        for folder in folders:
            entries = files_of(folder)
            is_whole &= entries is not None
            for entry in entries or ():
                path = folder / entry.name
                if path in found:
                    continue
                is_form = entry.inode() in inodes or self._patterns.original(path) != path
                if is_form and (one := seen(path)) is not None:
                    found[path] = one
        return found, is_whole

    def _family(self, path: Path) -> Path:
        return self._patterns.original(path)

    def _name(self, follower: Follower, one: Seen, asked: dict[Path, Seen]) -> None:
        family = self._family(one.path)
        if family == one.path and one.path not in asked:
            # any other name
            family = follower.family
        is_moved = follower.path != one.path
        if (
            infixed(one.path.name) is not None
            and family != one.path
            and (is_moved or one.path not in asked)
        ):
            self._styles[family].add(shape(one.path.name))
        is_live = self.is_live(one.path, asked)
        if is_moved and family != one.path:
            is_live = False
        elif follower.path == one.path and follower.seen is not None:
            is_live = is_live and follower.is_live
        follower.found(one, family=family, is_live=is_live)

    def _is_rotated(self, path: Path, family: Path) -> bool:
        """Whether a file that no pattern names is a rotated one. Digits before the ending are
        believed when a file of the family was renamed so."""
        if family == path:
            return False
        return suffixed(path.name) is not None or shape(path.name) in self._styles[family]

    def _is_same(self, follower: Follower, one: Seen) -> bool | None:
        """Whether a file with the inode of a known one is that one; None when it was renamed in
        this moment.

        Of a file that was empty nothing but the inode is known, which another file may have by now.
        Under another name it is new, and is read from its start as well.
        """
        if follower.place.head_bytes or follower.is_open or one.path == follower.path:
            return follower.is_same(one)
        if infixed(one.path.name) is not None and self._family(one.path) == follower.family:
            self._styles[follower.family].add(shape(one.path.name))
        return False

    def _copy_of(self, follower: Follower, forms: list[tuple[Seen, Path]]) -> Seen | None:
        """The copy in which reading continues: the newest one of the family that has the content
        up to the place."""
        place = follower.place
        if not place.head_bytes:
            return None
        of_family = [
            one for one, family in forms if family == follower.family and one.path != family
        ]
        newest = sorted(of_family, key=lambda one: -one.changed)
        return next((one for one in newest if place.is_known_in(one.path, one.inode)), None)

    def _first_bytes(self, one: Seen) -> bytes | None:
        """The first bytes of a file, which most files differ in; None where they are unknown."""
        found = self._firsts.get(one.form)
        if found is None and one.size and (found := first_bytes(one.path, FIRST_BYTES)):
            if len(self._firsts) > _MOST_COPIES:
                self._firsts.clear()
            self._firsts[one.form] = found
        return found

    def _is_copy(self, one: Seen, family: Family) -> bool:
        """Whether a file is a copy of another one of its family, or may become one while it is
        being written."""
        original, form = self._copies.get(one.form, (None, None))
        if original is not None and original.seen is not None and original.seen.form == form:
            return True
        for other in family.like(self._first_bytes(one)):
            if isinstance(other, Seen):
                is_one = is_copy(one, other)
            elif other.path == one.path:
                # another file had the name before
                continue
            else:
                is_one = other.has_copy(one)
            if is_one is None:
                # renamed in this moment: another look compares them
                self._unsure.add((one.device, one.inode))
                return True
            if is_one:
                self._remember(one, other)
                return True
        if not family:
            return False
        # a copy that has no content yet, or of which nothing can be unpacked yet
        is_recent = time() - one.changed / 1e9 < WRITTEN_SECONDS
        return one.size == 0 or (is_recent and is_being_packed(one.path))

    def _remember(self, one: Seen, original: Member) -> None:
        if len(self._copies) > _MOST_COPIES:
            self._copies.clear()
        if isinstance(original, Follower) and original.seen is not None:
            self._copies[one.form] = original, original.seen.form


def _is_unchanged(one: Follower) -> bool:
    """Whether a known file still is what the look found under its name."""
    if one.seen is None:
        return True
    now = seen(one.seen.path)
    if now is None or now.inode != one.seen.inode or now.size < one.seen.size:
        return False
    return not one.place.head_bytes or now.form == one.seen.form or one.place.is_in(now.path)
