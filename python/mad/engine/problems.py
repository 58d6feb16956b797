"""Reasons why a running engine is not healthy, for `/health`, the log and the metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["degraded", "failing"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason why the service is not `ok`.

    `failing` means that nothing can be acknowledged now, `degraded` that a part is lost or refused.
    """

    level: Level
    #: A short name for programs, such as `storage` or `set_aside`.
    name: str
    #: The event and the remedy, for people.
    text: str
