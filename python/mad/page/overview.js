// The view of all services, worst first.

import { ask, path } from "./api.js";
import { h } from "./dom.js";
import { clock, count, entityName, latency, moment, number, plural, share, short, visible } from "./format.js";
import { emptyStore } from "./empty.js";
import { sparkline } from "./spark.js";
import { STATE_NAMES, severityBadge, stateBadge, stateWords, statusBadge } from "./states.js";
import { WindowedList } from "./windowed.js";

const OPEN_SHOWN = 8;

export const serviceLink = (service) => path("#/entity", { service });
export const incidentLink = (id) => `#/incidents/${encodeURIComponent(id)}`;

/** A line of an incident: its sentence without the severity and the times, which stand beside it. */
export const sentenceOf = (one) => visible(one.line.replace(/^\[\w+\] /, "").replace(/,? (since )?\d{4}-\d\d-\d\d \d\d:\d\d[^,.]*UTC$/, ""));

function row(one) {
  const range = one.latency.filter(Number.isFinite);
  const label = range.length
    ? `95th-percentile latency of the last hour: ${latency(Math.min(...range))} to ${latency(Math.max(...range))}`
    : "no latency in the last hour";
  const name = visible(one.service);
  const parts = [one.endpoints && plural(one.endpoints, "endpoint"), one.metrics && plural(one.metrics, "metric")];
  return [
    h("span", { role: "cell", class: "name" }, h("a", { href: serviceLink(one.service), title: name }, short(name, 60)), h("small", {}, parts.filter(Boolean).join(", "))),
    h("span", { role: "cell", class: "state" }, stateBadge(one.state, visible(one.reason))),
    h("span", { role: "cell", class: "number health" }, Number.isFinite(one.health) ? number(one.health) : "–"),
    h("span", { role: "cell", class: "number traffic" }, one.requests_per_minute === null ? "–" : count(one.requests_per_minute), h("small", { class: "unit" }, " /min")),
    h("span", { role: "cell", class: `number errors${one.error_rate > 0.01 ? " raised" : ""}` }, share(one.error_rate ?? NaN), h("small", { class: "unit" }, " errors")),
    h("span", { role: "cell", class: "number latency" }, latency(one.p95_latency_ms ?? NaN)),
    h("span", { role: "cell", class: "trend" }, sparkline(one.latency, one.flagged, label)),
  ];
}

/** Until when services are too new to be judged, in words. */
function learning(services) {
  const until = services.map((one) => one.ready_at).filter(Boolean).sort()[0];
  return `All services are new. ${until ? `Until about ${clock(until)} UTC` : "For the first minutes"} mad learns what is normal, and judges failing requests only.`;
}

export function overview(view, { parameters, navigate }) {
  let search = parameters.get("search") ?? "";
  let state = parameters.get("state") ?? "";
  let newest = null;
  const list = new WindowedList({
    label: "Services, worst first",
    columns: [["Service", "name"], ["State", "state"], ["Health", "number health"], ["Requests/min", "number traffic"], ["Errors", "number errors"], ["p95 latency", "number latency"], ["Latency, last hour", "trend"]],
    height: () => (innerWidth < 700 ? 92 : 46),
    row,
    empty: () => (search || state ? "No service matches the filter. Clear it to see all." : ""),
    load: async (offset, limit) => {
      const answer = await ask(path("v1/query/services", { search, state, limit, offset }));
      newest = answer;
      return answer;
    },
  });
  const tiles = h("div", { class: "tiles", role: "group", "aria-label": "Services by state" });
  const field = h("input", { type: "search", id: "search", value: search, placeholder: "Part of a name", autocomplete: "off", maxlength: 512 });
  const openTitle = h("h2", { id: "open-title" }, "Open incidents");
  const open = h("ol", { class: "open", "aria-labelledby": "open-title" });
  const empty = h("div", {});
  const content = h(
    "div",
    { class: "columns" },
    h("section", { "aria-label": "Services" }, h("div", { class: "filters", role: "search" }, h("label", { for: "search" }, "Filter services"), field), tiles, list.element),
    h("aside", {}, openTitle, open, h("p", {}, h("a", { href: "#/incidents" }, "All incidents"))),
  );
  const title = h("h1", {}, "Services");
  const lead = h("p", { class: "lead" });
  view.replaceChildren(title, lead, empty, content);

  let waiting;
  field.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      search = field.value.trim();
      navigate(path("#/", { search, state }), { quiet: true });
      refresh();
    }, 150);
  });

  function drawTiles() {
    const shown = STATE_NAMES.filter((name) => newest.states[name]);
    const tile = (name, words, many) =>
      h("button", { type: "button", class: `tile ${name || "all"}`, "aria-pressed": String(state === name), on: { click: () => pick(name) } }, h("b", {}, count(many)), h("span", {}, words));
    const focused = [...tiles.children].indexOf(document.activeElement);
    tiles.replaceChildren(tile("", "All", newest.services), ...shown.map((name) => tile(name, stateWords(name), newest.states[name])));
    tiles.children[focused]?.focus();
  }

  function pick(name) {
    state = state === name ? "" : name;
    navigate(path("#/", { search, state }), { quiet: true });
    refresh();
  }

  function drawOpen(lines) {
    openTitle.textContent = lines.isOpen ? plural(lines.total, "open incident") : lines.total ? "No open incident. The latest ones" : "No incident so far";
    open.replaceChildren(
      ...lines.data.map((one) =>
        h("li", {}, h("span", {}, severityBadge(one.severity), " ", lines.isOpen ? null : statusBadge(one)), h("a", { href: incidentLink(one.id) }, short(sentenceOf(one), 170)), h("small", {}, `${lines.isOpen ? "since " : ""}${moment(one.start)}`, one.culprit ? `. Likely culprit: ${short(entityName(one.culprit), 60)}` : "")),
      ),
    );
  }

  /** The open incidents, or the latest ones where none is open. */
  async function latest() {
    const open = await ask(path("v1/query/incident_lines", { active: true, limit: OPEN_SHOWN }));
    return open.total ? { ...open, isOpen: true } : ask(path("v1/query/incident_lines", { limit: 3 }));
  }

  async function refresh() {
    const [lines] = await Promise.all([latest(), list.refresh()]);
    const isEmpty = newest.services === 0;
    content.hidden = isEmpty;
    empty.replaceChildren(...(isEmpty ? emptyStore() : []));
    const bad = (newest.states.critical ?? 0) + (newest.states.warning ?? 0);
    const isLearning = newest.states.unknown === newest.services;
    lead.textContent = isEmpty
      ? ""
      : `${isLearning ? `${learning(newest.data)} ` : ""}${bad ? `${plural(bad, "service has", "services have")} an open incident` : "No service has an open incident"}. ${plural(newest.services, "service")}, judged up to ${moment(newest.watermark)} UTC.`;
    document.title = bad ? `(${bad}) mad: services` : "mad: services";
    drawTiles();
    drawOpen(lines);
  }

  return { refresh, close: () => list.close(), on: new Set(["incident", "level", "step"]) };
}
