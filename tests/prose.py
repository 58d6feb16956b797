"""Finds words that make prose hard to read: in comments, strings, docs, templates and test names.

    python tests/prose.py            # lists every one of the repository, and fails if there is one
    python tests/prose.py FOLDER     # the same for the files below a folder

Text in backticks and in fenced code is a quotation and is not checked.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import token
import tokenize
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent

# The word list: a pattern (a blank stands for any white space) and what to write instead.
WORDS = {
    r"told": "say who reports, shows, names or knows what",
    r"tells": "say who reports, shows, names or separates what",
    r"tell of": "write 'report', 'show' or 'name'",
    r"what (?:is|was)(?![^.?]*\?)": "use the noun: not 'what is idle' but 'idle entities'",
    r"so many": "name the number or the quantity",
    r"nobody": "say who does not",
    r"anew": "write 'again' or 'from the start'",
    r"goes on": "write 'continues' or 'lasts'",
    r"another story": "state the consequence",
    r"is over": "write 'has ended'",
    r"comes to": "write 'amounts to', 'results in' or 'arrives at'",
    r"held against": "write 'compared with'",
    r"left alone": "write 'not changed' or 'not checked'",
    r"of its own": "write 'own', 'separate' or 'by itself'",
}
PATTERN = re.compile(
    "|".join(rf"(\b{pattern}\b)".replace(" ", r"\s+") for pattern in WORDS), re.IGNORECASE
)

# Every file of these kinds is prose as a whole.
TEXT = {".toml", ".j2", ".html", ".css", ".js", ".svg", ".sh", ".yml", ".yaml", ".cfg", ".txt"}
TEXT_NAMES = {"Makefile", "run"}
CODE_MARK = "\0"  # stands for a character that is not prose; no pattern matches across it

RUST_PARTS = re.compile(
    r"""
      (?P<line>//[/!]?[^\n]*)
    | (?P<block>/\*.*?\*/)
    | (?P<raw>b?r(?P<hashes>\#*)".*?"(?P=hashes))
    | (?P<string>b?"(?:\\.|[^"\\])*")
    | (?P<char>b?'(?:\\[^\n]{1,8}?|[^'\\\n])')
    """,
    re.VERBOSE | re.DOTALL,
)


class Finding(NamedTuple):
    """A marked phrase and where it stands."""

    path: str
    line: int
    phrase: str
    instead: str


class Mask:
    """The prose of a text: as long as the text, with a mark for each character that is none."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.out = [c if c == "\n" else CODE_MARK for c in text]

    def keep(self, start: int, end: int) -> None:
        """Counts the characters from `start` to `end` as prose."""
        self.out[start:end] = self.text[start:end]

    def drop(self, start: int, end: int) -> None:
        """Marks the characters from `start` to `end` as no prose."""
        self.out[start:end] = CODE_MARK * (end - start)

    def prose(self) -> str:
        """The prose, without comment signs at the start of a line and without quotations."""
        text = "".join(self.out)
        # indentation and comment signs, so that a phrase may run over the end of a line
        text = re.sub(
            r"(?m)^[\0 \t]*(?:(?:///?!?|//!|\#|\*)(?=[ \n]))",
            lambda found: " " * len(found[0]),
            text,
        )
        fences = re.compile(r"(?ms)^[ \t]*(```|~~~).*?^[ \t]*\1[ \t]*$")
        for quoted in (fences, re.compile(r"`[^`\n]*`")):
            text = quoted.sub(lambda found: re.sub(r"[^\n]", CODE_MARK, found[0]), text)
        return text


def rust_prose(path: str, text: str) -> str:
    """Comments and string literals of Rust; names of tests."""
    mask = Mask(text)
    for part in RUST_PARTS.finditer(text):
        if part.lastgroup != "char":
            mask.keep(part.start(), part.end())
    return with_names(path, mask.prose(), text, r"\bfn (\w+)")


def python_prose(path: str, text: str) -> str:
    """Comments and string literals of Python; names of tests."""
    mask = Mask(text)
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    kinds = {token.COMMENT, token.STRING, getattr(token, "FSTRING_MIDDLE", token.STRING)}
    for part in tokenize.generate_tokens(io.StringIO(text).readline):
        if part.type in kinds:
            (row, column), (last_row, last_column) = part.start, part.end
            mask.keep(starts[row - 1] + column, starts[last_row - 1] + last_column)
            if part.type == token.STRING and re.match(r"[rR]?[fF]", part.string):
                first = starts[row - 1] + column
                for code in re.finditer(r"\{[^{}]*\}", part.string):  # expressions are no prose
                    mask.drop(first + code.start(), first + code.end())
    return with_names(path, mask.prose(), text, r"\bdef (test_\w+)")


def with_names(path: str, prose: str, text: str, pattern: str) -> str:
    """The prose and the names of test functions, read as sentences."""
    if "tests/" not in path:
        return prose
    out = list(prose)
    for name in re.finditer(pattern, text):
        out[name.start(1) : name.end(1)] = name[1].replace("_", " ")
    return "".join(out)


def findings(path: str) -> list[Finding]:
    """All marked phrases of one file."""
    file = ROOT / path
    if file == Path(__file__).resolve() or not file.is_file() or "vendor" in file.parts:
        return []
    kind, name = file.suffix, file.name
    if kind not in {".rs", ".py", ".pyi", ".md", *TEXT} and name not in TEXT_NAMES:
        return []
    text = file.read_text(encoding="utf-8")
    if kind == ".rs":
        prose = rust_prose(path, text)
    elif kind in {".py", ".pyi"}:
        prose = python_prose(path, text)
    else:
        mask = Mask(text)
        mask.keep(0, len(text))
        prose = mask.prose()
    suggestions = list(WORDS.values())
    return [
        Finding(
            path,
            prose.count("\n", 0, found.start()) + 1,
            " ".join(found[0].split()),
            suggestions[(found.lastindex or 1) - 1],
        )
        for found in PATTERN.finditer(prose)
    ]


def main(folders: list[str]) -> int:
    """Checks the repository, or the files below `folders`."""
    listed = ["git", "ls-files", "-co", "--exclude-standard", *folders]
    paths = sorted(set(subprocess.check_output(listed, cwd=ROOT, text=True).split("\n")) - {""})
    found = [finding for path in paths for finding in findings(path)]
    for finding in found:
        print(f"{finding.path}:{finding.line}: '{finding.phrase}': {finding.instead}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
