"""The report in a real browser: nothing overflows on a phone, nothing is fetched."""

from __future__ import annotations

import html
import json
import re
import subprocess
from pathlib import Path

import pytest

from mad import _core, detect
from mad.report import render_html

PROBE = """<script>
addEventListener("load", () => {
  const frame = document.querySelector("iframe");
  const page = frame.contentDocument.documentElement;
  const sizes = {
    width: page.clientWidth,
    content: page.scrollWidth,
    charts: [...page.querySelectorAll("svg")]
      .filter((svg) => svg.getBoundingClientRect().height > 20).length,
    incidents: page.querySelectorAll("h3").length,
    fetched: frame.contentWindow.performance.getEntriesByType("resource").length,
  };
  const out = document.createElement("pre");
  out.textContent = JSON.stringify(sizes);
  document.body.append(out);
});
</script>"""


@pytest.fixture(scope="module")
def page() -> str:
    """The report of a shop with an incident."""
    shop = _core.ShopSimulation(seed=3)
    run = _core.DetectRun(None, 1, keep_rows=True)
    while chunk := shop.take_csv(5_000):
        run.feed(0, chunk)
    run.end(0)
    run.finish()
    return render_html(json.loads(run.report().document()))


@pytest.mark.parametrize("width", [360, 768, 1200])
def test_fits_the_screen(chromium: str, page: str, tmp_path: Path, width: int) -> None:
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
    sizes = json.loads(html.unescape(found.group(1)))
    assert width - 20 < sizes["width"] <= width, "less a scroll bar at most"
    assert sizes["content"] <= sizes["width"], "the page is wider than the screen"
    assert sizes["charts"] >= 4
    assert sizes["incidents"] >= 1
    assert sizes["fetched"] == 0


def test_the_same_page_from_a_report(tmp_path: Path) -> None:
    shop = _core.ShopSimulation(seed=3)
    log = tmp_path / "requests.csv"
    log.write_bytes(shop.take_csv(20_000))
    detect(log).to_html(tmp_path / "report.html")
    assert "payments" in (tmp_path / "report.html").read_text(encoding="utf-8")
