"""Settings from files, environment and arguments, their problems, and the commands."""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mad
from mad import _core
from mad.cli import doctor
from mad.config.earlier import confidence_of

DOCS = Path(__file__).parents[2] / "docs"
EVERYTHING: dict[str, Any] = {
    "naive_offset_seconds": -3600,
    "guard": {"min_points": 30, "latency_relative": 0.1},
    "routes": {"enabled": False, "patterns": ["/item/{sku}", '/"q"/\\/{x*}']},
    "override": [
        {"service": "é\x7f\n", "threshold": 0.9},
        {"metric": "free", "kind": "gauge", "direction": "down", "watched": False},
    ],
    "mute": [
        {"resource": "a*", "from": "2026-01-06T10:00:00.25Z", "days": ["sat"]},
        {"daily": "22:00-04:30", "offset_seconds": 7200, "reason": "nightly"},
    ],
}
WRONG = """\
[guard]
min_points = 0
min_point = 3
warm_up_minutes = "x"

[[override]]
service = "a"

[[override]]
threshold = 2
direction = "sideways"

[[mute]]
from = 2026-01-06T22:00:00

[routes]
patterns = ["/a/{b}", "x"]
"""
WRONG_AT = [
    (2, 1, "guard.min_points"),
    (3, 1, "guard.min_point"),
    (4, 1, "guard.warm_up_minutes"),
    (6, 1, "override[0]"),
    (10, 1, "override[1].threshold"),
    (11, 1, "override[1].direction"),
    (14, 1, "mute[0].from"),
    (17, 23, "routes.patterns[1]"),
]


def run(*args: object, cwd: Path | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("MAD_")}
    return subprocess.run(
        [sys.executable, "-m", "mad.cli", *map(str, args)],
        check=False,
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**clean, **environ},
    )


def test_toml_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "mad.toml"
    for config in (mad.Config(), mad.Config(EVERYTHING)):
        path.write_text(config.to_toml(), encoding="utf-8")
        assert mad.Config.from_toml(path) == config


@given(st.lists(st.text(max_size=20), max_size=4), st.floats(1e-300, 1e6))
def test_any_text_is_read_back(names: list[str], minutes: float) -> None:
    overrides = [{"service": name, "warm_up_minutes": minutes} for name in names]
    config = mad.Config({"guard": {"warm_up_minutes": minutes}, "override": overrides})
    from mad.config.layers import parse_toml

    assert mad.Config(parse_toml(config.to_toml())) == config


def test_yaml_gives_the_same_settings(tmp_path: Path) -> None:
    import yaml

    path = tmp_path / "mad.yaml"
    path.write_text(yaml.safe_dump(EVERYTHING, allow_unicode=True), encoding="utf-8")
    assert mad.Config.from_yaml(path) == mad.Config(EVERYTHING) == mad.Config.load(path)
    path.write_text("mute: [{from: 2026-01-06T10:00:00Z}]\n")
    assert mad.Config.from_yaml(path)["mute"][0]["from"] == "2026-01-06T10:00:00Z"
    path.write_text("")
    assert mad.Config.from_yaml(path) == mad.Config()
    for text in ("- 1", "{", "5"):
        path.write_text(text)
        with pytest.raises(ValueError):
            mad.Config.from_yaml(path)


def test_yaml_needs_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mad.yaml").write_text("guard: {min_points: 3}")
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ValueError, match=r"pip install 'mad-py\[yaml\]'"):
        mad.Config.from_yaml(tmp_path / "mad.yaml")


def test_a_config_is_hashable_and_can_be_pickled() -> None:
    config = mad.Config(EVERYTHING)
    copy = pickle.loads(pickle.dumps(config))
    assert copy == config
    assert {config: 1}[copy] == 1


