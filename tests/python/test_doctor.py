"""`mad doctor` finds every fault that is planted in a deployment, and names its remedy."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from peers import Process, certificate, free_port, needs
from sink_peer import Peer, peer
from source_peers import PEERS, kafka

from mad.cli import doctor, doctor_deployment
from mad.journal import Journal


@pytest.fixture
def server() -> Iterator[Peer]:
    with peer() as found:
        yield found


def run(path: Path, **environ: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, checks by name and all output of `mad doctor --config`."""
    done = subprocess.run(
        [sys.executable, "-m", "mad.cli", "doctor", "--json", "--config", str(path)],
        check=False,
        capture_output=True,
        text=True,
        cwd=path.parent,
        env={**os.environ, **environ},
    )
    checks = {one["name"]: one for one in json.loads(done.stdout)["checks"]}
    return done.returncode, checks, done.stdout + done.stderr


def test_a_sound_deployment(tmp_path: Path, server: Peer) -> None:
    (tmp_path / "in.jsonl").write_text("")
    config = tmp_path / "mad.toml"
    config.write_text(
        f"""
        [server]
        port = 0
        data = "{tmp_path}/data"
        [sources.lines]
        type = "file"
        paths = ["{tmp_path}/in.jsonl"]
        [sinks.hook]
        type = "webhook"
        url = "env:HOOK"
        [sinks.log]
        type = "file"
        path = "{tmp_path}/alerts.jsonl"
        """
    )
    code, checks, said = run(config, HOOK=f"{server.url}/very-secret")
    assert code == 0, said
    assert {"extras", "journal", "port", "tokens", "source lines", "sink hook", "sink log"} <= set(
        checks
    )
    assert not server.requests and "very-secret" not in said
    assert not (tmp_path / "data").exists() and not (tmp_path / "alerts.jsonl").exists()


def test_each_planted_fault_is_found(tmp_path: Path) -> None:
    busy = socket.create_server(("127.0.0.1", 0))
    port = busy.getsockname()[1]
    with socket.create_server(("127.0.0.1", 0)) as free:
        closed = free.getsockname()[1]
    (tmp_path / "data").write_text("a file where a directory should be")
    tokens, readable = tmp_path / "tokens", tmp_path / "readable"
    tokens.write_text("read 5c1b09e2a4d87f6390b1c2d3e4f50617 x\n")
    tokens.chmod(0o644)
    readable.write_text("geheim-1")
    readable.chmod(0o644)
    config = tmp_path / "mad.toml"
    config.write_text(
        f"""
        [server]
        port = {port}
        data = "{tmp_path}/data"
        token_file = "{tokens}"
        [server.webhooks]
        github = "env:MAD_TEST_NOT_SET"
        [sources.lines]
        type = "file"
        paths = ["{tmp_path}/no/such.jsonl"]
        [sinks.unset]
        type = "webhook"
        url = "env:MAD_TEST_NOT_SET"
        secret = "env:MAD_TEST_NOT_SET_EITHER"
        [sinks.readable]
        type = "slack"
        url = "file:{readable}"
        [sinks.gone]
        type = "webhook"
        url = "http://127.0.0.1:{closed}/geheim-2"
        timeout_seconds = 2
        [sinks.unknown]
        type = "alertmanager"
        url = "http://does-not-exist.invalid:9093"
        timeout_seconds = 5
        [sinks.mail]
        type = "email"
        host = "127.0.0.1"
        port = {closed}
        sender = "mad@example.com"
        recipients = ["ops@example.com"]
        timeout_seconds = 2
        [sinks.pager]
        type = "pagerduty"
        url = "http://127.0.0.1:{port}"
        routing_key = "env:MAD_TEST_KEY"
        [sinks.log]
        type = "file"
        path = "{tmp_path}/no/alerts.jsonl"
        """
    )
    code, checks, said = run(config, MAD_TEST_KEY="geheim-3")
    busy.close()
    assert code == 2
    expected = {
        "journal": "is no directory: give another server.data",
        "port": "address already in use: give another server.host or server.port",
        "tokens": "chmod 600",
        "webhooks": "the variable MAD_TEST_NOT_SET is not set",
        "source lines": "such.jsonl",
        "sink unset": "the variable MAD_TEST_NOT_SET is not set (`env:MAD_TEST_NOT_SET`); "
        "the variable MAD_TEST_NOT_SET_EITHER is not set",
        "sink readable": f"chmod 600 {readable}",
        "sink gone": "connection refused",
        "sink unknown": "does-not-exist.invalid",
        "sink mail": "connection refused",
        "sink pager": "32 characters",
        "sink log": "no such file or directory",
    }
    for name, text in expected.items():
        assert not checks[name]["ok"] and text in checks[name]["detail"], (name, checks[name])
    assert {name for name, one in checks.items() if not one["ok"]} == set(expected)
    assert "geheim" not in said


