"""Loads the scripts that score public data, which are no part of this repository."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any


def module(path: Path) -> Any:
    """The module of a script. Exits with a message when the file is no Python file."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} is no Python file")
    loaded = importlib.util.module_from_spec(spec)
    # dataclasses look their module up by its name
    sys.modules[path.stem] = loaded
    spec.loader.exec_module(loaded)
    return loaded
