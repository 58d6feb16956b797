"""The prose check: what it finds in each kind of text, and what it skips."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

PATH = Path(__file__).resolve().parents[1] / "prose.py"
SPEC = importlib.util.spec_from_file_location("prose", PATH)
assert SPEC is not None and SPEC.loader is not None
prose = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(prose)
WORD = "a" + "new"  # a marked word, in parts so that this file has none


@pytest.mark.parametrize(
    ("path", "text", "lines"),
    [
        ("a.md", f"It begins {WORD}.\n\n`{WORD}` is quoted.\n```\n{WORD}\n```\n", [1]),
        ("a.rs", f'/// Begins {WORD}.\nlet {WORD} = 1;\nlet text = "{WORD}";\n', [1, 3]),
        ("a.py", f'# {WORD}\nx = f"{{{WORD}}} {WORD}"\n{WORD} = 1\n', [1, 2]),
        ("tests/a.rs", f"fn it_begins_{WORD}() {{}}\n", [1]),
        ("a.md", f"It\nbegins\n{WORD}.\n", [3]),
        ("Makefile", f"lint: ## begin {WORD}\n", [1]),
        ("a.png", WORD, []),
    ],
)
def test_marked_words_are_found_in_prose_only(
    path: str, text: str, lines: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prose, "ROOT", tmp_path)
    (tmp_path / path).parent.mkdir(exist_ok=True)
    (tmp_path / path).write_text(text, encoding="utf-8")
    found = prose.findings(path)
    assert [finding.line for finding in found] == lines
    assert all(finding.instead for finding in found)


def test_a_phrase_is_found_across_a_line_break(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prose, "ROOT", tmp_path)
    (tmp_path / "a.rs").write_text("/// The incident goes\n/// on for an hour.\n", "utf-8")
    assert [finding.phrase for finding in prose.findings("a.rs")] == [" ".join(("goes", "on"))]
