"""Lines and columns of the fields of a settings file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mad import _core


def positions(text: str, path: str) -> dict[str, tuple[int, int]]:
    """Line and column of every field of a TOML or YAML file by its dotted path."""
    ending = Path(path).suffix.lower()
    if ending == ".toml":
        return _core.toml_places(text)
    if ending in (".yaml", ".yml", ".json"):
        return _yaml_places(text)
    return {}


def _yaml_places(text: str) -> dict[str, tuple[int, int]]:
    try:
        import yaml
    except ImportError:
        return {}
    found: dict[str, tuple[int, int]] = {}

    def walk(node: yaml.Node, path: str) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                inner = f"{path}.{key.value}" if path else str(key.value)
                found[inner] = (key.start_mark.line + 1, key.start_mark.column + 1)
                walk(value, inner)
        elif isinstance(node, yaml.SequenceNode):
            for i, item in enumerate(node.value):
                found[f"{path}[{i}]"] = (item.start_mark.line + 1, item.start_mark.column + 1)
                walk(item, f"{path}[{i}]")

    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        # JSON allows some characters that YAML refuses.
        return {}
    if root is not None:
        walk(root, "")
    return found


def position_of(field: str, known: Mapping[str, tuple[int, int]]) -> tuple[int, int] | None:
    """Line and column of a field, or of the table that it belongs to."""
    path = field
    while path and path not in known:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    if path:
        return known[path]
    named = [place for path, place in known.items() if path.rsplit(".", 1)[-1] == field]
    return named[0] if len(named) == 1 else None
