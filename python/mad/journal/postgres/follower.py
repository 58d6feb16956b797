"""Keeps the directory of a server that waits near the journal in PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import monotonic

from mad.config.server import JournalOptions
from mad.errors import StateError, text_of
from mad.journal.lock import Lock
from mad.journal.postgres.copying import read_head
from mad.journal.postgres.restore import restore
from mad.journal.postgres.session import PostgresFailed, Session

#: Seconds between two looks at PostgreSQL.
_PAUSE_SECONDS = 1.0


class Follower:
    """Reads the rows that the holder of the lease changed, so that a takeover reads few of them."""

    def __init__(
        self,
        options: JournalOptions,
        schema: str,
        directory: Path | None,
        place: str,
        say: Callable[[str], None],
    ) -> None:
        self._session = Session(options, "follower")
        self._schema, self._directory = schema, directory
        self._place, self._say = place, say
        self._looked_at = float("-inf")
        self._said: set[str] = set()

    def look(self) -> None:
        """Makes the directory equal to PostgreSQL, at most once a second. The first time and each
        kind of failure are reported. A failure decides nothing: the takeover meets it again."""
        if self._directory is None or monotonic() - self._looked_at < _PAUSE_SECONDS:
            return
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            lock = Lock(self._directory)
        except (OSError, StateError):
            # the holder uses the same directory
            self._directory = None
            return
        try:
            head = self._session.run(lambda remote: read_head(remote, self._schema))
            text = ""
            if head.transaction:
                text = restore(
                    self._session, self._schema, self._directory, self._place, is_checked=False
                )
            if text and not self._said:
                self._said.add(text)
                self._say(text)
        except PostgresFailed:
            pass
        except StateError as error:
            if (text := text_of(error)) not in self._said:
                self._said.add(text)
                self._say(text)
        finally:
            lock.release()
            self._looked_at = monotonic()

    def close(self) -> None:
        """Ends the connection."""
        self._session.close()
