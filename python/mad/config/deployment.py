"""A whole deployment from one settings file: the core, the server, its sources and sinks, and
explanations."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mad import _core
from mad.config.components import Group, UnknownType, component, types_of
from mad.config.earlier import translate
from mad.config.explain import ExplainOptions
from mad.config.layers import TABLES, Layers, parse, read_settings
from mad.config.options import Problem, read_options, unknown
from mad.config.positions import position_of, positions
from mad.config.server import ServerOptions
from mad.config.settings import Config, as_json

#: Names of sources and sinks: they stand in URLs, logs and metrics.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_GROUPS: tuple[Group, ...] = ("sources", "sinks")


@dataclass(frozen=True, slots=True)
class Part:
    """A source or a sink as the settings name it.

    `kind` is the class of its type and `options` an object of `kind.Options`. `line` is the line of
    the table in the file; None where it is unknown.
    """

    name: str
    type: str
    kind: Any
    options: Any
    line: int | None = None

    def build(self) -> Any:
        """The source or sink."""
        return self.kind(self.options)


@dataclass(frozen=True, slots=True)
class Deployment:
    """What a settings file starts: `core` judges, `server` serves, `sources` and `sinks` by name,
    `explain` explains.

    >>> Deployment().server.port
    8000
    """

    core: Config = field(default_factory=Config)
    server: ServerOptions = field(default_factory=ServerOptions)
    sources: Mapping[str, Part] = field(default_factory=dict)
    sinks: Mapping[str, Part] = field(default_factory=dict)
    explain: ExplainOptions = field(default_factory=ExplainOptions)

    @classmethod
    def load(
        cls, file: str | os.PathLike[str] | None, environ: Mapping[str, str] | None = None
    ) -> Deployment:
        """Reads a TOML, YAML or JSON file and the environment, which wins. Without a file there are
        only the environment and the defaults.

        Raises OSError when the file cannot be read, ValueError with every problem and its line when
        it is not valid.
        """
        layers = Layers.of(file, os.environ if environ is None else environ)
        known = {}
        if layers.file is not None:
            known = positions(read_settings(layers.file), layers.file)
        found, problems = deployment_of(layers.fields, layers.deployment, known)
        if found is None:
            raise ValueError("; ".join(_placed(layers, one, known) for one in problems))
        return found


def deployment_of(
    core: Mapping[str, Any], tables: Mapping[str, Any], known: Mapping[str, tuple[int, int]]
) -> tuple[Deployment | None, list[Problem]]:
    """The deployment of checked settings and every problem; None when there is one. `core` are the
    fields of the core, `tables` those of `TABLES`, `known` the places of all fields."""
    problems = [Problem(*found) for found in _core.config_problems(as_json(core))]
    server, wrong = read_options(ServerOptions, tables.get("server", {}), "server")
    problems += wrong
    explain, wrong = read_options(ExplainOptions, tables.get("explain", {}), "explain")
    problems += wrong
    parts: dict[Group, dict[str, Part]] = {}
    for group in _GROUPS:
        parts[group], wrong = _parts(group, tables.get(group, {}), known)
        problems += wrong
    if problems or server is None or explain is None:
        return None, problems
    return Deployment(Config(core), server, parts["sources"], parts["sinks"], explain), []


def problems_of(text: str, path: str) -> tuple[list[Problem], Mapping[str, tuple[int, int]]]:
    """Every problem of the text of a settings file, and the places of its fields.

    Raises ValueError when the text cannot be parsed.
    """
    fields, problems = translate(parse(text, path))
    known = positions(text, path)
    core = {name: value for name, value in fields.items() if name not in TABLES}
    tables = {name: value for name, value in fields.items() if name in TABLES}
    return problems + deployment_of(core, tables, known)[1], known


def _parts(
    group: Group, tables: Any, known: Mapping[str, tuple[int, int]]
) -> tuple[dict[str, Part], list[Problem]]:
    noun = group.removesuffix("s")
    example = f'[{group}.NAME] with type = "..."'
    if not isinstance(tables, Mapping):
        text = f"config field `{group}` is no table; expected one table per {noun}: {example}"
        return {}, [Problem(group, text)]
    parts: dict[str, Part] = {}
    problems: list[Problem] = []
    for name, table in tables.items():
        path = f"{group}.{name}"
        if not _NAME.fullmatch(str(name)):
            text = "; a name has at most 64 letters, digits, `_` and `-`"
            problems.append(Problem(path, f"config field `{path}` is a wrong name{text}"))
        elif not isinstance(table, Mapping) or "type" not in table:
            text = f"config field `{path}` has no type; write {example}"
            problems.append(Problem(path, text))
        else:
            kind, wrong = _kind(group, path, table["type"])
            problems += wrong
            if kind is None:
                continue
            given = {key: value for key, value in table.items() if key != "type"}
            options, wrong = read_options(kind.Options, given, path)
            problems += wrong
            if options is not None:
                line = (position_of(path, known) or (None,))[0]
                parts[str(name)] = Part(str(name), table["type"], kind, options, line)
    return parts, problems


def _kind(group: Group, path: str, name: Any) -> tuple[Any, list[Problem]]:
    field = f"{path}.type"
    if not isinstance(name, str):
        return None, [Problem(field, f"config field `{field}` is {name!r}; expected a text")]
    try:
        return component(group, name), []
    except UnknownType:
        text = unknown(field, name, types_of(group)).replace("does not exist", f"is {name!r}", 1)
        return None, [Problem(field, text)]
    except ValueError as error:
        return None, [Problem(field, f"config field `{field}` is {name!r}: {error}")]


def _placed(layers: Layers, problem: Problem, known: Mapping[str, tuple[int, int]]) -> str:
    origin = layers.origin(problem.field)
    place = position_of(problem.field, known) if origin == layers.file else None
    at = f"{origin}:{place[0]}:{place[1]}" if place else origin
    return f"{at}: {problem.message}" if at else problem.message
