"""Places that commands cannot write to, and standard streams that are closed: one line that says
so, and no internal error."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mad import errors
from mad.sinks.files import Outputs

FULL = Path("/dev/full")
LINES = "timestamp,service,endpoint,status_code,latency_ms\n" + "".join(
    f"2026-01-06T10:{second // 60:02}:{second % 60:02}Z,shop,/pay,200,{10 + second % 7}\n"
    for second in range(600)
)
#: Commands over `requests.csv` and the folder `out`.
COMMANDS = {
    "version": ("--version",),
    "detect": ("detect", "requests.csv", "--out", "again"),
    "detect as JSON": ("detect", "requests.csv", "--out", "again", "--json"),
    "inspect": ("inspect", "requests.csv"),
    "explain": ("explain", "out", "--service", "shop"),
    "watch": ("watch", "requests.csv", "--once"),
    "log-templates": ("log-templates", "requests.csv"),
    "config show": ("config", "show"),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file of requests and the output of a run."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "requests.csv").write_text(LINES)
    assert shell("mad detect requests.csv --out out", folder).returncode == errors.FINE
    return folder


def shell(
    script: str, folder: Path, *, unbuffered: bool = False
) -> subprocess.CompletedProcess[str]:
    """Runs a script in which `mad` is the command."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1" if unbuffered else ""}
    text = f'mad() {{ "{sys.executable}" -m mad.cli "$@"; }}; {script}'
    return subprocess.run(  # noqa: PLW1510 - the test checks the code
        ["/bin/sh", "-c", text], cwd=folder, env=environment, capture_output=True, text=True
    )


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
@pytest.mark.parametrize("unbuffered", [False, True], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def test_a_full_standard_output_is_said(
    command: tuple[str, ...], unbuffered: bool, place: Path
) -> None:
    found = shell(f"mad {' '.join(command)} >/dev/full", place, unbuffered=unbuffered)
    assert found.returncode == errors.USAGE, found.stderr
    assert found.stderr.endswith("mad: cannot read or write: no space left on device\n")
    assert "Traceback" not in found.stderr and "Exception ignored" not in found.stderr


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def test_closed_standard_streams_are_like_the_null_device(
    command: tuple[str, ...], place: Path
) -> None:
    found = shell(f"mad {' '.join(command)} <&- >&-", place)
    assert found.returncode == errors.FINE
    assert "Traceback" not in found.stderr
    assert shell(f"mad {' '.join(command)} <&- >&- 2>&-", place).returncode == errors.FINE


def test_files_do_not_get_the_numbers_of_closed_streams(tmp_path: Path) -> None:
    """A message on standard error would otherwise be written into the journal."""
    program = (
        "import os, sys\n"
        "from mad.cli import main\n"
        "try:\n    main(['--version'])\nexcept SystemExit:\n    pass\n"
        "open('first', 'w').write(str(os.open('journal', os.O_RDWR | os.O_CREAT)))\n"
    )
    (tmp_path / "program.py").write_text(program)
    found = shell(f'"{sys.executable}" program.py <&- >&- 2>&-', tmp_path)
    assert found.returncode == 0
    assert int((tmp_path / "first").read_text()) > 2


@pytest.mark.parametrize(
    "command",
    [
        "detect requests.csv --out again --save requests.csv/state",
        "graph --requests requests.csv --out requests.csv/graph.html",
        "detect requests.csv --out again --junit requests.csv/junit.xml",
        "train requests.csv --out requests.csv/model",
        "detect requests.csv --out requests.csv/out",
    ],
)
def test_a_place_below_a_file_is_named(command: str, place: Path) -> None:
    found = shell(f"mad {command}", place)
    assert found.returncode == errors.USAGE
    assert "requests.csv" in found.stderr and "Traceback" not in found.stderr


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
def test_a_full_summary_of_github_is_said(place: Path) -> None:
    variables = "GITHUB_ACTIONS=true GITHUB_STEP_SUMMARY=/dev/full"
    found = shell(f"export {variables}; mad detect requests.csv --out again", place)
    assert found.returncode == errors.USAGE
    assert "no space left on device" in found.stderr and "Traceback" not in found.stderr


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
def test_a_full_disk_is_reported_once(tmp_path: Path) -> None:
    """Buffered bytes fail again when the files are closed."""
    with pytest.raises(errors.UsageError, match="no space left"), Outputs(tmp_path) as outputs:
        partial = outputs._partial("rows.csv")
        partial.symlink_to(FULL)
        outputs.append("rows.csv", b"x" * 1_000)
        outputs.append("rows.csv", b"x" * (2 << 20))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs /dev/zero")
@pytest.mark.parametrize(
    "command",
    ["config check /dev/zero", "detect requests.csv --out again --resume /dev/zero"],
)
def test_a_file_without_an_end_is_refused(command: str, place: Path) -> None:
    found = shell(f"ulimit -v 4000000; mad {command}", place)
    assert found.returncode in (errors.USAGE, errors.INPUT)
    assert "/dev/zero is larger than" in found.stderr


#: `café` in Latin-1, which is not UTF-8.
STRANGE = os.fsdecode(b"caf\xe9")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
@pytest.mark.parametrize(
    "command",
    [
        "detect NAME.csv --out NAME.out --save NAME.state --junit NAME.xml",
        "detect NAME.folder --out again --json",
        "detect NAME.parquet --out again",
        "inspect NAME.csv",
        "inspect NAME.folder --json",
        "train NAME.csv --out NAME.model",
        "detect requests.csv --out again --scorer NAME.trained",
        "bench sensitivity NAME.csv",
        "graph --requests NAME.csv --out NAME.html",
        "explain NAME.folder.out",
        "log-templates NAME.csv",
        "watch NAME.csv --once",
    ],
)
@pytest.mark.parametrize("locale", ["C.UTF-8", "C"])
def test_files_may_have_names_that_are_not_text(command: str, locale: str, tmp_path: Path) -> None:
    from pyarrow import csv, parquet

    (tmp_path / "requests.csv").write_text(LINES)
    (tmp_path / f"{STRANGE}.csv").write_text(LINES)
    folder = tmp_path / f"{STRANGE}.folder"
    folder.mkdir()
    (folder / f"{STRANGE}.csv").write_text(LINES)
    parquet.write_table(csv.read_csv(tmp_path / "requests.csv"), tmp_path / "requests.parquet")
    (tmp_path / "requests.parquet").rename(tmp_path / f"{STRANGE}.parquet")
    if "trained" in command:
        assert shell("mad train requests.csv --out model", tmp_path).returncode == errors.FINE
        (tmp_path / "model").rename(tmp_path / f"{STRANGE}.trained")
    if "explain" in command:
        assert shell("mad detect requests.csv --out run", tmp_path).returncode == errors.FINE
        (tmp_path / "run").rename(tmp_path / f"{STRANGE}.folder.out")
    setting = f"export LC_ALL={locale} PYTHONUTF8=0 PYTHONCOERCECLOCALE=0"
    found = shell(f"{setting}; mad {command.replace('NAME', STRANGE)}", tmp_path)
    assert found.returncode == errors.FINE, found.stderr


def test_a_dashboard_reads_a_folder_whose_name_is_not_text(place: Path, tmp_path: Path) -> None:
    store = pytest.importorskip("mad.dashboard.store")
    (tmp_path / STRANGE).symlink_to(place / "out")
    assert store._read_scored(tmp_path / STRANGE / "scored.csv").num_rows > 0
