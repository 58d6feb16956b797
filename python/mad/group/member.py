"""A member of a group that judges the partitions of a topic: the source type `kafka-group`."""

from __future__ import annotations

import contextlib
import logging
import threading
from dataclasses import dataclass, fields, replace
from time import monotonic
from typing import TYPE_CHECKING

from mad.config.kafka import OF_TRANSACTIONS, KafkaAccess, check_settings, check_topics
from mad.config.options import option
from mad.engine.engine import Engine
from mad.errors import CommandError, MissingExtraError, text_of
from mad.group.partition import GroupPartition, Place
from mad.group.topics import PartitionWriter, make_topics, read_state
from mad.sources.kafka import KafkaOptions, KafkaSource
from mad.sources.payload import JOINTS, KINDS
from mad.sources.protocol import SourceHealth, SourceUnavailable

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

#: Most messages that one call to librdkafka gives, and seconds that it waits for one.
_CALL, _WAIT_SECONDS = 10_000, 0.2
#: Seconds that the brokers have for an answer.
_BROKER_SECONDS = 10.0
#: Settings of a new topic for states. Only closed segments are compacted, so they are small.
_COMPACTED = {
    "cleanup.policy": "compact",
    "segment.bytes": str(50 << 20),
    "min.cleanable.dirty.ratio": "0.1",
}
#: Shortest and longest pause before the group is joined again, in seconds.
_PAUSES = (0.5, 30.0)

log = logging.getLogger("mad.group")


@dataclass(frozen=True, kw_only=True)
class KafkaGroupOptions(KafkaAccess):
    """What a source of the type `kafka-group` judges, and where it writes."""

    topic: str = option(help="Topic with the records; records of one entity have one key")
    group: str = option("mad-group", help="Consumer group, the same for all members")
    state_topic: str = option(
        "", help="Compacted topic with the states of the partitions; without it `GROUP.TOPIC.state`"
    )
    results_topic: str = option("mad-results", help="Topic with the results")
    kind: str = option("requests", help="Kind of the records", pattern="|".join(KINDS))
    format: str = option(
        "json",
        help=f"Format of the payloads: {', '.join(f'`{one}`' for one in JOINTS)}",
        pattern="|".join(JOINTS),
    )
    start: str = option(
        "beginning",
        help="Where a new partition begins: `beginning` or `end`",
        pattern="beginning|end",
    )
    save_seconds: float = option(
        60.0, help="Pause between two saves of the state of a partition", least=0.1, most=86_400
    )

    def __post_init__(self) -> None:
        """Raises ValueError for settings with which records would be lost or judged twice."""
        super().__post_init__()
        check_settings(self.settings, OF_TRANSACTIONS)
        if not self.group.strip():
            raise ValueError("group is empty; give a name, the same for all members")
        named = {"topic": self.topic, "results_topic": self.results_topic}
        check_topics({**named, "state_topic": self.states})

    @property
    def states(self) -> str:
        """The topic with the states."""
        return self.state_topic or f"{self.group}.{self.topic}.state"


