"""Results of the members of a group, from a topic of Kafka: the source type `kafka-results`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from mad.config.kafka import OF_TRANSACTIONS, KafkaAccess, check_settings, check_topics
from mad.config.options import option
from mad.engine.engine import Engine
from mad.group.fleet_watch import FleetWatch, ResultsRunner
from mad.sources.kafka import KafkaOptions, KafkaSource
from mad.sources.protocol import Batch

#: The name of the results as a kind of entry of the journal.
RESULTS = "results"


@dataclass(frozen=True, kw_only=True)
class KafkaResultsOptions(KafkaAccess):
    """What a source of the type `kafka-results` reads."""

    topic: str = option("mad-results", help="Topic to which the members write their results")
    group: str = option("mad-view", help="Consumer group; each server needs a separate one")
    wait_seconds: float = option(
        120.0,
        help="How long incidents wait for a partition that hands over nothing",
        least=1,
        most=86_400,
    )

    def __post_init__(self) -> None:
        """Raises ValueError for settings with which results would be read twice."""
        super().__post_init__()
        check_settings(self.settings, OF_TRANSACTIONS)
        if not self.group.strip():
            raise ValueError("group is empty; give a name")
        check_topics({"topic": self.topic})


class KafkaResultsSource(KafkaSource):
    """Reads committed results, one message a batch."""

    Options = KafkaResultsOptions  # type: ignore[assignment]

    def __init__(self, options: KafkaResultsOptions) -> None:
        access = {one.name: getattr(options, one.name) for one in fields(KafkaAccess)}
        # Batches of the format arrow have one message each.
        super().__init__(
            KafkaOptions(topics=(options.topic,), group=options.group, format="arrow", **access)
        )
        self._wait_seconds = options.wait_seconds

    def runner(self, name: str, engine: Engine, type: str) -> ResultsRunner:
        """What reads the results in a server, and ends the waiting for a partition."""
        source: Any = self
        return ResultsRunner(name, source, engine, FleetWatch(self._wait_seconds), type=type)

    def _settings(self) -> dict[str, Any]:
        return {**super()._settings(), "isolation.level": "read_committed"}

    def _batch_of(
        self, payloads: Sequence[bytes | None], marks: Sequence[tuple[str, Any]]
    ) -> Batch:
        return Batch(payloads[0] or b"", dict(marks), RESULTS, RESULTS)
