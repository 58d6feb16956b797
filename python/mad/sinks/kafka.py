"""Incidents as messages of a topic: the sink type `kafka`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar

from mad.config.kafka import KafkaAccess
from mad.config.options import option
from mad.config.secret import SecretMissing
from mad.errors import MissingExtraError
from mad.sinks.protocol import Notification, Refused, Retry, SinkOptions

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Producer


@dataclass(frozen=True, kw_only=True)
class KafkaSinkOptions(SinkOptions, KafkaAccess):
    """Options of the type `kafka`."""

    topic: str = option(help="Topic that receives the documents")

    def __post_init__(self) -> None:
        SinkOptions.__post_init__(self)
        KafkaAccess.__post_init__(self)


class KafkaSink:
    """Writes each document as one message, and waits until all replicas have it.

    The key is that of the incident, so that its messages stay in order. The header `mad-id` is the
    id of the message, which further attempts repeat.
    """

    Options: ClassVar[type[KafkaSinkOptions]] = KafkaSinkOptions
    groups: ClassVar[bool] = True
    keyed: ClassVar[bool] = False

    def __init__(self, options: KafkaSinkOptions) -> None:
        try:
            import confluent_kafka
        except ImportError as error:
            raise MissingExtraError(
                "a sink of the type kafka needs confluent-kafka", "pip install 'mad-py[kafka]'"
            ) from error
        self._options = options
        self._kafka = confluent_kafka
        self._producer: Producer | None = None

    def send(self, notification: Notification) -> None:
        """Sends a notification. Raises `Retry` and `Refused`."""
        failed: list[KafkaError] = []

        def delivered(error: KafkaError | None, _: Any) -> None:
            if error is not None:
                failed.append(error)

        producer = self._producer = self._producer or self._connect()
        for document in notification.documents:
            body = json.dumps({**document, "url": notification.url}, ensure_ascii=False)
            try:
                producer.produce(
                    self._options.topic,
                    body.encode(),
                    key=str(document["key"]).encode(),
                    headers={"mad-id": str(document["id"]).encode()},
                    on_delivery=delivered,
                )
            except (BufferError, self._kafka.KafkaException) as error:
                raise Retry(f"{self._place()}: {error}") from None
        end = monotonic() + self._options.timeout_seconds
        if producer.flush(max(0.0, end - monotonic())):
            producer.purge()
            producer.flush(0)
            self._producer = None
            raise Retry(f"{self._place()}: no answer in {self._options.timeout_seconds:g} s")
        if failed:
            text = f"{self._place()}: {failed[0].str()}"
            if failed[0].code() == self._kafka.KafkaError.MSG_SIZE_TOO_LARGE:
                raise Refused(text)
            raise Retry(text)

    def check(self) -> list[str]:
        """Asks the brokers for the topic."""
        try:
            # Of all topics: asking for one would create it on many brokers.
            metadata = self._connect().list_topics(timeout=self._options.timeout_seconds)
        except SecretMissing as error:
            return [str(error)]
        except (Refused, self._kafka.KafkaException) as error:
            said = error.args[0].str() if hasattr(error.args[0], "str") else str(error)
            return [f"{self._place()}: {said}; check brokers, TLS, user and password"]
        found = metadata.topics.get(self._options.topic)
        if found is None or found.error is not None or not found.partitions:
            return [f"{self._place()}: there is no such topic; create it, or mend its name"]
        return []

    def _connect(self) -> Producer:
        timeout = int(self._options.timeout_seconds * 1000)
        settings = {
            **self._options.connection(),
            "acks": "all",
            "linger.ms": 0,
            "message.timeout.ms": timeout,
            **self._options.settings,
        }
        try:
            return self._kafka.Producer(settings)
        except (ValueError, self._kafka.KafkaException) as error:
            raise Refused(f"{self._place()}: the settings are refused: {error}") from None

    def _place(self) -> str:
        return f"topic {self._options.topic} at {', '.join(self._options.brokers)}"
