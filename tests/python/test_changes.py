"""Changes from the command, the route, and the webhooks of other systems."""

from __future__ import annotations

import hashlib
import hmac
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from service import Server, an_hour
from test_alerts import fault, requests

from mad.sources.change_events import READERS, workload

GITHUB = {
    "action": "created",
    "deployment": {
        "sha": "a84d88e7554fc1fa21bcbc4efae3c782a70d2b9d",
        "ref": "main",
        "environment": "production",
        "payload": {},
    },
    "deployment_status": {
        "state": "success",
        "created_at": "2026-01-06T10:39:00Z",
        "updated_at": "2026-01-06T10:39:30Z",
    },
    "repository": {"name": "payments", "full_name": "shop/payments"},
}
GITLAB = {
    "object_kind": "deployment",
    "status": "success",
    "status_changed_at": "2026-01-06 12:39:00 +0200",
    "environment": "staging",
    "project": {"name": "payments"},
    "short_sha": "279484c0",
    "ref": "main",
}
FLAG = {
    "object_kind": "feature_flag",
    "project": {"name": "payments"},
    "object_attributes": {"id": 6, "name": "new-checkout", "active": True},
}
ARGO = {
    "app": "payments",
    "revision": "a84d88e7554fc1fa21bcbc4efae3c782a70d2b9d",
    "phase": "Succeeded",
    "finishedAt": "2026-01-06T10:39:00Z",
}
EVENTS = {
    "apiVersion": "v1",
    "kind": "List",
    "items": [
        {
            "kind": "Event",
            "reason": "ScalingReplicaSet",
            "message": "Scaled up replica set payments-7d9f8b6c5d to 3",
            "lastTimestamp": "2026-01-06T10:39:00Z",
            "involvedObject": {"kind": "Deployment", "name": "payments"},
        },
        {
            "kind": "Event",
            "reason": "BackOff",
            "message": "Back-off restarting failed container",
            "lastTimestamp": None,
            "eventTime": "2026-01-06T10:39:30.123456Z",
            "involvedObject": {"kind": "Pod", "name": "payments-7d9f8b6c5d-x2x9z"},
        },
        {
            "reason": "Pulled",
            "involvedObject": {"kind": "Pod", "name": "payments-7d9f8b6c5d-x2x9z"},
        },
    ],
}


@pytest.mark.parametrize(
    ("system", "event", "body", "expected"),
    [
        (
            "github",
            "deployment_status",
            GITHUB,
            [("payments", "deploy", "2026-01-06T10:39:30Z", "a84d88e7554f", "production: success")],
        ),
        ("github", "ping", {"zen": "x"}, []),
        (
            "gitlab",
            "Deployment Hook",
            GITLAB,
            [("payments", "deploy", "2026-01-06T10:39:00Z", "279484c0", "staging: success")],
        ),
        ("gitlab", "Deployment Hook", {**GITLAB, "status": "running"}, []),
        (
            "gitlab",
            "Feature Flag Hook",
            FLAG,
            [("payments", "feature_flag", None, "on", "new-checkout")],
        ),
        ("gitlab", "Push Hook", {"object_kind": "push", "project": {"name": "x"}}, []),
        (
            "argocd",
            "",
            ARGO,
            [("payments", "deploy", "2026-01-06T10:39:00Z", "a84d88e7554f", "argocd: Succeeded")],
        ),
        ("argocd", "", {**ARGO, "phase": "Running"}, []),
        (
            "kubernetes",
            "",
            EVENTS,
            [
                (
                    "payments",
                    "scale",
                    "2026-01-06T10:39:00Z",
                    None,
                    "ScalingReplicaSet: Scaled up replica set payments-7d9f8b6c5d to 3",
                ),
                (
                    "payments",
                    "restart",
                    "2026-01-06T10:39:30.123456Z",
                    None,
                    "BackOff: Back-off restarting failed container",
                ),
            ],
        ),
    ],
)
def test_webhooks_give_changes(system: str, event: str, body: Any, expected: list[Any]) -> None:
    found = READERS[system](body, event)
    fields = ("service", "kind", "timestamp", "version", "name")
    assert [tuple(one.get(field) for field in fields) for one in found] == expected


