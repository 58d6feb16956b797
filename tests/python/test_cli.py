"""The command line: arguments, exit codes, files, compression."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from mad import errors
from mad.cli import arguments, main
from mad.detection import directory
from mad.sinks import files
from mad.sources.files import InputFile

LINES = b"timestamp,service\n" + b"2026-01-06T10:00:00Z,payments\n" * 5000


class Unsorted(ValueError):
    """Stands for the core's error."""


class FakeRun:
    """Counts lines and reports one incident; reacts to words in its input."""

    severity = "Warning"

    def __init__(
        self,
        config: str | None,
        sources: list[str],
        sort: bool = False,
        state: bytes | None = None,
        learn: bool = False,
        names: list[str] | None = None,
        service: str | None = None,
        pattern: str | None = None,
        scorers: list[str] | None = None,
        workers: int = 1,
    ) -> None:
        assert (service, pattern) == (None, None)
        assert not scorers
        assert state is None
        assert not learn
        self.open = list(range(len(sources)))
        self.sort = sort
        self.requests = 0

    def feed(self, source: int, chunk: bytes) -> None:
        if b"UNSORTED" in chunk and not self.sort:
            raise Unsorted("line 3 is 12 s older")
        if b"BROKEN" in chunk:
            raise ValueError("no column latency_ms")
        self.requests += chunk.count(b"\n")

    def end(self, source: int) -> None:
        self.open.remove(source)

    def wants(self) -> int | None:
        return self.open[-1] if self.open else None

    def take_features_csv(self) -> bytes:
        return b"f"

    def take_services_csv(self) -> bytes:
        return b""

    def take_scored_csv(self) -> bytes:
        return b"s"

    def short_recording(self) -> None:
        return None

    def finish(self) -> None:
        if not self.requests:
            raise ValueError("no header")

    def document(self) -> str:
        incident = {"id": "INC-1", "severity": self.severity, "series": {"bucket": []}}
        return json.dumps(
            {"accepted": self.requests, "requests": self.requests, "incidents": [incident]}
        )


class FakeCore:
    """As much of the core as `mad detect` needs."""

    UnsortedError = Unsorted
    DetectRun = FakeRun
    ReferenceRun = FakeRun


@pytest.fixture
def fake_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory, "_core", FakeCore)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "requests.csv"
    path.write_bytes(LINES)
    return path


def content(path: Path, size: int = 4096) -> bytes:
    return b"".join(InputFile(str(path)).chunks(size))


@pytest.mark.parametrize(
    "argv",
    [
        ["nonsense"],
        ["detect"],
        ["detect", "x", "--fail-on", "info"],
        ["detect", "x", "--batch-size", "1"],
        ["simulate"],
        ["simulate", "--out", "x", "--duration", "soon"],
        ["simulate", "--out", "x", "--duration", "0s"],
        ["simulate", "--out", "x", "--rows", "-1"],
        ["simulate", "--out", "x", "--start", "2026-01-06T10:00:00"],
        ["culprits", "x", "--minutes", "nan"],
        ["culprits", "x", "--top-k", "0"],
        ["evaluate", "x"],
    ],
)
def test_wrong_arguments_exit_with_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == errors.USAGE
    assert "usage:" in capsys.readouterr().err


def test_no_command_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == errors.USAGE
    assert "exit codes:" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [["--version"], ["--help"], ["detect", "--help"]])
def test_version_and_help_exit_with_0(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == errors.FINE
    assert capsys.readouterr().out.startswith(("mad ", "usage:"))


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["detect", "missing.csv"], "cannot read missing.csv: no such file"),
        (["detect", "/"], "/ is a folder with more than 1000 files"),
        (["explain", "missing"], "cannot read missing/incidents.json"),
        (["culprits", "missing"], "cannot read missing"),
        (["evaluate", "missing", "--truth", "t.json"], "cannot read missing/scored.csv"),
    ],
)
def test_unreadable_input_exits_with_3(
    argv: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == errors.INPUT
    result = capsys.readouterr().err
    assert message in result
    assert "Traceback" not in result


def test_verbose_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detect", "missing.csv", "--verbose"]) == errors.INPUT
    assert "Traceback" in capsys.readouterr().err


def test_an_unsupported_system_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["simulate", "--out", str(tmp_path), "--system", "sun"]) == errors.USAGE
    assert "'sun' is not known" in capsys.readouterr().err


def test_argument_values_accept_common_forms() -> None:
    assert arguments.duration("90s") == 90
    assert arguments.duration("1h30m") == 5400
    assert arguments.duration("1d") == 86400
    assert arguments.whole(1)("10,000") == 10_000
    assert arguments.size("2MB") == 2 * 1024**2
    assert arguments.time("2026-01-06T12:00+02:00") == "2026-01-06T10:00:00Z"


