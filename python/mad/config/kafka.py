"""How to reach Kafka: the options that the source and the sink share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mad.config.options import option
from mad.config.secret import Secret, revealed

#: Settings of librdkafka on which it depends that each record is read once, with the remedy.
_OWN = {
    "bootstrap.servers": "use the option brokers",
    "metadata.broker.list": "use the option brokers",
    "group.id": "use the option group",
    "transactional.id": "it is the name of each partition",
    "auto.offset.reset": "use the option start, where there is one",
    "enable.auto.commit": "offsets are committed with the records",
    "auto.commit.enable": "offsets are committed with the records",
    "enable.auto.offset.store": "offsets are committed with the records",
    "enable.partition.eof": "the end of a partition has to be seen",
}
#: Those of sources whose states and results are written in transactions.
OF_TRANSACTIONS = {
    "isolation.level": "what a transaction did not commit must not be read",
    "enable.idempotence": "transactions need it",
    "acks": "transactions need all",
    "partition.assignment.strategy": "partitions that stay are read on while others move",
    "transaction.timeout.ms": "it is as long as a member waits for the brokers",
}
_LONGEST_TOPIC = 249
"""Characters of the name of a topic, as the brokers have it."""


def check_settings(settings: Mapping[str, str], own: Mapping[str, str]) -> None:
    """Raises ValueError for a setting that is not free to be set."""
    for name in settings:
        if (why := own.get(name.strip().lower())) is not None:
            raise ValueError(f"settings has {name!r}, which is not free; leave it out: {why}")


def check_topics(topics: Mapping[str, str]) -> None:
    """Raises ValueError for topics, by their option, with a name that no topic can have, and for
    two with one name."""
    known: dict[str, str] = {}
    for option_, topic in topics.items():
        if not re.fullmatch(r"[A-Za-z0-9._-]+", topic) or len(topic) > _LONGEST_TOPIC:
            raise ValueError(
                f"{option_} is {topic!r:.80}; the name of a topic has 1 to {_LONGEST_TOPIC} "
                "characters: a-z, A-Z, 0-9, dot, underscore and hyphen"
            )
        if (other := known.setdefault(topic, option_)) != option_:
            raise ValueError(f"{option_} and {other} are both {topic!r}; give each its own topic")


@dataclass(frozen=True, kw_only=True)
class KafkaAccess:
    """The brokers, and who connects to them."""

    brokers: tuple[str, ...] = option(help="Addresses of brokers, such as `kafka:9092`")
    username: str = option("", help="User of SASL; `$ConnectionString` for Event Hubs")
    password: Secret | None = option(None, help="Password of SASL; needs `username`")
    mechanism: str = option(
        "PLAIN",
        help="`PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`",
        pattern="PLAIN|SCRAM-SHA-256|SCRAM-SHA-512",
    )
    tls: bool = option(False, help="Encrypt the connections")
    ca_file: str = option("", help="File with the certificates of authorities")
    settings: dict[str, str] = option({}, help="Further settings of librdkafka")

    def __post_init__(self) -> None:
        """Raises ValueError for a secret among the settings, where it would stand in plain, and for
        a setting on which it depends that each record is read once."""
        check_settings(self.settings, _OWN)
        for name in self.settings:
            if any(word in name.lower() for word in ("password", "secret", "token", "key.pem")):
                raise ValueError(f"settings has {name!r}; use the option password, or a file")
        if self.username and self.password is None:
            raise ValueError("username needs a password")

    def connection(self) -> dict[str, Any]:
        """The settings of librdkafka for the connection. Raises `SecretMissing`."""
        found: dict[str, Any] = {
            "bootstrap.servers": ",".join(self.brokers),
            "client.id": "mad",
            # Errors are those of the calls; librdkafka would write each attempt to standard error.
            "log_level": 0,
        }
        if self.username:
            found |= {
                "sasl.mechanism": self.mechanism,
                "sasl.username": self.username,
                "sasl.password": revealed(self.password),
            }
        if self.tls or self.username:
            transport = "SSL" if self.tls else "PLAINTEXT"
            found["security.protocol"] = f"SASL_{transport}" if self.username else transport
        if self.ca_file:
            found["ssl.ca.location"] = self.ca_file
        return found
