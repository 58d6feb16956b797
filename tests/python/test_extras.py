"""Optional packages: each message names an extra that exists, and `all` has every one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def test_all_has_every_extra() -> None:
    (line,) = EXTRAS["all"]
    named = line.removeprefix("mad-py[").removesuffix("]").split(",")
    # the engines bring their own versions of pandas, and hundreds of megabytes
    assert named == sorted(set(EXTRAS) - {"all", "spark", "dask", "ray"})


def test_messages_and_docs_name_extras_that_exist() -> None:
    texts = [*ROOT.glob("python/**/*.py"), *ROOT.glob("docs/*.md"), ROOT / "README.md"]
    found = {
        name
        for path in texts
        for names in re.findall(r"mad-py\[([\w,]+)\]", path.read_text(encoding="utf-8"))
        for name in names.split(",")
    }
    assert found <= set(EXTRAS)
    assert {"serve", "otel", "parquet", "yaml", "kafka"} <= found


MISSING = {
    "uvicorn": ("serve", ["serve"]),
    "pyarrow": ("parquet", ["detect", "x.parquet"]),
    "yaml": ("yaml", ["config", "check", "x.yaml"]),
}


@pytest.mark.parametrize("package", MISSING)
def test_a_missing_package_is_named_with_its_extra(package: str, tmp_path: Path) -> None:
    extra, arguments = MISSING[package]
    (tmp_path / "x.yaml").write_text("score: {}\n")
    (tmp_path / "x.parquet").write_bytes(b"PAR1" + b"\0" * 100 + b"PAR1")
    program = f"""
import sys
sys.modules[{package!r}] = None
from mad.cli import main
sys.exit(main({arguments!r}))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
        timeout=60,
    )
    assert done.returncode in (2, 3), done.stderr
    assert f"pip install 'mad-py[{extra}]'" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