@pytest.mark.parametrize("system", READERS)
@pytest.mark.parametrize(
    "body", [{}, {"object_kind": "deployment"}, {"items": 5}, {"items": [5]}, {"deployment": 1}]
)
def test_other_shapes_are_refused_or_ignored(system: str, body: Any) -> None:
    try:
        assert READERS[system](body, "deployment_status") == []
    except ValueError as error:
        assert str(error)


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        ("Pod", "payments-7d9f8b6c5d-x2x9z", "payments"),
        ("ReplicaSet", "payments-7d9f8b6c5d", "payments"),
        ("Deployment", "payments-v2", "payments-v2"),
        ("Pod", "payments-0", "payments-0"),
        ("Node", "ip-10-0-0-7", "ip-10-0-0-7"),
    ],
)
def test_workloads(kind: str, name: str, expected: str) -> None:
    assert workload(kind, name) == expected


CONFIG = """
[server]
token_file = "{tokens}"
[server.webhooks]
github = "env:MAD_TEST_GITHUB"
gitlab = "env:MAD_TEST_GITLAB"
"""
TOKEN = "5c1b09e2a4d87f6390b1c2d3e4f50617"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    path = tmp_path_factory.mktemp("changes")
    tokens = path / "tokens"
    tokens.write_text(f"read,ingest {TOKEN} ci\n")
    tokens.chmod(0o600)
    (path / "mad.toml").write_text(CONFIG.format(tokens=tokens))
    env = {"MAD_TEST_GITHUB": "github-s3cret", "MAD_TEST_GITLAB": "gitlab-s3cret"}
    with Server(path / "data", "--no-ticks", "--config", str(path / "mad.toml"), env=env) as found:
        found.http.headers["Authorization"] = f"Bearer {TOKEN}"
        for start in range(0, 2700, 300):
            body = requests(start, start + 300, fault)
            found.http.post(
                "/v1/ingest/requests", content=body, headers={"Content-Type": "text/csv"}
            )
        yield found


def signed(body: Any, secret: str = "github-s3cret") -> dict[str, Any]:
    text = json.dumps(body).encode()
    digest = hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()
    headers = {
        "X-GitHub-Event": "deployment_status",
        "X-GitHub-Delivery": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
        "X-Hub-Signature-256": f"sha256={digest}",
        "Content-Type": "application/json",
        "Authorization": "",
    }
    return {"content": text, "headers": headers}


def test_github_is_verified_and_counts_once(server: Server) -> None:
    path = "/v1/webhooks/github"
    answer = server.http.post(path, **signed(GITHUB)).json()
    assert (answer["accepted"], answer["repeated"]) == (1, False)
    assert server.http.post(path, **signed(GITHUB)).json()["repeated"] is True
    for wrong in (signed(GITHUB, "other"), {**signed(GITHUB), "content": b"{}"}):
        found = server.http.post(path, **wrong)
        assert found.status_code == 401 and found.json()["error"] == "bad_signature"
        assert "github-s3cret" not in found.text
    for host in ("a/b?", "a/argocd#"):
        wrong = signed(GITHUB, "other")
        wrong["headers"]["Host"] = host
        assert server.http.post(path, **wrong).status_code == 401
    ping = signed({"zen": "x"})
    ping["headers"]["X-GitHub-Event"] = "ping"
    assert server.http.post(path, **ping).json()["ignored"] is True
    broken = signed({"deployment": 1})
    assert server.http.post(path, **broken).status_code == 400


def test_gitlab_needs_its_token(server: Server) -> None:
    path = "/v1/webhooks/gitlab?service=service-1"
    right = {"X-Gitlab-Token": "gitlab-s3cret", "Authorization": ""}
    assert server.http.post(path, json=FLAG, headers=right).json()["accepted"] == 1
    assert server.http.post(path, json=FLAG, headers={"X-Gitlab-Token": "x"}).status_code == 401
    assert server.http.post(path, json=FLAG).status_code == 401


