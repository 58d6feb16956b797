"""Configuration: a nested mapping that the core checks field by field."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from mad import _core


def read_toml(text: str) -> dict[str, Any]:
    """TOML as nested dicts."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    return tomllib.loads(text)


class Config:
    """All of the configuration, every default filled in and every field checked.

    `Config({"guard": {"min_points": 30}})` changes one field of one stage; `config["guard"]` reads
    a stage's fields. A field that does not exist or lies outside its range is a `ValueError` that
    names it.
    """

    def __init__(self, fields: Mapping[str, Any] | None = None) -> None:
        self._json = _core.check_config(json.dumps(dict(fields or {})))

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str]) -> Config:
        """Reads a TOML file."""
        return cls(read_toml(Path(path).read_text(encoding="utf-8")))

    def to_dict(self) -> dict[str, Any]:
        """A copy as nested dicts."""
        return dict(json.loads(self._json))

    def to_json(self) -> str:
        """As JSON text."""
        return self._json

    def __getitem__(self, stage: str) -> Any:
        return self.to_dict()[stage]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Config) and self._json == other._json

    def __hash__(self) -> int:
        return hash(self._json)

    def __repr__(self) -> str:
        return f"Config({self.to_dict()!r})"


AnyConfig: TypeAlias = Config | Mapping[str, Any] | None
