"""Files that grow, with rotation and truncation: the source type `file`."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic, sleep, thread_time
from typing import Any

from mad.config.options import option
from mad.errors import reason
from mad.sources.follower import Follower, Reading
from mad.sources.identity import Identity
from mad.sources.place import EMPTY, Place, place_at_end
from mad.sources.protocol import Batch, Positions, SourceUnavailable
from mad.sources.rotation import Patterns, Seen, number_of

#: Most files that one source follows.
MOST_FILES = 1_000
#: Most files of which a source knows the place, with the rotated ones.
_MOST_PLACES = 20_000
#: Seconds for which `/health` names files that went away with lines that were not read.
_REPORT_SECONDS = 600.0
#: Share of the files that the process may open which a source keeps open. It opens twice as many
#: while records of several lines are unfinished.
_OPEN_SHARE = 4
#: A look for new files is repeated after this many times its CPU time, or after this many seconds.
_LOOK_SHARE, _LONGEST_PAUSE = 10.0, 10.0
#: The position of a pattern that was looked at.
_LOOKED = 1
#: Time of a look that is made at once, and most of these in one read.
_AT_ONCE, _MOST_LOOKS = float("-inf"), 4

log = logging.getLogger("mad.sources")


@dataclass(frozen=True, kw_only=True)
class TailOptions:
    """What a source of the type `file` reads."""

    paths: tuple[str, ...] = option(help="Files, or patterns such as `/var/log/shop/*.log`")
    kind: str = option("", help="Kind of the records; empty: that of the format, else `requests`")
    format: str = option("", help="Name of the format; empty: found from the first bytes")
    partition: str = option("", help="Partition of the event time")
    start: str = option(
        "beginning",
        help="`beginning` or `end` of files that are read for the first time",
        pattern="beginning|end",
    )
    poll_seconds: float = option(0.5, help="Pause between two looks", least=0.01, most=3_600)
    batch_bytes: int = option(1 << 20, help="Most bytes of a batch", least=1_024, most=8_000_000)


class TailSource:
    """Follows files by inode and content, so that each line is read once.

    The positions have the place of every file that was found, whatever its name is, also of those
    that are older than the first look, of which nothing is read. So a file without a place is new,
    and is read from its start, under any name. Files of one family, such as a log with those that
    it was rotated to, are read in the order of their last changes. The last line of a rotated file
    needs no end.

    Files beyond a share of those that the process may open are closed at their end, and opened
    again when they have changed. A file that cannot be read is tried again after a pause, while the
    others are read. The source fails only when no file can be read.
    """

    Options = TailOptions

    def __init__(self, options: TailOptions) -> None:
        self.options = options
        self._patterns = Patterns(options.paths)
        self._identity = Identity(self._patterns)
        self._reading = Reading(
            kind=options.kind, format=options.format, batch_bytes=options.batch_bytes
        )
        self._files: list[Follower] = []
        #: The places that were given with the batches so far.
        self._given: dict[str, Any] = {}
        #: Parts of the positions without a place: the patterns that were looked at.
        self._marks: dict[str, Any] = {}
        #: Whether all places may have changed since the last batch, and else those that may have.
        self._is_looked, self._tried = True, list[Follower]()
        self._turn = 0
        #: How many files are open.
        self._open = 0
        self._next_look = _AT_ONCE
        self._omitted = 0
        self._gone: dict[str, float] = {}
        self._most_open = _most_open()

    def open(self, positions: Positions) -> None:
        """Continues in the files of the positions."""
        self.close()
        self._given, self._marks, self._gone = {}, {}, {}
        for key, stored in positions.items():
            if stored is None:
                continue
            if stored == _LOOKED:
                self._marks[key] = self._given[key] = stored
                continue
            try:
                place = Place.of(stored)
            except ValueError as error:
                raise SourceUnavailable(
                    f"the position of {key} in the journal is damaged: {error}",
                    "start with another name of the source, which reads its files again",
                ) from error
            path = Path(stored.get("path", key))
            one = Follower(path, place, self._reading, family=self._patterns.original(path))
            one.key = key
            self._files.append(one)
            self._given[key] = place
        self._look()

    def read(self, timeout: float) -> Batch | None:
        """The next lines of any file; the files take turns."""
        end, looks = monotonic() + timeout, 0
        while True:
            if monotonic() >= self._next_look:
                self._look()
            batch = self._with_places(self._next_batch() or Batch(b"", {}))
            if batch.body or batch.unreadable or batch.positions:
                return batch
            if self._next_look == _AT_ONCE and looks < _MOST_LOOKS:
                looks += 1
                continue
            failed = [one.fault for one in self._files if one.fault]
            if failed and len(failed) == sum(not one.place.is_left for one in self._files):
                raise SourceUnavailable(failed[0])
            left = end - monotonic()
            if left <= 0:
                return None
            sleep(min(left, self.options.poll_seconds))

    def _with_places(self, batch: Batch) -> Batch:
        """A batch with the places that changed, of all files: they are committed with it."""
        moved: dict[str, Any] = {}
        for one in self._files if self._is_looked else self._tried:
            place = one.place
            if self._given.get(one.key) is not place:
                named = {} if one.key == str(one.path) else {"path": str(one.path)}
                moved[one.key] = {**place.as_json(), **named}
                self._given[one.key] = place
        if self._is_looked:
            moved.update({key: one for key, one in self._marks.items() if key not in self._given})
            self._given.update(self._marks)
            gone = self._given.keys() - {one.key for one in self._files} - self._marks.keys()
            for key in gone:
                moved[key] = None
                del self._given[key]
        self._is_looked, self._tried = False, []
        return replace(batch, positions=moved)

    def _next_batch(self) -> Batch | None:
        """The next lines of the files that can be read; the families take turns."""
        self._open = sum(one.is_open for one in self._files)
        families: dict[Path, list[Follower]] = {}
        for one in self._files:
            families.setdefault(one.family, []).append(one)
        turns = list(families.values())
        first = self._turn % max(1, len(turns))
        for place, family in enumerate(turns[first:] + turns[:first]):
            batch = self._of_family(family)
            if batch is not None:
                self._turn = (first + place + 1) % len(turns)
                return batch
        return None

    def _of_family(self, family: list[Follower]) -> Batch | None:
        """The next lines of a log and those that it was rotated to, the oldest first."""
        for place, one in enumerate(family):
            if one.seen is not None and not one.is_open and self._may_pass(one):
                continue
            later = any(other.has_content for other in family[place + 1 :])
            self._make_room(one)
            was_open = one.is_open
            self._tried.append(one)
            try:
                batch = one.attempt(is_ended=not one.is_live and later)
            except FileNotFoundError:
                # rotated in this moment
                self._next_look = _AT_ONCE
                return None
            self._open += one.is_open - was_open
            if batch is not None:
                return batch
            if one.is_gone:
                batch = one.ending()
                self._forget(one)
                return batch
            if one.is_truncated:
                self._next_look = _AT_ONCE
            if one.seen is None and one.misses < 2:
                # it may be found in its copy, or under another name, and is read before the others
                self._next_look = _AT_ONCE
                return None
            if one.may_close and (not one.is_live or self._open > self._most_open):
                one.rest()
                self._open -= 1
        return None

    def _may_pass(self, one: Follower) -> bool:
        """Whether a closed file has nothing more to read. A file that is written to is opened
        where there is room, so that it is read to its end also when it is deleted."""
        if not one.is_live or one.place.is_left:
            return one.is_at_end
        if self._open < self._most_open and not one.fault:
            return False
        if not one.refresh():
            self._next_look = _AT_ONCE
        return one.is_at_end

    def _make_room(self, next: Follower) -> None:
        """Closes a file where too many are open; those that are read last give way."""
        if next.is_open or self._open < 2 * self._most_open:
            return
        for one in reversed(self._files):
            if one.may_close and one is not next:
                one.rest()
                self._open -= 1
                return

    def _forget(self, one: Follower) -> None:
        """Forgets a file that is gone."""
        # of a file that was empty nothing is known: its lines may be under another name
        is_known = one.place.head_bytes > 0 and not one.place.is_left
        if not one.is_open and one.is_live and is_known and not one.was_read:
            log.warning(
                "%s: the file that was read to byte %d is gone, and with it the lines added since",
                one.path,
                one.place.offset,
            )
            self._gone[str(one.path)] = monotonic()
        one.close()
        self._files.remove(one)
        self._is_looked = True

    def faults(self) -> list[str]:
        """The files that are not read now, while others are: one sentence each."""
        found = [one.fault for one in self._files if one.fault]
        if self._omitted:
            found.append(
                f"{self._omitted:,} of the files are not followed, because a source follows "
                f"{MOST_FILES:,}"
            )
        now = monotonic()
        self._gone = {one: at for one, at in self._gone.items() if now - at < _REPORT_SECONDS}
        if self._gone:
            first, others = next(iter(self._gone)), len(self._gone) - 1
            more = f", and {others:,} others" if others else ""
            found.append(f"{first} is gone, with the lines added after it was last read{more}")
        return found

    def lags(self) -> bool:
        """Whether the last record of a log waits for its further lines."""
        return any(one.waits for one in self._files)

    def unfinished(self) -> list[Batch]:
        """The last lines that have no end yet, without moving on. They are whole only if nothing is
        added to their files any more."""
        found = (one.unfinished() for one in self._files)
        return [one for one in found if one is not None]

    def acknowledge(self, positions: Positions) -> None:
        """Files need no acknowledgement."""

    def check(self) -> list[str]:
        """Names patterns without a file and files that cannot be read."""
        faults = []
        for pattern in self.options.paths:
            found = Patterns([pattern]).asked()
            if not found:
                faults.append(f"{pattern}: no file has this name; check the path")
            for path in found:
                try:
                    with path.open("rb"):
                        pass
                except OSError as error:
                    faults.append(f"{path}: {reason(error)}; let mad's user read it")
        return faults

    def close(self) -> None:
        """Closes all files."""
        for one in self._files:
            one.close()
        self._files = []

    def _look(self) -> None:
        """Finds the present names of files, and new files."""
        begin = thread_time()
        marks = {_mark(one) for one in self.options.paths}
        is_first = not marks <= self._marks.keys()
        new, asked = self._identity.look(self._files, is_first=is_first)
        if self._identity.is_unsure:
            new, asked = self._identity.look(self._files, is_again=True)
        live = sum(one.is_live for one in self._files)
        self._omitted = 0
        for one, family in new:
            is_live = self._identity.is_live(one.path, asked)
            if len(self._files) >= _MOST_PLACES or (is_live and live >= MOST_FILES):
                self._omitted += 1
                continue
            at_end = is_first and (one.path not in asked or self.options.start == "end")
            follower = self._follower(one, family, at_end=at_end)
            if follower is not None:
                follower.found(one, family=family, is_live=is_live)
                self._files.append(follower)
                live += is_live
        self._marks.update(dict.fromkeys(marks, _LOOKED))
        self._is_looked = True
        self._files.sort(key=_order)
        self._give_keys()
        pause = min(_LOOK_SHARE * (thread_time() - begin), _LONGEST_PAUSE)
        self._next_look = monotonic() + max(self.options.poll_seconds, pause)

    def _follower(self, one: Seen, family: Path, *, at_end: bool) -> Follower | None:
        """A follower of a new file; None when it is gone again. A file that cannot be opened is
        followed from its start."""
        place = Place(one.inode, 0, 0, EMPTY)
        if at_end:
            try:
                place = place_at_end(one.path)
            except OSError:
                return None
        return Follower(one.path, place, self._reading, family=family)

    def _give_keys(self) -> None:
        """Gives each place the name of its file as the part of the positions. Of two files that had
        one name, that without a name now gets another part."""
        taken: set[str] = set()
        for one in sorted(self._files, key=lambda one: one.seen is None):
            key, more = str(one.path), one.place.inode
            while key in taken:
                key, more = f"{one.path}#{more}", more + 1
            one.key = key
            taken.add(key)


def _most_open() -> int:
    """The files that a source keeps open."""
    try:
        import resource
    except ImportError:  # Windows
        return MOST_FILES
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if limit == resource.RLIM_INFINITY else limit // _OPEN_SHARE
    return max(1, min(MOST_FILES, most))


def _order(one: Follower) -> tuple[bool, int, int, str]:
    """The order in which files of a family are read: those that were changed last at the end."""
    changed = one.seen.changed if one.seen is not None else 0
    return one.is_live and one.seen is not None, changed, -number_of(one.path.name), str(one.path)


def _mark(pattern: str) -> str:
    """The part of the positions that says that a pattern was looked at."""
    return f"pattern {pattern}"
