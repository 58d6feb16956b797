"""Options: frozen dataclasses with documented fields that are read from tables of settings.

A source, a sink and the server declare their options once. The checks of `mad config check`, the
objects that the code uses and the tables of the documentation come from the same declaration.

    @dataclass(frozen=True, kw_only=True)
    class TailOptions:
        path: str = option(help="File, or pattern of files")
        poll_seconds: float = option(1.0, help="Pause between two looks", least=0.01, most=3600)
        token: Secret | None = option(None, help="Token of the peer")
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import re
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from mad.config.secret import Secret

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")

_NO_DEFAULT: Any = dataclasses.MISSING
#: A URL with a password.
_PASSWORD = re.compile(r"://[^/@\s]*:[^/@\s]+@")
#: Most characters of a value in a message.
_SHOWN = 80


def option(
    default: Any = _NO_DEFAULT,
    *,
    help: str,
    least: float | None = None,
    most: float | None = None,
    pattern: str = "",
) -> Any:
    """A field of an options class: its default (none: the option is required), its meaning, the
    range of a number, and the pattern that a whole text has to match."""
    metadata = {"help": help, "least": least, "most": most, "pattern": pattern}
    if isinstance(default, (list, dict)):
        return dataclasses.field(default_factory=default.copy, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class Problem:
    """A fault of settings: the dotted path of the field and a sentence that names the field, its
    value and the remedy."""

    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Described:
    """One option for people: its name, its type, its default, its range and its meaning."""

    name: str
    type: str
    default: str
    range: str
    help: str


class _Wrong(Exception):
    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(path, f"config field `{path}` {message}")


def read_options(kind: type[T], table: Any, path: str) -> tuple[T | None, list[Problem]]:
    """The options of a table as an object of the class `kind`, and every problem. The object is
    None when there is a problem. `path` is the dotted path of the table."""
    if not isinstance(table, Mapping):
        return None, [Problem(path, f"config field `{path}` is {_shown(table)}; expected a table")]
    hints = get_type_hints(kind)
    fields = {one.name: one for one in dataclasses.fields(kind) if one.init}
    problems = [
        Problem(f"{path}.{name}", unknown(f"{path}.{name}", str(name), fields))
        for name in table
        if name not in fields
    ]
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name in table:
            try:
                values[name] = _read(hints[name], table[name], f"{path}.{name}", field.metadata)
            except _Wrong as wrong:
                problems.append(wrong.problem)
            except _Several as several:
                problems.extend(several.problems)
        elif _is_required(field):
            text = f"config field `{path}.{name}` is missing: {field.metadata.get('help', name)}"
            problems.append(Problem(f"{path}.{name}", text))
    if problems:
        return None, problems
    try:
        return kind(**values), []
    except ValueError as error:  # a check of the class over several fields
        return None, [Problem(path, f"config field `{path}`: {error}")]


def unknown(path: str, name: str, known: Mapping[str, Any] | list[str]) -> str:
    """The message for a name that does not exist, with the nearest known one."""
    near = difflib.get_close_matches(name, list(known), n=1)
    hint = f"; did you mean `{near[0]}`?" if near else ""
    there = ", ".join(f"`{one}`" for one in known) or "none"
    return f"config field `{path}` does not exist{hint}; there are {there}"


def describe(kind: type) -> Iterator[Described]:
    """Every option of a class in its order; those of a nested class with a dot."""
    hints = get_type_hints(kind)
    for field in dataclasses.fields(kind):
        if _is_nested(hints[field.name]):
            for inner in describe(hints[field.name]):
                yield dataclasses.replace(inner, name=f"{field.name}.{inner.name}")
            continue
        meta = field.metadata
        least, most = meta.get("least"), meta.get("most")
        ends = ("" if end is None else f"{end:,g}" for end in (least, most))
        span = " to ".join(ends) if (least, most) != (None, None) else ""
        yield Described(
            field.name,
            _named(hints[field.name]),
            "required" if _is_required(field) else _default_of(field),
            span,
            meta.get("help", ""),
        )


class _Several(Exception):
    def __init__(self, problems: list[Problem]) -> None:
        super().__init__()
        self.problems = problems


def _is_nested(kind: Any) -> bool:
    """Whether an option is a table with its own options."""
    return isinstance(kind, type) and dataclasses.is_dataclass(kind) and kind is not Secret


def _is_required(field: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing


def _default_of(field: dataclasses.Field[Any]) -> str:
    if field.default_factory is not dataclasses.MISSING:
        return "none"
    default = field.default
    return "none" if default in (None, (), "") else json.dumps(default)


def _named(kind: Any) -> str:
    """The type of an option for people."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return " or ".join(_named(one) for one in arguments if one is not type(None))
    if origin is Literal:
        return ", ".join(f"`{one}`" for one in arguments)
    if origin is tuple:
        return f"list of {_named(arguments[0])}"
    if origin is dict:
        return f"table of {_named(arguments[1])}"
    names = {bool: "true or false", int: "integer", float: "number", str: "text"}
    return names.get(kind, "`env:NAME` or `file:PATH`")


