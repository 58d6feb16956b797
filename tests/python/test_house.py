"""The order of the package: who may import whom."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import mad
from mad.severity import FOUR_LEVELS

PACKAGE = Path(mad.__file__).parent
LAYERS = (
    ("_core", "deadline", "errors", "regular", "severity", "times"),
    ("config",),
    ("sources", "sinks", "report", "model"),
    ("detection", "documents", "series", "journal", "explainers"),
    ("anomalies", "evaluation", "traces", "reference", "plot", "partition"),
    ("mad", "engine", "adapters", "quality", "spark", "dask", "ray"),
    ("api", "group", "simulate", "demo", "view"),
    ("dashboard",),
    ("cli",),
)
"""The parts of the package. Each part may import those of the lines above it, and its own files."""
FREE_OF = {"adapters": {"_core", "deadline", "errors", "times"}}
"""Parts that run inside other programs, and all that they may import."""
PLACE = {part: place for place, parts in enumerate(LAYERS) for part in parts}


def modules() -> dict[str, Path]:
    """Every Python file of the package by its dotted name below `mad`; the package is `mad`."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts).removesuffix("__init__").rstrip(".") or "mad"] = path
    return found


def imports(path: Path, known: dict[str, Path]) -> Iterator[str]:
    """The modules of the package that a file imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            head, _, inner = name.partition(".")
            if head != "mad":
                continue
            while inner and inner not in known and inner != "_core":
                inner = inner.rpartition(".")[0]
            yield inner or "mad"


def graph() -> dict[str, set[str]]:
    known = modules()
    return {name: set(imports(path, known)) - {name} for name, path in known.items()}


def part(module: str) -> str:
    return module.partition(".")[0]


def test_every_part_of_the_package_has_a_place_in_the_order() -> None:
    assert {part(name) for name in modules()} <= set(PLACE)


def test_imports_follow_the_order() -> None:
    against = [
        f"{name} imports {other}"
        for name, others in graph().items()
        for other in others
        if part(name) != part(other) and PLACE[part(other)] >= PLACE[part(name)]
    ]
    assert not against


def test_adapters_import_little() -> None:
    against = [
        f"{name} imports {other}"
        for name, others in graph().items()
        for other in others
        if part(name) in FREE_OF and part(other) not in FREE_OF[part(name)] | {part(name)}
    ]
    assert not against


def test_no_import_cycles() -> None:
    left = graph()
    while free := [name for name, others in left.items() if not others & set(left)]:
        for name in free:
            del left[name]
    assert not left


def test_the_documented_severities_are_those_of_the_code() -> None:
    text = (PACKAGE.parent.parent / "docs" / "files.md").read_text()
    for severity, level in FOUR_LEVELS.items():
        assert f"| {severity} | {level} |" in text
