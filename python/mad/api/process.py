"""What the process of the service takes of the system: open files, connections and memory."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from dataclasses import replace

from mad.api.grpc_server import CONNECTIONS
from mad.config.server import ServerOptions

#: Open files of the journal, its checkpoints, sources, sinks and queries.
_OWN = 200
#: Parameters of `mallopt` of glibc.
_MMAP_THRESHOLD, _ARENA_MAX = -3, -8


def within_open_files(server: ServerOptions) -> ServerOptions:
    """The options with as many connections as the process may have open; says so if it is fewer."""
    wanted = server.http.connections
    found = fitting(wanted, 0 if server.otlp_grpc is None else CONNECTIONS)
    if found < wanted:
        sys.stderr.write(
            f"mad: {found} connections instead of {wanted}, because of the limit of open files; "
            "raise it (ulimit -n)\n"
        )
    return replace(server, http=replace(server.http, connections=found))


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


def return_memory() -> None:
    """Makes glibc return the memory of large bodies and answers to the system when they are freed.

    By default glibc raises the size from which it does so, and keeps a part for every thread.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(_MMAP_THRESHOLD, 1024 * 1024)
            mallopt(_ARENA_MAX, 4)
