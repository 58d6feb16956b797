"""The API reference as one HTML page without scripts and external resources."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment

_PAGE = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>mad: routes</title>
<style>
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent); }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin: 2.2rem 0 .4rem; }
details { border: 1px solid var(--line); border-radius: 6px; margin: .35rem 0; }
summary { cursor: pointer; padding: .45rem .7rem; display: flex; gap: .8rem; }
summary { align-items: baseline; }
summary code { font-weight: 600; flex: none; max-width: 70%; } summary span { opacity: .75; }
.body { padding: 0 .9rem .7rem; } p { white-space: pre-line; margin: .4rem 0; }
b.get, b.post, b.delete { font: 600 .75rem ui-monospace, monospace; min-width: 3.6rem; }
b.get { color: #1f6feb; } b.post { color: #1a7f37; } b.delete { color: #cf222e; }
table { border-collapse: collapse; width: 100%; margin: .4rem 0; }
td, th { text-align: left; border-top: 1px solid var(--line); padding: .25rem .6rem .25rem 0; }
@media (max-width: 44rem) {
  summary { flex-wrap: wrap; } summary code { flex: 1; max-width: none; }
  summary span { flex-basis: 100%; } .body { overflow-x: auto; }
}
code { font-family: ui-monospace, monospace; font-size: .92em; overflow-wrap: anywhere; }
</style></head><body>
<h1>mad {{ version }}</h1>
<p>{{ description }}</p>
<p>OpenAPI document: <a href="/openapi.json">/openapi.json</a></p>
{% for tag, routes in groups.items() %}<h2>{{ tag }}</h2>
{% for route in routes %}<details><summary>\
<b class="{{ route.method }}">{{ route.method | upper }}</b>\
<code>{{ route.path }}</code><span>{{ route.line }}</span></summary><div class="body">
<p>{{ route.text }}</p>
{% if route.parameters %}<table><tr><th>parameter</th><th>in</th><th>allowed values</th></tr>
{% for one in route.parameters %}<tr><td><code>{{ one.name }}</code></td><td>{{ one.place }}</td>\
<td>{{ one.allowed }}</td></tr>
{% endfor %}</table>{% endif %}
{% if route.bodies %}<p>Body: \
{% for one in route.bodies %}<code>{{ one }}</code> {% endfor %}</p>{% endif %}
<table><tr><th>status</th><th>when</th></tr>
{% for status, when in route.answers.items() %}<tr><td><code>{{ status }}</code></td>\
<td>{{ when }}</td></tr>
{% endfor %}</table></div></details>
{% endfor %}{% endfor %}</body></html>
"""


def page(schema: dict[str, Any]) -> str:
    """The page for an OpenAPI document."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, methods in schema["paths"].items():
        for method, route in methods.items():
            groups.setdefault(route.get("tags", ["other"])[0], []).append(
                _route(path, method, route, schema)
            )
    info = schema["info"]
    environment = Environment(autoescape=True, trim_blocks=True)
    return environment.from_string(_PAGE).render(
        version=info["version"], description=info["description"].replace("`", ""), groups=groups
    )


def _route(path: str, method: str, route: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    text = route.get("description", route.get("summary", ""))
    return {
        "path": path,
        "method": method,
        "line": " ".join(text.split()).partition(". ")[0].rstrip(".").replace("`", ""),
        "text": "\n\n".join(" ".join(part.split()) for part in text.split("\n\n")).replace("`", ""),
        "parameters": [
            {"name": one["name"], "place": one["in"], "allowed": _allowed(one)}
            for one in route.get("parameters", [])
        ]
        + _fields(route, schema),
        "bodies": list(route.get("requestBody", {}).get("content", {})),
        "answers": {
            status: one.get("description", "").replace("`", "")
            for status, one in sorted(route["responses"].items())
        },
    }


def _fields(route: dict[str, Any], schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The fields of a request body."""
    content = route.get("requestBody", {}).get("content", {})
    reference = content.get("application/json", {}).get("schema", {}).get("$ref", "")
    named = schema.get("components", {}).get("schemas", {}).get(reference.rpartition("/")[2], {})
    return [
        {
            "name": name,
            "place": "body",
            "allowed": _allowed({"schema": field, "required": name in named.get("required", [])}),
        }
        for name, field in named.get("properties", {}).items()
    ]


def _allowed(parameter: dict[str, Any]) -> str:
    schema = parameter.get("schema", {})
    kinds = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
    kind = kinds[0] if kinds else schema
    parts = [" | ".join(map(str, kind["enum"])) if "enum" in kind else str(kind.get("type", ""))]
    for name, words in (
        ("minimum", "from {}"),
        ("exclusiveMinimum", "above {}"),
        ("maximum", "to {}"),
        ("minLength", "{} characters or more"),
        ("maxLength", "at most {} characters"),
    ):
        if name in kind:
            parts.append(words.format(kind[name]))
    default = schema.get("default")
    if default not in (None, ""):
        parts.append(f"default {default}")
    if parameter.get("required"):
        parts.append("needed")
    described = parameter.get("description", kind.get("description", ""))
    return "; ".join(filter(None, [", ".join(filter(None, parts)), described]))
