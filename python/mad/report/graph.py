"""The service graph as self-contained SVG and as lines of text, with the path to the culprit
marked."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from mad.report import words
from mad.report.page import render_page

Json = Mapping[str, Any]

SHOWN = 60
"""Most services in the picture: those on the path to the culprit, then those with the most
calls."""
LINES = 200
"""Most lines of the text form."""
_WIDTH, _HEIGHT, _ACROSS, _DOWN, _EDGE = 168, 44, 250, 72, 24
_SWEEPS = 6
_STYLE = """\
.g-node rect{fill:var(--card,#fff);stroke:var(--faint,#8791a0)}
.g-node text{fill:var(--text,#16202e);font:600 13px var(--sans,sans-serif)}
.g-node .g-note{fill:var(--quiet,#5a6676);font:12px var(--sans,sans-serif)}
.g-label{fill:var(--quiet,#5a6676);font:12px var(--sans,sans-serif)}
.g-label{paint-order:stroke;stroke:var(--card,#fff);stroke-width:4px}
.g-inferred rect{stroke-dasharray:5 4}
.g-path rect{stroke:var(--critical,#b3261e);stroke-width:2}
.g-culprit rect{fill:var(--critical-soft,#fdeceb);stroke:var(--critical,#b3261e);stroke-width:3}
.g-call path{fill:none;stroke:var(--faint,#8791a0)}
.g-call .g-head{fill:var(--faint,#8791a0);stroke:none}
.g-path path{stroke:var(--critical,#b3261e)}
.g-path .g-head{fill:var(--critical,#b3261e);stroke:none}
"""


@dataclass(frozen=True)
class Picture:
    """The drawing, and how many services it leaves out."""

    svg: str
    hidden: int


def picture(graph: Json, chain: Sequence[str] = ()) -> Picture:
    """Draws a graph document; `chain` is the path from the entry to the culprit."""
    names, edges, hidden = _shown(graph, chain)
    nodes = {str(node["service"]): node for node in graph["nodes"]}
    places = _layout(names, [(edge["caller"], edge["callee"]) for edge in edges])
    width = max((x for x, _ in places.values()), default=0) + _WIDTH + 2 * _EDGE
    height = max((y for _, y in places.values()), default=0) + _HEIGHT + 2 * _EDGE
    blamed = set(itertools.pairwise(chain))
    # The path to the culprit is drawn last, on top of the other edges.
    edges = sorted(edges, key=lambda edge: (edge["caller"], edge["callee"]) in blamed)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"'
        f' aria-label="{escape(_summary(graph, chain))}"'
        f' style="display:block;width:100%;max-width:{width}px;height:auto">',
        f"<style>{_STYLE}</style>",
    ]
    ends = [(places[edge["caller"]], places[edge["callee"]]) for edge in edges]
    for edge, (start, end) in zip(edges, ends, strict=True):
        parts.append(_call(edge, start, end, (edge["caller"], edge["callee"]) in blamed))
    for name in names:
        parts.append(_node(nodes[name], places[name], name in chain, [name] == list(chain[-1:])))
    parts += [_label(edge, *pair) for edge, pair in zip(edges, ends, strict=True)]
    return Picture("".join(parts) + "</svg>", hidden)


def positions(graph: Json) -> tuple[dict[str, tuple[int, int]], list[Json]]:
    """The places of at most `SHOWN` services, callers on the left, and the calls between them."""
    names, edges, _ = _shown(graph, ())
    return _layout(names, [(edge["caller"], edge["callee"]) for edge in edges]), list(edges)


def lines(graph: Json, chain: Sequence[str] = ()) -> list[tuple[str, str]]:
    """The graph as an indented tree: text and style of each line. A service that was listed
    before is only named."""
    calls: dict[str, list[Json]] = {}
    for edge in graph["edges"]:
        calls.setdefault(edge["caller"], []).append(edge)
    names = [str(node["service"]) for node in graph["nodes"]]
    called = {edge["callee"] for edge in graph["edges"] if edge["callee"] != edge["caller"]}
    blamed, known = set(itertools.pairwise(chain)), set[str]()
    out: list[tuple[str, str]] = []
    shown: set[str] = set()

    def line(name: str, prefix: str, note: str, on_path: bool) -> None:
        shown.add(name)
        is_culprit = [name] == list(chain[-1:])
        mark = "  ◀ culprit" if is_culprit else ""
        style = "bold red" if is_culprit else "red" if on_path else ""
        out.append((f"{prefix}{words.visible(name)}{note}{mark}", style))

    def start(root: str) -> None:
        line(root, "", "", root in chain)
        stack = _branches(root, "", calls, known)
        while stack and len(out) < LINES:
            edge, prefix, stem = stack.pop()
            name = edge["callee"]
            again = "  (above)" if name in known and calls.get(name) else ""
            line(name, prefix, f"  {_note(edge)}{again}", (edge["caller"], name) in blamed)
            if not again:
                stack.extend(_branches(name, stem, calls, known))

    for root in [name for name in names if name not in called] + names:
        if root not in known and len(out) < LINES and (root not in called or calls.get(root)):
            start(root)
    left = len(set(names) - shown)
    if left:
        out.append((f"... and {words.plural(left, 'more service')}", ""))
    return out


def page(graph: Json, chain: Sequence[str] = (), title: str = "Service graph") -> str:
    """A self-contained page with the picture and a table of the calls."""
    from markupsafe import Markup

    drawn = picture(graph, chain)
    view = {
        "title": title,
        "lead": _summary(graph, chain),
        "svg": Markup(drawn.svg),
        "hidden": drawn.hidden,
        "edges": [_row(edge) for edge in graph["edges"]],
    }
    return render_page("graph.html.j2", view)


def section(graph: Json | None) -> dict[str, Any] | None:
    """The part of report.html that shows the graph of a document, with the path to the culprit
    in `chain`."""
    from markupsafe import Markup

    if not graph or not graph.get("nodes"):
        return None
    chain = [str(name) for name in graph.get("chain") or ()]
    drawn = picture(graph, chain)
    return {"svg": Markup(drawn.svg), "hidden": drawn.hidden, "text": _summary(graph, chain)}


def _row(edge: Json) -> dict[str, Any]:
    return {
        "caller": edge["caller"],
        "callee": edge["callee"],
        "calls": edge["calls"],
        "errors": edge["errors"],
        **{side: _median(edge, side) for side in ("client", "server", "gap")},
    }


def _summary(graph: Json, chain: Sequence[str]) -> str:
    services = words.plural(len(graph["nodes"]), "service")
    calls = words.plural(len(graph["edges"]), "kind of call", "kinds of calls")
    path = f". Path to the culprit: {' → '.join(map(words.visible, chain))}" if chain else ""
    return f"{services}, {calls}{path}"


def _branches(
    name: str, stem: str, calls: Mapping[str, Sequence[Json]], known: set[str]
) -> list[tuple[Json, str, str]]:
    """The calls of a service in reverse order: edge, prefix, and prefix of the lines below."""
    known.add(name)
    own = sorted(calls.get(name, ()), key=lambda edge: edge["callee"])
    last = len(own) - 1
    return [
        (edge, stem + ("└─ " if n == last else "├─ "), stem + ("   " if n == last else "│  "))
        for n, edge in enumerate(own)
    ][::-1]


def _median(edge: Json, side: str) -> str:
    value = edge[side]["median_ms"]
    is_known = words.is_number(value) and math.isfinite(value)
    return words.quantity(value, words.LATENCY) if is_known else ""


def _note(edge: Json) -> str:
    notes = [words.plural(edge["calls"], "call")]
    if edge["errors"]:
        notes.append(words.plural(edge["errors"], "error"))
    if took := _median(edge, "server") or _median(edge, "client"):
        notes.append(took)
    if edge["inferred"]:
        notes.append("inferred")
    return ", ".join(notes)


def _shown(graph: Json, chain: Sequence[str]) -> tuple[list[str], list[Json], int]:
    """The services to draw by name, their edges, and how many services are left out."""
    weight = {str(node["service"]): 0 for node in graph["nodes"]}
    for edge in graph["edges"]:
        for end in ("caller", "callee"):
            weight[edge[end]] = weight.get(edge[end], 0) + int(edge["calls"])
    first = sorted(weight, key=lambda name: (name not in chain, -weight[name], name))[:SHOWN]
    names = sorted(first)
    known = set(names)
    edges = [edge for edge in graph["edges"] if {edge["caller"], edge["callee"]} <= known]
    return names, edges, len(weight) - len(names)


def _layout(names: Sequence[str], pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[int, int]]:
    """Upper left corners: callers stand left of callees, and neighbours close together."""
    callees: dict[str, list[str]] = {name: [] for name in names}
    for caller, callee in pairs:
        if caller != callee:
            callees[caller].append(callee)
    layers = _layers(names, callees)
    rows: dict[int, list[str]] = {}
    for name in names:
        rows.setdefault(layers[name], []).append(name)
    near: dict[str, list[str]] = {name: list(to) for name, to in callees.items()}
    for caller, to in callees.items():
        for callee in to:
            near[callee].append(caller)
    spots = {name: float(n) for row in rows.values() for n, name in enumerate(row)}
    for sweep in range(_SWEEPS):
        for layer in sorted(rows, reverse=bool(sweep % 2)):
            side = -1 if sweep % 2 == 0 else 1
            wished = {
                name: _mean([spots[n] for n in near[name] if (layers[n] - layer) * side > 0])
                for name in rows[layer]
            }
            placed = sorted(
                (spots[name] if wish is None else wish, name) for name, wish in wished.items()
            )
            rows[layer] = [name for _, name in placed]
            spots |= {name: float(n) for n, name in enumerate(rows[layer])}
    tallest = max(map(len, rows.values()), default=0)
    places = {}
    for layer, row in rows.items():
        top = _EDGE + (tallest - len(row)) * _DOWN // 2
        for n, name in enumerate(row):
            places[name] = (_EDGE + layer * _ACROSS, top + n * _DOWN)
    return places


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _layers(names: Sequence[str], callees: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """The longest distance of each service from an entry; calls that close a cycle are ignored."""
    called = {callee for to in callees.values() for callee in to}
    order: list[str] = []
    state: dict[str, int] = {}
    back: set[tuple[str, str]] = set()
    for root in [name for name in names if name not in called] + list(names):
        if root in state:
            continue
        state[root] = 1
        stack = [(root, iter(sorted(callees[root])))]
        while stack:
            name, rest = stack[-1]
            callee = next(rest, None)
            if callee is None:
                state[name] = 2
                order.append(name)
                stack.pop()
            elif state.get(callee) == 1:
                back.add((name, callee))
            elif callee not in state:
                state[callee] = 1
                stack.append((callee, iter(sorted(callees[callee]))))
    layers = dict.fromkeys(names, 0)
    for name in reversed(order):
        for callee in callees[name]:
            if (name, callee) not in back:
                layers[callee] = max(layers[callee], layers[name] + 1)
    return layers


def _node(node: Json, place: tuple[int, int], on_path: bool, is_culprit: bool) -> str:
    x, y = place
    name = words.visible(node["service"])
    seen = int(node["spans"]) or int(node["requests"])
    note = "inferred" if node["inferred"] else ""
    if seen:
        percent = 100 * int(node["errors"]) / seen
        share = "under 1 %" if percent < 1 else f"{percent:.0f} %"
        kind = "span" if node["spans"] else "request"
        note = f"{words.plural(seen, kind)}, {share} bad" if node["errors"] else ""
        note = note or words.plural(seen, kind)
    kind = " g-culprit" if is_culprit else " g-path" if on_path else ""
    kind += " g-inferred" if node["inferred"] else ""
    title = f"{name}: {note}" if note else name
    return (
        f'<g class="g-node{kind}"><title>{escape(title)}</title>'
        f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="8"/>'
        f'<text x="{x + 12}" y="{y + 19}">{escape(words.short(name, 20))}</text>'
        f'<text class="g-note" x="{x + 12}" y="{y + 35}">{escape(words.short(note, 27))}</text></g>'
    )


def _call(edge: Json, start: tuple[int, int], end: tuple[int, int], on_path: bool) -> str:
    middle = _HEIGHT // 2
    x, y = start[0] + _WIDTH, start[1] + middle
    to_x, to_y = end[0], end[1] + middle
    if to_x > x:
        bend = (to_x - x) / 2
        path = f"M{x} {y}C{x + bend:.0f} {y} {to_x - bend:.0f} {to_y} {to_x - 8} {to_y}"
    else:
        # An edge back to an earlier column runs below the boxes.
        low = max(y, to_y) + 34
        path = f"M{x} {y}C{x + 50} {low} {to_x - 50} {low} {to_x - 8} {to_y}"
    width = 2.5 if on_path else min(1 + math.log10(1 + int(edge["calls"])) / 4, 2.5)
    head = f"M{to_x - 9} {to_y - 5}L{to_x} {to_y}L{to_x - 9} {to_y + 5}Z"
    title = f"{words.visible(edge['caller'])} → {words.visible(edge['callee'])}: {_note(edge)}"
    for side, name in (("client", "the caller waits"), ("gap", "between them")):
        if value := _median(edge, side):
            title += f"; {name} {value}"
    return (
        f'<g class="g-call{" g-path" if on_path else ""}"><title>{escape(title)}</title>'
        f'<path d="{path}" stroke-width="{width:.1f}"/><path class="g-head" d="{head}"/></g>'
    )


def _label(edge: Json, start: tuple[int, int], end: tuple[int, int]) -> str:
    """The latency label of a call to the next column; other calls pass behind boxes and get
    none."""
    took = _median(edge, "server") or _median(edge, "client")
    if end[0] - start[0] != _ACROSS or not took:
        return ""
    # The label stands near the callee, where the calls of one caller are far apart.
    x = start[0] + _WIDTH + 0.576 * (_ACROSS - _WIDTH)
    y = start[1] + _HEIGHT // 2 + 0.648 * (end[1] - start[1]) - 5
    return f'<text class="g-label" x="{x:.0f}" y="{y:.0f}" text-anchor="middle">{took}</text>'
