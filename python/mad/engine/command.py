"""Commands such as acknowledge and mute, as entries of the journal and as the core takes them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

from mad.journal.entries import COMMAND, AuditLine, Entry

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def command_entry(command: dict[str, Any], audit: AuditLine | None = None) -> Entry:
    """The journal entry of a command whose times are nanoseconds since 1970. The entry carries the
    person, the target and the time for the audit trail."""
    of_audit = audit and {"who": audit.who, "target": audit.target, "written_at": audit.written_at}
    body = {**command, "audit": of_audit} if of_audit else command
    return Entry(COMMAND, json.dumps(body, sort_keys=True).encode(), "json")


def command_of(entry: Entry) -> dict[str, Any]:
    """The command of an entry; its times are aware datetimes."""
    command: dict[str, Any] = json.loads(entry.body)
    command.pop("audit", None)
    for name in ("at", "until"):
        if name in command:
            command[name] = _EPOCH + timedelta(microseconds=int(command[name]) // 1000)
    return command


def audit_of(entry: Entry, outcome: str) -> list[AuditLine]:
    """The line of a command for the audit trail; empty when its sender gave none."""
    command: dict[str, Any] = json.loads(entry.body)
    audit = command.get("audit")
    if not audit:
        return []
    action, text = command["command"], command.get("reason", "")
    return [AuditLine(**audit, action=action, outcome=outcome, text=text, seq=entry.seq)]
