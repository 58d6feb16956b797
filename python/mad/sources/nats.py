"""Streams of NATS JetStream: the source type `nats`."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from mad.config.options import option
from mad.config.secret import Secret, revealed
from mad.errors import MissingExtraError
from mad.sources.protocol import Batch, Positions, SourceUnavailable
from mad.sources.stream import StreamOptions, StreamSource

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

T = TypeVar("T")

_CONNECT_SECONDS = 5.0
#: Seconds after which the server sends messages without an acknowledgement again. The source drops
#: them by their numbers.
_ACK_SECONDS = 300.0


@dataclass(frozen=True, kw_only=True)
class NatsOptions(StreamOptions):
    """What a source of the type `nats` reads."""

    stream: str = option(help="Name of the stream")
    servers: tuple[str, ...] = option(("nats://127.0.0.1:4222",), help="Addresses of servers")
    subject: str = option("", help="Subject of the messages; empty: all of the stream")
    durable: str = option("mad", help="Name of the consumer, by which others see its lag")
    username: str = option("", help="User")
    password: Secret | None = option(None, help="Password; needs `username`")
    token: Secret | None = option(None, help="Token, in place of user and password")
    credentials_file: str = option("", help="File with credentials (JWT and seed)")
    batch_records: int = option(2_000, help="Most messages of a batch", least=1, most=20_000)


class NatsSource(StreamSource[NatsOptions]):
    """A pull consumer that is created again at each start, from the number in the journal on.

    Streams with the retention `workqueue` keep the consumer's place themselves; messages that are
    in the journal already are dropped by their numbers.
    """

    Options = NatsOptions

    def __init__(self, options: NatsOptions) -> None:
        try:
            import nats
        except ImportError as error:
            raise MissingExtraError(
                "a source of the type nats needs nats-py", "pip install 'mad-py[nats]'"
            ) from error
        super().__init__(options)
        self._nats = nats
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: Client | None = None
        self._pull: Any = None
        self._after = 0
        self._given: deque[tuple[int, Msg]] = deque()
        self._acknowledges_each = False

    def open(self, positions: Positions) -> None:
        """Connects and creates the consumer."""
        self.close()
        self._after = int(positions.get(self.options.stream, 0))
        with self._faults():
            self._run(self._subscribe(is_first=self.options.stream not in positions))

    def read(self, timeout: float) -> Batch | None:
        """The next messages."""
        with self._faults():
            messages = self._run(self._fetch(max(timeout, 0.01)))
        if not messages:
            return None
        self._given.extend(messages)
        self._after = messages[-1][0]
        marks = [(self.options.stream, number) for number, _ in messages]
        payloads = [message.data for _, message in messages]
        return self._batch_of(payloads, marks)

    def acknowledge(self, positions: Positions) -> None:
        """Acknowledges the messages to the server."""
        until = positions.get(self.options.stream, 0)
        done: list[Msg] = []
        while self._given and self._given[0][0] <= until:
            done.append(self._given.popleft()[1])
        if done:
            with self._faults():
                self._run(self._acknowledge(done if self._acknowledges_each else done[-1:]))

    def check(self) -> list[str]:
        """Asks the server for the stream."""
        try:
            with self._faults():
                self._run(self._connect())
                assert self._client is not None
                self._run(self._client.jetstream().stream_info(self.options.stream))
        except SourceUnavailable as error:
            return [f"{error}; {error.hint}"]
        finally:
            self.close()
        return []

    def close(self) -> None:
        """Closes the connection."""
        loop, client = self._loop, self._client
        self._loop = self._client = self._pull = None
        self._given.clear()
        if loop is None:
            return
        try:
            if client is not None:
                with contextlib.suppress(Exception):
                    loop.run_until_complete(asyncio.wait_for(client.close(), _CONNECT_SECONDS))
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
        finally:
            loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        return self._loop.run_until_complete(work)

    async def _connect(self) -> None:
        options = self.options
        given: dict[str, Any] = {}
        if options.username:
            given |= {"user": options.username, "password": revealed(options.password)}
        if options.token is not None:
            given["token"] = revealed(options.token)
        if options.credentials_file:
            given["user_credentials"] = options.credentials_file

        async def ignore(_: Exception) -> None:
            """The errors are those of the calls."""

        connecting = self._nats.connect(
            servers=list(options.servers),
            name="mad",
            connect_timeout=_CONNECT_SECONDS,
            allow_reconnect=False,
            max_reconnect_attempts=1,
            error_cb=ignore,
            **given,
        )
        self._client = await asyncio.wait_for(connecting, 2 * _CONNECT_SECONDS)

    async def _subscribe(self, *, is_first: bool) -> None:
        from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, RetentionPolicy
        from nats.js.errors import NotFoundError

        await self._connect()
        assert self._client is not None
        stream = self._client.jetstream()
        info = await stream.stream_info(self.options.stream)
        if info.state.last_seq < self._after:
            # The stream was deleted and begun again.
            self._after = 0
        self._acknowledges_each = info.config.retention == RetentionPolicy.WORK_QUEUE
        policy, first = DeliverPolicy.BY_START_SEQUENCE, self._after + 1
        if self._acknowledges_each or (is_first and self.options.start == "beginning"):
            policy = DeliverPolicy.ALL
        elif is_first:
            policy = DeliverPolicy.NEW
        if not self._acknowledges_each:
            with contextlib.suppress(NotFoundError):
                await stream.delete_consumer(self.options.stream, self.options.durable)
        config = ConsumerConfig(
            ack_policy=AckPolicy.EXPLICIT if self._acknowledges_each else AckPolicy.ALL,
            ack_wait=_ACK_SECONDS,
            deliver_policy=policy,
            opt_start_seq=first if policy == DeliverPolicy.BY_START_SEQUENCE else None,
            # Two batches wait for their acknowledgement.
            max_ack_pending=4 * self.options.batch_records,
        )
        self._pull = await stream.pull_subscribe(
            self.options.subject, self.options.durable, self.options.stream, config
        )

    async def _fetch(self, timeout: float) -> list[tuple[int, Msg]]:
        """The next messages with their numbers, without those that were given before."""
        if self._pull is None or self._client is None:
            raise SourceUnavailable("the source is not open")
        if self._client.is_closed:
            raise ConnectionError("the connection was closed")
        count = 1 if self.options.format == "arrow" else self.options.batch_records
        try:
            found = await self._pull.fetch(count, timeout)
        except (asyncio.TimeoutError, self._nats.errors.TimeoutError):
            if self._client.is_closed:
                raise ConnectionError("the connection was closed") from None
            return []
        new = []
        for message in found:
            number = message.metadata.sequence.stream
            if number > self._after:
                new.append((number, message))
            else:
                await message.ack()
        return new

    async def _acknowledge(self, messages: list[Msg]) -> None:
        for message in messages:
            await message.ack()
        assert self._client is not None
        await self._client.flush()

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        """Errors of the client as `SourceUnavailable`."""
        try:
            yield
        except SourceUnavailable:
            raise
        except (self._nats.errors.Error, OSError, asyncio.TimeoutError) as error:
            said = getattr(error, "description", "") or str(error) or type(error).__name__
            raise SourceUnavailable(
                f"stream {self.options.stream} of NATS at {', '.join(self.options.servers)} cannot "
                f"be read: {said}",
                "check servers, stream, user and password",
            ) from error
