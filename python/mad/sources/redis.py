"""Streams of Redis: the source type `redis`."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mad.config.options import option
from mad.config.secret import Secret, revealed
from mad.errors import MissingExtraError
from mad.sources.protocol import Batch, Positions, SourceUnavailable
from mad.sources.stream import StreamOptions, StreamSource

_CONNECT_SECONDS = 5.0
_START = "0-0"


@dataclass(frozen=True, kw_only=True)
class RedisOptions(StreamOptions):
    """What a source of the type `redis` reads."""

    streams: tuple[str, ...] = option(help="Names of streams")
    url: str = option("redis://127.0.0.1:6379/0", help="Address; `rediss://` encrypts")
    username: str = option("", help="User")
    password: Secret | None = option(None, help="Password")
    group: str = option(
        "mad", help="Consumer group that shows others how far mad has read; empty: none"
    )
    field: str = option(
        "data", help="Field of an entry with the payload; an entry without it is the record itself"
    )
    batch_records: int = option(5_000, help="Most entries of a batch", least=1, most=100_000)


class RedisSource(StreamSource[RedisOptions]):
    """Reads streams from the ids in the journal on. After a commit the group is set to the id, so
    that its lag is visible and entries that every group has read can be trimmed."""

    Options = RedisOptions

    def __init__(self, options: RedisOptions) -> None:
        try:
            import redis
        except ImportError as error:
            raise MissingExtraError(
                "a source of the type redis needs redis", "pip install 'mad-py[redis]'"
            ) from error
        super().__init__(options)
        self._redis = redis
        self._client: Any = None
        self._after: dict[str, str] = {}
        self._grouped: set[str] = set()

    def open(self, positions: Positions) -> None:
        """Connects, and finds out where each stream ends."""
        self.close()
        with self._faults():
            client = self._connect()
            self._client = client
            for stream in self.options.streams:
                newest = self._newest(client, stream)
                after = positions.get(stream)
                if after is None:
                    after = newest if self.options.start == "end" else _START
                elif _place(newest) < _place(after):
                    # The stream was deleted and begun again.
                    after = _START
                self._after[stream] = after

    def read(self, timeout: float) -> Batch | None:
        """The next entries of all streams, by their ids."""
        if self._client is None:
            raise SourceUnavailable("the source is not open")
        with self._faults():
            # A block of 0 ms waits for ever.
            wait = int(timeout * 1000) or None
            found = self._client.xread(self._after, self.options.batch_records, wait)
        entries = [
            (_place(id_), stream.decode(), id_.decode(), fields)
            for stream, of_stream in found or ()
            for id_, fields in of_stream
        ]
        if not entries:
            return None
        if len(found) > 1:
            entries.sort(key=lambda entry: entry[0])
        if self.options.format == "arrow":
            entries = entries[:1]
        marks = [(stream, id_) for _, stream, id_, _ in entries]
        self._after |= dict(marks)
        payloads = [self._payload(fields) for *_, fields in entries]
        return self._batch_of(payloads, marks)

    def acknowledge(self, positions: Positions) -> None:
        """Sets the group to the ids."""
        if not self.options.group or self._client is None:
            return
        with self._faults():
            for stream, id_ in positions.items():
                self._set_group(stream, id_)

    def check(self) -> list[str]:
        """Asks the server for the streams."""
        faults = []
        try:
            with self._faults():
                client = self._connect()
                for stream in self.options.streams:
                    if not client.exists(stream):
                        faults.append(f"there is no stream {stream}; check the name")
                    elif client.type(stream) != b"stream":
                        faults.append(f"{stream} is no stream; name one that XADD fills")
                client.close()
        except SourceUnavailable as error:
            faults.append(f"{error}; {error.hint}")
        return faults

    def close(self) -> None:
        """Closes the connection."""
        client, self._client = self._client, None
        self._after, self._grouped = {}, set()
        if client is not None:
            with contextlib.suppress(self._redis.RedisError):
                client.close()

    def _connect(self) -> Any:
        options = self.options
        client = self._redis.Redis.from_url(
            options.url,
            username=options.username or None,
            password=revealed(options.password) or None,
            socket_connect_timeout=_CONNECT_SECONDS,
            socket_timeout=_CONNECT_SECONDS,
            client_name="mad",
        )
        client.ping()
        return client

    def _newest(self, client: Any, stream: str) -> str:
        if not client.exists(stream):
            return _START
        found = client.xinfo_stream(stream)["last-generated-id"]
        return found.decode() if isinstance(found, bytes) else str(found)

    def _set_group(self, stream: str, id_: str) -> None:
        if stream not in self._grouped:
            with contextlib.suppress(self._redis.ResponseError):
                self._client.xgroup_create(stream, self.options.group, id_)
            self._grouped.add(stream)
        self._client.xgroup_setid(stream, self.options.group, id_)

    def _payload(self, fields: dict[bytes, bytes]) -> bytes:
        payload = fields.get(self.options.field.encode())
        if payload is not None:
            return payload
        texts = {
            name.decode("utf-8", "replace"): value.decode("utf-8", "replace")
            for name, value in fields.items()
        }
        return json.dumps(texts).encode()

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        """Errors of the client as `SourceUnavailable`."""
        try:
            yield
        except (self._redis.RedisError, OSError) as error:
            said = str(error) or type(error).__name__
            raise SourceUnavailable(
                f"Redis at {self.options.url} cannot be read: {said}",
                "check url, user and password",
            ) from error


def _place(id_: str | bytes) -> tuple[int, int]:
    """An id as numbers: milliseconds and a counter."""
    text = id_.decode() if isinstance(id_, bytes) else id_
    at, _, count = text.partition("-")
    return int(at), int(count or 0)