def test_argument_over_environment_over_file_over_default(tmp_path: Path) -> None:
    path = tmp_path / "mad.toml"
    path.write_text("[guard]\nmin_points = 30\nmin_errors = 4\nmin_requests = 7\n")
    environ = {"MAD_GUARD__MIN_POINTS": "40", "MAD_GUARD__MIN_ERRORS": "5", "HOME": "/"}
    guard = mad.Config.load(path, environ, guard={"min_points": 50})["guard"]
    assert (guard["min_points"], guard["min_errors"], guard["min_requests"]) == (50, 5, 7)
    assert guard["latency_relative"] == mad.Config()["guard"]["latency_relative"]
    assert mad.Config.load(path, environ, guard__min_points=50)["guard"] == guard
    named = mad.Config.load(environ={"MAD_CONFIG": str(path)})
    assert named["guard"]["min_points"] == 30
    assert mad.Config.load(environ={}) == mad.Config()


def test_the_environment() -> None:
    config = mad.Config.from_env(
        {
            "MAD_NAIVE_OFFSET_SECONDS": "3600",
            "MAD_ROUTES__ENABLED": "false",
            "MAD_ROUTES__PATTERNS": '["/item/{sku}"]',
            "MAD_MUTE": '[{"service": "backup"}]',
            "MAD_SOMETHING": "else",
        }
    )
    assert set(config.changes()) == {
        "naive_offset_seconds",
        "routes.enabled",
        "routes.patterns",
        "mute",
    }
    assert mad.Config.from_env({}) == mad.Config()


