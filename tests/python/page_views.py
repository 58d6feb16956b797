"""The live page in a browser: what a test sees of it, and its errors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from playwright.sync_api import Browser, Page


@dataclass
class View:
    """A page with everything that it reported and transferred."""

    page: Page
    url: str
    errors: list[str] = field(default_factory=list)
    bytes: int = 0

    def open(self, route: str = "#/", heading: str = "h1") -> None:
        """Opens a view and waits for a heading."""
        self.page.goto(f"{self.url}/{route}")
        self.page.wait_for_selector(heading)

    def text(self, selector: str = "main") -> str:
        """The visible text of an element."""
        return self.page.inner_text(selector)


@contextlib.contextmanager
def viewing(
    browser: Browser, url: str, *, width: int = 1280, theme: str = "light"
) -> Iterator[View]:
    """A view in a context without cookies and storage of other tests."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if theme == "dark" else "light",
        timezone_id="Asia/Kathmandu",
    )
    context.set_default_timeout(10_000)
    page = context.new_page()
    view = View(page, url)

    def heard(message: object) -> None:
        if getattr(message, "type", "") in ("error", "warning"):
            view.errors.append(str(getattr(message, "text", message)))

    page.on("console", heard)
    page.on("pageerror", lambda error: view.errors.append(str(error)))
    session = context.new_cdp_session(page)
    session.send("Network.enable")

    def finished(event: dict[str, float]) -> None:
        view.bytes += int(event["encodedDataLength"])

    session.on("Network.loadingFinished", finished)
    try:
        yield view
    finally:
        context.close()


def faults(page: Page) -> list[str]:
    """The serious and critical faults of accessibility that axe finds."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:200]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
