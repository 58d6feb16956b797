"""Layers of settings: defaults, file, environment, arguments. Later layers win, field by field."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mad.config.earlier import confidence_of, translate

PREFIX = "MAD_"
FILE = "MAD_CONFIG"
CONFIDENCE = "ANOMALY_THRESHOLD"
#: Bounds of settings: bytes of a file, levels of nesting, and values.
MAX_BYTES, MAX_DEPTH, MAX_VALUES = 1 << 20, 32, 100_000
#: Most fields that a mapping of YAML merges (`<<`); a chain of merges doubles them at each level.
MAX_MERGED = 10_000


def bounded(fields: Any) -> None:
    """Checks that settings are nested at most `MAX_DEPTH` levels and have at most `MAX_VALUES`
    values, those that YAML repeats by reference counted each time.

    Raises ValueError.
    """
    waiting, values = [(fields, 0)], 0
    while waiting:
        value, depth = waiting.pop()
        values += 1
        if depth > MAX_DEPTH:
            raise ValueError(_DEEP)
        if values > MAX_VALUES:
            raise ValueError(f"the settings have more than {MAX_VALUES} values")
        if isinstance(value, Mapping):
            waiting.extend((inner, depth + 1) for inner in value.values())
        elif isinstance(value, list | tuple):
            waiting.extend((inner, depth + 1) for inner in value)


_DEEP = f"the settings are nested more than {MAX_DEPTH} levels; a field is at most 4 levels deep"


def read_settings(path: str | os.PathLike[str]) -> str:
    """A file of settings as text."""
    with Path(path).open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f"{os.fspath(path)} is larger than {MAX_BYTES} bytes")
    return content.decode("utf-8-sig")


def _parsed(parser: Callable[[str], Any], text: str) -> Any:
    try:
        fields = parser(text)
    except RecursionError:
        raise ValueError(_DEEP) from None
    except ValueError as error:
        # the remedy of Python is for programmers
        if "integer string conversion" in str(error):
            raise ValueError("a number has more than 4,300 digits") from None
        raise
    bounded(fields)
    return fields


def parse_toml(text: str) -> dict[str, Any]:
    """TOML as nested dicts."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    # the parser takes quadratic time for a key of many parts
    settings = re.sub(r"(?m)^[ \t]*#.*$", "", text)
    if any(part.count(".") > 2 * MAX_DEPTH for part in re.split(r"[=,\[\]{}\n]", settings)):
        raise ValueError(_DEEP)
    fields: dict[str, Any] = _parsed(tomllib.loads, text)
    return fields