class KafkaGroup:
    """The partitions of a topic that the group gives to this process, each with its pipeline."""

    Options = KafkaGroupOptions

    def __init__(self, options: KafkaGroupOptions) -> None:
        try:
            import confluent_kafka
        except ImportError as error:
            raise MissingExtraError(
                "a source of the type kafka-group needs confluent-kafka",
                "pip install 'mad-py[kafka]'",
            ) from error
        self.options = options
        self._kafka = confluent_kafka
        self._consumer: Consumer | None = None
        self._engine: Engine | None = None
        self._ends: set[int] = set()
        #: The number of partitions of the topic.
        self._count = 0
        #: Whether a fault ended the membership, so that nothing is saved.
        self._is_broken = False
        self.partitions: dict[int, GroupPartition] = {}
        #: Why no broker can be reached; empty while one can.
        self._fault = ""
        #: Messages that were deleted before they were read, since the start.
        self._deleted: list[str] = []
        #: Counts of the partitions that were given away.
        self._past = [0, 0, 0]

    def runner(self, name: str, engine: Engine, type: str) -> GroupRunner:
        """What runs the member in a server."""
        return GroupRunner(name, self, engine, type=type)

    def check(self) -> list[str]:
        """Asks the brokers for the topic."""
        options = self.options
        access = {one.name: getattr(options, one.name) for one in fields(KafkaAccess)}
        return KafkaSource(
            KafkaOptions(topics=(options.topic,), group=options.group, **access)
        ).check()

    def open(self, engine: Engine) -> None:
        """Joins the group. Raises `SourceUnavailable`."""
        self.close()
        options = self.options
        topics = {options.states: _COMPACTED, options.results_topic: {}}
        self._count = make_topics(options, topics, options.topic)
        self._engine, self._is_broken, self._fault = engine, False, ""
        self._consumer = self._kafka.Consumer(
            {
                **options.connection(),
                "group.id": options.group,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                # Partitions that stay are read on while others move.
                "partition.assignment.strategy": "cooperative-sticky",
                "queued.max.messages.kbytes": 8 * 1024,
                "fetch.wait.max.ms": 100,
                "error_cb": self._failed,
                **options.settings,
            }
        )
        self._consumer.subscribe(
            [options.topic], on_assign=self._given, on_revoke=self._taken, on_lost=self._lost
        )

    def step(self) -> bool:
        """Judges the messages that have arrived; whether there were any. Raises
        `SourceUnavailable`."""
        consumer, engine = self._consumer, self._engine
        if consumer is None or engine is None:
            raise SourceUnavailable("the group is not joined")
        try:
            messages = consumer.consume(_CALL, _WAIT_SECONDS)
            if self._fault and not messages:
                raise SourceUnavailable(self._fault, "check brokers, TLS, user and password")
            self._judge(messages)
            for number, partition in self.partitions.items():
                partition.work(is_at_end=number in self._ends, is_ticking=engine.is_ticking)
            if messages:
                self._show_offsets(consumer)
        except self._kafka.KafkaException as error:
            self._is_broken = True
            raise SourceUnavailable(f"Kafka: {text_of(error)}") from error
        except BaseException:
            self._is_broken = True
            raise
        return bool(messages)

    def close(self) -> None:
        """Leaves the group. The partitions are saved before, unless a fault ends the membership."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            with contextlib.suppress(self._kafka.KafkaException):
                if not self._is_broken:
                    self._give_away(list(self.partitions))
                consumer.close()
        for number in list(self.partitions):
            self._drop(number)

    def counts(self) -> tuple[int, int, int]:
        """Records accepted, records rejected, and payloads unreadable since the start."""
        sums = list(self._past)
        for one in list(self.partitions.values()):
            for place, count in enumerate((one.records, one.rejected, one.unreadable)):
                sums[place] += count
        return sums[0], sums[1], sums[2]

    def faults(self) -> list[str]:
        """Messages that were deleted before they were read, and those that were set aside."""
        aside = [text for one in list(self.partitions.values()) for text in one.faults()]
        return [*self._deleted, *aside]

    def positions(self) -> dict[str, int]:
        """The offset of the next message of each partition."""
        return {one.place.name: one.position for one in list(self.partitions.values())}

    def _failed(self, error: KafkaError) -> None:
        """librdkafka reports errors of connections here."""
        errors = self._kafka.KafkaError
        if error.fatal() or error.code() in (errors._ALL_BROKERS_DOWN, errors._AUTHENTICATION):
            where = ", ".join(self.options.brokers)
            self._fault = f"Kafka at {where} cannot be reached: {error.str()}"

    def _judge(self, messages: list[Message]) -> None:
        of: dict[int, list[Message]] = {}
        for message in messages:
            number = message.partition()
            fault = message.error()
            if number is None or (fault is None and number not in self.partitions):
                continue
            if fault is None:
                of.setdefault(number, []).append(message)
                self._ends.discard(number)
            elif fault.code() == self._kafka.KafkaError._PARTITION_EOF:
                self._ends.add(number)
            else:
                raise SourceUnavailable(f"Kafka: {fault.str()}")
        for number, found in of.items():
            self.partitions[number].take(found)

    def _given(self, consumer: Consumer, given: list[TopicPartition]) -> None:
        """Restores the partitions that the group gives to this member."""
        try:
            for one in given:
                one.offset = self._restored(consumer, one)
            consumer.incremental_assign(given)
        except BaseException:
            self._is_broken = True
            raise

    def _restored(self, consumer: Consumer, one: TopicPartition) -> int:
        options, engine, number = self.options, self._engine, one.partition
        assert engine is not None
        began = monotonic()
        place = Place(
            options.group,
            options.topic,
            number,
            self._count,
            options.states,
            options.results_topic,
            options.kind,
            options.format,
        )
        # First the writer: from now on no other member can write the state that is read.
        writer = PartitionWriter(options, f"{options.group}.{place.name}")
        saved = read_state(options, place.state_topic, number)
        oldest, end = consumer.get_watermark_offsets(one, timeout=_BROKER_SECONDS)
        if saved.save is not None and saved.save.position < oldest:
            last = oldest - 1
            text = f"messages {saved.save.position} to {last} were deleted before they were read"
            self._deleted.append(f"{place.name}: {text}")
            log.error("%s: %s", place.name, text)
        self.partitions[number] = partition = GroupPartition(
            place,
            engine.config,
            writer,
            saved,
            intake=engine.intake,
            save_seconds=options.save_seconds,
            begin=end if options.start == "end" else oldest,
        )
        self._ends.discard(number)
        log.info("%s: restored in %.1f s", place.name, monotonic() - began)
        return partition.position

    def _taken(self, consumer: Consumer, taken: list[TopicPartition]) -> None:
        """Saves the partitions that the group takes away."""
        if not self._is_broken:
            self._give_away([one.partition for one in taken])
        consumer.incremental_unassign(taken)

    def _lost(self, consumer: Consumer, lost: list[TopicPartition]) -> None:
        """Drops partitions that others have already."""
        for one in lost:
            self._drop(one.partition)
        consumer.incremental_unassign(lost)

    def _give_away(self, numbers: list[int]) -> None:
        for number in numbers:
            if (partition := self.partitions.get(number)) is not None:
                try:
                    partition.finish()
                except SourceUnavailable as error:
                    # The next owner reads the records again.
                    log.warning("%s: not saved: %s", partition.place.name, error)
                self._drop(number)

    def _drop(self, number: int) -> None:
        partition = self.partitions.pop(number, None)
        self._ends.discard(number)
        if partition is not None:
            self._past[0] += partition.records
            self._past[1] += partition.rejected
            self._past[2] += partition.unreadable

    def _show_offsets(self, consumer: Consumer) -> None:
        """Commits offsets to the group, for tools that show the lag. The state decides where
        reading continues."""
        offsets = [
            self._kafka.TopicPartition(self.options.topic, number, partition.position)
            for number, partition in self.partitions.items()
        ]
        with contextlib.suppress(self._kafka.KafkaException):
            if offsets:
                consumer.commit(offsets=offsets, asynchronous=True)


class GroupRunner:
    """Runs a member in a thread. After a failure it leaves the group, and joins again after a pause
    that doubles. It stands among the sources of a server."""

    def __init__(self, name: str, member: KafkaGroup, engine: Engine, *, type: str = "") -> None:
        self.name = name
        self.source = member
        self._engine = engine
        self._health = SourceHealth(name, type)
        self._failing_since: float | None = None
        self._pause = _PAUSES[0]
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"mad-group-{name}", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def end(self) -> None:
        """Begins to stop."""
        self._stopping.set()

    def stop(self, timeout: float = 60.0) -> None:
        """Saves the partitions, leaves the group and ends the thread."""
        self.end()
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def health(self) -> SourceHealth:
        """The present state. Any thread may ask."""
        records, rejected, unreadable = self.source.counts()
        return replace(
            self._health,
            records=records,
            rejected=rejected,
            unreadable=unreadable,
            positions=self.source.positions(),
        )

    def failing_seconds(self) -> float:
        """How long the member has not been in the group because of a failure; 0 while it is."""
        since = self._failing_since
        return 0.0 if since is None else monotonic() - since

    def faults(self) -> list[str]:
        """Messages that were deleted before they were read, and those that were set aside."""
        return self.source.faults()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.source.open(self._engine)
                while not self._stopping.is_set():
                    self._health.batches += self.source.step()
                    self._health.state = "reading"
                    self._failing_since = None
                    self._pause = _PAUSES[0]
            except BaseException as error:  # also a fault of the core
                self._failed(error)
            finally:
                with contextlib.suppress(BaseException):
                    self.source.close()
            if not self._stopping.is_set():
                self._stopping.wait(self._pause)
                self._pause = min(2 * self._pause, _PAUSES[1])
        self._health.state = "stopped"

    def _failed(self, error: BaseException) -> None:
        health = self._health
        health.error = text_of(error)
        health.state = "failing"
        health.failures += 1
        self._failing_since = self._failing_since or monotonic()
        known = isinstance(error, (CommandError, OSError))
        log.warning("group %s: %s", self.name, health.error, exc_info=None if known else error)
