"""One settings file for the core, the server, its sources and its sinks."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from mad.cli import serve
from mad.config import components
from mad.config.deployment import Deployment, problems_of
from mad.config.earlier import REFUSED
from mad.config.layers import Layers, parse_toml
from mad.config.options import Described, describe, option, read_options
from mad.config.secret import Secret, SecretMissing, revealed
from mad.config.server import ServerOptions
from mad.sinks.protocol import SinkOptions


@dataclass(frozen=True, kw_only=True)
class PeerOptions:
    """Options of every kind."""

    url: Secret = option(help="Address with its key")
    room: str = option("ops", help="Room", pattern=r"[a-z]+")
    pause: float = option(1.0, help="Pause", least=0.1, most=60)
    count: int | None = option(None, help="Number", least=1)
    loud: bool = option(False, help="Whether it is loud")
    names: tuple[str, ...] = option((), help="Names")
    headers: dict[str, str | Secret] = option({}, help="Headers")


class Peer:
    """A component of the tests."""

    Options = PeerOptions

    def __init__(self, options: PeerOptions) -> None:
        self.options = options


GOOD = """
[guard]
min_points = 30

[server]
port = 0
data = "here"
[server.retain]
rows = 50_000

[sinks.ops]
type = "peer"
url = "env:OPS_URL"
headers = { Accept = "text/plain", Authorization = "file:/run/secrets/ops" }
names = ["a", "b"]
"""


@pytest.fixture(autouse=True)
def peer(monkeypatch: pytest.MonkeyPatch) -> None:
    place = f"{__name__}:Peer"
    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])
    monkeypatch.setitem(components.BUILT_IN, "sinks", {"peer": place})
    monkeypatch.setitem(components.BUILT_IN, "sources", {"peer": place})


def test_a_file_names_everything_that_runs(tmp_path: Path) -> None:
    path = tmp_path / "mad.toml"
    path.write_text(GOOD)
    found = Deployment.load(path, {"MAD_SERVER__PORT": "81"})
    assert found.core["guard"]["min_points"] == 30
    assert (found.server.port, found.server.data, found.server.retain.rows) == (81, "here", 50_000)
    assert found.server.retain.points == 1_000_000
    part = found.sinks["ops"]
    assert (part.name, part.type, part.line) == ("ops", "peer", 11)
    options = part.build().options
    assert options.url == Secret("env:OPS_URL")
    assert options.headers == {
        "Accept": "text/plain",
        "Authorization": Secret("file:/run/secrets/ops"),
    }
    assert options.names == ("a", "b")
    assert Deployment.load(None, {}) == Deployment()


def test_yaml_gives_the_same_deployment(tmp_path: Path) -> None:
    import yaml

    (tmp_path / "mad.toml").write_text(GOOD)
    (tmp_path / "mad.yaml").write_text(yaml.safe_dump(parse_toml(GOOD)))
    toml = Deployment.load(tmp_path / "mad.toml", {})
    yaml_ = Deployment.load(tmp_path / "mad.yaml", {})
    assert (toml.core, toml.server) == (yaml_.core, yaml_.server)
    assert toml.sinks["ops"].options == yaml_.sinks["ops"].options


BAD = """\
[server]
port = 70000
host = 1
retain = { rws = 5 }

[sinks.ops]
type = "peer"
url = "https://hooks.example.com/T0/secret-of-the-team"
pause = 0
rom = "x"

[sinks.second]
type = "per"

[sinks.third]
url = "env:X"

[sinks."bad name"]
type = "peer"

[sinks.fourth]
type = "peer"
room = "https://me:geheim@example.com"

