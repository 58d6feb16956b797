"""The API reference: complete, without the internet, and usable with a token in a browser."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from service import Server, an_hour

sys.path.insert(0, str(Path(__file__).parents[1]))
import record_examples

if TYPE_CHECKING:
    from playwright.sync_api import Browser

TOKEN = "ruler-of-3-lands"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("docs")
    tokens = folder / "tokens"
    tokens.write_text(f"admin {TOKEN} ann\n")
    tokens.chmod(0o600)
    with Server(folder / "data", "--no-ticks", "--token-file", str(tokens)) as one:
        one.http.headers["Authorization"] = f"Bearer {TOKEN}"
        one.post("/v1/ingest/requests", an_hour(bad=range(50, 60)))
        yield one


@pytest.fixture(scope="module")
def routes(server: Server) -> dict[str, dict[str, Any]]:
    paths = server.get("/openapi.json")["paths"]
    return {
        f"{method.upper()} {path}": route
        for path, ways in paths.items()
        for method, route in ways.items()
    }


def test_every_route_has_a_summary_described_parameters_and_an_example(
    routes: dict[str, dict[str, Any]],
) -> None:
    assert len(routes) > 45
    for name, route in routes.items():
        summary = route["summary"]
        assert re.match(r"[A-Z][a-z]+ ", summary), name
        assert not summary.endswith(".") and len(summary) <= 60, name
        for one in route.get("parameters", ()):
            assert one["description"], (name, one["name"])
        content = next(one for key, one in route["responses"].items() if key.startswith("2"))
        bodies = [*content.get("content", {}).values()]
        bodies += route.get("requestBody", {}).get("content", {}).values()
        assert bodies and all("example" in body for body in bodies if body), name
        assert any("example" in body for body in bodies), name


def test_the_examples_have_the_fields_of_real_answers(
    server: Server, routes: dict[str, dict[str, Any]]
) -> None:
    found = record_examples.record(server)
    assert found.keys() == routes.keys()
    for name, example in found.items():
        shown = [
            body["example"]
            for key, response in routes[name]["responses"].items()
            if key.startswith("2")
            for body in response.get("content", {}).values()
            if "example" in body
        ]
        if isinstance(example.get("response"), dict):
            assert shown[0].keys() == example["response"].keys(), (
                f"{name}: record it again with python tests/record_examples.py"
            )


def test_the_page_needs_neither_a_token_nor_the_internet(server: Server) -> None:
    without = {"Authorization": ""}
    page = server.http.get("/docs", headers=without)
    policy = page.headers["Content-Security-Policy"]
    assert page.status_code == 200 and "script-src 'self';" in policy
    assert "://" not in page.text and not re.search(r"<script>|\son\w+=", page.text)
    for file in re.findall(r'(?:src|href)="(docs/[^"]+|openapi.json)"', page.text):
        got = server.http.get(f"/{file}", headers=without)
        assert got.status_code == 200 and len(got.content) > 100, file
    assert server.http.get("/docs/nothing", headers=without).status_code == 404
    assert server.http.get("/stats", headers=without).status_code == 401


def test_a_request_is_tried_with_a_token(server: Server, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    problems: list[str] = []
    page.on("console", lambda one: problems.append(one.text) if one.type == "error" else None)
    page.on("pageerror", lambda one: problems.append(str(one)))
    page.on("requestfailed", lambda one: problems.append(one.url))
    page.goto(f"{server.url}/docs")
    page.click(".btn.authorize")
    page.fill(".auth-container input", TOKEN)
    page.click(".auth-btn-wrapper .authorize")
    page.click(".btn-done")
    page.click("text=Explain why an entity is flagged or not")
    page.click(".opblock.is-open .execute")
    answer = page.locator(".live-responses-table .response-col_description .microlight").first
    assert '"endpoint": "/pay"' in answer.inner_text()
    assert not problems
    page.close()
