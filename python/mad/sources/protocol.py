"""The protocol of sources, from which `mad serve` reads: a topic of Kafka, a file that grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, TypeAlias

from mad.errors import ServiceError

#: How far each part of a source was read, such as each file or each partition of a topic. A value
#: is any JSON value; None forgets the part. mad stores it and never looks into it.
Positions: TypeAlias = Mapping[str, Any]


class SourceUnavailable(ServiceError):
    """The peer cannot be reached or refuses the source for now. The runner closes the source and
    opens it again after a pause that grows."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Some records of a source, and the position after them.

    `body` is journaled as it is and decoded with `format`, the name of a format that mad reads, as
    records of `kind`. A batch without a body only moves the position, for example past records
    that hold nothing.

    A body that cannot be read as a whole costs only the pieces that are wrong when `pieces` and
    `marks` are given: each piece as it came, and the part and the position after it. Pieces that
    follow each other make the body when `joint` is put between them.
    """

    body: bytes
    positions: Positions
    kind: str = "requests"
    format: str = "text"
    #: Payloads that the peer delivered and that do not even become a record, such as those that
    #: are larger than a limit.
    unreadable: int = 0
    pieces: Sequence[bytes] = ()
    marks: Sequence[tuple[str, Any]] = ()
    joint: bytes = b"\n"

    def halves(self) -> tuple[Batch, Batch] | None:
        """The batch in two; None when it has only one piece."""
        if len(self.pieces) < 2:
            return None
        middle = len(self.pieces) // 2
        first, second = (
            Batch(
                self.joint.join(self.pieces[within]),
                dict(self.marks[within]),
                self.kind,
                self.format,
                pieces=self.pieces[within],
                marks=self.marks[within],
                joint=self.joint,
            )
            for within in (slice(0, middle), slice(middle, None))
        )
        return first, second


class Source(Protocol):
    """Reads batches in order, each with the position after it.

    One thread calls all methods. A class is registered as an entry point of the group
    `mad.sources`, or built in; its name there is the `type` of a table `[sources.NAME]`.

    The runner stores the positions in the commit that stores the batch, so that each record is
    judged exactly once, whenever the process ends. A source therefore needs no memory beyond its
    open files and connections, and `open` continues at the positions that it is given.
    `mad.engine.source_contract` has the tests that every source passes.

    A source with several parts, of which some cannot be read while others can, may have a method
    `faults() -> list[str]`: a sentence for each such part. `/health` shows them.
    """

    #: The options, a frozen dataclass with fields of `mad.config.options.option`.
    Options: ClassVar[type]

    def __init__(self, options: Any) -> None:
        """Takes an object of `Options`. Nothing is opened yet.

        Raises `MissingExtraError` that names the extra when a package is missing.
        """

    def open(self, positions: Positions) -> None:
        """Connects, to continue after `positions`; empty for a source that was never read. Raises
        `SourceUnavailable`. Called again after each failure, when `close` was called."""

    def read(self, timeout: float) -> Batch | None:
        """The next batch; None when nothing arrived in `timeout` seconds. A batch has at most a few
        megabytes, so that two of them are the memory of the source. Raises `SourceUnavailable`."""

    def lags(self) -> bool:
        """Whether records may wait in the peer although `read` gave none, for example because the
        source has not joined its group yet. Meanwhile ticks wait."""

    def acknowledge(self, positions: Positions) -> None:
        """The journal has everything up to `positions`. A source may pass it to its peer. Raises
        `SourceUnavailable`."""

    def check(self) -> list[str]:
        """Connects and looks, without reading: one sentence for each fault, with the remedy; empty
        when the source can be read. `mad doctor` calls it on a source that is not open."""

    def close(self) -> None:
        """Closes files and connections. Also called after a failed `open`, and twice."""


@dataclass(slots=True)
class SourceHealth:
    """The state of one source and its counters since the start."""

    name: str
    type: str
    #: `connecting`, `reading`, `waiting` (for the engine), `failing` or `stopped`.
    state: str = "connecting"
    #: Why it is failing; the last failure while it is reading again.
    error: str = ""
    batches: int = 0
    records: int = 0
    rejected: int = 0
    #: Payloads of which nothing could be read.
    unreadable: int = 0
    bytes: int = 0
    failures: int = 0
    positions: dict[str, Any] = field(default_factory=dict)
