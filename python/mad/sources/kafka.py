"""Topics of Kafka, and of Azure Event Hubs through its Kafka endpoint: the source type `kafka`."""

from __future__ import annotations

import contextlib
from collections import deque
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any

from mad.config.kafka import KafkaAccess
from mad.config.options import option
from mad.errors import MissingExtraError
from mad.sources.protocol import Batch, Positions, SourceUnavailable
from mad.sources.stream import StreamOptions, StreamSource

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError, Message

#: Most messages that one call to librdkafka gives.
_CALL = 10_000
#: Seconds that a partition without messages delays those of the others at most.
_ALIGN_SECONDS = 2.0
#: Messages and bytes of all partitions in memory; a partition with more than its share is paused.
_MESSAGES, _BYTES = 40_000, 32 << 20
#: Seconds that the connection has for its first answer.
_CONNECT_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class KafkaOptions(KafkaAccess, StreamOptions):
    """What a source of the type `kafka` reads."""

    topics: tuple[str, ...] = option(help="Topics")
    group: str = option("mad", help="Consumer group")
    batch_records: int = option(10_000, help="Most records of a batch", least=1, most=100_000)
    batch_bytes: int = option(4_000_000, help="Most bytes of a batch", least=1_024, most=8_000_000)


@dataclass(slots=True)
class _Partition:
    """The messages of one partition that were fetched and not yet given."""

    messages: deque[Message] = field(default_factory=deque)
    #: Bytes of the messages.
    size: int = 0
    is_at_end: bool = False
    is_paused: bool = False


