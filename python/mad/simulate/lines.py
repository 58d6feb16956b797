"""Converts lines of CSV to lines of JSON in bulk with regular expressions."""

from __future__ import annotations

import re

TRACES = (4, 5)
"""Numbers of requests in a trace, in turn."""
_NUMBERS = ("status_code", "latency_ms", "duration_ms")


class Columns:
    """The columns of CSV without quotes, as the simulators write it."""

    def __init__(self, header: bytes) -> None:
        self.names = header.decode().strip().split(",")
        line = rb"([^,\n]*)," * (len(self.names) - 1) + rb"([^,\n]*)\n"
        self._one, self._many = re.compile(line), re.compile(line * sum(TRACES))

    def to_json(self, lines: bytes) -> bytes:
        """One line of JSON for each line."""
        return self._one.sub(self._template(0, 0), lines)

    def to_traces(self, lines: bytes) -> bytes:
        """Like `to_json`, but groups of four and five lines share the trace id of their first
        line. Lines after the last whole group keep their own."""
        first, template = 0, b""
        for size in TRACES:
            template += b"".join(self._template(first + line, first) for line in range(size))
            first += size
        every = lines.splitlines(keepends=True)
        whole = len(every) // first * first
        head, tail = b"".join(every[:whole]), b"".join(every[whole:])
        return self._many.sub(template, head) + self.to_json(tail)

    def _template(self, line: int, leader: int) -> bytes:
        """The replacement for a line, with the trace id of the leading line."""
        fields = []
        for place, name in enumerate(self.names, 1):
            of = leader if name == "trace_id" else line
            value = f"\\g<{of * len(self.names) + place}>"
            fields.append(f'"{name}":' + (value if name in _NUMBERS else f'"{value}"'))
        return ("{" + ",".join(fields) + "}\n").encode()