def parse_yaml(text: str) -> Any:
    """YAML as nested dicts."""
    try:
        import yaml
    except ImportError:
        raise ValueError("PyYAML is not installed: pip install 'mad-py[yaml]'") from None

    class Loader(yaml.SafeLoader):
        """Loads plain values, with a bound on merged mappings."""

        def flatten_mapping(self, node: yaml.MappingNode) -> None:
            merged = 0
            for key, value in node.value:
                if key.tag != "tag:yaml.org,2002:merge":
                    continue
                is_list = isinstance(value, yaml.SequenceNode)
                for one in value.value if is_list else (value,):
                    if isinstance(one, yaml.MappingNode):
                        self.flatten_mapping(one)
                        merged += len(one.value)
                    if merged > MAX_MERGED:
                        raise ValueError(f"a mapping merges more than {MAX_MERGED} fields")
            super().flatten_mapping(node)

    try:
        return _parsed(lambda text: yaml.load(text, Loader=Loader), text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def read_toml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """A TOML file as nested dicts."""
    return parse_toml(read_settings(path))


def read_yaml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """A YAML file as nested dicts; an empty file has no settings."""
    return _by_name(parse_yaml(read_settings(path)) or {}, path)


def parse(text: str, path: str | os.PathLike[str]) -> dict[str, Any]:
    """TOML, YAML or JSON text as nested dicts. The ending of the file name decides; JSON is the
    default."""
    ending = Path(path).suffix.lower()
    if ending == ".toml":
        return parse_toml(text)
    fields = parse_yaml(text) or {} if ending in (".yaml", ".yml") else _parsed(json.loads, text)
    return _by_name(fields, path)


def _by_name(fields: Any, path: str | os.PathLike[str]) -> dict[str, Any]:
    if not isinstance(fields, dict):
        raise ValueError(f"{os.fspath(path)} does not contain named settings")
    return fields


#: Tables of a settings file that concern the server and commands, beside the stages of the core.
TABLES = ("server", "sources", "sinks", "explain")


def stages_of(fields: Mapping[str, Any], path: str | os.PathLike[str]) -> dict[str, Any]:
    """The fields of a settings file that concern the core.

    Raises ValueError for a key of an earlier system without an equivalent.
    """
    known, problems = translate(fields)
    if problems:
        raise ValueError(f"{os.fspath(path)}: " + "; ".join(one.message for one in problems))
    return {name: value for name, value in known.items() if name not in TABLES}


#: Other names of fields, so that a layer overrides the same field of an earlier one.
SAME = {"sensitivity": "threshold"}


class Layers:
    """Settings merged layer by layer, with the origin of each field."""

    def __init__(self) -> None:
        #: Fields of the core.
        self.fields: dict[str, Any] = {}
        #: The tables `server`, `sources` and `sinks`.
        self.deployment: dict[str, Any] = {}
        self.file: str | None = None
        self._origins: dict[str, str] = {}

    @classmethod
    def of(
        cls,
        file: str | os.PathLike[str] | None,
        environ: Mapping[str, str],
        arguments: Mapping[str, Any] | None = None,
    ) -> Layers:
        """The layers file (or that of `MAD_CONFIG`), environment and arguments."""
        layers = cls()
        path = file if file is not None else environ.get(FILE) or None
        if path is not None:
            layers.add_file(path)
        layers.add_environment(environ)
        for name, value in (arguments or {}).items():
            layers.put(name.split("__"), value, "")
        return layers

    def add_file(self, path: str | os.PathLike[str]) -> None:
        """Adds a TOML, YAML or JSON file."""
        origin = os.fspath(path)
        try:
            fields, problems = translate(parse(read_settings(path), path))
        except ValueError as error:
            raise ValueError(f"{origin} cannot be read as settings: {error}") from error
        if problems:
            raise ValueError(f"{origin}: " + "; ".join(one.message for one in problems))
        self.file = origin
        for name, value in fields.items():
            self.put([str(name)], value, origin)

    def add_environment(self, environ: Mapping[str, str]) -> None:
        """Adds `MAD_STAGE__FIELD` and `MAD_FIELD`, which win over `ANOMALY_THRESHOLD`."""
        if CONFIDENCE in environ:
            self.put(["score", "threshold"], _confidence(environ[CONFIDENCE]), CONFIDENCE)
        for variable in sorted(environ):
            if is_setting(variable):
                path = variable[len(PREFIX) :].lower().split("__")
                self.put(path, _value(environ[variable]), variable)

    def put(self, path: list[str], value: Any, origin: str) -> None:
        """Overrides a field, or all given fields of a stage."""
        if isinstance(value, Mapping):
            for name, inner in value.items():
                self.put([*path, str(name)], inner, origin)
            if value:
                return
        *stages, name = [*path[:-1], SAME.get(path[-1], path[-1])]
        place = self.deployment if path[0] in TABLES else self.fields
        for stage in stages:
            inner = place.get(stage)
            if not isinstance(inner, dict):
                inner = place[stage] = {}
            place = inner
        if value == {} and isinstance(place.get(name), dict):
            return
        place[name] = value
        self._origins[".".join([*stages, name])] = origin

    def origin(self, field: str) -> str:
        """The origin of a field: a file or a variable; empty for an argument or a default."""
        path = field
        while path and path not in self._origins:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        below = (where for place, where in self._origins.items() if place.startswith(f"{field}."))
        return self._origins.get(path) or next(below, "")


def is_setting(variable: str) -> bool:
    """Whether a variable of the environment sets a field: its name contains a stage and a field,
    or one of the top-level fields."""
    if not variable.startswith(PREFIX):
        return False
    name = variable[len(PREFIX) :].lower()
    return "__" in name or name in ("naive_offset_seconds", "override", "mute", "cause")


def _value(text: str) -> Any:
    """The value of a variable: JSON where it parses (numbers, true, lists), else text."""
    try:
        return _parsed(json.loads, text)
    except ValueError:
        return text


def _confidence(text: str) -> float:
    try:
        return confidence_of(text)
    except ValueError as error:
        raise ValueError(f"environment variable {CONFIDENCE} is {text!r}; {error}") from None
