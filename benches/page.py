"""The live page in Chromium: first paint, transfer, time of an update, long lists, and memory.

    python benches/page.py [--seconds 120] [--services 5000] [--incidents 10000]

The server runs on this machine with a journal in a temporary folder. `--seconds` is the time over
which the growth of the memory is measured, while one minute closes every second.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "python"))

from page_views import View, viewing
from playwright.sync_api import Browser, expect, sync_playwright
from service import Server, an_hour, minute_of

#: The figures to reach.
FIRST_PAINT_MS, UPDATE_MS, TRANSFER_BYTES, LONGEST_TASK_MS = 300.0, 1_000.0, 300_000, 200.0
#: Minutes of the services of the long list.
MINUTES = 6


class Figures:
    """Prints each figure with its limit, and remembers whether all were kept."""

    def __init__(self) -> None:
        self.missed: list[str] = []

    def add(self, name: str, value: float, unit: str, most: float | None = None) -> None:
        """Prints one figure."""
        limit = "" if most is None else f" (at most {most:,.0f})"
        print(f"{name:<52} {value:>12,.1f} {unit}{limit}", flush=True)
        if most is not None and value > most:
            self.missed.append(name)


def paint(view: View) -> float:
    """Milliseconds from the request to the first content."""
    found = view.page.evaluate(
        "performance.getEntriesByName('first-contentful-paint')[0].startTime"
    )
    return float(found)


def small(browser: Browser, figures: Figures) -> None:
    """First paint, transfer and update with three services."""
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder), "--no-ticks") as server:
        server.post("/v1/ingest/requests", an_hour(bad=range(50, 60)))
        incident = server.get("/v1/query/incidents")["data"][0]["id"]
        paints = []
        for _ in range(5):
            with viewing(browser, server.url) as view:
                view.open()
                view.page.wait_for_selector(".rows .row")
                paints.append(paint(view))
                first = view.bytes
                view.open(f"#/incidents/{incident}")
                view.page.wait_for_selector(".chart canvas")
                view.page.wait_for_timeout(300)
                total = view.bytes
        figures.add("first paint, median of 5", sorted(paints)[2], "ms", FIRST_PAINT_MS)
        figures.add("transfer of the first view", first / 1000, "kB", TRANSFER_BYTES / 1000)
        figures.add("transfer with an incident", total / 1000, "kB", TRANSFER_BYTES / 1000)
        with viewing(browser, server.url) as view:
            view.open()
            view.page.wait_for_selector(".rows .row")
            took = [update(server, view, minute) for minute in range(60, 70)]
        figures.add("update after a minute closed, slowest of 10", max(took), "ms", UPDATE_MS)


def of_all(minute: int) -> list[dict[str, Any]]:
    """A minute of the three services of `an_hour`."""
    names = (("payments", "/pay"), ("checkout", "/cart"), ("auth", "/login"))
    records = [one for name in names for one in minute_of(minute, *name)]
    return sorted(records, key=lambda one: str(one["timestamp"]))


def update(server: Server, view: View, minute: int) -> float:
    """Milliseconds from a batch that closes a minute until the page shows it."""
    view.page.evaluate(
        """() => {
          globalThis.shown = 0;
          const lead = document.querySelector(".lead");
          const before = lead.innerText;
          const observer = new MutationObserver(() => {
            if (lead.innerText === before) return;
            globalThis.shown = Date.now();
            observer.disconnect();
          });
          observer.observe(lead, { childList: true, characterData: true, subtree: true });
        }"""
    )
    began = time.time()
    server.post("/v1/ingest/requests", of_all(minute))
    for _ in range(200):
        if shown := float(view.page.evaluate("shown")):
            return shown - began * 1000
        view.page.wait_for_timeout(50)
    raise AssertionError(f"minute {minute} is not shown: {view.text('.lead')} {view.errors}")


def many(browser: Browser, figures: Figures, services: int, incidents: int) -> None:
    """Long lists: loading, filtering, and the longest task while they scroll."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        with Server(path, "--no-ticks") as server:
            fill(server, services)
            server.stop()
        copies(path, incidents)
        with Server(path, "--no-ticks") as server:
            for name, route, search in (
                (f"{services:,} services", "#/", "#search"),
                (f"{incidents:,} incidents", "#/incidents", "#incident-search"),
            ):
                with viewing(browser, server.url) as view:
                    began = time.perf_counter()
                    view.open(route)
                    view.page.wait_for_selector(".rows .row")
                    figures.add(f"{name}: shown after", (time.perf_counter() - began) * 1000, "ms")
                    figures.add(f"{name}: longest task", scroll(view), "ms", LONGEST_TASK_MS)
                    rows = view.page.locator(".rows .row").count()
                    figures.add(f"{name}: rows in the document", rows, "")
                    began = time.perf_counter()
                    view.page.fill(search, "service-00012")
                    others = view.page.locator(".rows .row").filter(has_not_text="service-00012")
                    expect(others).to_have_count(0)
                    figures.add(
                        f"{name}: filtered after", (time.perf_counter() - began) * 1000, "ms"
                    )


