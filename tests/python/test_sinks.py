"""Each sink against a real peer on this machine: what it sends, and what it does with answers."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
import pytest
from jsonschema_rs import Draft7Validator
from peers import certificate, left_out
from sink_peer import Peer, document, peer

from mad.config.components import component, types_of
from mad.config.options import describe, read_options
from mad.sinks.hours import is_muted, quiet_until, windows_of, zone_of
from mad.sinks.protocol import Notification, Refused, Retry, example_document

ALERTMANAGER = shutil.which("prometheus-alertmanager")
LINK = "https://mad.example.com/#/incidents/INC-1"


@pytest.fixture
def server() -> Iterator[Peer]:
    with peer() as found:
        yield found


def sink(type: str, given: Mapping[str, Any] = MappingProxyType({}), **table: Any) -> Any:
    """A sink with the options of a table; `given` goes to its constructor."""
    kind = component("sinks", type)
    options, problems = read_options(kind.Options, table, "sinks.ops")
    assert not problems, problems
    return kind(options, **given)


def notification(**changes: Any) -> Notification:
    return Notification([document(**changes)], LINK)


def group(count: int) -> Notification:
    found = [document(id=f"INC-{i}:1:{i}", key=f"INC-{i}") for i in range(count)]
    return Notification(found, LINK)


# ---- Slack, Teams, PagerDuty: the public schemas of their webhooks

TEXT = {
    "type": "object",
    "required": ["type", "text"],
    "properties": {
        "type": {"enum": ["plain_text", "mrkdwn"]},
        "text": {"type": "string", "minLength": 1, "maxLength": 3000},
        "emoji": {"type": "boolean"},
    },
    "additionalProperties": False,
}
SLACK = {
    "type": "object",
    "required": ["text", "blocks"],
    "properties": {
        "text": {"type": "string", "minLength": 1},
        "blocks": {
            "type": "array",
            "minItems": 1,
            "maxItems": 50,
            "items": {
                "oneOf": [
                    {
                        "properties": {
                            "type": {"const": "header"},
                            "text": {
                                **TEXT,
                                "properties": {
                                    **TEXT["properties"],  # type: ignore[dict-item]
                                    "type": {"const": "plain_text"},
                                    "text": {"type": "string", "minLength": 1, "maxLength": 150},
                                },
                            },
                        },
                        "required": ["type", "text"],
                        "additionalProperties": False,
                    },
                    {
                        "properties": {"type": {"const": "section"}, "text": TEXT},
                        "required": ["type", "text"],
                        "additionalProperties": False,
                    },
                    {
                        "properties": {
                            "type": {"const": "actions"},
                            "elements": {
                                "type": "array",
                                "minItems": 1,
                                "items": {
                                    "properties": {
                                        "type": {"const": "button"},
                                        "text": TEXT,
                                        "url": {"type": "string", "maxLength": 3000},
                                    },
                                    "required": ["type", "text"],
                                },
                            },
                        },
                        "required": ["type", "elements"],
                        "additionalProperties": False,
                    },
                ]
            },
        },
    },
    "additionalProperties": False,
}
TEAMS = {
    "type": "object",
    "required": ["type", "attachments"],
    "properties": {
        "type": {"const": "message"},
        "attachments": {
            "type": "array",
            "minItems": 1,
            "maxItems": 1,
            "items": {
                "type": "object",
                "required": ["contentType", "content"],
                "properties": {
                    "contentType": {"const": "application/vnd.microsoft.card.adaptive"},
                    "contentUrl": {"type": "null"},
                    "content": {
                        "type": "object",
                        "required": ["type", "version", "body"],
                        "properties": {
                            "type": {"const": "AdaptiveCard"},
                            "version": {"enum": ["1.2", "1.3", "1.4", "1.5"]},
                            "body": {
                                "type": "array",
                                "minItems": 1,
                                "items": {
                                    "properties": {
                                        "type": {"const": "TextBlock"},
                                        "text": {"type": "string", "minLength": 1},
                                        "weight": {"enum": ["Default", "Lighter", "Bolder"]},
                                        "size": {"enum": ["Default", "Medium", "Large"]},
                                        "color": {
                                            "enum": ["Default", "Good", "Warning", "Attention"]
                                        },
                                        "wrap": {"type": "boolean"},
                                    },
                                    "required": ["type", "text"],
                                    "additionalProperties": False,
                                },
                            },
                        },
                    },
                },
            },
        },
    },
    "additionalProperties": False,
}
PAGERDUTY = {
    "type": "object",
    "required": ["routing_key", "event_action", "dedup_key"],
    "properties": {
        "routing_key": {"type": "string", "minLength": 32, "maxLength": 32},
        "event_action": {"enum": ["trigger", "acknowledge", "resolve"]},
        "dedup_key": {"type": "string", "maxLength": 255},
        "client": {"type": "string"},
        "client_url": {"type": "string"},
        "links": {"type": "array", "items": {"required": ["href"]}},
        "payload": {
            "type": "object",
            "required": ["summary", "source", "severity"],
            "properties": {
                "summary": {"type": "string", "minLength": 1, "maxLength": 1024},
                "source": {"type": "string", "minLength": 1},
                "severity": {"enum": ["critical", "error", "warning", "info"]},
                "timestamp": {"type": "string", "format": "date-time"},
                "component": {"type": "string"},
                "group": {"type": "string"},
                "class": {"type": "string"},
                "custom_details": {"type": "object"},
            },
            "additionalProperties": False,
        },
    },
    "allOf": [
        {
            "if": {"properties": {"event_action": {"const": "trigger"}}},
            "then": {"required": ["payload"]},
        }
    ],
    "additionalProperties": False,
}
LONG = {"title": "x" * 5_000, "reason": "y" * 5_000}
OTHER = {"service": "a", "endpoint": "/b"}
CASES: tuple[dict[str, Any], ...] = (
    {},
    {"event": "resolved", "incident": {"severity": "Warning"}},
    {"event": "escalated", "previous": {"severity": "Warning", "culprit": None}},
    {
        "event": "culprit_changed",
        "previous": {"severity": "Critical", "culprit": {"service": "a", "endpoint": "/b"}},
    },
    {"culprit": None, "actions": [], "reason": ""},
    LONG,
)


@pytest.mark.parametrize("changes", CASES)
def test_the_bodies_match_the_public_schemas(
    server: Peer, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    monkeypatch.setenv("HOOK", f"{server.url}/services/T0/B0/secret")
    monkeypatch.setenv("KEY", "k" * 32)
    sinks = {
        "slack": (sink("slack", url="env:HOOK", mention="<!here>"), SLACK),
        "teams": (sink("teams", url="env:HOOK"), TEAMS),
        "pagerduty": (
            sink("pagerduty", url=f"{server.url}/v2/enqueue", routing_key="env:KEY"),
            PAGERDUTY,
        ),
    }
    for name, (one, schema) in sinks.items():
        server.requests.clear()
        one.send(notification(**changes))
        body = server.requests[0].json
        Draft7Validator(schema).validate(body)
        if name != "pagerduty" or body["event_action"] == "trigger":
            assert LINK in json.dumps(body)
    if not changes:
        text = json.dumps(body)
        assert "payments /pay" in text and "20 %" in text


def test_slack_escapes_and_a_group_lists_the_incidents(
    server: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK", f"{server.url}/x")
    slack = sink("slack", url="env:HOOK", mention="<!here>")
    slack.send(notification())
    text = server.requests[0].json["blocks"][1]["text"]["text"]
    assert text.startswith("<!here>\n") and "&lt;a&amp;b&gt;" in text
    assert "Culprit: payments /pay" in text and "Check first: Read the errors" in text
    slack.send(notification(event="resolved"))
    assert "<!here>" not in json.dumps(server.requests[1].json)
    slack.send(group(50))
    blocks = server.requests[2].json["blocks"]
    assert "50 incidents changed" in blocks[0]["text"]["text"]
    assert blocks[1]["text"]["text"].endswith("and 30 more")


def test_pagerduty_pages_once_for_an_incident(
    server: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "k" * 32)
    pagerduty = sink("pagerduty", url=server.url, routing_key="env:KEY")
    for event in ("opened", "escalated", "escalated", "resolved"):
        pagerduty.send(notification(event=event))
    bodies = [one.json for one in server.requests]
    assert {body["dedup_key"] for body in bodies} == {"mad-INC-1"}
    assert [body["event_action"] for body in bodies] == ["trigger"] * 3 + ["resolve"]
    assert [body["payload"]["severity"] for body in bodies[:-1]] == ["critical"] * 3


# ---- the generic webhook


def test_a_webhook_is_signed_and_versioned(server: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGN", "s3cret-of-the-hook")
    monkeypatch.setenv("AUTH", "Bearer t0ken")
    hook = sink(
        "webhook",
        {"now": lambda: 1_767_693_600.5},
        url=f"{server.url}/hook",
        secret="env:SIGN",
        headers={"Authorization": "env:AUTH", "X-Team": "ops"},
    )
    hook.send(notification())
    found = server.requests[0]
    assert found.json == {**document(), "url": LINK}
    assert found.headers["Authorization"] == "Bearer t0ken"
    assert (found.headers["X-Team"], found.headers["Idempotency-Key"]) == ("ops", "INC-1:42:0")
    at, _, given = found.headers["Mad-Signature"].removeprefix("t=").partition(",v1=")
    assert at == "1767693600"
    expected = hmac.new(b"s3cret-of-the-hook", f"{at}.".encode() + found.body, hashlib.sha256)
    assert given == expected.hexdigest()
    hook.send(group(2))
    body = server.requests[1].json
    assert (body["version"], body["event"], len(body["notifications"])) == (1, "group", 2)


def test_a_template_writes_the_body(server: Peer) -> None:
    template = '{"text": {{ title | tojson }}, "who": {{ (culprit or incident).service | tojson }}}'
    hook = sink("webhook", url=server.url, template=template, method="PUT")
    hook.send(notification())
    assert server.requests[0].json == {"text": document()["title"], "who": "payments"}
    assert not hook.groups and sink("webhook", url=server.url).groups, "a group has other fields"
    late = sink("webhook", url=server.url, template="{{ causes[0] if culprit }}")
    with pytest.raises(Refused, match="has no element 0"):
        late.send(notification(causes=[]))


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{", "template, line 1"),
        ("{{ nothing }}", "'nothing' is undefined"),
        ("{{ culprit.service }}", "without a culprit"),
        ("{{ ''.__class__.mro() }}", "access to attribute '__class__'"),
        ("{% for i in range(10**9) %}x{% endfor %}", "Range too big"),
    ],
)
def test_a_template_is_tried_with_the_settings(template: str, said: str) -> None:
    kind = component("sinks", "webhook")
    _, problems = read_options(kind.Options, {"url": "http://x", "template": template}, "sinks.ops")
    assert said in problems[0].message


# ---- answers of peers


@pytest.mark.parametrize(
    ("status", "headers", "error", "after"),
    [
        (429, {"Retry-After": "7"}, Retry, 7.0),
        (503, {"Retry-After": "junk"}, Retry, None),
        (500, {}, Retry, None),
        (408, {}, Retry, None),
        (429, {"Retry-After": "99999999"}, Retry, 3_600.0),
        (400, {}, Refused, None),
        (401, {}, Refused, None),
        (404, {}, Refused, None),
        (302, {"Location": "http://127.0.0.1:1/"}, Refused, None),
    ],
)
def test_answers_decide_whether_a_message_is_sent_again(
    server: Peer,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    headers: dict[str, str],
    error: type[Exception],
    after: float | None,
) -> None:
    url = f"{server.url}/services/T0/B0/very-secret"
    monkeypatch.setenv("HOOK", url)
    server.plan = [(status, headers, f"no: {url} invalid_token")]
    with pytest.raises(error) as found:
        sink("slack", url="env:HOOK").send(notification())
    assert getattr(found.value, "after", None) == after
    assert "very-secret" not in str(found.value) and "invalid_token" in str(found.value)
    assert str(status) in str(found.value)


@pytest.mark.parametrize("quoted", ["{url}", "{path}", "{key}", "Bearer {token}", "{token}"])
def test_no_message_quotes_a_secret(
    server: Peer, monkeypatch: pytest.MonkeyPatch, quoted: str
) -> None:
    """A peer may quote the request in its answer, in whole or in part."""
    key, token = "f00dfeedf00dfeedf00d", "t0ken-of-the-peer"
    path = f"/hooks/{key}"
    said = quoted.format(url=f"{server.url}{path}", path=path, key=key, token=token)
    monkeypatch.setenv("HOOK", f"{server.url}{path}")
    monkeypatch.setenv("TOKEN", token)
    monkeypatch.setenv("BEARER", f"Bearer {token}")
    for other in (
        sink("webhook", url="env:HOOK", headers={"authorization": "env:BEARER"}),
        sink("alertmanager", url=f"{server.url}{path}", token="env:TOKEN"),
    ):
        server.plan = [(400, {}, f"wrong: {said} is not known")]
        with pytest.raises(Refused) as found:
            other.send(notification())
        assert "is not known" in str(found.value)
        assert key not in str(found.value) and token not in str(found.value)


def test_a_date_in_retry_after(server: Peer) -> None:
    at = datetime.now(timezone.utc) + timedelta(seconds=90)
    server.plan = [(503, {"Retry-After": at.strftime("%a, %d %b %Y %H:%M:%S GMT")}, "")]
    with pytest.raises(Retry) as found:
        sink("webhook", url=server.url).send(notification())
    assert found.value.after is not None and 60 < found.value.after <= 90


def test_a_peer_that_hangs_or_drips_costs_the_timeout_only(server: Peer) -> None:
    server.delay = 5.0
    began = time.monotonic()
    with pytest.raises(Retry, match=r"no answer within 0\.3 s"):
        sink("webhook", url=server.url, timeout_seconds=0.3).send(notification())
    assert time.monotonic() - began < 4.0

    listening = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        client, _ = listening.accept()
        with client:
            for _ in range(100):
                try:
                    client.sendall(b"H")
                except OSError:
                    return
                time.sleep(0.1)

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    port = listening.getsockname()[1]
    with pytest.raises(Retry):
        sink("webhook", url=f"http://127.0.0.1:{port}", timeout_seconds=0.5).send(notification())
    listening.close()
    thread.join(15)


def test_peers_that_are_not_there_or_not_http() -> None:
    free = socket.create_server(("127.0.0.1", 0))
    port = free.getsockname()[1]
    free.close()
    gone = sink("webhook", url=f"http://127.0.0.1:{port}", timeout_seconds=2)
    with pytest.raises(Retry, match="connection refused"):
        gone.send(notification())
    assert "connection refused" in gone.check()[0]
    unknown = sink("webhook", url="http://does-not-exist.invalid", timeout_seconds=5)
    with pytest.raises(Retry, match=r"host name is unknown|temporary"):
        unknown.send(notification())
    with pytest.raises(Refused):
        sink("webhook", url="ftp://x").send(notification())


@left_out(shutil.which("openssl") is None, "openssl is not installed")
def test_tls_is_verified(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(tmp_path))
    with peer(context) as secure:
        with pytest.raises(Retry, match="the certificate is not trusted"):
            sink("webhook", url=secure.url, timeout_seconds=5).send(notification())
        trusting = sink("webhook", url=secure.url, ca_file=str(tmp_path / "cert.pem"))
        trusting.send(notification())
        assert len(secure.requests) == 1
    broken = socket.create_server(("127.0.0.1", 0))

    def babble() -> None:
        client, _ = broken.accept()
        with client:
            client.recv(100)
            client.sendall(b"this is no TLS\r\n")

    other = threading.Thread(target=babble, daemon=True)
    other.start()
    port = broken.getsockname()[1]
    with pytest.raises(Retry, match="TLS failed"):
        sink("webhook", url=f"https://127.0.0.1:{port}", timeout_seconds=5).send(notification())
    broken.close()


# ---- Alertmanager


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[str]:
    assert ALERTMANAGER or not os.environ.get("MAD_TEST_ALL"), "prometheus-alertmanager is missing"
    if ALERTMANAGER is None:
        pytest.skip("prometheus-alertmanager is not installed")
    config = tmp_path / "am.yml"
    config.write_text("route: {receiver: none}\nreceivers: [{name: none}]\n")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [
            ALERTMANAGER,
            f"--config.file={config}",
            f"--storage.path={tmp_path / 'am'}",
            "--cluster.listen-address=",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            try:
                if httpx.get(f"{url}/-/ready", trust_env=False).status_code == 200:
                    break
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def active(url: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = httpx.get(f"{url}/api/v2/alerts", trust_env=False).json()
    return [one for one in found if one["status"]["state"] == "active"]


@pytest.mark.real
def test_alertmanager_has_one_alert_until_the_end(alertmanager: str) -> None:
    one = sink("alertmanager", url=alertmanager, labels={"team": "shop"})
    assert one.check() == []
    warning = {"severity": "Warning"}
    one.send(notification(incident=warning))
    one.send(notification(incident=warning))  # another attempt
    (alert,) = active(alertmanager)
    assert alert["labels"] == {
        "alertname": "MadIncident",
        "incident": "INC-1",
        "service": "payments",
        "endpoint": "/pay",
        "severity": "warning",
        "team": "shop",
    }
    assert alert["annotations"]["culprit"] == "payments /pay"
    assert alert["generatorURL"] == LINK
    one.send(notification(event="escalated", previous={"severity": "Warning", "culprit": None}))
    assert [alert["labels"]["severity"] for alert in active(alertmanager)] == ["critical"]
    one.send(notification(event="resolved"))
    assert active(alertmanager) == []


# ---- e-mail


class Mailbox:
    """Keeps messages, or refuses them."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.answer = "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.messages.append(envelope)
        return self.answer


