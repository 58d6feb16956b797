"""The HTML page and its charts: hostile names are escaped, and every drawn value is true."""

from __future__ import annotations

import copy
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from html.parser import HTMLParser
from typing import Any

import pytest

from mad import times
from mad.report import charts, render_html, scales, summary, words, write_html
from mad.report import page as page_module

START = datetime(2026, 1, 6, 10, 0, tzinfo=timezone.utc)
HOSTILE = "pay\"'><script>alert(1)</script></svg></style>\n&{{7*7}}\u202e\x00\x1b[31m"


def at(minute: float) -> str:
    return (START + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M:%SZ")


def make_incident(**changes: Any) -> dict[str, Any]:
    """payments /pay from minute 45 to 54, minutes 30 to 32 missing from its series."""
    minutes = [m for m in range(25, 70) if m not in (30, 31, 32)]
    inside = [45 <= m < 54 for m in minutes]
    slow = [5100.0 if hit else 390.0 for hit in inside]
    peak = {"value": 5100.0, "expected_low": 180.0, "expected_high": 420.0, "z": 31.2}
    peak["expected"] = 361.0
    evidence = {"signal": "p95_latency_ms", "value": 5100.0, "expected": [180.0, 420.0]}
    culprit = {"service": "payments", "endpoint": "/pay", "metric": "p95_latency_ms"}
    ranked = {**culprit, "score": 31.2, "onset": at(45)}
    ranked["evidence"] = [{**evidence, "z": 31.2, "rows": 9, "text": "p95 was 5100 ms"}]
    bands = {"low": [180.0] * len(minutes), "high": [420.0] * len(minutes)}
    counts = [8] * len(minutes)
    return {
        "id": "INC-1",
        "service": "payments",
        "endpoint": "/pay",
        "start": at(45),
        "end": at(54),
        "opened_at": at(46.2),
        "closed_at": at(60),
        "severity": "Critical",
        "status": "resolved",
        "signals": ["p95_latency_ms"],
        "rows": 9,
        "requests": 72,
        "errors": 14,
        "peaks": {"p95_latency_ms": {**peak, "at": at(47)}},
        "affected": ["payments /pay"],
        "culprit": {"service": "payments", "endpoint": "/pay"},
        "explanation": {
            "summary": "payments /pay was slow.",
            "why_flagged": ["p95 latency reached 5100 ms."],
            "impact": ["14 of 72 requests failed."],
            "likely_causes": ["A slow dependency."],
            "recommended_actions": ["Look at the dependencies."],
            "confidence": "High",
            "confidence_rule": "5 flagged minutes or more",
        },
        "ranking": {"at": at(54), "minutes": 15, "culprits": [ranked], "abstained": False},
        "series": {
            "step_seconds": 60,
            "bucket": [at(m) for m in minutes],
            "flagged": inside,
            "count": counts,
            "errors": [0] * len(minutes),
            "signals": [
                {"name": "p95_latency_ms", "unit": "ms", "values": slow, **bands},
                {"name": "req_count", "unit": "count", "values": counts, "low": [], "high": []},
            ],
        },
        **changes,
    }


def make_document(incidents: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "generator": "mad 0.1.0",
        "mode": "default",
        "first": at(0),
        "last": at(120),
        "step_seconds": 60,
        "requests": 10_000,
        "errors": 161,
        "rows": 1438,
        "flagged": 9 * len(incidents),
        "entities": 1,
        "suppressed": {"warm_up": 14, "too_few_points": 0, "made_up_later": 3},
        "rejected": {
            "total": 4,
            "counts": {"bad_value": 4},
            "first": [{"reason": "bad_value", "position": 118, "detail": "-4", "hint": "fix"}],
        },
        "incidents": incidents,
        "ranking": {"at": at(120), "minutes": 15, "culprits": [], "abstained": True},
        "timeline": [{"service": "payments", "endpoint": "/pay", "rows": 120, "flagged": 9}],
        "counters": {},
        **changes,
    }


def make_course(number: int, **changes: Any) -> dict[str, Any]:
    """An endpoint with three bins, of which the second one is unknown."""
    return {
        "service": "payments",
        "endpoint": f"/{number}",
        "incidents": 0,
        "flagged": 0,
        "requests": 200,
        "errors": 3,
        "p95_latency_ms": [80.0, None, 120.0],
        "error_rate": [0.0, None, 0.03],
        "flagged_rows": [0, 0, 0],
        **changes,
    }


def make_overview(courses: list[dict[str, Any]], left: int = 0) -> dict[str, Any]:
    return {"first": at(0), "step_seconds": 120, "endpoints": courses, "left": left}


def hostile(value: Any) -> Any:
    """Every free text of a document replaced by something hostile."""
    free = {"service", "endpoint", "id", "summary", "text", "detail", "hint", "confidence", "mode"}
    free |= {"confidence_rule", "generator", "status", "severity", "unit"}
    if isinstance(value, dict):
        return {
            key: HOSTILE if key in free and isinstance(entry, str) else hostile(entry)
            for key, entry in value.items()
        }
    if isinstance(value, list):
        timed = [times.time_or_none(entry) is not None for entry in value]
        return [
            HOSTILE if isinstance(entry, str) and not is_time else hostile(entry)
            for entry, is_time in zip(value, timed, strict=True)
        ]
    return value


class Tags(HTMLParser):
    """Collects start tags with their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def tags(page: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Tags()
    parser.feed(page)
    return parser.found


def svgs(page: str) -> list[ET.Element]:
    """Every SVG of the page, parsed as XML."""
    return [ET.fromstring(text) for text in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]


@pytest.mark.parametrize("count", [1, 60])
def test_hostile_text_stays_text(count: int) -> None:
    incidents = [make_incident() for _ in range(count)]
    document = hostile(make_document(incidents, overview=make_overview([make_course(1)])))
    document["incidents"][0]["signals"] = [HOSTILE]
    document["incidents"][0]["series"]["signals"][0]["name"] = HOSTILE
    document["suppressed"] = {HOSTILE: 3}
    document["rejected"]["counts"] = {HOSTILE: 4}
    page = render_html(document)
    found = tags(page)
    assert not {tag for tag, _ in found} & {"script", "img", "iframe", "link", "object", "base"}
    assert not [name for _, attributes in found for name in attributes if name.startswith("on")]
    assert "alert(1)" in page
    assert "49" not in re.findall(r"<h1>(.*?)</h1>", page, re.DOTALL)[0]
    assert not set("\x00\x1b\u202e") & set(page)
    assert svgs(page)


def test_the_page_loads_no_external_resources() -> None:
    page = render_html(make_document([make_incident()]))
    for _, attributes in tags(page):
        assert not {"src", "href", "srcset", "action", "data"} & set(attributes)
    without_namespaces = page.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not re.search(r"https?:|//[a-z]|url\(|@import", without_namespaces)


def test_the_page_shows_incidents_and_reasons() -> None:
    page = render_html(make_document([make_incident()]))
    title = re.findall(r"<h1>(.*?)</h1>", page, re.DOTALL)[0]
    assert (
        title
        == "payments /pay: 95th-percentile latency 14 times the usual 361 ms, 10:45\u201310:54 UTC"
    )
    for text in ("5,100 ms", "180\u2013420 ms", "A slow dependency.", "Look at the dependencies."):
        assert text in page
    assert "detected 1 min 12 s after its start" in page
    assert "Warm-up" in page
    assert "Made up later" in page, "an unknown reason is shown under its own name"
    assert "Too few points" not in page, "a reason without rows is left out"


def test_every_svg_is_xml_with_a_label() -> None:
    found = svgs(render_html(make_document([make_incident()])))
    images = [svg for svg in found if svg.get("role") == "img"]
    assert len(images) == 4, "one lane, the first chart in two sizes, one more chart"
    assert all(svg.get("aria-label") for svg in images)
    assert all(svg.get("role") == "img" or svg.get("aria-hidden") == "true" for svg in found)


def test_a_run_without_incidents_says_so() -> None:
    page = render_html(make_document([], flagged=3))
    assert "<h1>No incident found</h1>" in page
    assert "3 minutes flagged" in page
    assert "Analysed entities" in page
    assert '<h2 id="timeline">' not in page
    quiet = render_html(make_document([]))
    assert "Every minute was within the normal range" in quiet


def test_an_empty_run_claims_nothing() -> None:
    nothing = {"schema_version": 1, "requests": 0, "incidents": []}
    page = render_html(nothing)
    assert "No requests were read" in page
    assert "No incident found" not in page


def test_sparse_incidents_are_drawn_as_far_as_they_go() -> None:
    bare = {"service": "a", "endpoint": "/b", "start": at(3), "end": at(3)}
    odd = make_incident(series={"bucket": ["nonsense"], "signals": None}, ranking=None, peaks=None)
    page = render_html(make_document([bare, odd, make_incident(start="?", end="?")]))
    assert "a /b" in page


def test_sixty_incidents_are_fifty_in_full_and_a_table() -> None:
    many = [make_incident(id=f"INC-{i}", endpoint=f"/{i}") for i in range(60)]
    page = render_html(make_document(many))
    assert page.count("<article") == 50
    assert page.count('<div class="name">') == 30
    assert "Older incidents" in page
    assert len(page) < 3_000_000


def test_many_incidents_are_listed_first() -> None:
    few = [make_incident(id=f"INC-{i}", endpoint=f"/{i}") for i in range(3)]
    assert 'href="#' not in render_html(make_document(few))
    page = render_html(make_document([*few, make_incident(id="INC-9")]))
    names = [attributes["id"] for tag, attributes in tags(page) if tag == "article"]
    links = [attributes["href"] for tag, attributes in tags(page) if tag == "a"]
    assert links == [f"#{name}" for name in names] == ["#INC-0", "#INC-1", "#INC-2", "#INC-9"]


def test_islands_of_rows_are_drawn_side_by_side() -> None:
    buckets = [5400.0 * turn + 60.0 * minute for turn in range(4) for minute in range(3)]
    islands = series([5.0] * 12, buckets=buckets)
    drawn = charts.chart(islands, charts.WIDE, (10800.0, 10980.0), "")
    assert drawn.count('class="fold"') == 3
    assert charts.is_folded(islands)
    shaded = next(
        float(rect.get("width", "0"))
        for rect in ET.fromstring(drawn).iter()
        if rect.get("class") == "range"
    )
    assert shaded > 200, "three minutes of twelve are about a quarter of the chart"
    whole = charts.chart(series([5.0] * 12), charts.WIDE, None, "")
    assert "fold" not in whole


def series(values: list[float | None], **changes: Any) -> charts.Series:
    size = len(values)
    settings: dict[str, Any] = {
        "name": "p95_latency_ms",
        "buckets": [60.0 * i for i in range(size)],
        "step": 60.0,
        "values": values,
        "low": [None] * size,
        "high": [None] * size,
        "flagged": [False] * size,
        "responsible": True,
    }
    return charts.Series(**{**settings, **changes})


def line_of(drawn: charts.Series) -> str:
    svg = ET.fromstring(charts.chart(drawn, charts.WIDE, None, "label"))
    paths = [path.get("d", "") for path in svg.iter() if path.get("class") == "line"]
    return paths[0] if paths else ""


def test_gaps_break_the_line() -> None:
    assert line_of(series([1.0, 2.0, 3.0, 4.0])).count("M") == 1
    assert line_of(series([1.0, None, 3.0, 4.0])).count("M") == 2
    missing = series([1.0, 2.0, 3.0], buckets=[0.0, 60.0, 300.0])
    assert line_of(missing).count("M") == 2
    assert line_of(missing).endswith("h0"), "a lonely minute is a dot"
    assert line_of(series([None, None])) == ""


def test_dots_of_the_responsible_signal_differ() -> None:
    high = [10.0, 10.0, 10.0]
    flagged = [False, True, True]
    own = charts.chart(series([5.0, 99.0, 5.0], high=high, flagged=flagged), charts.WIDE, None, "")
    assert own.count('class="dot"') == 1
    assert own.count('class="dot other"') == 1
    assert ", flagged</title>" in own


@pytest.mark.parametrize(
    "values", [[0.0, 0.0], [1e-300, 1e300], [-5.0, 5.0], [1.7e308, 1.7e308], [None, None], [5e-324]]
)
@pytest.mark.parametrize("signal", ["p95_latency_ms", "error_rate", "req_count", "widgets"])
def test_extreme_values_stay_inside_the_frame(values: list[float | None], signal: str) -> None:
    drawn = series(values, name=signal, low=values, high=values, flagged=[True] * len(values))
    svg = ET.fromstring(charts.chart(drawn, charts.NARROW, (0.0, 60.0), "label"))
    text = ET.tostring(svg, encoding="unicode")
    assert "nan" not in text
    assert "inf" not in text
    for dot in svg.iter("{http://www.w3.org/2000/svg}circle"):
        assert 0 <= float(dot.get("cy", "nan")) <= charts.NARROW.height


def test_latency_goes_logarithmic_when_it_spans_much() -> None:
    assert scales.value_axis([100.0, 5000.0], [], [], "p95_latency_ms").log
    assert not scales.value_axis([100.0, 2000.0], [], [], "p95_latency_ms").log
    assert not scales.value_axis([1.0, 5000.0], [], [], "req_count").log


@pytest.mark.parametrize(
    ("value", "signal", "text"),
    [
        (182.34, "p95_latency_ms", "182 ms"),
        (5100.2, "p95_latency_ms", "5,100 ms"),
        (95_200.0, "p95_latency_ms", "95.2 s"),
        (0.0042, "error_rate", "0.42 %"),
        (1_520_000.0, "rss_bytes", "1.52 MB"),
        (518.2, "rss_mb", "518 MB"),
        (0.1239, "error_rate", "12.4 %"),
        (12345, "req_count", "12,345"),
        (None, "p95_latency_ms", words.DASH),
        (float("nan"), "p95_latency_ms", words.DASH),
        (True, "req_count", words.DASH),
    ],
)
def test_quantities_are_readable(value: object, signal: str, text: str) -> None:
    assert words.quantity(value, signal) == text


def test_ranges_name_their_unit_once() -> None:
    assert words.quantity_range(180.0, 420.0, "p95_latency_ms") == "180\u2013420 ms"
    assert words.quantity_range(900.0, 1200.0, "p95_latency_ms") == "900\u20131,200 ms"
    assert words.quantity_range(None, 0.05, "error_rate") == "at most 5 %"
    assert words.quantity_range(None, None, "p95_latency_ms") == words.DASH


def test_times_are_read_with_any_offset_and_precision() -> None:
    expected = datetime(2026, 1, 6, 10, 45, tzinfo=timezone.utc)
    for text in ("2026-01-06T10:45:00Z", "2026-01-06T12:45+02:00", "2026-01-06t05:45:00-0500"):
        assert times.parse_time(text) == expected
    precise = times.parse_time("2026-01-06T10:45:00.123456789Z")
    assert precise == expected.replace(microsecond=123456)
    for text in ("2026-01-06T10:45:00", "yesterday", "2026-13-06T10:45:00Z", ""):
        with pytest.raises(ValueError):
            times.parse_time(text)


def test_lengths_have_two_units_at_most() -> None:
    seconds = (0, 2.5, 45, 480, 3600, 5400, 90061)
    texts = ["0 s", "2.5 s", "45 s", "8 min", "1 h", "1 h 30 min", "1 d 1 h"]
    assert [times.length(value) for value in seconds] == texts


def test_the_incident_to_read_first_is_the_most_severe() -> None:
    warning = make_incident(id="w", severity="Warning")
    critical = make_incident(id="c")
    still_open = make_incident(id="o", status="open", closed_at=None)
    top = summary.top_incident([warning, critical, still_open])
    assert top is not None
    assert top["id"] == "o"
    assert summary.top_incident([]) is None


def test_a_drop_is_called_a_drop() -> None:
    peak = {"value": 1.0, "expected_low": 20.0, "expected_high": 40.0, "z": -8.0}
    incident = make_incident(signals=["req_count"], peaks={"req_count": peak})
    title, lead = summary.headline(make_document([incident]))
    assert "number of requests below normal" in title
    assert "number of requests 1 (expected 20\u201340)" in lead


def test_rendering_does_not_change_the_document(tmp_path: Any) -> None:
    document = make_document([make_incident()])
    before = copy.deepcopy(document)
    write_html(document, tmp_path / "report.html")
    assert document == before
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == render_html(document)


def test_a_range_of_nearly_every_error_rate_is_not_drawn() -> None:
    few = charts.Series(
        name="error_rate",
        buckets=[60.0 * i for i in range(10)],
        step=60.0,
        values=[0.0] * 9 + [0.1],
        low=[0.0] * 10,
        high=[0.9] * 9 + [0.2],
        flagged=[False] * 10,
        responsible=False,
    )
    picture = charts.chart(few, charts.NARROW, None, "")
    assert 'class="band"' not in picture
    assert scales.value_axis(few.values, few.low, few.high, "error_rate").top < 0.2
    many = replace(few, high=[0.05] * 10)
    assert 'class="band"' in charts.chart(many, charts.NARROW, None, "")


def test_every_endpoint_has_a_small_chart() -> None:
    worst = make_course(0, incidents=1, flagged=2, flagged_rows=[0, 0, 2])
    overview = make_overview([worst, make_course(1)])
    page = render_html(make_document([], overview=overview))
    drawn = [svg for svg in svgs(page) if svg.get("class") == "chart small"]
    assert [svg.get("aria-label") for svg in drawn] == [
        "payments /0: 200 requests, 2 flagged rows, 1 incident, p95 up to 120 ms, 1.5 % failed,"
        " flagged from 2026-01-06 10:04 UTC",
        "payments /1: 200 requests, p95 up to 120 ms, 1.5 % failed",
    ]
    counts = [[part.get("class") for part in svg.iter()] for svg in drawn]
    assert [(one.count("range"), one.count("dot")) for one in counts] == [(1, 1), (0, 0)]
    assert [("failed in" in one, "failed" in one) for one in counts] == [
        (True, False),
        (False, True),
    ]
    assert page.count('<figure class="flagged">') == 1
    assert "2026-01-06 10:00\u201310:06 UTC, 2 min a point" in page
    assert "not drawn" not in page
    line = next(part.get("d", "") for part in drawn[0].iter() if part.get("class") == "line")
    assert line.count("M") == 2, "an unknown bin breaks the line"


@pytest.mark.parametrize(
    ("last", "said"),
    [
        ({}, "none of them has a flagged row."),
        ({"flagged": 3}, "none of them has an incident or more than 3 flagged rows."),
        ({"flagged": 3, "incidents": 1}, "none of them opened more incidents than those above."),
    ],
)
def test_endpoints_without_a_chart_are_counted(last: dict[str, Any], said: str) -> None:
    courses = [make_course(number, **last) for number in range(50)]
    page = render_html(make_document([], overview=make_overview(courses, 7)))
    assert page.count('class="chart small"') == 48
    assert f"9 more endpoints are not drawn; {said}" in page
    one = render_html(make_document([], overview=make_overview(courses[:3], 1)))
    assert "1 more endpoint is not drawn" in one


@pytest.mark.parametrize("overview", [None, {}, [], make_overview([]), {"endpoints": [{}]}])
def test_a_run_without_endpoints_has_no_small_charts(overview: Any) -> None:
    assert 'id="endpoints"' not in render_html(make_document([], overview=overview))


def test_single_failures_stay_small() -> None:
    page = render_html(make_document([], overview=make_overview([make_course(1)])))
    bars = re.findall(r'class="failed" d="M[\d.]+ 76v-([\d.]+)h', page)
    assert [float(height) for height in bars] == [pytest.approx(26 * 0.3, abs=0.1)]


@pytest.mark.parametrize("values", [[0.0] * 3, [1e308] * 3, [5e-324, None, None], [None] * 3, []])
def test_small_charts_of_extreme_values_stay_inside(values: list[float | None]) -> None:
    course = make_course(1, p95_latency_ms=values, error_rate=values, flagged_rows=[1, 0, 1])
    page = render_html(make_document([], overview=make_overview([course])))
    [drawn] = [svg for svg in svgs(page) if svg.get("class") == "chart small"]
    text = ET.tostring(drawn, encoding="unicode")
    assert not re.search("nan|inf", text)
    for dot in drawn.iter("{http://www.w3.org/2000/svg}circle"):
        assert 0 <= float(dot.get("cy", "nan")) <= 76


def test_long_names_break_and_words_do_not() -> None:
    assert page_module.breakable("payments /pay") == "payments /pay"
    long = "/very/long/path/{of_things}"
    assert page_module.breakable(long) == "/very<wbr>/long<wbr>/path<wbr>/{of_<wbr>things}"
    assert page_module.breakable("x" * 50) == "<wbr>".join(["x" * 16] * 3 + ["xx"])
    assert page_module.breakable("2026-01-06T10:44:00Z") == "2026-01-06T10:44:00Z"
    assert page_module.breakable("<b>&") == "&lt;b&gt;&amp;"
    long = "\n /a._" * 9
    assert page_module.breakable(long).replace("<wbr>", "") == long


def test_the_facts_name_where_failures_are_counted() -> None:
    door = {"entities": [{"service": "web", "endpoint": "/buy"}], "requests": 600, "errors": 20}
    page = render_html(make_document([make_incident(front_door=door)]))
    assert "20 of 600 requests failed at web /buy" in page
    own = {**door, "entities": [{"service": "payments", "endpoint": "/pay"}]}
    assert "20 of 600 requests failed \u00b7" in render_html(
        make_document([make_incident(front_door=own)])
    )
