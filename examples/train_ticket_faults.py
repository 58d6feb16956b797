"""The incidents of a Train Ticket run beside the faults that were injected.

    python examples/train_ticket_faults.py DATA DIR

DIR is what `mad detect` wrote. The faults are the data's labels: the moment is `inject_time` in
UTC (`inject_timestamp` is eight hours early on most of 2023-01-29), the service is the pod's. A
fault's window is the three minutes from that moment on. Printed for each: what its service's
incidents in the window show, whether one that starts there blames the service first, and which
other services have incidents there. Nearly every recorded minute lies in some fault's window, so
an incident within one proves nothing by itself; one at the right service does.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

WINDOW = timedelta(minutes=3)


@dataclass(frozen=True)
class Fault:
    """A label."""

    at: datetime
    service: str
    kind: str


def faults(data: Path) -> list[Fault]:
    """All labels, by time."""
    found = []
    for path in sorted(data.glob("rca_data/*/*-fault_list.json")):
        for listed in json.loads(path.read_text(encoding="utf-8")).values():
            for label in listed:
                at = datetime.fromisoformat(label["inject_time"]).replace(tzinfo=timezone.utc)
                found.append(Fault(at, label["inject_pod"].rsplit("-", 2)[0], label["inject_type"]))
    return sorted(found, key=lambda fault: fault.at)


def moment(text: str) -> datetime:
    """A time of the output."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def reached(incident: dict[str, Any]) -> set[str]:
    """The services that an incident is about."""
    return {incident["service"]} | {member["service"] for member in incident["members"]}


def overlaps(incident: dict[str, Any], fault: Fault) -> bool:
    """Whether a moment of the incident lies in the fault's window."""
    begins, ends = moment(incident["start"]), moment(incident["end"])
    return begins < fault.at + WINDOW and fault.at < ends


def short(service: str) -> str:
    """`basic` of `ts-basic-service`."""
    return service.removeprefix("ts-").removesuffix("-service")


def main() -> int:
    """Prints the comparison."""
    if len(sys.argv) != 3:
        print("usage: train_ticket_faults.py DATA DIR")
        return 2
    labels = faults(Path(sys.argv[1]))
    listed = json.loads((Path(sys.argv[2]) / "incidents.json").read_text(encoding="utf-8"))
    incidents: list[dict[str, Any]] = listed["incidents"]
    total, own, blamed = Counter[str](), Counter[str](), Counter[str]()
    print("injected (UTC)  fault           service            own incident           others")
    for fault in labels:
        here = [incident for incident in incidents if overlaps(incident, fault)]
        mine = [incident for incident in here if fault.service in reached(incident)]
        signals = sorted({signal for incident in mine for signal in incident["signals"]})
        first = any((found.get("culprit") or {}).get("service") == fault.service for found in here)
        others = sorted({short(found["service"]) for found in here} - {short(fault.service)})
        total[fault.kind] += 1
        own[fault.kind] += bool(mine)
        blamed[fault.kind] += first
        shown = " ".join(name.removesuffix("_latency_ms") for name in signals)
        print(
            f"{fault.at:%m-%d %H:%M:%S}  {fault.kind:14}  {short(fault.service):17}  "
            f"{(shown + (' *' if first else '')) or '-':21}  {', '.join(others)}".rstrip()
        )
    print("* blamed first\n")
    for kind, count in total.items():
        print(f"{kind:14}  {count:2} faults: {own[kind]} found, {blamed[kind]} blamed first")
    outside = sum(not any(overlaps(found, fault) for fault in labels) for found in incidents)
    print(
        f"{len(labels)} faults: {sum(own.values())} found at their service, "
        f"{sum(blamed.values())} blamed first; {len(incidents)} incidents, {outside} of them "
        "outside of every window"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