def _read(kind: Any, value: Any, path: str, meta: Mapping[str, Any]) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _read_union(arguments, value, path, meta)
    if _is_nested(kind):
        inner, problems = read_options(kind, value, path)
        if problems:
            raise _Several(problems)
        return inner
    if origin is Literal:
        if value not in arguments:
            raise _Wrong(path, f"is {_shown(value)}; expected {_named(kind)}")
        return value
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise _Wrong(path, f"is {_shown(value)}; expected a {_named(kind)}")
        return tuple(
            _read(arguments[0], one, f"{path}[{place}]", meta) for place, one in enumerate(value)
        )
    if origin is dict:
        if not isinstance(value, Mapping):
            raise _Wrong(path, f"is {_shown(value)}; expected a {_named(kind)}")
        return {
            str(name): _read(arguments[1], one, f"{path}.{name}", meta)
            for name, one in value.items()
        }
    return _scalar(kind, value, path, meta)


def _read_union(arguments: tuple[Any, ...], value: Any, path: str, meta: Mapping[str, Any]) -> Any:
    kinds = [one for one in arguments if one is not type(None)]
    if Secret in kinds and isinstance(value, str) and Secret.is_reference(value):
        return Secret(value)
    plain = [one for one in kinds if one is not Secret] or kinds
    for kind in plain[:-1]:
        try:
            return _read(kind, value, path, meta)
        except _Wrong:
            continue
    return _read(plain[-1], value, path, meta)


def _scalar(kind: Any, value: Any, path: str, meta: Mapping[str, Any]) -> Any:
    if kind is Secret:
        if isinstance(value, str) and Secret.is_reference(value):
            return Secret(value)
        variable = "MAD_" + re.sub(r"\W+", "_", path.partition(".")[2] or path).upper()
        raise _Wrong(
            path,
            "holds a secret in plain; put the secret into a variable or a file, and write "
            f'"env:{variable}" or "file:PATH"',
        )
    if kind is bool and isinstance(value, bool):
        return value
    if kind in (int, float) and isinstance(value, (int, float)) and not isinstance(value, bool):
        return _number(kind, value, path, meta)
    if kind is str and isinstance(value, str):
        return _text(value, path, meta)
    raise _Wrong(path, f"is {_shown(value)}; expected {_article(_named(kind))}")


def _number(kind: Any, value: float, path: str, meta: Mapping[str, Any]) -> Any:
    least, most = meta.get("least"), meta.get("most")
    low, high = -math.inf if least is None else least, math.inf if most is None else most
    is_whole = kind is float or float(value).is_integer()
    if not (math.isfinite(value) and low <= value <= high and is_whole):
        noun = "an integer" if kind is int else "a number"
        span = f" from {low:,g} to {high:,g}" if (least, most) != (None, None) else ""
        raise _Wrong(path, f"is {value}; expected {noun}{span}")
    return kind(value)


def _text(value: str, path: str, meta: Mapping[str, Any]) -> str:
    if _PASSWORD.search(value):
        raise _Wrong(
            path,
            "holds a password in plain; put it into a variable or a file, and refer to it from the "
            "option for passwords or tokens",
        )
    if any(ord(char) < 32 and char not in "\n\t" for char in value):
        raise _Wrong(path, f"is {_shown(value)}; it has control characters")
    pattern = meta.get("pattern")
    if pattern and not re.fullmatch(pattern, value):
        raise _Wrong(path, f"is {_shown(value)}; expected {meta['help']}")
    return value


def _article(noun: str) -> str:
    return (
        noun if noun.startswith(("true", "text", "`")) else f"a{'n' * (noun[0] in 'aeiou')} {noun}"
    )


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