class KafkaSource(StreamSource[KafkaOptions]):
    """A member of a consumer group that continues at the positions in the journal.

    Messages of several partitions are merged by their times, so that the partitions of a topic
    advance together. Offsets are committed to the group after the journal has them: for other
    tools, which see the lag, and for partitions that move to this member from another one.

    A partition that was away, because the group was divided again, continues after the last
    message that was read, or at the offset of the group where another member came further. Where
    the broker has no message at a position, because messages were deleted or the topic was made
    again, reading continues at the oldest one.
    """

    Options = KafkaOptions

    def __init__(self, options: KafkaOptions) -> None:
        try:
            import confluent_kafka
        except ImportError as error:
            raise MissingExtraError(
                "a source of the type kafka needs confluent-kafka", "pip install 'mad-py[kafka]'"
            ) from error
        super().__init__(options)
        self._kafka = confluent_kafka
        self._consumer: Consumer | None = None
        #: The position after the last message that was read, else that in the journal.
        self._positions: dict[str, Any] = {}
        #: Partitions that were taken away.
        self._away: set[str] = set()
        self._partitions: dict[str, _Partition] = {}
        self._fault = ""
        #: Why the last connection to a broker failed.
        self._cause = ""
        self._is_assigned = False
        self._waits_since: float | None = None

    def open(self, positions: Positions) -> None:
        """Joins the group."""
        self.close()
        self._positions, self._away = dict(positions), set()
        self._fault = ""
        consumer = self._kafka.Consumer(self._settings())
        self._consumer = consumer
        self._named(consumer, _CONNECT_SECONDS)
        consumer.subscribe(
            list(self.options.topics), on_assign=self._assigned, on_revoke=self._revoked
        )

    def read(self, timeout: float) -> Batch | None:
        """The next messages, in the order of each partition and by time across partitions."""
        end = monotonic() + timeout
        while True:
            left = max(0.0, end - monotonic())
            self._fetch(min(left, 0.2))
            found = self._merged()
            if found:
                return self._batch(found)
            if self._fault:
                raise SourceUnavailable(self._fault)
            if not left:
                return None

    def lags(self) -> bool:
        """Whether the group has not assigned partitions yet, or one is not at its end."""
        return not self._is_assigned or any(
            bool(one.messages) or not one.is_at_end for one in self._partitions.values()
        )

    def acknowledge(self, positions: Positions) -> None:
        """Commits offsets to the group, without waiting."""
        if self._consumer is None:
            return
        offsets = []
        for part, position in positions.items():
            topic, _, partition = part.rpartition("/")
            if part in self._partitions:
                offsets.append(self._kafka.TopicPartition(topic, int(partition), position))
        # The journal decides where reading continues; the offsets of the group are for others.
        with contextlib.suppress(self._kafka.KafkaException):
            if offsets:
                self._consumer.commit(offsets=offsets, asynchronous=True)

    def check(self) -> list[str]:
        """Asks the brokers for the topics."""
        try:
            consumer = self._kafka.Consumer(self._settings())
        except (ValueError, self._kafka.KafkaException) as error:
            return [f"the settings are refused: {error}"]
        try:
            self._named(consumer, _CONNECT_SECONDS)
        except SourceUnavailable as error:
            return [f"{error}; {error.hint}"]
        finally:
            consumer.close()
        return []

    def close(self) -> None:
        """Leaves the group."""
        consumer, self._consumer = self._consumer, None
        self._partitions, self._is_assigned = {}, False
        if consumer is not None:
            consumer.close()

    def _settings(self) -> dict[str, Any]:
        options = self.options
        return {
            **options.connection(),
            "group.id": options.group,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            # The end of a new subscription is found when its partitions are assigned.
            "auto.offset.reset": "earliest",
            # Bounds the memory of librdkafka, whose own default is 64 MB for each partition.
            "queued.max.messages.kbytes": 8 * 1024,
            "fetch.wait.max.ms": 100,
            "error_cb": self._failed,
            **options.settings,
        }

    def _named(self, consumer: Consumer, timeout: float) -> None:
        """Makes sure that a broker answers and has the topics."""
        self._fault = self._cause = ""
        where = ", ".join(self.options.brokers)
        for topic in self.options.topics:
            try:
                metadata = consumer.list_topics(topic, timeout=timeout)
            except self._kafka.KafkaException as error:
                # Reports why connections fail, which the error of the call does not say.
                consumer.poll(0)
                said = self._cause or error.args[0].str()
                raise SourceUnavailable(
                    f"Kafka at {where} cannot be reached: {said}",
                    "check brokers, TLS, user and password",
                ) from error
            found = metadata.topics.get(topic)
            fault = found.error if found is not None else None
            if found is None or fault is not None or not found.partitions:
                said = fault.str() if fault is not None else "it has no partitions"
                raise SourceUnavailable(
                    f"topic {topic} at {where}: {said}", "create the topic, or mend its name"
                )
        self._fault = ""

    def _failed(self, error: KafkaError) -> None:
        """librdkafka reports errors of connections here. It connects again by itself."""
        errors = self._kafka.KafkaError
        if error.code() != errors._ALL_BROKERS_DOWN:
            self._cause = _said(error)
        if error.fatal() or error.code() in (errors._ALL_BROKERS_DOWN, errors._AUTHENTICATION):
            said = self._cause or error.str()
            self._fault = f"Kafka at {', '.join(self.options.brokers)}: {said}"

    def _assigned(self, consumer: Consumer, partitions: list[Any]) -> None:
        self._is_assigned = True
        of_group = consumer.committed(partitions, timeout=_CONNECT_SECONDS) if partitions else []
        for one, kept in zip(partitions, of_group, strict=True):
            part = f"{one.topic}/{one.partition}"
            self._partitions[part] = _Partition()
            position = self._positions.get(part)
            if position is None:
                if kept.offset < 0 and self.options.start == "end":
                    one.offset = self._kafka.OFFSET_END
                continue
            if part in self._away:
                position = max(position, kept.offset)
            one.offset = position
        consumer.assign(partitions)

    def _revoked(self, consumer: Consumer, partitions: list[Any]) -> None:
        for one in partitions:
            part = f"{one.topic}/{one.partition}"
            self._partitions.pop(part, None)
            self._away.add(part)
        consumer.unassign()

    def _fetch(self, timeout: float) -> None:
        """Takes messages from librdkafka. A partition with many of them is paused."""
        consumer = self._consumer
        if consumer is None:
            raise SourceUnavailable("the source is not open")
        waiting = sum(len(one.messages) for one in self._partitions.values())
        if waiting >= self.options.batch_records and self._horizon() is not None:
            timeout = 0.0
        try:
            messages = consumer.consume(_CALL, timeout)
        except self._kafka.KafkaException as error:
            # of the callbacks, which ask the brokers
            raise SourceUnavailable(f"Kafka: {error.args[0]}") from error
        for message in messages:
            fault = message.error()
            partition = self._partitions.get(f"{message.topic()}/{message.partition()}")
            if fault is None:
                if partition is not None:
                    partition.messages.append(message)
                    partition.size += len(message)
                    partition.is_at_end = False
            elif fault.code() == self._kafka.KafkaError._PARTITION_EOF:
                if partition is not None:
                    partition.is_at_end = True
                self._fault = ""
            else:
                raise SourceUnavailable(f"Kafka: {fault.str()}")
        self._balance(consumer)

    def _balance(self, consumer: Consumer) -> None:
        count = max(1, len(self._partitions))
        for part, partition in self._partitions.items():
            topic, _, number = part.rpartition("/")
            share = count * max(len(partition.messages) / _MESSAGES, partition.size / _BYTES)
            if share > 1 and not partition.is_paused:
                consumer.pause([self._kafka.TopicPartition(topic, int(number))])
                partition.is_paused = True
            elif share < 0.25 and partition.is_paused:
                consumer.resume([self._kafka.TopicPartition(topic, int(number))])
                partition.is_paused = False

    def _horizon(self) -> float | None:
        """The time up to which every partition is known; None when one has to be waited for."""
        horizon = float("inf")
        for one in self._partitions.values():
            if one.messages:
                if not one.is_at_end:
                    horizon = min(horizon, one.messages[-1].timestamp()[1])
            elif not one.is_at_end:
                return None
        return horizon

    def _merged(self) -> list[Message]:
        """Messages of all partitions up to the time that all have reached, by their times."""
        waiting = [one for one in self._partitions.values() if one.messages]
        if not waiting:
            self._waits_since = None
            return []
        if len(self._partitions) == 1:
            return self._first(waiting[0], float("inf"), self.options.batch_records)
        horizon = self._horizon()
        if horizon is None:
            now = monotonic()
            self._waits_since = self._waits_since or now
            if now - self._waits_since < _ALIGN_SECONDS:
                return []
            # A partition that gives nothing delays the others no longer.
            horizon = min(one.messages[-1].timestamp()[1] for one in waiting)
        self._waits_since = None
        found: list[Message] = []
        while len(found) < self.options.batch_records and waiting:
            first = min(waiting, key=lambda one: one.messages[0].timestamp()[1])
            others = [one.messages[0].timestamp()[1] for one in waiting if one is not first]
            until = min([horizon, *others])
            taken = self._first(first, until, self.options.batch_records - len(found))
            if not taken:
                break
            found += taken
            waiting = [one for one in waiting if one.messages]
        return found

    def _first(self, partition: _Partition, until: float, most: int) -> list[Message]:
        """Takes messages of a partition up to a time."""
        messages = partition.messages
        found: list[Message] = []
        while messages and len(found) < most and messages[0].timestamp()[1] <= until:
            message = messages.popleft()
            partition.size -= len(message)
            found.append(message)
        return found

    def _batch(self, messages: list[Message]) -> Batch:
        """One batch of messages; those that do not fit any more go back."""
        size, count = 0, 0
        for message in messages:
            size += len(message) + 1
            if size > self.options.batch_bytes and count:
                break
            count += 1
            if self.options.format == "arrow":
                break
        for message in reversed(messages[count:]):
            part = f"{message.topic()}/{message.partition()}"
            if (partition := self._partitions.get(part)) is not None:
                partition.messages.appendleft(message)
                partition.size += len(message)
        taken = messages[:count]
        marks = [(f"{message.topic()}/{message.partition()}", _after(message)) for message in taken]
        self._positions.update(marks)
        return self._batch_of([message.value() for message in taken], marks)


def _said(error: KafkaError) -> str:
    """The reason of a failed connection, without the names and the numbers of librdkafka before
    it, such as `sasl_ssl://127.0.0.1:9093/bootstrap: ... (after 3ms in state CONNECT)`."""
    said = error.str().rpartition("/bootstrap: ")[2]
    return said.partition(" (after ")[0].strip(" :")


def _after(message: Message) -> int:
    """The offset after a message."""
    return (message.offset() or 0) + 1
