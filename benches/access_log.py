"""Measures how fast an access log is read by the source `file`, journaled and judged.

    python benches/access_log.py [lines]

The log has the combined format with the time of the request, as nginx writes it. It is written
first. The time runs from the first batch in the journal to the last.
"""

from __future__ import annotations

import sys
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

from kafka import measure

from mad.sources.tail import TailOptions, TailSource

_START = datetime(2026, 1, 6, 10, tzinfo=timezone.utc)


def line(number: int) -> str:
    """A request of one of 40 endpoints; 200 a second."""
    at = _START + timedelta(milliseconds=5 * number)
    return (
        f"10.0.0.{number % 250} - - [{at:%d/%b/%Y:%H:%M:%S} +0000] "
        f'"GET /shop/{number % 40} HTTP/1.1" 200 {number % 4_096} "-" "curl/8.0" '
        f"{0.1 + number % 97 / 1_000:.3f}\n"
    )


def main(count: int) -> None:
    """Measures the source."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "access.log"
        with path.open("w") as file:
            file.writelines(map(line, range(count)))
        source = TailSource(TailOptions(paths=(str(path),)))
        measure("access", source, count, Path(directory) / "data")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
