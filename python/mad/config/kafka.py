"""How to reach Kafka: the options that the source and the sink share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mad.config.options import option
from mad.config.secret import Secret, revealed


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
        """Raises ValueError for a secret among the settings, where it would stand in plain."""
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