def test_a_confidence_as_the_threshold() -> None:
    assert confidence_of(0.9999) == pytest.approx(0.5)
    config = mad.Config.from_env({"ANOMALY_THRESHOLD": "0.95"})
    assert config["score"]["threshold"] == pytest.approx(1.30103 / 5.30103)
    both = {"ANOMALY_THRESHOLD": "0.95", "MAD_SCORE__THRESHOLD": "0.7"}
    assert mad.Config.from_env(both)["score"]["threshold"] == 0.7
    for wrong in ("1", "0", "-1", "nan", "high", ""):
        with pytest.raises(ValueError, match=r"ANOMALY_THRESHOLD is .*; expected a number above 0"):
            mad.Config.from_env({"ANOMALY_THRESHOLD": wrong})


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"MAD_GUARD__MIN_POINTS": "0"}, r"MAD_GUARD__MIN_POINTS: config field `guard.min_points`"),
        ({"MAD_GUARD__MIN_POINT": "5"}, r"MAD_GUARD__MIN_POINT: .* did you mean `min_points`"),
        ({"MAD_GUARDS__X": "5"}, r"MAD_GUARDS__X: .*`guards` does not exist; did you mean `guard`"),
        ({"MAD_MUTE": "[{}]"}, r"MAD_MUTE: config field `mute\[0\]` is a mute of everything"),
        ({"MAD_FEATURES__STEP_SECONDS": "fast"}, r'is "fast"; expected a number'),
    ],
)
def test_errors_name_the_variable(environ: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mad.Config.from_env(environ)


def test_errors_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[guard]\nmin_points = 0\n")
    with pytest.raises(ValueError, match=r"mine\.toml: config field `guard.min_points` is 0"):
        mad.Config.load(path, {})
    path.write_text("[guard\n")
    with pytest.raises(ValueError, match=r"mine\.toml cannot be read as settings: .*line 1"):
        mad.Config.load(path, {})
    with pytest.raises(OSError):
        mad.Config.load(tmp_path / "none.toml", {})
    with pytest.raises(ValueError, match=r"^config field `guard.min_points` is 0"):
        mad.Config.load(environ={}, guard__min_points=0)


def test_all_problems_are_listed_together() -> None:
    def fields(config: object) -> list[str]:
        return [field for field, _ in _core.config_problems(json.dumps(config))]

    assert fields({}) == []
    assert fields(
        {"incident": {"open_rows": 9, "resolve_after_minutes": 0}, "culprit": {"top_k": 0}}
    ) == [
        "incident.open_steps",
        "culprit.top_k",
    ]
    assert fields({"override": [{"endpoint": "a", "resource": "b", "threshold": 0.5}, 5]}) == [
        "override[0]",
        "override[1]",
    ]
    assert fields({"override": {}, "guard": [], "x": 1, "routes": {"patterns": ["", "a"]}}) == [
        "guard",
        "override",
        "x",
        "routes.patterns[0]",
        "routes.patterns[1]",
    ]
    assert fields([]) == fields(5) == [""]


# the commands


def test_check_names_every_problem_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "mad.toml"
    path.write_text(WRONG)
    done = run("config", "check", "mad.toml", cwd=tmp_path)
    assert done.returncode == 2
    lines = done.stdout.splitlines()
    for line, (row, column, field) in zip(lines, WRONG_AT, strict=True):
        assert line.startswith(f"mad.toml:{row}:{column}: config field `{field}` "), line
    report = json.loads(run("config", "check", path, "--json").stdout)
    assert report["valid"] is False
    found = [
        (problem["line"], problem["column"], problem["field"]) for problem in report["problems"]
    ]
    assert found == WRONG_AT


def test_check_knows_the_lines_of_yaml_and_json(tmp_path: Path) -> None:
    path = tmp_path / "mad.yml"
    path.write_text("guard:\n  min_points: 0\noverride:\n  - service: a\n    threshold: 2\n")
    done = run("config", "check", path)
    assert done.returncode == 2
    assert [line.removeprefix(f"{path}:").split(": ")[0] for line in done.stdout.splitlines()] == [
        "2:3",
        "5:5",
    ]
    path.write_text("guard: [\n")
    assert f"{path}:2:1: " in run("config", "check", path).stdout
    path = tmp_path / "mad.json"
    path.write_text('{"guard":\n {"min_points": 0}}')
    assert run("config", "check", path).stdout.startswith(f"{path}:2:3: config field")


def test_check_of_a_file_without_settings(tmp_path: Path) -> None:
    path = tmp_path / "mad.toml"
    path.write_text("[guard]\nmin_points =\n")
    done = run("config", "check", path)
    assert done.returncode == 2
    assert done.stdout.startswith(f"{path}:2:")
    path.write_text("[guard]\nwarm_up_minutes = nan\n")
    assert (
        f"{path}:2:1: config field `warm_up_minutes` is not" in run("config", "check", path).stdout
    )
    done = run("config", "check", tmp_path / "none.toml")
    assert (done.returncode, "no such file" in done.stderr) == (2, True)


def test_check_shows_changes_from_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "mad.toml"
    path.write_text("[guard]\nmin_points = 30\nmin_errors = 2\n")
    done = run("config", "check", path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1:] == ["  guard.min_points = 30  (default 20)"]
    report = json.loads(run("config", "check", path, "--json").stdout)
    assert (report["valid"], report["changes"]) == (True, {"guard.min_points": 30})
    path.write_text("")
    assert "every field has its default" in run("config", "check", path).stdout


def test_the_example_file_is_valid() -> None:
    done = run("config", "check", DOCS / "mad.toml")
    assert done.returncode == 0, done.stdout
    assert "  sources: shop (file), orders (kafka)\n" in done.stdout
    assert "  sinks: ops (slack), pager (pagerduty), " in done.stdout
    config = mad.Config.from_toml(DOCS / "mad.toml")
    assert (len(config["override"]), len(config["mute"])) == (5, 2)


def test_show_names_the_origin_of_each_setting(tmp_path: Path) -> None:
    (tmp_path / "mad.toml").write_text("[guard]\nmin_points = 30\nmin_errors = 3\n")
    done = run("config", "show", cwd=tmp_path, MAD_GUARD__MIN_ERRORS="4")
    assert done.returncode == 0, done.stderr
    assert "min_points = 30  # mad.toml, default 20\n" in done.stdout
    assert "min_errors = 4  # MAD_GUARD__MIN_ERRORS, default 2\n" in done.stdout
    assert done.stdout.count("#") == 2
    other = tmp_path / "other.toml"
    other.write_text(done.stdout)
    assert mad.Config.from_toml(other)["guard"]["min_errors"] == 4
    done = run("config", "show", cwd=tmp_path, MAD_GUARD__MIN_ERRORS="-4")
    assert (done.returncode, "MAD_GUARD__MIN_ERRORS" in done.stderr) == (2, True)


REQUESTS = "timestamp,service,endpoint,status_code,latency_ms\n" + "".join(
    f"2026-01-06T10:{minute:02}:00,payments,/pay,200,100\n" for minute in range(20)
)


def test_detect_takes_file_and_environment(tmp_path: Path) -> None:
    (tmp_path / "requests.csv").write_text(REQUESTS)
    detect = ("detect", "requests.csv", "--json")
    assert json.loads(run(*detect, cwd=tmp_path).stdout)["first"] is None  # no zone
    done = run(*detect, cwd=tmp_path, MAD_NAIVE_OFFSET_SECONDS="3600")
    assert json.loads(done.stdout)["first"] == "2026-01-06T09:00:00Z"
    (tmp_path / "mad.toml").write_text("naive_offset_seconds = 7200\n")
    done = run(*detect, "--verbose", cwd=tmp_path)
    assert json.loads(done.stdout)["first"] == "2026-01-06T08:00:00Z"
    assert "settings from mad.toml" in done.stderr
    (tmp_path / "other.json").write_text('{"naive_offset_seconds": 0}')
    done = run(*detect, cwd=tmp_path, MAD_CONFIG="other.json")
    assert json.loads(done.stdout)["first"] == "2026-01-06T10:00:00Z"
    done = run(*detect, "--config", "mad.toml", cwd=tmp_path, MAD_CONFIG="other.json")
    assert json.loads(done.stdout)["first"] == "2026-01-06T08:00:00Z"
    assert run(*detect, cwd=tmp_path, BATCH_SIZE="1000", LOG_LEVEL="DEBUG").stderr.startswith(
        "mad: settings from mad.toml"
    )
    done = run(*detect, cwd=tmp_path, MAD_GUARD__MIN_POINT="3")
    assert (done.returncode, "did you mean `min_points`" in done.stderr) == (2, True)
    done = run(*detect, "--config", "none.toml", cwd=tmp_path)
    assert (done.returncode, "cannot read none.toml" in done.stderr) == (2, True)


def test_doctor(tmp_path: Path) -> None:
    done = run(
        "doctor", "--json", cwd=tmp_path, MAD_GUARD__MIN_POINTS="3", MAD_X="1", LLM_API_KEY="s3"
    )
    report = json.loads(done.stdout)
    assert (done.returncode, report["ok"]) == (0, True), done.stdout
    names = [check["name"] for check in report["checks"]]
    assert names == ["mad", "python", "system", "config", "output", "clock", "core"]
    assert report["environment"]["MAD_GUARD__MIN_POINTS"] == "sets guard.min_points"
    assert "sets nothing" in report["environment"]["MAD_X"]
    assert "s3" not in done.stdout
    assert {"package", "extra", "version"} == set(report["packages"][0])
    assert any(entry["extra"] == "yaml" and entry["version"] for entry in report["packages"])
    assert not (tmp_path / "out").exists()
    assert "detected the incident" in run("doctor", cwd=tmp_path).stdout


def test_doctor_reports_failed_checks(tmp_path: Path) -> None:
    (tmp_path / "mad.toml").write_text("[guard]\nmin_points = 0\n")
    (tmp_path / "file").touch()
    done = run("doctor", "--out", "file", cwd=tmp_path)
    assert done.returncode == 2
    wrong = [line for line in done.stdout.splitlines() if line.startswith("FAIL")]
    assert [line.split()[1] for line in wrong] == ["config", "output"]
    assert "mad.toml:2:1: config field `guard.min_points` is 0" in wrong[0]


def test_doctor_detects_a_wrong_result(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor.core()
    quiet = mad.Config({"score": {"threshold": 0.99999}})
    detect = mad.detect
    monkeypatch.setattr(mad, "detect", lambda requests: detect(requests, config=quiet))
    with pytest.raises(ValueError, match="in the built-in example; expected"):
        doctor.core()


# the documentation


def test_every_field_is_documented_with_its_default() -> None:
    text = (DOCS / "config.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", text, re.M | re.S))
    for stage, fields in mad.Config().to_dict().items():
        if isinstance(fields, list):
            assert stage in sections
            continue
        top = not isinstance(fields, dict)
        section, named = (
            sections["Top level" if top else stage],
            {stage: fields} if top else fields,
        )
        documented = dict(re.findall(r"^\| `(\w+)` \| ([^|]*?) \|", section, re.M))
        unset = {name for name, default in documented.items() if default == "not set"}
        assert set(documented) - unset == set(named), stage
        for name in unset:  # a field without a default is known, and left out until it is set
            assert mad.Config({stage: {name: 0.5}}).to_dict()[stage][name] == 0.5
        for name, value in named.items():
            written = documented[name].replace(",", "")
            default = None if written == "none" else json.loads(written)
            assert default == (None if value == [] else value), name


@pytest.mark.parametrize("table", ["override", "mute"])
def test_every_field_of_the_lists_is_documented(table: str) -> None:
    text = (DOCS / "config.md").read_text(encoding="utf-8")
    section = text.split(f"\n## {table}\n")[1].split("\n## ")[0]
    ((_, message),) = _core.config_problems(json.dumps({table: [{"zzzzzzzz": 1, "service": "a"}]}))[
        :1
    ]
    for name in re.findall(r"`(\w+)`", message.split("there are ")[1]):
        assert f"`{name}`" in section, name


def test_the_zone_of_the_season_fills_its_table(tmp_path: Path) -> None:
    config = mad.Config({"season": {"zone": "Europe/Berlin"}})
    offsets = config["season"]["offsets"]
    # The clocks of 2026 change on 29 March and 25 October at 01:00 UTC.
    for change in ([1774746000, 7200], [1792890000, 3600]):
        assert change in offsets
    assert config.changes() == {"season.zone": ("Europe/Berlin", "")}
    path = tmp_path / "mad.toml"
    path.write_text(config.to_toml())
    assert "offsets" not in path.read_text()
    assert mad.Config.from_toml(path) == config
    assert mad.Config.load(environ={"MAD_SEASON__ZONE": "Europe/Berlin"}) == config
    own = {"season": {"zone": "plant 7", "offsets": [[0, 3600]]}}
    assert mad.Config(own).changes()["season.offsets"] == ([[0, 3600]], [])


@pytest.mark.parametrize("zone", ["Europe/Berlim", "../etc/passwd", "\0", "/", "x" * 5000])
def test_an_unknown_zone_is_refused_by_its_name(zone: str) -> None:
    with pytest.raises(ValueError, match=r"`season.zone` .*expected a zone of this system's zone"):
        mad.Config({"season": {"zone": zone}})


def test_rules_of_causes_are_checked_by_line_and_field(tmp_path: Path) -> None:
    path = tmp_path / "mad.toml"
    path.write_text('[[cause]]\nwhen = ["errors"]\ncause = "See {template}."\n')
    done = run("config", "check", str(path), cwd=tmp_path)
    assert done.returncode == 2
    assert "cause[0].cause" in done.stdout + done.stderr
    path.write_text('[[cause]]\nwhen = ["errors"]\ncause = "A known fault of {service}."\n')
    assert run("config", "check", str(path), cwd=tmp_path).returncode == 0
    rows = "".join(
        f"2026-01-06T1{i // 1200}:{i // 20 % 60:02}:{i % 20:02}Z,pay,/pay,"
        f"{500 if i > 1800 else 200},{40 + i % 7}\n"
        for i in range(2400)
    )
    (tmp_path / "r.csv").write_text("timestamp,service,endpoint,status_code,latency_ms\n" + rows)
    done = run("detect", "r.csv", "--config", str(path), cwd=tmp_path)
    assert "A known fault of pay." in done.stdout
