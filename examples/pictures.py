"""Renders the pictures of the README and the docs: report, live page, dashboard and terminal.

    python examples/pictures.py

The pictures show the demo shop, so that they change with the project. Needs chromium.
"""

from __future__ import annotations

import io
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright
from rich.console import Console

from mad.cli import main as mad
from mad.view import LocalFeed, timed_lines
from mad.view.screen import Choice, draw

_CSV = {"Content-Type": "text/csv"}
DOCS = Path(__file__).resolve().parents[1] / "docs"


def report(browser: Browser, run: Path) -> None:
    """docs/report.png: the beginning of the report."""
    page = browser.new_page(viewport={"width": 1180, "height": 1320})
    page.goto((run / "report.html").as_uri())
    page.screenshot(path=DOCS / "report.png")
    page.close()


def live_page(browser: Browser, run: Path) -> None:
    """docs/live-page.png: the page of an incident while it is open."""
    command = [sys.executable, "-m", "mad.cli", "serve", "--port", "0", "--no-ticks"]
    data = ["--data", str(run.parent / "journal")]
    pipe = subprocess.PIPE
    server = subprocess.Popen([*command, *data], stderr=pipe, stdout=subprocess.DEVNULL, text=True)
    try:
        assert server.stderr is not None
        said = next(line for line in server.stderr if "listens on" in line)
        url = said.split("listens on ")[1].split(";")[0]
        lines = timed_lines(str(run / "requests.csv"))
        for at, body, _ in lines.pieces(60.0, 5_000):
            if at - lines.times[0] > 52 * 60:
                break
            request = urllib.request.Request(f"{url}/v1/ingest/requests", body, _CSV)
            with urllib.request.urlopen(request, timeout=10):
                pass
        with urllib.request.urlopen(f"{url}/v1/query/incidents", timeout=10) as answer:
            (incident, *_) = json.load(answer)["data"]
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.goto(f"{url}/#/incidents/{incident['id']}")
        page.wait_for_selector(".chart canvas")
        page.wait_for_timeout(1_000)
        page.screenshot(path=DOCS / "live-page.png")
        page.close()
    finally:
        server.terminate()
        server.wait(20)


def dashboard(browser: Browser, run: Path) -> None:
    """docs/dashboard.png: the first page of the dashboard."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    port = url.rpartition(":")[2]
    command = [sys.executable, "-m", "mad.cli", "dashboard", run.name, "--port", port]
    quiet = subprocess.DEVNULL
    server = subprocess.Popen(command, cwd=run.parent, stdout=quiet, stderr=quiet)
    try:
        for _ in range(300):
            try:
                with urllib.request.urlopen(f"{url}/_stcore/health", timeout=1):
                    break
            except OSError:
                time.sleep(0.1)
        page = browser.new_page(viewport={"width": 1280, "height": 1220})
        page.goto(url)
        charts = "document.querySelectorAll('[data-testid=stVegaLiteChart] .marks').length"
        page.wait_for_function(f"{charts} >= 4", timeout=60_000)
        page.wait_for_timeout(1_500)
        page.screenshot(path=DOCS / "dashboard.png")
        page.close()
    finally:
        server.terminate()
        server.wait(20)


def terminal(run: Path) -> None:
    """docs/terminal.svg: `mad watch` in the middle of the incident."""
    lines = timed_lines(str(run / "requests.csv"))
    feed = LocalFeed("requests.csv")
    for at, body, records in lines.pieces(60.0, 5_000):
        if at - lines.times[0] > 52 * 60:
            break
        feed.take(body, "requests", records)
    console = Console(file=io.StringIO(), width=110, height=28, record=True, force_terminal=True)
    console.print(draw(feed.snapshot(), Choice(), console, keys=True))
    console.save_svg(str(DOCS / "terminal.svg"), title="mad watch")


def main() -> None:
    """Renders all pictures."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        raise SystemExit("chromium is missing: apt-get install -y chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        run = Path(folder) / "out"
        mad(["demo", "--out", str(run), "--json"])
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        report(browser, run)
        live_page(browser, run)
        dashboard(browser, run)
        browser.close()
        terminal(run)


if __name__ == "__main__":
    main()
