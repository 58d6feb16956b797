"""Commands such as acknowledge and mute, as entries of the journal and as the core takes them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

from mad.journal.entries import COMMAND, Entry

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def command_entry(command: dict[str, Any]) -> Entry:
    """The journal entry of a command whose times are nanoseconds since 1970."""
    return Entry(COMMAND, json.dumps(command, sort_keys=True).encode(), "json")


def command_of(entry: Entry) -> dict[str, Any]:
    """The command of an entry; its times are aware datetimes."""
    command: dict[str, Any] = json.loads(entry.body)
    for name in ("at", "until"):
        if name in command:
            command[name] = _EPOCH + timedelta(microseconds=int(command[name]) // 1000)
    return command
