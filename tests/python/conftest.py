"""Shared fixtures: a browser, which may be missing, and a server that receives records."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from receiver import Receiver

    from mad.adapters import Sender

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


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A server with mad's ingest routes."""
    from receiver import receiving

    with receiving() as one:
        yield one


@pytest.fixture
def sender(receiver: Receiver) -> Iterator[Sender]:
    """A sender to the receiver."""
    from mad.adapters import Sender

    one = Sender(receiver.url, interval=0.01)
    yield one
    one.close()
