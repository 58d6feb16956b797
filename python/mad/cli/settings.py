"""Settings of a command: arguments, environment, file and defaults, in this order of precedence."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mad import _core, errors
from mad._core import Catalogue
from mad.config import as_json
from mad.config.deployment import Deployment
from mad.config.explain import ExplainOptions
from mad.config.layers import FILE, Layers, parse, read_settings, stages_of
from mad.config.options import read_options

DEFAULT = "mad.toml"
_HELP = f"settings as TOML, YAML or JSON (default: MAD_CONFIG, else {DEFAULT} if it exists)"
_BYTES_PER_RECORD = 100
_LEAST, _MOST = 4096, 64 * 1024**2


def add_config(command: argparse.ArgumentParser) -> None:
    """Adds the argument `--config`, which `load` and `deployment` take."""
    command.add_argument("--config", metavar="FILE", help=_HELP)


def load(
    path: str | None, *, verbose: bool = False, intake: Mapping[str, Any] | None = None
) -> str | None:
    """The validated settings as JSON text; None when every field has its default. `intake` are
    arguments of the command."""
    found = layers(path, verbose=verbose, intake=intake)
    problems = [
        f"{origin}: {message}" if (origin := found.origin(field)) else message
        for field, message in _core.config_problems(as_json(found.fields))
    ]
    if problems:
        hint = "mad config check FILE shows the lines" if found.file else ""
        raise errors.UsageError("; ".join(problems), hint)
    return as_json(found.fields) if found.fields else None


def deployment(path: str | None, *, verbose: bool = False) -> Deployment:
    """The validated settings of the core, the server, its sources and its sinks."""
    file = file_of(path, os.environ)
    if verbose and file is not None:
        sys.stderr.write(f"mad: settings from {file}\n")
    try:
        return Deployment.load(file)
    except OSError as error:
        raise errors.UsageError(f"cannot read {file}: {errors.reason(error)}") from error
    except ValueError as error:
        raise errors.UsageError(str(error)) from error


def catalogue(path: str | None) -> Catalogue | None:
    """The language of `[explain]`; None for English. Other settings are not checked."""
    table = layers(path).deployment.get("explain", {})
    found, problems = read_options(ExplainOptions, table, "explain")
    if found is None:
        raise errors.UsageError("; ".join(one.message for one in problems))
    return found.texts()


def layers(
    path: str | None, *, verbose: bool = False, intake: Mapping[str, Any] | None = None
) -> Layers:
    """The merged settings of file, environment and arguments, not validated."""
    file = file_of(path, os.environ)
    if verbose and file is not None:
        sys.stderr.write(f"mad: settings from {file}\n")
    try:
        return Layers.of(file, os.environ, {"intake": intake} if intake else None)
    except OSError as error:
        raise errors.UsageError(f"cannot read {file}: {errors.reason(error)}") from error
    except ValueError as error:
        raise errors.UsageError(str(error)) from error


def file_of(path: str | None, environ: Mapping[str, str]) -> str | None:
    """The settings file: the argument, else that of `MAD_CONFIG`, else ./mad.toml."""
    named = path or environ.get(FILE)
    return named or (DEFAULT if Path(DEFAULT).is_file() else None)


def unchecked(path: str | None) -> str | None:
    """The settings of a file as JSON text, for the reference mode, which has other settings;
    None without a file."""
    if path is None:
        return None
    try:
        return as_json(stages_of(parse(read_settings(path), path), path))
    except OSError as error:
        raise errors.UsageError(f"cannot read {path}: {errors.reason(error)}") from error
    except ValueError as error:
        raise errors.UsageError(f"{path} cannot be read as settings: {error}") from error


def batch_size(default: int) -> int:
    """Bytes read at a time: `BATCH_SIZE` records of about 100 bytes, from 4 kB to 64 MB."""
    text = os.environ.get("BATCH_SIZE", "")
    if not text.isdecimal() or int(text) == 0:
        return default
    return min(max(int(text) * _BYTES_PER_RECORD, _LEAST), _MOST)


def is_verbose() -> bool:
    """Whether `LOG_LEVEL` asks for verbose output."""
    return os.environ.get("LOG_LEVEL", "").upper() in ("DEBUG", "TRACE", "10")