@pytest.fixture
def mail(tmp_path: Path) -> Iterator[tuple[Mailbox, Any, Path]]:
    from aiosmtpd import controller
    from aiosmtpd.smtp import AuthResult

    certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    box = Mailbox()

    def login(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> Any:
        return AuthResult(success=data.password == b"right", handled=False)

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    running = controller.Controller(
        box,
        hostname="127.0.0.1",
        port=port,
        tls_context=context,
        authenticator=login,
        auth_required=True,
    )
    running.start()
    try:
        yield box, port, tmp_path / "cert.pem"
    finally:
        running.stop()


def test_mail(mail: tuple[Mailbox, Any, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from email import message_from_bytes, policy

    box, port, authority = mail
    monkeypatch.setenv("PASSWORD", "right")
    table = {
        "host": "127.0.0.1",
        "port": port,
        "sender": "mad@example.com",
        "recipients": ["ops@example.com", "dev@example.com"],
        "username": "mad",
        "password": "env:PASSWORD",
        "ca_file": str(authority),
        "timeout_seconds": 10,
    }
    one = sink("email", **table)
    assert one.check() == []
    one.send(notification(title="[Critical] a\r\nBcc: x@example.com"))
    one.send(notification())
    one.send(notification(id="INC-1:57:0", event="resolved"))
    assert box.messages[0].rcpt_tos == ["ops@example.com", "dev@example.com"]
    found = [message_from_bytes(one.content, policy=policy.default) for one in box.messages]
    assert found[0]["Bcc"] is None
    assert found[0]["Message-ID"] == found[1]["Message-ID"] != found[2]["Message-ID"]
    assert found[1]["References"] == found[2]["References"]
    assert found[1]["Subject"].strip().startswith("Incident opened: [Critical] payments /pay")
    assert "Culprit: payments /pay" in found[1].get_content() and LINK in found[1].get_content()
    listed = [f"- {one}" for one in document()["actions"]]
    assert found[1].get_content().splitlines()[-5:] == ["", "Check first:", *listed, "", LINK]
    assert "Likely causes" in found[2].get_content() and "Check" not in found[2].get_content()
    box.answer = "451 later"
    with pytest.raises(Retry, match="451"):
        one.send(notification())
    box.answer = "554 never"
    with pytest.raises(Refused, match="554"):
        one.send(notification())
    monkeypatch.setenv("PASSWORD", "wrong-one")
    with pytest.raises(Refused, match="check username and password") as error:
        sink("email", **table).send(notification())
    assert "wrong-one" not in str(error.value)
    assert "refused the login" in sink("email", **table).check()[0]
    with pytest.raises(Retry, match="certificate is not trusted"):
        sink("email", **{k: v for k, v in table.items() if k != "ca_file"}).send(notification())


# ---- lines, and the long tail


def test_a_file_of_lines_survives_half_a_line(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    one = sink("file", path=str(path))
    assert one.check() == [] and not path.exists()
    one.send(notification())
    with path.open("ab") as file:
        file.write(b'{"half')
    one.send(notification(event="resolved"))
    lines = path.read_text().splitlines()
    assert [json.loads(line)["event"] for line in (lines[0], lines[2])] == ["opened", "resolved"]
    gone = sink("file", path=str(tmp_path / "no" / "file"))
    with pytest.raises(Retry, match="no such file"):
        gone.send(notification())
    assert "no such file" in gone.check()[0]


def test_the_console(capsys: pytest.CaptureFixture[str]) -> None:
    sink("console").send(notification(title="bell \x07 and \x1b[31m"))
    said = capsys.readouterr().err
    assert said.startswith("mad: Incident opened: bell  and [31m\n")
    assert "Culprit: payments /pay" in said and "\x1b" not in said


def test_apprise(server: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("URL", server.url.replace("http://", "json://") + "/room")
    one = sink("apprise", urls=["env:URL"])
    assert one.check() == []
    one.send(notification())
    body = server.requests[0].json
    assert (
        body["title"].startswith("Incident opened") and "Culprit: payments /pay" in body["message"]
    )
    server.status = 500
    with pytest.raises(Retry):
        one.send(notification())
    monkeypatch.setenv("URL", "nothing-known://x")
    assert "is no URL that apprise knows" in sink("apprise", urls=["env:URL"]).check()[0]


def test_a_missing_package_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setenv("URL", "json://127.0.0.1")
    monkeypatch.setitem(sys.modules, "apprise", None)
    assert "pip install 'mad-py[apprise]'" in sink("apprise", urls=["env:URL"]).check()[0]


# ---- every sink


@pytest.mark.parametrize("type", types_of("sinks"))
def test_every_sink_declares_itself(type: str) -> None:
    kind = component("sinks", type)
    assert isinstance(kind.groups, bool | property) and isinstance(kind.keyed, bool)
    options = list(describe(kind.Options))
    assert all(one.help for one in options), [one.name for one in options if not one.help]
    assert {"events", "quiet", "rate_per_minute"} <= {one.name for one in options}
    assert kind.__doc__ and kind.send.__doc__ and kind.check.__doc__


def test_a_missing_secret_is_named_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOOK", raising=False)
    one = sink("slack", url="env:HOOK")
    assert one.check() == ["the variable HOOK is not set (`env:HOOK`)"]
    with pytest.raises(ValueError, match="HOOK is not set"):
        one.send(notification())


@pytest.mark.parametrize(
    ("type", "table"),
    [
        ("webhook", {"url": "http://h", "headers": {"Authorization": "s3cret"}}),
        ("webhook", {"url": "http://h", "headers": {"X-Api-Key": "s3cret"}}),
        ("kafka", {"brokers": ["b"], "topic": "t", "settings": {"ssl.key.pem": "s3cret"}}),
    ],
)
def test_tables_of_texts_take_no_secret_in_plain(type: str, table: dict[str, Any]) -> None:
    found, (problem,) = read_options(component("sinks", type).Options, table, "sinks.ops")
    assert found is None and "s3cret" not in problem.message and "a file" in problem.message


def test_the_test_message_is_marked() -> None:
    found = Notification([example_document("2026-01-06T10:00:00.000Z")])
    assert found.is_test and "Test message of mad" in found.text()
    assert set(found.document) == set(document())


# ---- hours


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


@pytest.mark.parametrize(
    ("now", "span", "days", "end"),
    [
        ("2026-01-06T23:00", "22:00-07:00", (), "2026-01-07T07:00"),
        ("2026-01-07T06:59", "22:00-07:00", (), "2026-01-07T07:00"),
        ("2026-01-07T07:00", "22:00-07:00", (), None),
        ("2026-01-06T12:30", "12:00-13:00", (), "2026-01-06T13:00"),
        ("2026-01-07T03:00", "22:00-07:00", ("tue",), "2026-01-07T07:00"),
        ("2026-01-07T03:00", "22:00-07:00", ("wed",), None),
        ("2026-01-07T03:00", "", (), None),
    ],
)
def test_quiet_hours(now: str, span: str, days: tuple[str, ...], end: str | None) -> None:
    found = quiet_until(at(now), span, days, zone_of("UTC"))
    assert found == (at(end) if end else None)


def test_quiet_hours_follow_the_local_clock() -> None:
    zone = zone_of("Europe/Berlin")
    assert quiet_until(at("2026-01-06T05:30"), "22:00-07:00", (), zone) is not None
    assert quiet_until(at("2026-07-06T05:30"), "22:00-07:00", (), zone) is None
    with pytest.raises(ValueError, match="zone is 'Mars'"):
        zone_of("Mars")


def test_mute_windows() -> None:
    windows = windows_of(["2026-12-24T18:00Z/2026-12-27T06:00+01:00"])
    assert is_muted(at("2026-12-25T00:00"), windows)
    assert not is_muted(at("2026-12-27T05:00"), windows)
    for wrong in (
        "",
        "2026-12-24/x",
        "2026-12-24T18:00/2026-12-27T06:00",
        "2026-01-02T00:00Z/2026-01-01T00:00Z",
    ):
        with pytest.raises(ValueError, match="mute has"):
            windows_of([wrong])


def test_wrong_hours_are_problems_of_the_settings() -> None:
    kind = component("sinks", "console")
    for table in (
        {"zone": "Mars"},
        {"mute": ["x"]},
        {"quiet": "25:00-07:00"},
        {"events": ["open"]},
    ):
        _, problems = read_options(kind.Options, table, "sinks.ops")
        assert problems, table


def test_a_pipe_in_place_of_a_file_blocks_no_sink(tmp_path: Path) -> None:
    """A pipe without a reader would hold the thread of the sink for good."""
    from mad.sinks.lines import FileOptions, FileSink

    path = tmp_path / "alerts.jsonl"
    sink = FileSink(FileOptions(path=str(path)))
    sink.send(notification())
    assert sink.check() == [] and len(path.read_bytes().splitlines()) == 1
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(Retry, match=r"alerts\.jsonl"):
        sink.send(notification())
    (fault,) = sink.check()
    assert "alerts.jsonl" in fault