@pytest.mark.parametrize("size", [4096, 1 << 20])
def test_gzip_is_detected_by_content_not_by_name(tmp_path: Path, size: int) -> None:
    parts = [LINES[:7], b"", LINES[7:90_000], LINES[90_000:]]
    path = tmp_path / "requests.csv"
    path.write_bytes(b"".join(gzip.compress(part) for part in parts) + bytes(512))
    assert content(path, size) == LINES
    plain = tmp_path / "plain.gz"
    plain.write_bytes(LINES)
    assert content(plain, size) == LINES


def test_decompressed_pieces_stay_small(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(b"x" * 50_000_000))
    assert max(len(piece) for piece in InputFile(str(path)).chunks(65536)) <= 65536


@pytest.mark.parametrize("cut", [11, 40, -9, -1])
def test_a_truncated_gzip_file_is_named(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "requests.csv.gz"
    path.write_bytes(gzip.compress(LINES)[:cut])
    with pytest.raises(errors.InputError, match=r"requests\.csv\.gz: the gzip data is truncated"):
        content(path)


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "requests"
    packed = bytearray(gzip.compress(LINES))
    packed[-6] ^= 1
    for data, message in (
        (bytes(packed), "damaged gzip"),
        (gzip.compress(LINES) + b"more", "damaged gzip"),
        (b"PAR1" + bytes(50), "Parquet"),
        (b"PK\x03\x04" + bytes(50), "zip archive"),
    ):
        path.write_bytes(data)
        with pytest.raises(errors.InputError, match=message):
            content(path)


def test_an_empty_file_has_no_pieces(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.write_bytes(b"")
    assert content(path) == b""


def test_outputs_appear_whole_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("old")
    with pytest.raises(KeyError), files.Outputs(tmp_path) as outputs:
        outputs.append("a.csv", b"new")
        raise KeyError
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
    assert (tmp_path / "a.csv").read_text() == "old"
    with files.Outputs(tmp_path) as outputs:
        outputs.append("a.csv", b"n")
        outputs.append("a.csv", b"ew")
        assert outputs.commit() == [tmp_path / "a.csv"]
    assert (tmp_path / "a.csv").read_text() == "new"


@pytest.mark.usefixtures("fake_core")
class TestDetect:
    """`mad detect` around a core that is faked."""

    def test_writes_all_files(
        self, log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = tmp_path / "deep" / "out"
        assert main(["detect", str(log), "--out", str(out), "--json"]) == errors.FINE
        names = {
            "features.csv",
            "scored.csv",
            "services.csv",
            "incidents.json",
            "culprits.json",
            "report.html",
        }
        assert {path.name for path in out.iterdir()} == names
        printed = json.loads(capsys.readouterr().out)
        assert printed["requests"] == 5001
        assert set(printed["files"]) == names
        assert "series" not in printed["incidents"][0]
        listed = json.loads((out / "incidents.json").read_text())
        assert listed["schema_version"] == 1
        assert "series" not in listed["incidents"][0]
        assert "INC-1" in json.loads((out / "culprits.json").read_text())["by_incident"]

    @pytest.mark.parametrize(
        ("severity", "gate", "code"),
        [
            ("Warning", "warning", errors.FAILED),
            ("Critical", "warning", errors.FAILED),
            ("Critical", "critical", errors.FAILED),
            ("Warning", "critical", errors.FINE),
            ("Info", "warning", errors.FINE),
        ],
    )
    def test_fail_on(
        self,
        severity: str,
        gate: str,
        code: int,
        log: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(FakeRun, "severity", severity)
        assert main(["detect", str(log), "--out", str(tmp_path), "--fail-on", gate]) == code

    def test_starts_again_sorted(
        self, log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        late = tmp_path / "late.csv"
        late.write_bytes(LINES + b"UNSORTED\n")
        out = tmp_path / "out"
        assert main(["detect", str(log), str(late), "--out", str(out), "--json"]) == errors.FINE
        captured = capsys.readouterr()
        assert "sorting in memory" in captured.err
        assert json.loads(captured.out)["requests"] == 10_003
        assert main(["detect", str(late), "--out", str(out), "--sort"]) == errors.FINE
        assert "sorting" not in capsys.readouterr().err

    def test_unreadable_records_name_the_file_and_keep_old_results(
        self, log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = tmp_path / "out"
        assert main(["detect", str(log), "--out", str(out)]) == errors.FINE
        before = {path.name: path.read_bytes() for path in out.iterdir()}
        log.write_bytes(LINES + b"BROKEN")
        assert main(["detect", str(log), "--out", str(out)]) == errors.INPUT
        assert f"{log}: no column latency_ms" in capsys.readouterr().err
        assert {path.name: path.read_bytes() for path in out.iterdir()} == before

    def test_empty_input(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        empty = tmp_path / "empty.csv"
        empty.touch()
        assert main(["detect", str(empty), "--out", str(tmp_path / "out")]) == errors.INPUT
        assert f"{empty}: no header" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("name", "text", "message"),
        [
            ("c.json", '{"unknown": 1}', "`unknown` does not exist"),
            ("c.json", "{", "cannot be read as settings"),
            ("c.json", "[]", "does not contain named settings"),
            ("missing.json", None, "no such file"),
        ],
    )
    def test_wrong_settings_exit_with_2(
        self,
        name: str,
        text: str | None,
        message: str,
        log: Path,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        config = tmp_path / name
        if text is not None:
            config.write_text(text)
        argv = ["detect", str(log), "--out", str(tmp_path / "out"), "--config", str(config)]
        assert main(argv) == errors.USAGE
        assert message in capsys.readouterr().err

    def test_an_output_that_is_not_writable(
        self, log: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["detect", str(log), "--out", str(log)]) == errors.USAGE
        assert "cannot write to" in capsys.readouterr().err

    def test_a_report_of_an_earlier_run_is_pointed_out(
        self, log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = tmp_path / "out"
        main(["detect", str(log), "--out", str(out)])
        main(["detect", str(log), "--out", str(out), "--no-report"])
        assert "report.html is from an earlier run" in capsys.readouterr().err

    def test_an_interruption_leaves_no_files(
        self, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupt(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(FakeRun, "finish", interrupt)
        out = tmp_path / "out"
        assert main(["detect", str(log), "--out", str(out)]) == errors.INTERRUPTED
        assert not list(out.iterdir())


def written_incidents(directory: Path, count: int) -> Path:
    name = {"service": "s\x1b[31m", "endpoint": "/[red]x", "severity": "Critical"}
    long = {"explanation": {"summary": "more than a pipe holds " * 60}}
    listed = [{"id": f"INC-{i}", **name, **long} for i in range(count)]
    text = json.dumps({"schema_version": 1, "incidents": listed})
    (directory / "incidents.json").write_text(text)
    return directory


def test_explain_selects_incidents(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(written_incidents(tmp_path, 12))
    assert main(["explain", out, "--incident", "INC-3", "--json"]) == errors.FINE
    assert [i["id"] for i in json.loads(capsys.readouterr().out)["incidents"]] == ["INC-3"]
    assert main(["explain", out, "--incident", "INC-1", "--json"]) == errors.FINE
    assert [i["id"] for i in json.loads(capsys.readouterr().out)["incidents"]] == ["INC-1"]
    assert main(["explain", out, "--incident", "INC-"]) == errors.USAGE
    assert "several" in capsys.readouterr().err
    assert main(["explain", out, "--incident", "nope"]) == errors.USAGE


def test_an_incident_is_printed_as_markdown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(written_incidents(tmp_path, 1))
    assert main(["explain", out, "--markdown"]) == errors.FINE
    title, *rest = capsys.readouterr().out.splitlines()
    assert title == "## Critical: s&#92;x1b&#91;31m /&#91;red&#93;x"
    assert "**Culprit:** unclear from the evidence" in rest
    assert "Incident INC-0" in rest
    assert main(["explain", str(written_incidents(tmp_path, 0)), "--markdown"]) == errors.FINE
    assert "No incident was found" in capsys.readouterr().out
    for more in (["--json"], ["--service", "s"]):
        with pytest.raises(SystemExit, match=str(errors.USAGE)):
            main(["explain", out, "--markdown", *more])
    assert "--markdown" in capsys.readouterr().err


def test_names_reach_the_terminal_escaped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", str(written_incidents(tmp_path, 1))]) == errors.FINE
    printed = capsys.readouterr().out
    assert "s\\x1b[31m /[red]x" in printed
    assert "\x1b" not in printed


@pytest.mark.parametrize("form", [[], ["--json"], ["--markdown"]])
def test_a_closed_pipe_is_no_error(tmp_path: Path, form: list[str]) -> None:
    out = written_incidents(tmp_path, 3000)
    command = [sys.executable, "-m", "mad.cli", "explain", str(out), "--incident", "all", *form]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == errors.BROKEN_PIPE


@pytest.mark.parametrize("command", ["inspect", "detect"])
def test_an_unknown_format_is_an_error_of_usage(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.csv").write_text("a,b,c\n")
    with pytest.raises(SystemExit) as ended:
        main([command, str(tmp_path / "a.csv"), "--format", "nope"])
    assert ended.value.code == errors.USAGE
    assert 'format = "nope"; there are: csv' in capsys.readouterr().err
