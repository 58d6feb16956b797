"""What tests share: which of them need a system package that may be missing."""

from __future__ import annotations

import os
import shutil

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def pytest_ignore_collect(collection_path: os.PathLike[str]) -> bool | None:
    """Leaves out the browser's tests where there is none; `make test` names them then.

    With MAD_TEST_ALL nothing is left out: they fail instead.
    """
    browser = os.fspath(collection_path).endswith("test_report_page.py")
    return True if browser and CHROMIUM is None and not os.environ.get("MAD_TEST_ALL") else None


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's program."""
    assert CHROMIUM is not None, "chromium is missing: apt-get install -y chromium"
    return CHROMIUM
