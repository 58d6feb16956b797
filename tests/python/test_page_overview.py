"""The views of all services and incidents of the live page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from page_views import View, faults, viewing
from playwright.sync_api import Browser, expect
from service import Server, an_hour, lines, minute_of

#: The most bytes that opening the page transfers.
MOST_BYTES = 300_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("page"), "--no-ticks") as one:
        one.post("/v1/ingest/requests", an_hour(bad=range(50, 60)))
        yield one


@pytest.fixture
def view(browser: Browser, server: Server) -> Iterator[View]:
    with viewing(browser, server.url) as one:
        yield one
        assert one.errors == []


def test_worst_service_first_and_filter(view: View) -> None:
    view.open()
    rows = view.page.locator(".rows .row")
    expect(rows).to_have_count(3)
    expect(rows.first).to_contain_text("payments")
    expect(rows.first).to_contain_text("incident")
    assert "judged up to 2026-01-06" in view.text()
    view.page.fill("#search", "AUTH")
    expect(rows).to_have_count(1)
    assert "search=AUTH" in view.page.url
    view.page.fill("#search", "none of them")
    expect(view.page.locator(".note")).to_have_text(
        "No service matches the filter. Clear it to see all."
    )
    assert view.bytes < MOST_BYTES


def test_filter_of_incidents(view: View) -> None:
    view.open("#/incidents")
    rows = view.page.locator(".rows .row")
    expect(rows).to_have_count(1)
    view.page.select_option("#severity", "Critical")
    expect(view.page.locator(".note")).to_have_text("No incident matches the filter.")
    view.page.select_option("#severity", "Warning")
    expect(rows).to_have_count(1)
    view.page.fill("#incident-search", "pay")
    expect(rows).to_have_count(1)
    assert "severity=Warning" in view.page.url
    rows.first.locator("a").click()
    expect(view.page.locator("h1")).to_contain_text("payments /pay")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("route", ["#/", "#/incidents"])
def test_accessible(browser: Browser, server: Server, route: str, theme: str) -> None:
    with viewing(browser, server.url, theme=theme) as view:
        view.open(route)
        expect(view.page.locator(".rows .row").first).to_be_visible()
        assert faults(view.page) == []


def test_keyboard(view: View) -> None:
    view.open()
    expect(view.page.locator(".rows .row")).to_have_count(3)
    view.page.keyboard.press("Tab")
    expect(view.page.locator(":focus")).to_have_text("Skip to the content")
    first = view.page.locator(".rows .row a").first
    first.focus()
    view.page.keyboard.press("ArrowDown")
    expect(view.page.locator(".rows .row a").nth(1)).to_be_focused()
    view.page.keyboard.press("End")
    expect(view.page.locator(".rows .row a").last).to_be_focused()
    view.page.keyboard.press("Home")
    view.page.keyboard.press("Enter")
    expect(view.page.locator("h1")).to_contain_text("payments")


def test_a_closed_minute_is_shown_at_once(browser: Browser, tmp_path: Path) -> None:
    with Server(tmp_path, "--no-ticks") as server, viewing(browser, server.url) as view:
        view.open()
        expect(view.page.locator(".empty")).to_contain_text("No data has arrived yet")
        server.post("/v1/ingest/requests", [*minute_of(0), *minute_of(1)])
        row = view.page.locator(".rows .row").first
        expect(row).to_contain_text("payments", timeout=2_000)
        expect(row).to_contain_text("Learning")
        expect(view.page.locator(".lead")).to_contain_text("All services are new. Until about")
        server.post("/v1/ingest/requests", [*minute_of(2), *minute_of(3)])
        expect(view.page.locator(".lead")).to_contain_text("10:03", timeout=2_000)
        assert view.errors == []


def test_the_view_moves_on_when_a_kind_of_records_has_ended(
    browser: Browser, tmp_path: Path
) -> None:
    """A service that logs only its errors has no lines while all is well."""
    with Server(tmp_path, "--no-ticks") as server, viewing(browser, server.url) as view:
        logs = [
            {"service": "payments", "level": "ERROR", "message": "refused", "timestamp": time}
            for time in (f"2026-01-06T10:04:{second:02}Z" for second in range(60))
        ]
        server.post("/v1/ingest/requests", an_hour(minutes=10))
        server.post("/v1/ingest/logs", lines(logs))
        view.open()
        expect(view.page.locator(".lead")).to_contain_text("judged up to 2026-01-06 10:0")
        server.post("/v1/ingest/requests", an_hour(minutes=40, bad=range(0))[900:])
        expect(view.page.locator(".lead")).to_contain_text("judged up to 2026-01-06 10:39")
        found = server.get("/v1/query/services")
        assert found["watermark"] > "2026-01-06T10:39"
        assert all(len([v for v in one["latency"] if v]) == 39 for one in found["data"])


def test_hostile_names(browser: Browser, tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)>" + "n" * 484
    with Server(tmp_path, "--no-ticks") as server, viewing(browser, server.url, width=390) as view:
        server.post("/v1/ingest/requests", [*minute_of(0, name), *minute_of(1, name)])
        view.open()
        row = view.page.locator(".rows .row").first
        expect(row).to_contain_text("<img src=x")
        assert view.page.locator("main img").count() == 0
        width = view.page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390, "the page is wider than the screen"
        assert view.errors == []


def test_the_server_goes_and_comes_back(browser: Browser, tmp_path: Path) -> None:
    with Server(tmp_path, "--no-ticks") as server:
        port = server.url.rpartition(":")[2]
        server.post("/v1/ingest/requests", an_hour())
        with viewing(browser, server.url) as view:
            view.open()
            expect(view.page.locator("#connection-text")).to_contain_text("Live")
            expect(view.page.locator(".rows .row")).to_have_count(3)
            server.kill()
            expect(view.page.locator("#banner")).to_contain_text("The server does not answer.")
            expect(view.page.locator(".rows .row")).to_have_count(3)
            with Server(tmp_path, "--no-ticks", "--port", port) as again:
                expect(view.page.locator("#banner")).to_be_hidden(timeout=15_000)
                again.post("/v1/ingest/requests", [*minute_of(60, "mail"), *minute_of(61, "mail")])
                expect(view.page.locator(".rows .row")).to_have_count(4)


def test_token(browser: Browser, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("read 5c1b09e2a4d87f6390b1 looker\n")
    tokens.chmod(0o600)
    with (
        Server(tmp_path / "data", "--token-file", str(tokens)) as server,
        viewing(browser, server.url) as view,
    ):
        view.page.goto(server.url)
        why = view.page.locator("#token-why")
        expect(why).to_contain_text("This server needs a token.")
        view.page.fill("#token-field", "wrong-token-1234567")
        view.page.keyboard.press("Enter")
        expect(why).to_contain_text("The server does not know this token.")
        view.page.fill("#token-field", "5c1b09e2a4d87f6390b1")
        view.page.keyboard.press("Enter")
        expect(view.page.locator(".empty")).to_contain_text("No data has arrived yet")
        stored = view.page.evaluate("Object.keys(localStorage).join()")
        assert "token" not in stored


def test_files_of_the_page(server: Server) -> None:
    page = server.http.get("/")
    policy = page.headers["content-security-policy"]
    assert "script-src 'self'" in policy and "unsafe" not in policy
    assert page.headers["x-frame-options"] == "DENY"
    again = server.http.get("/", headers={"If-None-Match": page.headers["etag"]})
    assert again.status_code == 304 and again.content == b""
    script = server.http.get("/page/main.js", headers={"Accept-Encoding": "gzip"})
    assert script.headers["content-encoding"] == "gzip"
    assert server.http.get("/page/../api/auth.py").status_code == 404
    assert server.http.get("/page/none.js").status_code == 404
    assert server.http.post("/").status_code in (404, 405)
