"""The pages of an incident and of an entity in the live page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from page_views import View, faults, viewing
from playwright.sync_api import Browser, expect
from service import Server, an_hour, lines, minute_of

#: The minute of the log lines.
MINUTE = "2026-01-06T10:59"


def fill(server: Server) -> str:
    """An hour with an open incident, a deploy before it and errors in the log; returns its id."""
    server.post(
        "/v1/changes",
        {"service": "payments", "version": "v2.14.0", "timestamp": "2026-01-06T10:48:00Z"},
    )
    errors = [f"card provider: no answer to order {number}" for number in (17, 4, 230)]
    logs = [
        {"service": "payments", "level": "ERROR", "message": text, "timestamp": f"{MINUTE}:{i}Z"}
        for i, text in enumerate([*errors, "cache is cold"], 10)
    ]
    server.post("/v1/ingest/requests", an_hour(bad=range(50, 60)))
    server.post("/v1/ingest/logs", lines(logs))
    (incident,) = server.get("/v1/query/incidents")["data"]
    return str(incident["id"])


class Filled(Server):
    """A server with an incident."""

    incident = ""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    with Filled(tmp_path_factory.mktemp("page"), "--no-ticks") as one:
        one.incident = fill(one)
        yield one


@pytest.fixture
def view(browser: Browser, server: Filled) -> Iterator[View]:
    with viewing(browser, server.url) as one:
        yield one
        assert one.errors == []


def open_incident(view: View, server: Filled) -> None:
    view.open(f"#/incidents/{server.incident}")
    expect(view.page.locator("h1")).to_contain_text("payments /pay")


def test_answers_the_five_questions(view: View, server: Filled) -> None:
    """What broke, since when, who is affected, why, what next."""
    open_incident(view, server)
    assert re.search(r"payments /pay: .*latency reached", view.text("h1"))
    facts = view.text(".facts")
    assert "2026-01-06 10:50 UTC" in facts and "Not yet" in facts
    assert "Slower than 500 ms" in facts and "270 of 270" in facts
    assert "payments /pay" in view.text(".role.root")
    assert "10:50 UTC" in view.text(".role.first")
    assert "No request failed" in view.text(".role.impact")
    assert view.page.locator(".next li").count() >= 3
    assert "deploy v2.14.0 of payments" in view.text(".changes")
    assert "card provider: no answer to order <*>" in view.text(".log")
    assert "3 of 4 warnings and errors of payments" in view.text(".log")
    assert "card provider: no answer to order 17" in view.text(".role.root")
    assert view.page.locator(".evidence .spark .line").count() >= 2
    assert "Checked, nothing found" in view.text(".evidence")
    assert "No earlier incident" in view.text(".similar")
    expect(view.page.locator(".chart canvas")).to_have_count(2)
    said = view.page.locator(".plot").first.get_attribute("aria-label") or ""
    assert "9 of 59" in said and "The incident lasts from 10:50" in said
    view.page.locator(".chart summary").first.click()
    expect(view.page.locator(".chart table tbody tr")).to_have_count(59)


def test_a_failing_version_is_named_and_compared(browser: Browser, tmp_path: Path) -> None:
    requests = an_hour(bad=range(0))
    for number, one in enumerate(requests):
        is_new = one["service"] == "payments" and "T10:5" in one["timestamp"] and number % 4 == 0
        one["version"] = "2.0 <b>" if is_new else "1.9"
        one["status_code"] = 500 if is_new else 200
    with Server(tmp_path, "--no-ticks") as server:
        server.post("/v1/ingest/requests", lines(requests))
        (incident,) = server.get("/v1/query/incidents")["data"]
        with viewing(browser, server.url) as view:
            view.open(f"#/incidents/{incident['id']}")
            expect(view.page.locator(".role.root")).to_contain_text(
                "Version 2.0 <b> failed in 100 %"
            )
            table = view.page.locator(".served table")
            expect(table).to_have_count(1)
            expect(table.locator("tbody th")).to_have_text(["2.0 <b>", "1.9"])
            expect(table.locator("tbody tr").first).to_contain_text("(100 %)")
            assert "Roll back version 2.0 <b> of payments" in view.text(".next")
            assert faults(view.page) == [] and view.errors == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_accessible(browser: Browser, server: Filled, width: int, theme: str) -> None:
    with viewing(browser, server.url, width=width, theme=theme) as view:
        for route in (
            f"#/incidents/{server.incident}",
            "#/entity?service=payments",
            "#/entity?service=payments&endpoint=/pay",
        ):
            view.open(route)
            expect(view.page.locator(".chart canvas").first).to_be_visible()
            assert faults(view.page) == []
            assert view.page.evaluate("document.documentElement.scrollWidth") <= width
        assert view.errors == []


def test_entity_says_why(view: View) -> None:
    view.open("#/entity?service=auth&endpoint=/login")
    expect(view.page.locator(".card").first).to_contain_text("Why it is not flagged")
    expect(view.page.locator(".card").first).to_contain_text("95th-percentile latency")
    expect(view.page.locator(".chart canvas")).to_have_count(3)
    view.open("#/entity?service=payments&endpoint=/pay")
    expect(view.page.locator(".card").first).to_contain_text("Why it is flagged")
    view.open("#/entity?service=unknown")
    expect(view.page.locator("main")).to_contain_text("The server does not know it.")


def test_copies_markdown(view: View, server: Filled) -> None:
    view.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    open_incident(view, server)
    view.page.get_by_role("button", name="Copy as Markdown").click()
    expect(view.page.get_by_role("button", name="Copied")).to_be_visible()
    text = view.page.evaluate("navigator.clipboard.readText()")
    assert text.startswith("## payments /pay: ")
    assert "**Root cause:** payments /pay" in text
    assert f"/#/incidents/{server.incident}" in text


def test_commands(browser: Browser, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("read 5c1b09e2a4d87f6390b1 looker\nadmin 7d2a88c1e5f90b3c4d5e ann\n")
    tokens.chmod(0o600)
    with Server(tmp_path / "data", "--no-ticks", "--token-file", str(tokens)) as server:
        server.http.headers["Authorization"] = "Bearer 7d2a88c1e5f90b3c4d5e"
        incident = fill(server)
        with viewing(browser, server.url) as view:
            page = view.page
            page.goto(f"{server.url}/#/incidents/{incident}")
            page.fill("#token-field", "5c1b09e2a4d87f6390b1")
            page.keyboard.press("Enter")
            expect(page.locator("h1")).to_contain_text("payments /pay")
            page.get_by_role("button", name="Acknowledge").click()
            said = page.locator(".said").first
            expect(said).to_contain_text("This is not allowed.")
            expect(said).to_contain_text("scope admin")
            page.get_by_role("button", name="Token").click()
            page.fill("#token-field", "7d2a88c1e5f90b3c4d5e")
            page.keyboard.press("Enter")

            page.get_by_role("button", name="Acknowledge").click()
            expect(page.locator(".badges")).to_contain_text("Acknowledged")
            expect(page.locator(".timeline")).to_contain_text("ann acknowledged it")
            page.fill("#comment", "Asked the card provider <b>now</b>")
            page.get_by_role("button", name="Save the comment").click()
            expect(page.locator("blockquote")).to_have_text("Asked the card provider <b>now</b>")
            page.select_option("#mute-minutes", "60")
            page.fill("#mute-reason", "provider")
            page.get_by_role("button", name="Mute", exact=True).click()
            expect(page.locator(".timeline")).to_contain_text("ann muted this endpoint")
            expect(page.locator("blockquote").last).to_have_text("provider")
            server.post("/v1/mutes", {"service": "pay*", "endpoint": "*", "minutes": 5})
            page.reload()
            expect(page.locator(".timeline")).to_contain_text(re.compile("muted.*muted", re.S))
            page.select_option("#verdict", "useful")
            page.get_by_role("button", name="Send the feedback").click()
            expect(page.locator(".timeline")).to_contain_text("ann gave feedback: useful")
            page.get_by_role("button", name="Resolve").click()
            expect(page.locator(".badges")).to_contain_text("Resolved")
            expect(page.locator(".badges")).to_contain_text("by ann")
        document = server.get(f"/v1/query/incidents/{incident}")
        assert document["status"] == "resolved"
        assert {note["kind"] for note in document["notes"]} == {"comment", "useful"}


@pytest.mark.parametrize(
    ("silent", "badge", "why"),
    [
        (False, "Resolved", "nothing was unusual any more"),
        (True, "Expired", "no service of it sent data any more"),
    ],
)
def test_how_an_incident_ended(
    browser: Browser, tmp_path: Path, silent: bool, badge: str, why: str
) -> None:
    """The list and the page say the same of an incident that ended by itself."""
    settings = tmp_path / "mad.toml"
    settings.write_text("[incident]\nsilence_minutes = 0\n")
    sent = [
        one
        for one in an_hour(bad=range(50, 60), minutes=150)
        if not (silent and one["service"] == "payments" and str(one["timestamp"])[10:] >= "T11:")
    ]
    with Server(tmp_path / "data", "--no-ticks", "--config", str(settings)) as server:
        server.post("/v1/ingest/requests", sent)
        (found,) = server.get("/v1/query/incidents")["data"]
        with viewing(browser, server.url) as view:
            view.open("#/incidents")
            expect(view.page.locator("[role=cell].state")).to_contain_text(badge)
            view.open(f"#/incidents/{found['id']}")
            expect(view.page.locator(".badges")).to_contain_text(badge)
            expect(view.page.locator(".badges")).to_contain_text(f"by itself: {why}")
            expect(view.page.locator(".timeline")).to_contain_text(f"resolved it by itself: {why}")


def test_an_unknown_incident(browser: Browser, server: Filled) -> None:
    with viewing(browser, server.url) as view:
        view.page.goto(f"{server.url}/#/incidents/INC-none")
        expect(view.page.locator("#banner")).to_contain_text("There is no incident 'INC-none'.")


def test_the_impact_is_counted_where_requests_enter(browser: Browser, tmp_path: Path) -> None:
    """A store fails for its callers, of which the front sees a third."""
    places = (("store", "/get", 30), ("cart", "/add", 20), ("web", "/buy", 10))
    with Server(tmp_path, "--no-ticks") as server:
        edges = [{"caller": "web", "callee": "cart"}, {"caller": "cart", "callee": "store"}]
        server.post("/v1/ingest/edges", edges)
        records = [
            {**record, "status_code": 503 if 40 <= minute < 49 and number < failing else 200}
            for minute in range(70)
            for service, endpoint, failing in places
            for number, record in enumerate(minute_of(minute, service, endpoint))
        ]
        records.sort(key=lambda record: str(record["timestamp"]))
        server.post("/v1/ingest/requests", records)
        (incident,) = server.get("/v1/query/incidents")["data"]
        assert (incident["service"], incident["endpoint"]) != ("web", "/buy")
        with viewing(browser, server.url) as view:
            view.open(f"#/incidents/{incident['id']}")
            expect(view.page.locator(".facts")).to_contain_text("90 of 270 at web /buy")
            assert "Counted at web /buy, which no other affected" in view.text(".role.impact")
            assert view.errors == []
