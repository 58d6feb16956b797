"""Sends a stream at the pace of its clock."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from mad.adapters.clock import Clock
from mad.adapters.post import Post
from mad.simulate.streams import Stream

STEP = 1.0
"""Seconds between two rounds at most."""
LATENESS = 4.0
"""Seconds of event time between two rounds at most."""


@dataclass
class Fed:
    """What became of a stream."""

    sent: int = 0
    """Records that the server answered."""
    accepted: int = 0
    rejected: int = 0
    batches: int = 0
    retried: int = 0
    """Batches that were sent again."""


def feed(
    post: Post,
    stream: Stream,
    clock: Clock,
    *,
    batch: int = 1_000,
    stop: threading.Event | None = None,
    said: Callable[[Fed], None] = lambda _: None,
) -> Fed:
    """Sends what is due, in batches of at most `batch` records, until the stream is over or `stop`
    is set; `said` is told after each batch. NotTakenError when the server does not take one.

    Behind a slow server the stream waits, and its pace is made up for afterwards.
    """
    fed, name = Fed(), uuid.uuid4().hex
    stop = stop if stop is not None else threading.Event()
    step, elapsed = min(STEP, clock.seconds(LATENESS)), 0.0
    while elapsed < stream.duration and not stop.is_set():
        # kinds take turns, so that none is late where this is behind
        behind = clock.now() - clock.start - elapsed
        if behind < LATENESS:
            stop.wait(step)
        elapsed += min(max(behind, 0.0), LATENESS)
        for piece in stream.due(elapsed, batch):
            fed.batches += 1
            answer = post.send(piece.kind, piece.lines, f"{name}-{fed.batches}", piece.records)
            fed.sent += piece.records
            fed.accepted += answer.accepted
            fed.rejected += answer.rejected
            fed.retried += answer.retried
            said(fed)
            if stop.is_set():
                break
    return fed
