"""One partition of a topic with the pipeline that judges its records."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf
from time import monotonic, time_ns
from typing import TYPE_CHECKING

from mad import _core
from mad.config import Config
from mad.engine.alerts import AlertLog
from mad.engine.clock import LATEST, SECOND, EventClock
from mad.engine.intake import RecentIntake
from mad.engine.judge import Judge, Poisoned
from mad.engine.stats import EngineStats
from mad.errors import MissingExtraError, StateError
from mad.group.saved import (
    POISON,
    SAVE,
    SENT,
    PartKeys,
    SavedState,
    SaveRecord,
    SentRecord,
    chunks_of,
    record_of,
)
from mad.group.topics import PartitionWriter, Written
from mad.journal import Entry, TableWrites
from mad.journal.entries import TICK
from mad.journal.results import messages as messages_of
from mad.sources.payload import joined
from mad.sources.protocol import Batch

if TYPE_CHECKING:
    from confluent_kafka import Message

#: Most messages and bytes that are judged at once.
_MESSAGES, _BYTES = 10_000, 4_000_000
#: Seconds between two sendings of results, and the rows that are sent at once.
_SEND_SECONDS, _SEND_ROWS = 1.0, 2_000
#: Longest pause between two ticks of a partition without records, in seconds.
_TICK_SECONDS = 15.0

log = logging.getLogger("mad.group")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a partition and what it writes stand."""

    group: str
    topic: str
    number: int
    #: The number of partitions of the topic.
    partitions: int
    state_topic: str
    results_topic: str
    kind: str
    format: str

    @property
    def name(self) -> str:
        """The topic and the number of the partition."""
        return f"{self.topic}/{self.number}"