[guard]
min_points = 0
"""


def test_every_problem_has_its_line_and_no_message_shows_a_secret() -> None:
    found, known = problems_of(BAD, "mad.toml")
    lines = {one.field: (known.get(one.field) or (0, 0))[0] for one in found}
    assert lines == {
        "server.port": 2,
        "server.host": 3,
        "server.retain.rws": 4,
        "sinks.ops.url": 8,
        "sinks.ops.pause": 9,
        "sinks.ops.rom": 10,
        "sinks.second.type": 13,
        "sinks.third": 15,
        "sinks.bad name": 18,
        "sinks.fourth.url": 0,  # missing: the line is that of the table
        "sinks.fourth.room": 23,
        "guard.min_points": 26,
    }
    texts = {one.field: one.message for one in found}
    assert not any("secret-of-the-team" in text or "geheim" in text for text in texts.values())
    assert '"env:MAD_OPS_URL" or "file:PATH"' in texts["sinks.ops.url"]
    assert "did you mean `room`?" in texts["sinks.ops.rom"]
    assert "did you mean `rows`?" in texts["server.retain.rws"]
    assert "did you mean `peer`?" in texts["sinks.second.type"]
    assert "expected an integer from 0 to 65,535" in texts["server.port"]
    assert "is missing: Address with its key" in texts["sinks.fourth.url"]


def test_the_command_lists_them(tmp_path: Path) -> None:
    path = tmp_path / "mad.toml"
    path.write_text("[server]\nprot = 1\n")
    done = subprocess.run(
        [sys.executable, "-m", "mad.cli", "config", "check", str(path)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stdout.startswith(f"{path}:2:1: config field `server.prot` does not exist")
    path.write_text("[server]\nport = 1\n[guard]\nmin_points = 30\n")
    done = subprocess.run(
        [sys.executable, "-m", "mad.cli", "config", "check", "--json", str(path)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert json.loads(done.stdout)["changes"] == {"guard.min_points": 30}


def test_a_file_that_is_loaded_names_the_lines_too(tmp_path: Path) -> None:
    path = tmp_path / "mad.toml"
    path.write_text("[server]\nport = -1\n")
    with pytest.raises(ValueError, match=rf"{path}:2:1: config field `server.port` is -1"):
        Deployment.load(path, {})
    with pytest.raises(ValueError, match=r"MAD_SERVER__PORT: config field `server.port` is -2"):
        Deployment.load(path, {"MAD_SERVER__PORT": "-2"})


@pytest.mark.parametrize("value", [float("nan"), "1", True, [], 1.5])
def test_a_number_is_a_number(value: object) -> None:
    found, problems = read_options(PeerOptions, {"url": "env:X", "count": value}, "sinks.a")
    assert found is None
    assert [one.field for one in problems] == ["sinks.a.count"]


def test_secrets_are_read_late_and_never_shown(tmp_path: Path) -> None:
    secret = Secret("env:TOKEN_OF_A_PEER")
    with pytest.raises(SecretMissing, match="the variable TOKEN_OF_A_PEER is not set"):
        secret.value({})
    assert secret.value({"TOKEN_OF_A_PEER": "s3cret"}) == "s3cret"
    assert "s3cret" not in repr(secret)
    file = tmp_path / "token"
    of_file = Secret(f"file:{file}")
    with pytest.raises(SecretMissing, match="no such file"):
        of_file.value()
    file.write_text(" one\n")
    assert revealed(of_file) == "one"
    file.write_text("two\n")
    assert revealed(of_file) == "two"
    for text in ("", "a\nb", "\x00"):
        file.write_text(text)
        with pytest.raises(SecretMissing):
            of_file.value()
    assert (revealed("plain"), revealed(None)) == ("plain", "")
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(SecretMissing, match="no regular file"):
        of_file.value()


def test_keys_of_the_earlier_system_are_mapped_or_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("anomaly_threshold: 0.95\ninterval: 5m\nguard: {min_points: 3}\n")
    core = Deployment.load(path, {}).core
    assert core["score"]["threshold"] == pytest.approx(0.245, abs=0.001)
    assert core["features"]["step_seconds"] == 300
    assert core["guard"]["min_points"] == 3
    path.write_text("threshold: 0.95\nscore: {threshold: 0.6}\n")
    assert Deployment.load(path, {}).core["score"]["threshold"] == 0.6
    path.write_text("".join(f"{name}: 3\n" for name in REFUSED) + "THRESHOLD: 2\n")
    found, known = problems_of(path.read_text(), str(path))
    assert [one.field for one in found] == [*REFUSED, "THRESHOLD"]
    assert all(one.field in known for one in found)
    with pytest.raises(ValueError, match="config field `workers` of an earlier system"):
        Layers.of(path, {})


def test_arguments_win_over_the_table_of_the_server() -> None:
    command = argparse.ArgumentParser()
    serve.add_arguments(command)
    base = ServerOptions(port=81, host="127.0.0.2", read_only=True)
    options = serve.server_options(command.parse_args([]), base)
    assert options == ServerOptions(port=81, host="127.0.0.2", read_only=True)
    args = command.parse_args(
        ["--port", "82", "--retain", "rows=5", "--max-body", "1", "--http-limit", "queries=2"]
    )
    options = serve.server_options(args, base)
    assert (options.port, options.host) == (82, "127.0.0.2")
    assert (options.retain.rows, options.http.body_bytes, options.http.queries) == (5, 1 << 20, 2)


def test_options_describe_themselves() -> None:
    found = {one.name: one for one in describe(PeerOptions)}
    assert (found["url"].type, found["url"].default) == ("`env:NAME` or `file:PATH`", "required")
    assert (found["pause"].range, found["pause"].default) == ("0.1 to 60", "1.0")
    assert found["headers"].type == "table of text or `env:NAME` or `file:PATH`"
    assert "retain.rows" in {one.name for one in describe(ServerOptions)}


DOCS = Path(__file__).parents[2] / "docs"


def test_the_complete_example_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # the real types
    found = Deployment.load(DOCS / "mad.toml", {})
    assert (found.server.data, found.server.retain.rows) == ("/var/lib/mad", 500_000)
    assert {part.type for part in found.sources.values()} == {"file", "kafka"}
    assert {"slack", "teams", "pagerduty", "alertmanager", "email", "webhook", "file"} == {
        part.type for part in found.sinks.values()
    }


@pytest.mark.parametrize("page", ["alerts.md", "mad-toml.md"])
def test_the_pages_describe_every_option(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    text = (DOCS / page).read_text(encoding="utf-8")
    common = list(describe(SinkOptions))
    kinds: list[list[Described]] = [list(describe(ServerOptions))]
    if page == "alerts.md":
        own = [
            list(describe(components.component("sinks", name).Options))
            for name in components.BUILT_IN["sinks"]
            if name not in ("kafka", "elasticsearch", "console")
        ]
        kinds = [common, *([one for one in found if one not in common] for found in own)]
    for one in (declared for options in kinds for declared in options):
        if not one.name.startswith(("retain.", "http.")):
            row = f"| `{one.name}` | {one.type} | {one.default} | {one.range} | {one.help} |"
            assert row in text, row
