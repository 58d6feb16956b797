"""The documentation: links, paths and commands that it names exist, and its Python runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "mad-core/README.md"])
BY_NAME = [str(page.relative_to(ROOT)) for page in PAGES]

# a fenced block of Python, and the comment before it that says why it is not run
PYTHON = re.compile(r"(<!-- not run: [^\n]* -->\n)?^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
# paths in backticks, such as `tests/python/test_docs.py`, and file names, such as `test_docs.py`
PATH = re.compile(r"`([\w./-]+/[\w.-]+|test_\w+\.py|\w+\.rs)`")
# the folders whose files the pages name
FOLDERS = ("mad-core", "mad-py", "python", "tests", "benches", "examples", "docs")


def without_code(text: str) -> str:
    """A page without its fenced and indented blocks."""
    text = re.sub(r"(?ms)^```.*?^```", "", text)
    return re.sub(r"(?m)^ {4}.*$", "", text)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"(?m)^#+ (.*)$", without_code(page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=BY_NAME)
def test_links_lead_to_files_and_headings_of_the_repository(page: Path) -> None:
    text = without_code(page.read_text(encoding="utf-8"))
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_relative_to(ROOT), f"{link} leads out of the repository"
        assert target.exists(), f"{link} does not exist"
        if anchor:
            assert anchor in anchors(target), f"{link}: no such heading"


@pytest.mark.parametrize("page", PAGES, ids=BY_NAME)
def test_paths_and_tests_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "../" not in without_code(text).replace("](../", ""), "a path out of the repository"
    for path in PATH.findall(text):
        if "/" not in path:
            found = any(any(ROOT.glob(f"{folder}/**/{path}")) for folder in FOLDERS)
            assert found, f"no file is named {path}"
        elif path.split("/")[0] in FOLDERS and "NAME" not in path:
            assert (ROOT / path).exists(), f"{path} does not exist"


@pytest.mark.parametrize("page", PAGES, ids=BY_NAME)
def test_commands_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8")))
    named = set(re.findall(r"(?:`|^ *)make ([a-z-]+)", text, flags=re.MULTILINE))
    assert named <= targets
    for script in re.findall(r"python (benches/\w+\.py|examples/\w+\.py|tests/\w+\.py)", text):
        assert (ROOT / script).exists(), script


@pytest.mark.parametrize("page", PAGES, ids=BY_NAME)
def test_the_python_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    blocks = [code for skipped, code in PYTHON.findall(page.read_text("utf-8")) if not skipped]
    if not blocks or page.name == "README.md":  # those of the README run in test_package.py
        return
    simulate = [sys.executable, "-m", "mad.cli", "simulate", "--out", ".", "--seed", "1"]
    subprocess.run(simulate, cwd=tmp_path, check=True, capture_output=True)
    for code in blocks:
        run = [sys.executable, "-c", code]
        done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{code}\n{done.stderr}"


def test_the_tests_that_the_page_on_reliability_names_exist() -> None:
    text = (ROOT / "docs/reliability.md").read_text()
    file, count = "", 0
    for named, test in re.findall(r"`((?:[\w/-]+\.(?:py|rs))?)(?:::(\w+))?`", text):
        file = named or file
        path = next(
            (one for one in (ROOT / file, ROOT / "tests/python" / file) if one.exists()), None
        )
        assert path is not None, file
        if test:
            count += 1
            assert f"def {test}(" in path.read_text(), (file, test)
    assert count > 40