class GroupPartition:
    """Judges the records of one partition, and writes its state and its results.

    The state is saved with the position up to which it covers the partition. Results are sent more
    often, with the position up to which they were sent. A new owner restores the state and reads
    the records after it again. Their results were sent already up to the last sending, and are
    dropped: the same records and ticks give the same results. So each result is sent once.
    """

    def __init__(
        self,
        place: Place,
        config: Config,
        writer: PartitionWriter,
        saved: SavedState,
        *,
        intake: RecentIntake,
        save_seconds: float,
        begin: int = 0,
    ) -> None:
        self.place = place
        self.records = self.rejected = self.unreadable = 0
        self._writer = writer
        self._save_seconds = save_seconds
        state = saved.state()
        if saved.save is not None and saved.save.of != f"{place.group}.{place.topic}":
            raise StateError(
                f"the topic {place.state_topic} has the states of {saved.save.of}",
                "give each group and topic a separate state_topic",
            )
        try:
            if state is None:
                pipeline = _core.EnginePipeline(config)
            else:
                pipeline = _core.EnginePipeline.restore(config, *state)
        except ValueError as error:
            raise StateError(
                f"the state of {place.name} in {place.state_topic}: {error}",
                "give another state_topic to learn from the start",
            ) from error
        pipeline.hand_over(place.topic, place.number, place.partitions, time_ns())
        lateness = int(float(config["features"]["lateness_seconds"]) * SECOND)
        # the partitions of the others wait for the event time of this one
        clock = EventClock(lateness=lateness, longest=_TICK_SECONDS)
        clock.observe(pipeline.clock)
        self._judge = Judge(config, pipeline, EngineStats(), clock, intake, alerts=AlertLog())
        self._number = saved.number
        self._poison = saved.poison
        self._skipped = frozenset(saved.poison.skipped)
        self._keys = PartKeys()
        if state is not None:
            self._keys.entities = {id for id, _ in state[1]}
            self._keys.incidents = {id for id, _ in state[2]}
        save = saved.save
        #: The offset of the next message.
        self.position = save.position if save else begin
        self._seq, self._previous = (save.seq, save.number) if save else (0, 0)
        #: Results before this position were sent; ticks that came since the last save.
        self._sent_to, self._ticks = saved.sent_to()
        self._to_repeat = list(self._ticks)
        self.is_replaying = self.position < self._sent_to or bool(self._to_repeat)
        self._is_changed = save is None
        self._saved_at = self._sent_at = monotonic()
        self._news = False
        if save is None:
            # so that a later owner begins at the same message
            self.save()

    def take(self, messages: Sequence[Message]) -> None:
        """Judges messages that follow those before. Raises `SourceUnavailable` and `Poisoned`."""
        for piece in self._pieces(messages):
            first = piece[0].offset() or 0
            if first in self._skipped:
                self.unreadable += not self.is_replaying
                self.position = first + 1
                self._is_changed = True
                continue
            pairs = [(one.value(), (one.offset() or 0) + 1) for one in piece]
            marks = [(self.place.name, after) for _, after in pairs]
            payloads = [value for value, _ in pairs]
            try:
                self._take(joined(payloads, marks, self.place.kind, self.place.format))
            except Poisoned as poisoned:
                self._mark(first, pairs[-1][1], poisoned)
                raise
            self.position = pairs[-1][1]
            self._is_changed = True
            if self._is_much():
                self.send()

    def faults(self) -> list[str]:
        """A sentence about messages that were set aside."""
        if not self._skipped:
            return []
        newest = self._poison.skipped[-1]
        text = f"{len(self._skipped)} messages could not be judged and were set aside"
        return [f"{self.place.name}: {text}; the newest is at offset {newest}"]

    def work(self, *, is_at_end: bool, is_ticking: bool) -> None:
        """Sends results, saves the state and advances event time, as far as they are due."""
        self._repeat(self.position)
        if self.is_replaying:
            return
        now = monotonic()
        at = self._judge.clock.tick() if is_ticking and is_at_end else None
        if at is not None and (self._judge.pipeline.watermark or 0) < at <= LATEST:
            self._ticks.append([self.position, at])
            self._tick(at)
            self._is_changed = True
        waited = (now - self._saved_at) / self._save_seconds
        if self._is_changed and waited >= 1 and (self._news or waited >= 2):
            self.save()
        elif now - self._sent_at >= _SEND_SECONDS and (
            self._judge.writes or self._judge.pipeline.has_handovers
        ):
            self.send()

    def finish(self) -> None:
        """Saves the state before the partition is given away."""
        if self._is_changed and not self.is_replaying:
            self.save()

    def send(self) -> None:
        """Sends the results since the last sending. Raises `SourceUnavailable`."""
        self._number += 1
        record = SentRecord(number=self._number, position=self.position, ticks=self._ticks)
        ending = self.place.state_topic, self.place.number, SENT, record_of(record)
        self._writer.write([*self._results(), ending], self._number)
        self._sent_at = monotonic()

    def save(self) -> None:
        """Saves the state and sends the results. Raises `SourceUnavailable`."""
        self._number += 1
        # first, because the state has the number of the next event
        results = list(self._results())
        delta = self._judge.pipeline.take_delta()
        topic, place = self.place.state_topic, self.place.number
        parts: list[Written] = [
            (topic, place, key, value) for key, value in self._keys.messages(delta)
        ]
        record = SaveRecord(
            of=f"{self.place.group}.{self.place.topic}",
            number=self._number,
            previous=self._previous,
            position=self.position,
            seq=self._seq,
            chunks=chunks_of(delta[0]),
            entities=len(self._keys.entities),
            incidents=len(self._keys.incidents),
        )
        ending = topic, place, SAVE, record_of(record)
        self._writer.write([*results, *parts, ending], self._number)
        self._previous, self._ticks = self._number, []
        self._is_changed = self._news = False
        self._saved_at = self._sent_at = monotonic()

    def _mark(self, first: int, end: int, poisoned: Poisoned) -> None:
        """Writes that messages made the pipeline fail, so that the next owner judges them one by
        one, and sets the one aside at which it fails again."""
        log.error("%s: messages %d to %d: %s", self.place.name, first, end - 1, poisoned)
        self._number += 1
        record = record_of(self._poison.after(first, end))
        self._writer.write(
            [(self.place.state_topic, self.place.number, POISON, record)], self._number
        )

    def _results(self) -> Iterator[Written]:
        writes, self._judge.writes = self._judge.writes, TableWrites()
        handed = self._judge.pipeline.take_handovers()
        for body in messages_of(writes, self.place.name, self._number, handed):
            yield self.place.results_topic, self.place.number, self.place.name, body

    def _pieces(self, messages: Sequence[Message]) -> Iterator[list[Message]]:
        """The messages in pieces that a batch takes, cut where ticks came and results end."""
        piece: list[Message] = []
        size, bound = 0, -1.0
        for message in messages:
            offset = message.offset() or 0
            is_full = len(piece) >= _MESSAGES or size + len(message) > _BYTES
            is_alone = self.place.format == "arrow" or self._is_careful(offset)
            if piece and (is_full or offset >= bound or is_alone):
                yield piece
                piece, size = [], 0
            if offset >= bound:
                # also behind the end of the piece: everything before this message is judged
                self._repeat(offset)
                bound = min(self._to_repeat[0][0] if self._to_repeat else inf, self._bound())
            piece.append(message)
            size += len(message)
        if piece:
            yield piece

    def _is_careful(self, offset: int) -> bool:
        """Whether a message is judged alone. The one after a message alone begins a batch too."""
        first, end = self._poison.careful
        return first <= offset <= end or offset in self._skipped or offset - 1 in self._skipped

    def _bound(self) -> float:
        return self._sent_to if self.is_replaying else inf

    def _is_much(self) -> bool:
        """Whether the results are sent at once."""
        writes = self._judge.writes
        return writes.judged() + len(writes.log_lines) + len(writes.failures) >= _SEND_ROWS

    def _repeat(self, position: int) -> None:
        """Repeats the ticks that came at or before a position, and ends the replay there."""
        while self._to_repeat and self._to_repeat[0][0] <= position:
            self._tick(self._to_repeat.pop(0)[1])
        if self.is_replaying and not self._to_repeat and position >= self._sent_to:
            self._drop_results()
            self.is_replaying = False

    def _drop_results(self) -> None:
        """Drops results that were sent before."""
        self._judge.writes = TableWrites()
        self._judge.pipeline.take_handovers()

    def _tick(self, at: int) -> None:
        self._seq += 1
        entry = Entry(TICK, str(at).encode(), "time", seq=self._seq)
        self._news |= self._judge.judge(entry, live=False).news
        self._judge.changes.clear()

    def _take(self, batch: Batch) -> None:
        if not batch.body:
            return
        self._seq += 1
        entry = Entry(batch.kind, batch.body, batch.format, seq=self._seq)
        found = self._judge.judge(entry, live=not self.is_replaying, source=self.place.name)
        self._judge.changes.clear()
        if self.is_replaying:
            self._drop_results()
        if isinstance(found.refusal, MissingExtraError):
            raise found.refusal
        if found.refusal is not None:
            halves = batch.halves() if isinstance(found.refusal, ValueError) else None
            if halves is None:
                self.unreadable += 1
                log.warning("%s: a payload cannot be read: %s", self.place.name, found.refusal)
            for half in halves or ():
                self._take(half)
        elif found.receipt is not None:
            self._news |= found.news
            self.records += found.receipt.accepted
            self.rejected += found.receipt.rejected
