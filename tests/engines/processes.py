"""The processes that a test started, for tests that kill some of them."""

from __future__ import annotations

import os
from pathlib import Path


def started() -> dict[int, tuple[int, bytes]]:
    """The parent and the command of each process below this one, by its id."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
            stat = (entry / "stat").read_text()
        except OSError:
            continue
        found[int(entry.name)] = int(stat.rsplit(")", 1)[1].split()[1]), command

    def is_own(process: int) -> bool:
        while process in found:
            process = found[process][0]
            if process == os.getpid():
                return True
        return False

    return {one: of for one, of in found.items() if is_own(one)}
