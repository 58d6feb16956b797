"""Sends the notifications of the outbox: one thread for each sink."""

from __future__ import annotations

import json
import logging
import math
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import TimeoutError as NotYet
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from functools import partial
from time import monotonic
from typing import Any
from urllib.parse import quote

from mad.config.deployment import Part
from mad.engine.alerts import Route
from mad.engine.engine import Engine
from mad.engine.job import Busy, StorageFailed
from mad.engine.problems import Problem
from mad.journal import Delivery, Journal, Outcome
from mad.journal.reader import Reader
from mad.severity import SEVERITIES
from mad.sinks.hours import is_muted, quiet_until, windows_of, zone_of
from mad.sinks.protocol import Notification, Refused, Retry, Sink, SinkOptions

#: Shortest and longest pause after a failure, in seconds.
PAUSES = (1.0, 300.0)
#: Longest time between two looks at the outbox, in seconds.
_LOOK_SECONDS = 1.0
#: Seconds between two counts of dead letters.
_COUNT_SECONDS = 5.0
#: Failures in a row from which `/health` names a sink.
_FAILURES = 3

log = logging.getLogger("mad.sinks")


@dataclass(slots=True)
class SinkHealth:
    """The figures of one sink."""

    name: str
    type: str
    state: str = "idle"
    sent: int = 0
    dropped: int = 0
    dead: int = 0
    pending: int = 0
    failures: int = 0
    #: Why the last attempt failed; empty after one that succeeded.
    error: str = ""


