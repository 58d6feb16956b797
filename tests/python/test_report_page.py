"""The report in a real browser: nothing overflows on a phone, nothing is fetched."""

from __future__ import annotations

import html
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mad import _core, detect
from mad.report import render_html

PROBE = """<script>
// Words of tables that stand on two lines.
function broken(page) {
  const found = [];
  for (const cell of page.querySelectorAll("td, th")) {
    const texts = page.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
    for (let text = texts.nextNode(); text; text = texts.nextNode()) {
      for (const word of text.data.matchAll(/[\\p{L}]{2,24}/gu)) {
        const range = page.createRange();
        range.setStart(text, word.index);
        range.setEnd(text, word.index + word[0].length);
        const lines = new Set([...range.getClientRects()].map((one) => Math.round(one.top)));
        if (lines.size > 1) found.push(word[0]);
      }
    }
  }
  return found;
}
addEventListener("load", () => {
  const frame = document.querySelector("iframe");
  const page = frame.contentDocument.documentElement;
  const sizes = {
    width: page.clientWidth,
    content: page.scrollWidth,
    charts: [...page.querySelectorAll("svg")]
      .filter((svg) => svg.getBoundingClientRect().height > 20).length,
    incidents: page.querySelectorAll("h3").length,
    broken: broken(frame.contentDocument),
    fetched: frame.contentWindow.performance.getEntriesByType("resource").length,
  };
  const out = document.createElement("pre");
  out.textContent = JSON.stringify(sizes);
  document.body.append(out);
});
</script>"""


LONG = "/catalogue/recommendations/" + "x" * 80 + "/{customer_identifier}"


@pytest.fixture(scope="module")
def page() -> str:
    """The report of a shop with an incident."""
    return page_of(lambda chunk: chunk)


@pytest.fixture(scope="module")
def long_page() -> str:
    """The same with long names."""
    return page_of(lambda chunk: chunk.replace(b"/pay,", f"{LONG},".encode()))


def page_of(changed: Callable[[bytes], bytes]) -> str:
    shop = _core.ShopSimulation(seed=3)
    run = _core.DetectRun(None, 1, keep_rows=True)
    while chunk := shop.take_csv(5_000):
        run.feed(0, changed(chunk))
    run.end(0)
    run.finish()
    return render_html(json.loads(run.report().document()))


@pytest.mark.parametrize("width", [360, 768, 1200])
def test_fits_the_screen(chromium: str, page: str, tmp_path: Path, width: int) -> None:
    sizes = sizes_of(chromium, page, tmp_path, width)
    assert width - 20 < sizes["width"] <= width, "less a scroll bar at most"
    assert sizes["content"] <= sizes["width"], "the page is wider than the screen"
    assert sizes["charts"] >= 4 + 12, "the signals of the incident, and twelve endpoints"
    assert sizes["incidents"] >= 1
    assert sizes["fetched"] == 0
    assert not sizes["broken"]


@pytest.mark.parametrize("width", [320, 660, 900])
def test_long_names_fit_and_break_no_word(
    chromium: str, long_page: str, tmp_path: Path, width: int
) -> None:
    sizes = sizes_of(chromium, long_page, tmp_path, width)
    assert "recommendations" in long_page
    assert sizes["content"] <= sizes["width"], "the page is wider than the screen"
    assert not sizes["broken"]


def sizes_of(chromium: str, page: str, tmp_path: Path, width: int) -> dict[str, Any]:
    """What a browser measures of a page in a frame of a width."""
    outer = tmp_path / "probe.html"
    # the page forbids scripts, so the probe looks at it from outside
    inner = page.replace('http-equiv="Content-Security-Policy"', 'name="policy-for-people"')
    outer.write_text(
        '<!doctype html><body style="margin:0">'
        f'<iframe style="border:0;width:{width}px;height:900px"'
        f' srcdoc="{html.escape(inner, quote=True)}"></iframe>{PROBE}',
        encoding="utf-8",
    )
    done = subprocess.run(
        [
            chromium,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-sync",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--virtual-time-budget=5000",
            "--dump-dom",
            outer.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = re.search(r"<pre>(\{.*?\})</pre>", done.stdout)
    assert found, done.stdout[-2000:] + done.stderr[-2000:]
    sizes: dict[str, Any] = json.loads(html.unescape(found.group(1)))
    return sizes


def test_the_same_page_from_a_report(tmp_path: Path) -> None:
    shop = _core.ShopSimulation(seed=3)
    log = tmp_path / "requests.csv"
    log.write_bytes(shop.take_csv(20_000))
    detect(log).to_html(tmp_path / "report.html")
    assert "payments" in (tmp_path / "report.html").read_text(encoding="utf-8")
