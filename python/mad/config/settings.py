"""The configuration: a nested mapping that the core checks field by field."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from mad import _core
from mad.config.layers import Layers, bounded, read_toml, read_yaml, stages_of
from mad.config.zones import utc_offsets


def as_json(fields: object) -> str:
    """Nested settings as JSON text; dates of TOML and YAML become text, and `season.offsets` is
    filled with the table of `season.zone`.

    Raises ValueError for settings that are nested too deeply or too many.
    """
    bounded(fields)
    if not isinstance(fields, Mapping):
        return json.dumps(fields, default=str)
    return json.dumps(_with_offsets(dict(fields)), default=str)


def _with_offsets(fields: dict[str, Any]) -> dict[str, Any]:
    season = fields.get("season")
    if not isinstance(season, Mapping) or season.get("offsets"):
        return fields
    zone = season.get("zone")
    # The core refuses a zone without a table.
    if not isinstance(zone, str) or not zone:
        return fields
    return {**fields, "season": {**season, "offsets": utc_offsets(zone)}}


def _without_offsets(fields: dict[str, Any]) -> dict[str, Any]:
    """Settings without the table of offsets of a named zone, which is derived from the name."""
    season = fields["season"]
    if season["zone"] and season["offsets"] == [list(one) for one in utc_offsets(season["zone"])]:
        return {**fields, "season": {"zone": season["zone"]}}
    return fields


class Config:
    """A complete configuration: defaults filled in, every field checked.

    `Config({"guard": {"min_points": 30}})` changes one field of one stage; `config["guard"]` reads
    the fields of a stage. Configurations are immutable, hashable and can be pickled.

    Raises ValueError for a field that does not exist or is outside its range; the message names the
    field, its value and the range.

    >>> config = Config({"guard": {"min_points": 30}})
    >>> config["guard"]["min_points"]
    30
    >>> config.changes()
    {'guard.min_points': (30, 20)}
    """

    def __init__(self, fields: Mapping[str, Any] | None = None) -> None:
        self._json = _core.check_config(as_json({} if fields is None else fields))

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str]) -> Config:
        """Reads the stages of a TOML file; `Deployment.load` reads its other tables.

        Raises OSError when the file cannot be read, ValueError when it is not valid.
        """
        return cls(stages_of(read_toml(path), path))

    @classmethod
    def from_yaml(cls, path: str | os.PathLike[str]) -> Config:
        """Reads the stages of a YAML file; needs the extra `mad-py[yaml]`.

        Raises OSError when the file cannot be read, ValueError when it is not valid.
        """
        return cls(stages_of(read_yaml(path), path))

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Config:
        """Reads `MAD_STAGE__FIELD` variables, such as `MAD_GUARD__MIN_POINTS=30`; lists are JSON.
        docs/config.md lists all variables.

        >>> Config.from_env({"MAD_GUARD__MIN_POINTS": "30"})["guard"]["min_points"]
        30
        """
        layers = Layers()
        layers.add_environment(os.environ if environ is None else environ)
        return cls._of(layers)

    @classmethod
    def load(
        cls,
        file: str | os.PathLike[str] | None = None,
        environ: Mapping[str, str] | None = None,
        **arguments: Any,
    ) -> Config:
        """Merges argument, environment, file and defaults, in this order of precedence, field by
        field.

        The file is TOML, YAML or JSON; the default is the file of `MAD_CONFIG`, if set. An argument
        is a stage (`guard={"min_points": 30}`) or a field (`guard__min_points=30`).

        >>> Config.load(environ={}, guard__min_points=30)["guard"]["min_points"]
        30
        """
        return cls._of(Layers.of(file, os.environ if environ is None else environ, arguments))

    @classmethod
    def _of(cls, layers: Layers) -> Config:
        for field, message in _core.config_problems(as_json(layers.fields)):
            origin = layers.origin(field)
            raise ValueError(f"{origin}: {message}" if origin else message)
        return cls(layers.fields)

    def to_dict(self) -> dict[str, Any]:
        """A copy as nested dicts."""
        return dict(json.loads(self._json))

    def to_json(self) -> str:
        """The configuration as JSON text."""
        return self._json

    def to_toml(self, notes: Mapping[str, str] | None = None) -> str:
        """The configuration as TOML text with every field; `from_toml` reads it back.

        `notes` are comments by dotted path.
        """
        from mad.config.toml import write_toml

        return write_toml(_without_offsets(self.to_dict()), notes)

    def changes(self) -> dict[str, tuple[Any, Any]]:
        """The fields that differ from the defaults, by dotted path: (value, default)."""
        defaults = dict(_flat(json.loads(_core.default_config())))
        return {
            path: (value, defaults.get(path))
            for path, value in _flat(_without_offsets(self.to_dict()))
            if value != defaults.get(path)
        }

    def __getitem__(self, stage: str) -> Any:
        return self.to_dict()[stage]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Config) and self._json == other._json

    def __hash__(self) -> int:
        return hash(self._json)

    def __repr__(self) -> str:
        return f"Config({self.to_dict()!r})"


def _flat(fields: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


AnyConfig: TypeAlias = Config | Mapping[str, Any] | None
