"""The topics of a group: the state of each partition is read from one, and written with the results
in transactions of which each partition has one writer at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeAlias

from mad.config.kafka import KafkaAccess
from mad.group.saved import SavedState
from mad.sources.protocol import SourceUnavailable

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Producer

#: Topic, partition, key and value of a message.
Written: TypeAlias = tuple[str, int, str, "bytes | None"]
#: The header with the number of the commit.
_NUMBER = "mad-number"
#: Seconds that a call to the brokers has, and that a transaction may last.
CALL_SECONDS, TRANSACTION_SECONDS = 30.0, 120
#: Seconds between two looks whether the brokers are gone while a transaction ends.
_LOOK_SECONDS = 1.0


class PartitionWriter:
    """Writes the state and the results of one partition in transactions.

    The name of the transactions is that of the partition. Opening a writer ends the transactions of
    every other one of this name, and the brokers refuse what that one still writes.
    """

    def __init__(self, access: KafkaAccess, name: str) -> None:
        import confluent_kafka

        self._kafka = confluent_kafka
        self._name = name
        #: Why no broker can be reached.
        self._fault = ""
        self._producer: Producer = confluent_kafka.Producer(
            {
                **access.connection(),
                "transactional.id": name,
                "transaction.timeout.ms": TRANSACTION_SECONDS * 1000,
                "linger.ms": 5,
                "error_cb": self._failed,
                **_of_producers(access.settings),
            }
        )
        try:
            self._producer.init_transactions(CALL_SECONDS)
        except confluent_kafka.KafkaException as error:
            raise SourceUnavailable(f"transactions of {name}: {error.args[0].str()}") from error

    def write(self, messages: Iterable[Written], number: int) -> None:
        """Writes messages in one transaction, with the number of the commit. Raises
        `SourceUnavailable` when nothing was committed, or when that is unknown: the writer has to
        be replaced then."""
        producer = self._producer
        self._fault = ""
        header = {_NUMBER: str(number).encode()}
        try:
            producer.begin_transaction()
            for topic, partition, key, value in messages:
                self._produce(topic, partition, key, value, header)
            self._commit()
        except self._kafka.KafkaException as error:
            with contextlib.suppress(self._kafka.KafkaException):
                producer.abort_transaction(5.0)
            said = error.args[0].str()
            raise SourceUnavailable(f"results of {self._name} are not written: {said}") from error

    def _commit(self) -> None:
        """Ends the transaction. Gives up when the brokers are gone."""
        end = monotonic() + TRANSACTION_SECONDS
        while True:
            try:
                return self._producer.commit_transaction(_LOOK_SECONDS)
            except self._kafka.KafkaException as error:
                # The call may be repeated after a time-out, with the same outcome.
                if not error.args[0].retriable() or monotonic() > end:
                    raise
            self._producer.poll(0)
            if self._fault:
                raise SourceUnavailable(self._fault)

    def _failed(self, error: KafkaError) -> None:
        """librdkafka reports errors of connections here."""
        if error.code() == self._kafka.KafkaError._ALL_BROKERS_DOWN:
            self._fault = f"results of {self._name} are not written: {error.str()}"

    def _produce(
        self, topic: str, partition: int, key: str, value: bytes | None, header: dict[str, bytes]
    ) -> None:
        end = monotonic() + CALL_SECONDS
        while True:
            try:
                self._producer.produce(
                    topic, value, key=key.encode(), partition=partition, headers=dict(header)
                )
            except BufferError:
                if monotonic() > end:
                    raise SourceUnavailable(f"the brokers take nothing of {self._name}") from None
                self._producer.poll(0.1)
            else:
                return


def read_state(access: KafkaAccess, topic: str, partition: int) -> SavedState:
    """Reads the state of a partition to the present end of its topic. Raises `SourceUnavailable`
    and `StateError`."""
    import confluent_kafka as kafka

    saved = SavedState()
    consumer = kafka.Consumer(
        {
            **access.connection(),
            "group.id": "mad-state",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            **access.settings,
        }
    )
    try:
        consumer.assign([kafka.TopicPartition(topic, partition, kafka.OFFSET_BEGINNING)])
        end = monotonic() + CALL_SECONDS
        while monotonic() < end:
            for message in consumer.consume(1_000, 0.1):
                fault = message.error()
                if fault is None:
                    key = (message.key() or b"").decode("utf-8", "backslashreplace")
                    saved.take(key, _number_of(message.headers()), message.value())
                    # the time is that of one answer
                    end = monotonic() + CALL_SECONDS
                elif fault.code() == kafka.KafkaError._PARTITION_EOF:
                    return saved
                elif fault.fatal():
                    raise SourceUnavailable(f"topic {topic}: {fault.str()}")
    except kafka.KafkaException as error:
        raise SourceUnavailable(f"topic {topic}: {error.args[0].str()}") from error
    finally:
        consumer.close()
    raise SourceUnavailable(f"topic {topic}: no answer in {CALL_SECONDS:g} s")


def make_topics(access: KafkaAccess, topics: dict[str, dict[str, str]], like: str) -> int:
    """Creates topics that are missing, with their settings and the number of partitions of `like`,
    which is returned. Raises `SourceUnavailable`."""
    import confluent_kafka as kafka
    from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

    admin = AdminClient({**access.connection(), **_of_producers(access.settings)})
    try:
        # Of all topics: asking for one would create it on many brokers.
        known = admin.list_topics(timeout=CALL_SECONDS).topics
    except kafka.KafkaException as error:
        raise SourceUnavailable(
            f"Kafka at {', '.join(access.brokers)} cannot be reached: {error.args[0].str()}",
            "check brokers, TLS, user and password",
        ) from error
    if like not in known or not known[like].partitions:
        raise SourceUnavailable(
            f"topic {like} does not exist", "create the topic, or mend its name"
        )
    count = len(known[like].partitions)
    missing = [
        NewTopic(topic, count, -1, config=config)
        for topic, config in topics.items()
        if topic not in known
    ]
    for topic, future in (admin.create_topics(missing) if missing else {}).items():
        try:
            future.result(CALL_SECONDS)
        except kafka.KafkaException as error:
            if error.args[0].code() != kafka.KafkaError.TOPIC_ALREADY_EXISTS:
                text = f"topic {topic} cannot be created: {error.args[0].str()}"
                raise SourceUnavailable(text, "create it") from error
    for topic in topics:
        if topic in known and len(known[topic].partitions) != count:
            raise SourceUnavailable(
                f"topic {topic} has {len(known[topic].partitions)} partitions, {like} has {count}",
                "give it as many",
            )
    return count


def _number_of(headers: Any) -> int:
    found = dict(headers or ()).get(_NUMBER)
    return int(found) if found and len(found) < 20 and found.isdigit() else 0


def _of_producers(settings: dict[str, str]) -> dict[str, str]:
    """The settings that are not those of consumers alone."""
    others = ("session.", "heartbeat.", "max.poll.", "fetch.", "queued.", "group.", "auto.")
    return {name: value for name, value in settings.items() if not name.startswith(others)}
