"""What sources of messages share: the options of payloads, and how messages become a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from mad.config.options import option
from mad.sources.payload import JOINTS, KINDS, joined
from mad.sources.protocol import Batch


@dataclass(frozen=True, kw_only=True)
class StreamOptions:
    """What the messages hold, and where reading begins."""

    kind: str = option("requests", help="Kind of the records", pattern="|".join(KINDS))
    format: str = option(
        "json",
        help=f"Format of the payloads: {', '.join(f'`{one}`' for one in JOINTS)}",
        pattern="|".join(JOINTS),
    )
    partition: str = option("", help="Partition of the event time")
    start: str = option(
        "beginning",
        help="Where a new subscription begins: `beginning` or `end`",
        pattern="beginning|end",
    )


Options = TypeVar("Options", bound=StreamOptions)


class StreamSource(Generic[Options]):
    """A source whose messages have payloads and positions."""

    def __init__(self, options: Options) -> None:
        self.options = options

    def lags(self) -> bool:
        """Nothing waits when `read` gives nothing."""
        return False

    def _batch_of(
        self, payloads: Sequence[bytes | None], marks: Sequence[tuple[str, Any]]
    ) -> Batch:
        """One batch of payloads, each with its part and the position after it."""
        return joined(payloads, marks, self.options.kind, self.options.format)
