"""A connection to PostgreSQL that one thread at a time uses, and that connects again after a
failure."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from mad.config.secret import SecretMissing, revealed
from mad.config.server import JournalOptions
from mad.errors import MissingExtraError

T = TypeVar("T")

#: Seconds for a new connection at most.
CONNECT_SECONDS = 5.0
#: Seconds after which PostgreSQL itself ends a transaction that its client left open.
_IDLE_SECONDS = 30


class PostgresFailed(Exception):
    """PostgreSQL cannot be reached, or refused a statement. A commit may be made all the same."""


class Session:
    """Runs statements of asyncpg in a separate event loop. After an error it connects again.

    Raises `MissingExtraError` without asyncpg.
    """

    def __init__(self, options: JournalOptions, role: str) -> None:
        try:
            import asyncpg
        except ImportError as error:
            raise MissingExtraError(
                "a journal in PostgreSQL needs asyncpg", "pip install 'mad-py[postgres]'"
            ) from error
        self._asyncpg = asyncpg
        self._options = options
        self._loop = asyncio.new_event_loop()
        self._connection: Any = None
        self.application = f"mad {options.name} {role}"
        #: Called with a new connection.
        self.connected: Callable[[Any], Awaitable[None]] | None = None

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection, as far as this side knows."""
        return self._connection is not None and not self._connection.is_closed()

    def run(self, work: Callable[[Any], Awaitable[T]], *, limited: bool = True) -> T:
        """The result of statements on the connection, which have `timeout_seconds` unless they
        limit their time themselves. Raises `PostgresFailed`."""
        timeout = self._options.timeout_seconds if limited else None
        try:
            return self._loop.run_until_complete(self._run(work, timeout))
        except self._errors() as error:
            self.drop()
            raise PostgresFailed(f"{place_of(self._options)}: {_text(error)}") from error
        except BaseException:
            self.drop()
            raise

    def drop(self) -> None:
        """Ends the connection without waiting for PostgreSQL."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(*self._errors()):
                connection.terminate()
            # lets the transport close its socket
            with contextlib.suppress(RuntimeError):
                self._loop.run_until_complete(asyncio.sleep(0))

    def close(self) -> None:
        """Ends the connection and the loop."""
        self.drop()
        with contextlib.suppress(RuntimeError):
            self._loop.close()

    async def _run(self, work: Callable[[Any], Awaitable[T]], timeout: float | None) -> T:
        if not self.is_connected:
            self._connection = await self._connect()
            if self.connected is not None:
                await asyncio.wait_for(self.connected(self._connection), timeout)
        return await asyncio.wait_for(work(self._connection), timeout)

    async def _connect(self) -> Any:
        options = self._options
        settings = {
            "application_name": self.application,
            "idle_in_transaction_session_timeout": str(1000 * _IDLE_SECONDS),
        }
        try:
            connection = await self._asyncpg.connect(
                options.url,
                password=revealed(options.password) or None,
                timeout=min(CONNECT_SECONDS, options.timeout_seconds),
                server_settings=settings,
                # statements of a commit have a clause for each changed table
                max_cacheable_statement_size=0,
            )
        except (OverflowError, ValueError) as error:
            # such as a port beyond 65535, and options that do not fit together
            raise OSError(str(error)) from error
        # an acknowledged batch has to survive a crash of PostgreSQL
        if await connection.fetchval("SHOW synchronous_commit") == "off":
            await connection.execute("SET synchronous_commit = on")
        return connection

    def _errors(self) -> tuple[type[Exception], ...]:
        # an idle session that PostgreSQL ended raises `InternalClientError`
        asyncpg = self._asyncpg
        errors = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
        return (*errors, OSError, asyncio.TimeoutError, SecretMissing, EOFError)


def the_row(found: Any, table: str) -> Any:
    """The row of a table that has one. Raises `PostgresFailed` when it is gone."""
    if found is None:
        raise PostgresFailed(
            f"{table} has no row, because something else deleted it: stop the servers of this "
            "journal, and restore the database from a copy; or drop the schema, so that the server "
            "with the newest directory writes it again"
        )
    return found


def place_of(options: JournalOptions) -> str:
    """The address of a database for people, without secrets."""
    parts = urlsplit(options.url or "")
    user = f"{parts.username}@" if parts.username else ""
    at = parts.netloc.rpartition("@")[2]
    return f"postgresql://{user}{at}{parts.path}"


def _text(error: Exception) -> str:
    if isinstance(error, asyncio.TimeoutError):
        return "no answer in time"
    return " ".join(str(error).split()) or type(error).__name__