def test_the_others_need_a_token_of_the_server(server: Server) -> None:
    for system, body in (("argocd", ARGO), ("kubernetes", EVENTS)):
        path = f"/v1/webhooks/{system}"
        refused = server.http.post(path, json=body, headers={"Authorization": "Bearer x"})
        assert refused.status_code == 401
        assert server.http.post(path, json=body).json()["accepted"] >= 1
    assert server.http.post("/v1/webhooks/jenkins", json={}).status_code == 422


def test_the_command_and_the_route(server: Server, tmp_path: Path) -> None:
    def change(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "mad.cli", "change", "service-1", *arguments],
            check=False,
            capture_output=True,
            text=True,
            env={"MAD_TOKEN": TOKEN, "PATH": "/usr/bin", "PYTHONPATH": ":".join(sys.path)},
        )

    done = change("--version", "2.14.0", "--to", server.url)
    assert (done.returncode, done.stdout) == (0, "recorded for service-1: deploy 2.14.0\n")
    file = tmp_path / "changes.jsonl"
    flag = ("--kind", "feature_flag", "--name", "new", "--version", "on", "--to", str(file))
    assert change(*flag, "--at", "2026-01-06T10:00:00Z").returncode == 0
    assert change("--to", str(file)).returncode == 0
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert lines[0] == {
        "timestamp": "2026-01-06T10:00:00Z",
        "service": "service-1",
        "kind": "feature_flag",
        "name": "new",
        "version": "on",
    }
    since = datetime.now(timezone.utc) - datetime.fromisoformat(
        lines[1]["timestamp"].replace("Z", "+00:00")
    )
    assert since.total_seconds() < 60
    assert change("--to", "/nothing/here").returncode == 2
    assert server.http.post("/v1/changes", json={"kind": "deploy"}).status_code == 422


def test_alerts_of_alertmanager_are_comments_on_the_incident(server: Server) -> None:
    (incident,) = server.get("/v1/query/incidents", active=True)["data"]
    assert incident["service"] == "service-1"

    def alert(name: str, service: str) -> dict[str, Any]:
        return {
            "status": "firing",
            "labels": {"alertname": name, "service": service},
            "annotations": {"summary": "p95 above 500 ms"},
            "startsAt": "2026-01-06T10:41:00Z",
            "fingerprint": "c1",
        }

    body = {
        "version": "4",
        "alerts": [
            alert("HighLatency", "service-1"),
            alert("MadIncident", "service-1"),
            alert("Disk", "other"),
        ],
    }
    path = "/v1/webhooks/alertmanager"
    assert server.http.post(path, json=body).json() == {"alerts": 3, "comments": 1}
    assert server.http.post(path, json=body).json()["comments"] == 0  # repeated by Alertmanager
    notes = server.get(f"/v1/query/incidents/{incident['id']}")["notes"]
    assert [note["text"] for note in notes] == [
        "alert HighLatency is firing since 2026-01-06T10:41:00Z: p95 above 500 ms"
    ]
    assert server.http.post(path, json={"alerts": [{"labels": 5}]}).status_code == 400


def test_half_a_character_in_an_alert_costs_nothing(tmp_path: Path) -> None:
    with Server(tmp_path / "data", "--no-ticks") as server:
        server.post("/v1/ingest/requests", an_hour(bad=range(50, 61)))
        alert = (
            b'{"alerts": [{"labels": {"service": "payments", "alertname": "x"}, '
            b'"status": "firing", "annotations": {"summary": "\\ud800"}}]}'
        )
        assert server.post("/v1/webhooks/alertmanager", alert) == {"alerts": 1, "comments": 1}
        assert server.get("/health")["status"] == "ok"
        assert "mad_rebuilt_total 0" in server.http.get("/metrics/prometheus").text


def test_a_webhook_beyond_its_limits_is_refused_with_the_remedy(server: Server) -> None:
    large = server.http.post("/v1/webhooks/kubernetes", content=b" " * (4 * 1024 * 1024 + 1))
    assert (large.status_code, large.json()["error"]) == (413, "too_large")
    assert large.json()["hint"] == "let the sender put less into one delivery"
    alerts = {"alerts": [{"labels": {}}] * 1_001}
    many = server.http.post("/v1/webhooks/alertmanager", json=alerts)
    assert (many.status_code, many.json()["error"]) == (400, "unreadable")