@pytest.mark.parametrize(
    "url", [pytest.param("127.0.0.1", marks=[*needs(*PEERS[kafka]), *needs("prometheus")])]
)
def test_each_planted_fault_of_a_peer_is_found(url: str, tmp_path: Path, server: Peer) -> None:
    """A wrong port, token, topic and query, an untrusted certificate, a missing secret and a
    journal that cannot be written, in one deployment over real peers."""
    server.status, port = 401, free_port()
    address = f"{url}:{port}"
    (tmp_path / "data").write_text("a file where a directory should be")
    settings = tmp_path / "prometheus.yml"
    settings.write_text("scrape_configs: []\n")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(tmp_path))
    command = ["prometheus", f"--config.file={settings}", f"--web.listen-address={address}"]
    with contextlib.ExitStack() as opened:
        prometheus = Process([*command, f"--storage.tsdb.path={tmp_path}/tsdb"], port)
        opened.callback(prometheus.stop)
        broker = opened.enter_context(kafka(tmp_path))
        encrypted = opened.enter_context(peer(context))
        config = tmp_path / "mad.toml"
        config.write_text(
            f"""
            [server]
            port = 0
            data = "{tmp_path}/data"
            [sources.port]
            type = "kafka"
            brokers = ["127.0.0.1:{free_port()}"]
            topics = ["requests"]
            [sources.topic]
            type = "kafka"
            brokers = ["{broker.address}"]
            topics = ["unknown"]
            [sources.query]
            type = "prometheus"
            url = "http://{address}"
            queries = {{ rps = "rate((" }}
            [sources.token]
            type = "prometheus"
            url = "{server.url}"
            presets = ["red"]
            token = "env:MAD_TEST_TOKEN"
            [sources.tls]
            type = "prometheus"
            url = "{encrypted.url}"
            presets = ["red"]
            [sources.secret]
            type = "prometheus"
            url = "http://{address}"
            presets = ["red"]
            token = "env:MAD_TEST_NOT_SET"
            [sources.sound]
            type = "kafka"
            brokers = ["{broker.address}"]
            topics = ["requests"]
            """
        )
        code, checks, said = run(config, MAD_TEST_TOKEN="geheim-4")
    assert code == 2
    expected = {
        "journal": "is no directory",
        "source port": "refused",
        "source topic": "create the topic, or mend its name",
        "source query": "rps",
        "source token": "check the user, password or token",
        "source tls": "certificate",
        "source secret": "the variable MAD_TEST_NOT_SET is not set",
    }
    for name, text in expected.items():
        assert not checks[name]["ok"], name
        assert text.lower() in checks[name]["detail"].lower(), (name, checks[name])
    assert {name for name, one in checks.items() if not one["ok"]} == set(expected)
    assert "geheim" not in said


def test_a_wrong_file_is_one_fault(tmp_path: Path) -> None:
    config = tmp_path / "mad.toml"
    config.write_text("[server]\nprot = 1\n")
    code, checks, _ = run(config)
    assert code == 2 and ":2:1: config field `server.prot`" in checks["config"]["detail"]
    code, checks, _ = run(tmp_path / "missing.toml")
    assert code == 2 and "no such file" in checks["config"]["detail"]


def test_a_journal_in_use(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "data")
    with pytest.raises(ValueError, match=f"process {os.getpid()} is already writing"):
        doctor_deployment.journal(tmp_path / "data")
    journal.close()
    assert "GiB free" in doctor_deployment.journal(tmp_path / "data")


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_deployment, "LOW_BYTES", 2**62)
    with pytest.raises(ValueError, match="free space"):
        doctor_deployment.journal(tmp_path)


def test_a_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_deployment, "_SERVER", ("no_such_package",))
    with pytest.raises(ValueError, match=r"pip install 'mad-py\[serve\]'"):
        doctor_deployment.extras()


def test_an_open_address_without_tokens() -> None:
    with pytest.raises(ValueError, match=r"set server\.token_file"):
        doctor_deployment.tokens(None, "0.0.0.0")


def test_a_wrong_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.time, "time", lambda: 0.0)
    with pytest.raises(ValueError, match="set the clock"):
        doctor.clock()
