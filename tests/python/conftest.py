"""Shared fixtures: tests that need a system package which may be missing."""

from __future__ import annotations

import os
import shutil

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def pytest_ignore_collect(collection_path: os.PathLike[str]) -> bool | None:
    """Skips the browser tests when no browser is installed; `make test` lists them. With
    MAD_TEST_ALL they fail instead."""
    browser = os.fspath(collection_path).endswith("test_report_page.py")
    return True if browser and CHROMIUM is None and not os.environ.get("MAD_TEST_ALL") else None


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the browser."""
    assert CHROMIUM is not None, "chromium is missing: apt-get install -y chromium"
    return CHROMIUM
