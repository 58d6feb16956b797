"""The recorded data on which some tests run: the variable DATA names its folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def recorded(name: str) -> Path:
    """A folder of the recorded data; the test is skipped without it, and fails with
    MAD_TEST_ALL."""
    place = Path(os.environ.get("DATA") or "no-such-folder") / name
    if not place.is_dir():
        assert not os.environ.get("MAD_TEST_ALL"), f"DATA has no {name}"
        pytest.skip(f"no recorded data: set DATA to the folder that holds {name}")
    return place
