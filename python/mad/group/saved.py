"""The state of a partition as messages of a compacted topic, and back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeAlias

from mad.errors import StateError
from mad.journal.parts import Delta

#: Version of the messages.
VERSION = 1
#: Bytes of a part of the state in one message.
CHUNK = 500_000
#: Offsets of messages set aside that a state keeps, the newest.
MOST_SKIPPED = 1_000
#: Keys of the records that end a save, and a sending of results.
SAVE, SENT = "save", "sent"
#: Key of the record of messages at which judging failed.
POISON = "poison"
#: Keys of the parts of a state: chunks, entities and closed incidents.
_PART = re.compile(r"g\d{1,9}|e\d{1,19}|i.+", re.DOTALL | re.ASCII)

#: A key and its value; None deletes it.
Keyed: TypeAlias = tuple[str, bytes | None]
#: The global part, entity parts by number and closed incidents by id.
State: TypeAlias = tuple[bytes, list[tuple[int, bytes]], list[tuple[str, bytes]]]


@dataclass(frozen=True, kw_only=True)
class SaveRecord:
    """What ends a save: the state covers the messages before `position`."""

    #: The group and the topic of the partition.
    of: str
    #: The number of this save, and that of the save on which it builds.
    number: int
    previous: int
    position: int
    #: Entries judged so far.
    seq: int
    #: Chunks of the global part, and the numbers of the other parts of the whole state.
    chunks: int
    entities: int
    incidents: int
    version: int = VERSION


@dataclass(frozen=True, kw_only=True)
class SentRecord:
    """What ends a sending of results: those of the messages before `position` are sent."""

    number: int
    position: int
    #: Ticks since the last save, each with the position at which it came, in nanoseconds.
    ticks: list[list[int]] = field(default_factory=list)
    version: int = VERSION


@dataclass(frozen=True, kw_only=True)
class PoisonRecord:
    """Messages at which judging failed in a way that ended the pipeline."""

    #: Messages from the first offset to before the second are judged one by one.
    careful: tuple[int, int] = (0, 0)
    #: Offsets of messages that are set aside.
    skipped: list[int] = field(default_factory=list)
    version: int = VERSION

    def after(self, first: int, end: int) -> PoisonRecord:
        """The record after a failure at the messages from `first` to before `end`."""
        if end - first > 1:
            return replace(self, careful=(first, end))
        return replace(self, skipped=[*self.skipped, first][-MOST_SKIPPED:])


def record_of(record: SaveRecord | SentRecord | PoisonRecord) -> bytes:
    """A record as the value of its message."""
    return json.dumps(asdict(record)).encode()


@dataclass(slots=True)
class SavedState:
    """What the messages of a partition of the topic say, taken in their order.

    Parts of a save are in effect only with the record that ends it, so that a save that was cut off
    changes nothing. Its parts have a number between those of the record and of the save before.
    """

    #: The highest number of a message.
    number: int = 0
    save: SaveRecord | None = None
    sent: SentRecord | None = None
    poison: PoisonRecord = field(default_factory=PoisonRecord)
    #: The parts in effect.
    parts: dict[str, bytes] = field(default_factory=dict)
    _waiting: dict[str, tuple[int, bytes | None]] = field(default_factory=dict)

    def take(self, key: str, number: int, value: bytes | None) -> None:
        """Takes a message. Raises StateError for a record of another version, and for messages that
        are none of mad."""
        self.number = max(self.number, number)
        if key in (SAVE, SENT, POISON):
            self._take_record(key, value)
        elif _PART.fullmatch(key):
            self._waiting[key] = number, value
        else:
            raise _foreign(f"the key {key!r:.40}")

    def _take_record(self, key: str, value: bytes | None) -> None:
        if value is None:
            return
        found = _read(value)
        try:
            if key == SAVE:
                self.save = save = SaveRecord(**found)
                _check(save.chunks > 0, isinstance(save.of, str))
                _check(*map(_is_whole, (save.number, save.previous, save.position, save.seq)))
                _check(*map(_is_whole, (save.chunks, save.entities, save.incidents)))
                self._apply(save)
            elif key == SENT:
                self.sent = sent = SentRecord(**found)
                _check(_is_whole(sent.number), _is_whole(sent.position))
                _check(*(len(tick) == 2 and all(map(_is_time, tick)) for tick in sent.ticks))
            else:
                poison = PoisonRecord(**found)
                first, end = poison.careful
                _check(_is_whole(first), _is_whole(end), isinstance(poison.skipped, list))
                _check(*map(_is_whole, poison.skipped))
                self.poison = replace(poison, careful=(first, end))
        except (TypeError, ValueError) as error:
            raise _foreign(f"a record {key!r}") from error

    def _apply(self, record: SaveRecord) -> None:
        for key, (number, value) in self._waiting.items():
            # Of older saves only the parts are left when the topic was compacted.
            if number != record.number and number > record.previous:
                continue
            if value is None:
                self.parts.pop(key, None)
            else:
                self.parts[key] = value
        self._waiting = {}

    def state(self) -> State | None:
        """The state of the last save; None before the first. Raises StateError when parts are
        missing."""
        if self.save is None:
            return None
        # a number that was forged costs no memory
        places = min(self.save.chunks, len(self.parts) + 1)
        chunks = [self.parts.get(f"g{place}") for place in range(places)]
        entities = [(int(key[1:]), part) for key, part in self.parts.items() if key[0] == "e"]
        incidents = [(key[1:], part) for key, part in self.parts.items() if key[0] == "i"]
        found = [chunk for chunk in chunks if chunk is not None]
        if (len(found), len(entities), len(incidents)) != (
            self.save.chunks,
            self.save.entities,
            self.save.incidents,
        ):
            raise StateError(
                f"parts of save {self.save.number} are missing: {len(found)} of {self.save.chunks} "
                f"chunks, {len(entities)} of {self.save.entities} entities, {len(incidents)} of "
                f"{self.save.incidents} incidents",
                "is the cleanup policy of the topic `compact`?",
            )
        return b"".join(found), sorted(entities), sorted(incidents)

    def sent_to(self) -> tuple[int, list[list[int]]]:
        """Up to which position results were sent after the last save, with the ticks in between. A
        position of 0 is before all."""
        since = self.save.number if self.save is not None else 0
        if self.sent is None or self.sent.number <= since:
            return 0, []
        return self.sent.position, self.sent.ticks


@dataclass(slots=True)
class PartKeys:
    """The keys of all parts of a state, so that a save can say how many there are."""

    #: Numbers of the entities, and ids of the closed incidents.
    entities: set[int] = field(default_factory=set)
    incidents: set[str] = field(default_factory=set)

    def messages(self, delta: Delta) -> Iterator[Keyed]:
        """The messages of a delta. Follow them with the record."""
        whole, entities, incidents = delta
        for place in range(chunks_of(whole)):
            yield f"g{place}", whole[place * CHUNK : (place + 1) * CHUNK]
        for entity, part in entities:
            (self.entities.discard if part is None else self.entities.add)(entity)
            yield f"e{entity}", part
        for incident, part in incidents:
            (self.incidents.discard if part is None else self.incidents.add)(incident)
            yield f"i{incident}", part


def chunks_of(whole: bytes) -> int:
    """Number of the chunks of a global part."""
    return max(1, -(-len(whole) // CHUNK))


def _read(value: bytes) -> dict[str, Any]:
    try:
        found = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise _foreign("a record that is no JSON") from error
    if not isinstance(found, dict) or found.get("version") != VERSION:
        raise StateError(
            f"the state in the topic is not of version {VERSION}", "give another state_topic"
        )
    return found


def _foreign(what: str) -> StateError:
    return StateError(
        f"the topic of the states has {what} that mad did not write",
        "let mad alone write it, or give another state_topic",
    )


def _check(*facts: bool) -> None:
    if not all(facts):
        raise ValueError("a field has a value that it cannot have")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _is_time(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63