class SinkRunner:
    """Sends the deliveries of one sink until it is stopped.

    A message is marked as sent after the peer took it. After a crash in between it is sent again
    with the same key.
    """

    def __init__(
        self,
        name: str,
        sink: Sink,
        options: SinkOptions,
        engine: Engine,
        *,
        type: str = "",
        url: str = "",
        pauses: tuple[float, float] = PAUSES,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self.name = name
        self.sink, self.options = sink, options
        self._engine, self._url, self._now = engine, url.rstrip("/"), now
        self._shortest, self._longest = pauses
        self._pause, self._not_before, self._failed = pauses[0], 0.0, 0
        self._health = SinkHealth(name, type)
        self._reader = Reader(engine.journal.path)
        #: When the messages of the last minute were sent.
        self._sent_at: deque[float] = deque(maxlen=options.rate_per_minute)
        #: Outcomes that are not in the journal yet.
        self._unwritten: list[Outcome] = []
        self._counted_at = float("-inf")
        self._zone, self._mutes = zone_of(options.zone), windows_of(options.mute)
        self._stopping, self._wake = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"mad-sink-{name}", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def wake(self) -> None:
        """Looks at the outbox soon."""
        self._wake.set()

    def end(self) -> None:
        """Begins to stop."""
        self._stopping.set()
        self._wake.set()

    def stop(self) -> None:
        """Ends the thread after the attempt at work; the engine has to run until then."""
        self.end()
        if self._thread.ident is not None:
            self._thread.join(self.options.timeout_seconds + 10.0)

    def health(self) -> SinkHealth:
        """The present figures. Any thread may ask."""
        return SinkHealth(**asdict(self._health))

    def problem(self) -> str:
        """Why messages do not arrive; empty when they do."""
        health = self._health
        if self._failed >= _FAILURES:
            return f"sink {self.name} cannot send ({health.pending} wait): {health.error}"
        if health.dead:
            return (
                f"sink {self.name} has {health.dead} dead letters; see mad alert dead, then send "
                f"them again with mad alert retry --sink {self.name}"
            )
        return ""

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                pause = self.turn()
            except (sqlite3.Error, Busy, StorageFailed, NotYet) as error:
                self._health.error = f"the outbox cannot be used: {type(error).__name__}"
                pause = _LOOK_SECONDS
            except Exception as error:
                log.exception("sink %s", self.name)
                self._health.error = type(error).__name__
                pause = _LOOK_SECONDS
            self._wake.wait(min(pause, _LOOK_SECONDS))
            self._wake.clear()

    def turn(self) -> float:
        """Sends the messages that are due now; returns the seconds until the next look."""
        self._write_outcomes()
        self._count()
        ready = self._ready(self._reader.due(self.name, self._severities()))
        if not ready:
            return _LOOK_SECONDS
        wait = max(self._not_before - monotonic(), self._rate_wait(), self._group_wait(ready))
        if wait > 0:
            return wait
        if self.sink.groups and len(ready) > 1:
            self._send(ready)
            return 0.0
        # The one with the fewest attempts first, so that none blocks the others.
        self._send([min(ready, key=lambda one: (one.attempts, one.id))])
        return 0.0

    def _ready(self, waiting: Sequence[Delivery]) -> list[Delivery]:
        """The newest delivery of each incident that can be sent now; older ones are dropped."""
        now, clock = self._now(), self._engine.clock.now() or 0
        free = [one for one in waiting if not _is_held(one, now, clock)]
        if is_muted(now, self._mutes):
            self._drop(free, "muted")
            return []
        newest = {one.incident: one for one in free if not one.outdated}
        old = [one for one in free if newest.get(one.incident) is not one]
        self._drop(old, "superseded")
        ready = list(newest.values())
        if self.sink.keyed:
            needless = [one for one in ready if one.event == "resolved" and not one.known]
            self._drop(needless, "it ended before the sink heard of it")
            ready = [one for one in ready if one not in needless]
        return ready

    def _severities(self) -> Sequence[str]:
        """The severities that are sent now: in quiet hours fewer."""
        options = self.options
        if quiet_until(self._now(), options.quiet, options.quiet_days, self._zone) is None:
            return SEVERITIES
        if options.quiet_severity == "none":
            return ()
        return SEVERITIES[SEVERITIES.index(options.quiet_severity) :]

    def _group_wait(self, ready: Sequence[Delivery]) -> float:
        """Seconds for which the oldest message still waits for others."""
        if not self.sink.groups:
            return 0.0
        waited = max(_age(one, self._now()) for one in ready)
        return self.options.group_seconds - waited

    def _rate_wait(self) -> float:
        """Seconds until a further message is within the rate."""
        if len(self._sent_at) < self.options.rate_per_minute:
            return 0.0
        return self._sent_at[0] + 60.0 - monotonic()

    def _send(self, deliveries: Sequence[Delivery]) -> None:
        ids = tuple(one.id for one in deliveries)
        health = self._health
        health.state = "sending"
        self._sent_at.append(monotonic())
        try:
            self.sink.send(self._notification(deliveries))
        except Refused as error:
            self._refused(ids, str(error))
        except Exception as error:  # of any kind: the class may be another package's
            is_known = isinstance(error, (Retry, ValueError))
            text = str(error) if is_known else type(error).__name__
            self._retry(deliveries, text, getattr(error, "after", None))
        else:
            health.state, health.error = "idle", ""
            health.sent += 1
            self._failed, self._pause, self._not_before = 0, self._shortest, 0.0
            self._finish(Outcome(ids, "sent"))

    def _refused(self, ids: tuple[int, ...], reason: str) -> None:
        self._health.state, self._health.error = "failing", reason
        self._health.failures += 1
        log.warning("sink %s refused a message: %s", self.name, reason)
        self._finish(Outcome(ids, "dead", reason))

    def _retry(self, deliveries: Sequence[Delivery], reason: str, after: float | None) -> None:
        health = self._health
        health.state, health.error = "failing", reason
        health.failures += 1
        self._failed += 1
        self._not_before = monotonic() + max(self._pause, after or 0.0)
        self._pause = min(2 * self._pause, self._longest)
        log.warning("sink %s: %s", self.name, reason)
        last = self.options.attempts - 1
        dead = tuple(one.id for one in deliveries if one.attempts >= last)
        again = tuple(one.id for one in deliveries if one.attempts < last)
        for ids, status in ((dead, "dead"), (again, "pending")):
            if ids:
                self._finish(Outcome(ids, status, reason))

    def _notification(self, deliveries: Sequence[Delivery]) -> Notification:
        documents = [_presented(one) for one in deliveries]
        link = ""
        if self._url and len(documents) > 1:
            link = f"{self._url}/#/incidents?active=true"
        elif self._url:
            link = f"{self._url}/#/incidents/{quote(documents[0]['key'])}"
        return Notification(documents, link)

    def _drop(self, deliveries: Sequence[Delivery], reason: str) -> None:
        if deliveries:
            self._health.dropped += len(deliveries)
            ids = tuple(one.id for one in deliveries)
            self._finish(Outcome(ids, "dropped", reason, is_attempt=False))

    def _finish(self, outcome: Outcome) -> None:
        self._unwritten.append(outcome)
        self._write_outcomes()

    def _write_outcomes(self) -> None:
        """Writes outcomes to the journal. Nothing is sent before that has succeeded, so that no
        message is sent twice while the disk refuses writes."""
        while self._unwritten:
            write = partial(_write_outcome, self._unwritten[0])
            self._engine.write(write).result(30.0)
            self._unwritten.pop(0)
            self._counted_at = float("-inf")

    def _count(self) -> None:
        if monotonic() - self._counted_at < _COUNT_SECONDS:
            return
        self._counted_at = monotonic()
        counts = self._reader.delivery_counts()
        self._health.dead = counts.get((self.name, "dead"), 0)
        self._health.pending = counts.get((self.name, "pending"), 0)


class SinkPool:
    """All sinks of a server."""

    def __init__(self, runners: Sequence[SinkRunner] = ()) -> None:
        self.runners = list(runners)

    @classmethod
    def of(cls, parts: Mapping[str, Part], engine: Engine, url: str) -> SinkPool:
        """The sinks that the settings name. `url` is that of the server, for links."""
        return cls(
            [
                SinkRunner(name, part.build(), part.options, engine, type=part.type, url=url)
                for name, part in parts.items()
            ]
        )

    def start(self) -> None:
        """Starts all sinks."""
        for runner in self.runners:
            runner.start()

    def wake(self, *_: Any) -> None:
        """Makes all sinks look at the outbox."""
        for runner in self.runners:
            runner.wake()

    def stop(self) -> None:
        """Stops all sinks; they end side by side."""
        for runner in self.runners:
            runner.end()
        for runner in self.runners:
            runner.stop()

    def health(self) -> list[SinkHealth]:
        """The figures of each sink."""
        return [runner.health() for runner in self.runners]

    def problems(self) -> list[Problem]:
        """The sinks whose messages do not arrive."""
        texts = (runner.problem() for runner in self.runners)
        return [Problem("degraded", "sink", text) for text in texts if text]

    def exposition(self) -> str:
        """The figures in Prometheus text format; empty without sinks."""
        found = self.health()
        lines = []
        for name, kind, text, field in (
            ("mad_sink_sent_total", "counter", "Messages sent.", "sent"),
            ("mad_sink_failures_total", "counter", "Attempts that failed.", "failures"),
            ("mad_sink_dead_letters", "gauge", "Messages given up.", "dead"),
            ("mad_sink_pending", "gauge", "Messages that wait.", "pending"),
        ):
            lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"] if found else []
            lines += [
                f'{name}{{sink="{one.name}",type="{one.type}"}} {getattr(one, field)}'
                for one in found
            ]
        return "".join(f"{line}\n" for line in lines)


def routes_of(parts: Mapping[str, Part]) -> list[Route]:
    """Which alerts the sinks of the settings receive."""
    return [
        Route(name, part.options.events, part.options.services, part.options.min_severity)
        for name, part in parts.items()
    ]


def _write_outcome(outcome: Outcome, journal: Journal) -> None:
    journal.delivered(outcome)


def _age(delivery: Delivery, now: datetime) -> float:
    """Seconds since a delivery was written; endless when the clock was set back since then, so that
    no message waits until it has caught up."""
    created = datetime.fromisoformat(delivery.created_at.replace("Z", "+00:00"))
    age = (now - created).total_seconds()
    return age if age >= 0.0 else math.inf


def _is_held(delivery: Delivery, now: datetime, clock: int) -> bool:
    """Whether a message about an end may still be withdrawn: until its event time, or, while no
    telemetry arrives, for its time."""
    return clock < delivery.hold_until and _age(delivery, now) < delivery.hold_seconds


def _presented(delivery: Delivery) -> dict[str, Any]:
    """The document of a delivery. To a sink that never heard of an incident, an update opens it."""
    document: dict[str, Any] = json.loads(delivery.document)
    if not delivery.known and delivery.event != "resolved":
        return {**document, "event": "opened", "previous": None}
    return document
