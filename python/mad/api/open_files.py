"""The number of files and connections that the process may have open."""

from __future__ import annotations

import sys

#: Open files of the journal, its checkpoints, sources, sinks and queries.
_OWN = 200


def fitting(connections: int, others: int) -> int:
    """How many HTTP connections the limit of open files allows beside `others`: `connections` at
    most.

    Raises the limit of the process first, as far as the system permits. Without room the journal
    could not open its files, and no connection would be accepted.
    """
    if sys.platform == "win32":
        return connections
    import resource

    needed = connections + others + _OWN
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return connections
    soft = needed if hard == resource.RLIM_INFINITY else max(soft, min(needed, hard))
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, min(connections, soft - others - _OWN))
