"""Shared fixtures: a browser, which may be missing, and a server that receives records."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from receiver import Receiver
    from service import Server

    from mad.adapters import Sender

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def pytest_ignore_collect(collection_path: os.PathLike[str]) -> bool | None:
    """Skips the browser tests when no browser is installed; `make test` lists them. With
    MAD_TEST_ALL they fail instead."""
    browser = "page" in Path(collection_path).stem.split("_")
    return True if browser and CHROMIUM is None and not os.environ.get("MAD_TEST_ALL") else None


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the browser."""
    assert CHROMIUM is not None, "chromium is missing: apt-get install -y chromium"
    return CHROMIUM


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, driven by playwright; without it the test is skipped, or fails with
    MAD_TEST_ALL. It ends with the module, because the loop of playwright would refuse
    `asyncio.run` in later tests of the process."""
    if CHROMIUM is None and not os.environ.get("MAD_TEST_ALL"):
        pytest.skip("chromium is missing: apt-get install -y chromium")
    from playwright.sync_api import sync_playwright

    assert CHROMIUM is not None, "chromium is missing: apt-get install -y chromium"
    with sync_playwright() as driver:
        one = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield one
        one.close()


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


@pytest.fixture(scope="module")
def demo_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of `mad demo`: one critical incident of payments /pay."""
    from mad import errors
    from mad.cli import main

    out = tmp_path_factory.mktemp("demo") / "out"
    assert main(["demo", "--out", str(out), "--json"]) == errors.FINE
    return out


@pytest.fixture(scope="module")
def demo_server(demo_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the requests of the demo."""
    from service import Server

    with Server(tmp_path_factory.mktemp("demo") / "data", "--no-ticks") as one:
        body = (demo_directory / "requests.csv").read_bytes()
        headers = {"Content-Type": "text/csv"}
        answer = one.http.post("/v1/ingest/requests", content=body, headers=headers)
        assert answer.json()["rejected"] == 0
        yield one