def fill(server: Server, services: int) -> None:
    """Requests of many services, and one that fails at the end."""
    draw = random.Random(7)
    for minute in range(MINUTES):
        records: list[dict[str, Any]] = []
        for number in range(services):
            name = f"service-{number:05d}"
            one = next(minute_of(minute, name, "/api", slow=draw.uniform(0.9, 1.1)))
            if number == 12 and minute:
                one["status_code"] = 500
            records.append(one)
        server.post("/v1/ingest/requests", records)
    for minute in range(MINUTES, MINUTES + 30):
        server.post("/v1/ingest/requests", of_all(minute))
    for minute in range(MINUTES + 30, MINUTES + 40):
        server.post("/v1/ingest/requests", [*minute_of(minute, slow=9.0)])


def copies(path: Path, count: int) -> None:
    """Copies of a real incident of the journal, with other names and times."""
    with sqlite3.connect(path / "mad.db") as db:
        names = [column[1] for column in db.execute("PRAGMA table_info(incidents)")]
        found = db.execute(
            "SELECT * FROM incidents ORDER BY length(document) DESC LIMIT 1"
        ).fetchone()
        one = dict(zip(names, found, strict=True))
        day = 86_400_000_000_000
        for number in range(count):
            service, identifier = f"service-{number % 5_000:05d}", f"INC-{number:016x}"
            copy = {**one, "id": identifier, "service": service, "status": "resolved"}
            copy["start"], copy["end"] = one["start"] - day - number, one["end"] - day - number
            for text in ("data", "document"):
                document = json.loads(one[text])
                document.update(id=identifier, service=service, status="resolved")
                line = document["explanation"]["line"].replace(one["service"], service)
                document["explanation"]["line"] = line
                copy[text] = json.dumps(document)
            marks = ", ".join("?" * len(names))
            db.execute(f"INSERT INTO incidents VALUES ({marks})", [copy[name] for name in names])
    db.close()


def scroll(view: View) -> float:
    """The longest task of the page in milliseconds while its list scrolls to the end."""
    view.page.evaluate(
        """() => {
          globalThis.longest = 0;
          new PerformanceObserver((found) => {
            for (const one of found.getEntries()) longest = Math.max(longest, one.duration);
          }).observe({ type: "longtask" });
        }"""
    )
    height = view.page.evaluate("document.documentElement.scrollHeight")
    for step in range(60):
        view.page.evaluate("top => scrollTo({ top })", height * (step + 1) / 60)
        view.page.wait_for_timeout(30)
    view.page.wait_for_timeout(1_000)
    return float(view.page.evaluate("longest"))


def memory(browser: Browser, figures: Figures, seconds: int) -> None:
    """Growth of the memory while a minute closes every second."""
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder), "--no-ticks") as server:
        server.post("/v1/ingest/requests", an_hour(bad=range(50, 60)))
        with viewing(browser, server.url) as view:
            view.open()
            session = view.page.context.new_cdp_session(view.page)
            session.send("Performance.enable")

            def heap() -> tuple[float, float]:
                session.send("HeapProfiler.collectGarbage")
                found = session.send("Performance.getMetrics")["metrics"]
                values = {one["name"]: one["value"] for one in found}
                return values["JSHeapUsedSize"] / 1e6, values["Nodes"]

            middle = (0.0, 0.0)
            for minute in range(60, 60 + seconds):
                server.post("/v1/ingest/requests", of_all(minute))
                view.page.wait_for_timeout(1_000)
                if minute == 60 + seconds // 3:
                    middle = heap()
            end = heap()
        figures.add(f"heap after {seconds // 3} s", middle[0], "MB")
        figures.add(f"heap after {seconds} s", end[0], "MB", middle[0] * 1.1 + 0.5)
        figures.add("elements of the document, growth", end[1] - middle[1], "", 50.0)


def main() -> int:
    """Measures and prints."""
    command = argparse.ArgumentParser(description=__doc__)
    command.add_argument("--seconds", type=int, default=120)
    command.add_argument("--services", type=int, default=5_000)
    command.add_argument("--incidents", type=int, default=10_000)
    args = command.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("chromium is missing: apt-get install -y chromium")
    figures = Figures()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        small(browser, figures)
        many(browser, figures, args.services, args.incidents)
        memory(browser, figures, args.seconds)
        browser.close()
    print(
        "all figures are within their limits" if not figures.missed else f"missed: {figures.missed}"
    )
    return bool(figures.missed)


if __name__ == "__main__":
    sys.exit(main())
