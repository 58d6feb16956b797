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
"""Longest pause between two rounds, in seconds."""
LATENESS = 4.0
"""Longest pause between two rounds, in seconds of event time."""


@dataclass
class FeedStats:
    """Numbers of sent records and batches."""

    sent: int = 0
    """Records that the server acknowledged."""
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
    progress: Callable[[FeedStats], None] = lambda _: None,
) -> FeedStats:
    """Sends due records in batches of at most `batch` until the stream ends or `stop` is set; calls
    `progress` after each batch.

    Behind a slow server the stream waits and catches up later.

    Raises `DeliveryError` when the server does not accept a batch.
    """
    fed, name = FeedStats(), uuid.uuid4().hex
    stop = stop if stop is not None else threading.Event()
    step, elapsed = min(STEP, clock.seconds(LATENESS)), 0.0
    while elapsed < stream.duration and not stop.is_set():
        # Kinds take turns, so that none becomes late while the stream is behind.
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
            progress(fed)
            if stop.is_set():
                break
    return fed
