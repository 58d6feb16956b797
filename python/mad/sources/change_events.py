"""Changes of services in the bodies of other systems' webhooks: GitHub, GitLab, Argo CD and
Kubernetes events.

Each function takes a parsed body and returns records of the kind `changes`. A body that is about
something else gives none. A body of another shape raises ValueError.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

Change = dict[str, Any]

#: Kinds of changes that mad writes; any other name is allowed.
KINDS = ("deploy", "config", "feature_flag", "restart", "scale", "rollback", "migration")
#: States of a deployment that has ended. A failed one may have changed something too.
_ENDED = frozenset({"success", "succeeded", "failure", "failed", "error"})
#: Reasons of Kubernetes events and the kinds of change that they mean.
_REASONS = {
    "ScalingReplicaSet": "scale",
    "SuccessfulRescale": "scale",
    "SuccessfulCreate": "scale",
    "SuccessfulDelete": "scale",
    "Killing": "restart",
    "BackOff": "restart",
    "OOMKilling": "restart",
    "Evicted": "restart",
    "Preempted": "restart",
    "NodeNotReady": "restart",
    "Rebooted": "restart",
}
#: The hash of a replica set and the suffix of a pod, as Kubernetes makes them.
_POD = re.compile(r"-[bcdfghjklmnpqrstvwxz2456789]{5}$")
_REPLICA_SET = re.compile(r"-(?=[a-z0-9]*\d)[bcdfghjklmnpqrstvwxz2456789]{8,10}$")
#: Most events of one body, and most characters of a name.
MOST_EVENTS = 10_000
_NAME = 200


def of_github(body: Any, event: str) -> list[Change]:
    """`deployment_status` of GitHub: a deployment that has ended. The service is `service` of the
    deployment's payload, or else the repository."""
    if event != "deployment_status":
        return []
    deployment, status = _table(body, "deployment"), _table(body, "deployment_status")
    if str(status.get("state", "")).lower() not in _ENDED:
        return []
    payload = deployment.get("payload")
    given = payload.get("service") if isinstance(payload, Mapping) else None
    return [
        _change(
            status.get("updated_at") or status.get("created_at"),
            given or _table(body, "repository").get("name"),
            "deploy",
            f"{deployment.get('environment') or 'deployment'}: {status['state']}",
            str(deployment.get("sha") or deployment.get("ref") or "")[:12],
        )
    ]


def of_gitlab(body: Any, event: str) -> list[Change]:
    """Deployments that have ended and feature flags of GitLab. The service is the project."""
    del event
    kind = body.get("object_kind") if isinstance(body, Mapping) else None
    service = _table(body, "project").get("name") if kind else None
    if kind == "deployment":
        if str(body.get("status", "")).lower() not in _ENDED:
            return []
        name = f"{body.get('environment') or 'deployment'}: {body['status']}"
        version = body.get("short_sha") or body.get("ref")
        at = _gitlab_time(body.get("status_changed_at"))
        return [_change(at, service, "deploy", name, version)]
    if kind == "feature_flag":
        flag = _table(body, "object_attributes")
        state = "on" if flag.get("active") else "off"
        return [_change(None, service, "feature_flag", flag.get("name"), state)]
    return []


def of_argocd(body: Any, event: str) -> list[Change]:
    """A notification of Argo CD with the template of docs/changes.md: `app`, `revision`, `phase`,
    `finishedAt`."""
    del event
    app = _table({"body": body}, "body")
    if str(app.get("phase", "Succeeded")).lower() not in _ENDED:
        return []
    name = f"{app.get('project') or 'argocd'}: {app.get('phase', 'Succeeded')}"
    version = str(app.get("revision") or "")[:12]
    return [_change(app.get("finishedAt"), app.get("app"), "deploy", name, version)]


def of_kubernetes(body: Any, event: str) -> list[Change]:
    """Events of Kubernetes: one, or a list as `kubectl get events -o json` prints it. Events that
    change nothing are left out."""
    del event
    items = body.get("items") if isinstance(body, Mapping) and "items" in body else [body]
    if not isinstance(items, list):
        raise ValueError("items is no list of events")
    if len(items) > MOST_EVENTS:
        raise ValueError(f"the list has more than {MOST_EVENTS} events")
    found = []
    for item in items:
        if not isinstance(item, Mapping):
            raise ValueError("an event is no JSON object")
        of = _table(item, "involvedObject" if "involvedObject" in item else "regarding")
        reason = str(item.get("reason", ""))
        if reason not in _REASONS:
            continue
        at = item.get("lastTimestamp") or item.get("eventTime") or item.get("firstTimestamp")
        message = item.get("message") or item.get("note") or ""
        service = workload(str(of.get("kind", "")), str(of.get("name", "")))
        found.append(_change(at, service, _REASONS[reason], f"{reason}: {message}", None))
    return found


def workload(kind: str, name: str) -> str:
    """The name of the workload of an object: `payments` for the pod `payments-7d9f8b6c5d-x2x9z`."""
    if kind == "Pod":
        name = _POD.sub("", name)
    return _REPLICA_SET.sub("", name) if kind in ("Pod", "ReplicaSet") else name


#: The functions by the name of the system.
READERS: dict[str, Callable[[Any, str], list[Change]]] = {
    "github": of_github,
    "gitlab": of_gitlab,
    "argocd": of_argocd,
    "kubernetes": of_kubernetes,
}


def _table(body: Any, name: str) -> Mapping[str, Any]:
    found = body.get(name) if isinstance(body, Mapping) else None
    if not isinstance(found, Mapping):
        raise ValueError(f"the body has no object `{name}`")
    return found


def _change(at: Any, service: Any, kind: str, name: Any, version: Any) -> Change:
    """A record. Without a time it gets none, and the receiver the present one."""
    if not isinstance(service, str) or not service:
        raise ValueError("the body names no service")
    change = {"service": service, "kind": kind, "name": " ".join(str(name or "").split())[:_NAME]}
    if at:
        change["timestamp"] = str(at)
    if version:
        change["version"] = str(version)[:_NAME]
    return change


def _gitlab_time(text: Any) -> str | None:
    """`2021-04-28 21:50:00 +0200` in RFC 3339."""
    if not text:
        return None
    try:
        at = datetime.strptime(str(text), "%Y-%m-%d %H:%M:%S %z")
    except ValueError:
        return str(text)
    return at.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
