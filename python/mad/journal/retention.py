"""How many rows each table keeps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

from mad.errors import UsageError


@dataclass(frozen=True, slots=True)
class Retention:
    """The most rows of each table; a checkpoint deletes the oldest beyond it.

    A row of requests takes about 1 kB on disk with its indexes, a point 0.5 kB, a log line 200
    bytes and its text, an incident 20 to 60 kB.
    """

    rows: int = 1_000_000
    services: int = 1_000_000
    points: int = 1_000_000
    log_lines: int = 500_000
    failures: int = 200_000
    incidents: int = 5_000
    history: int = 100_000
    batches: int = 200_000
    audit: int = 100_000

    @classmethod
    def parse(cls, given: Iterable[str]) -> Retention:
        """Reads arguments such as `rows=50000`.

        Raises `UsageError` for an unknown table and for a number that is not a positive integer.
        """
        retention = cls()
        known = [field.name for field in fields(cls)]
        for argument in given:
            table, _, number = argument.partition("=")
            if table not in known:
                raise UsageError(
                    f"--retain {argument}: there is no table {table!r}",
                    f"tables are {', '.join(known)}",
                )
            if not number.isascii() or not number.isdigit() or int(number) < 1:
                raise UsageError(
                    f"--retain {argument}: expected a positive integer", f"--retain {table}=100000"
                )
            retention = replace(retention, **{table: int(number)})
        return retention
