// A service, or one of its endpoints and metrics: its charts, and why it is flagged or not.

import { ask, Failed, path } from "./api.js";
import { chart, closeCharts, requestsTitle } from "./chart.js";
import { h } from "./dom.js";
import { entityName, moment, number, plural, short } from "./format.js";
import { incidentLink, sentenceOf } from "./overview.js";
import { severityBadge, stateBadge, statusBadge } from "./states.js";

const CHARTS = [
  ["Latency", ["p95_latency_ms", "p50_latency_ms"]],
  ["Error rate", ["error_rate"]],
  [null, ["req_count"]],
];
/** Most entities of a service of which the page shows the state. */
const MOST = 500;

const linkOf = (one) => path("#/entity", { service: one.service, endpoint: one.endpoint, metric: one.metric });

export function entity(view, { parameters }) {
  const of = { service: parameters.get("service") ?? "", endpoint: parameters.get("endpoint"), metric: parameters.get("metric") };
  const isService = of.endpoint === null && of.metric === null;
  const name = entityName(of);
  const body = h("div", {});
  view.replaceChildren(
    h("nav", { class: "crumbs", "aria-label": "Path" }, h("a", { href: "#/" }, "Services"), isService ? null : [" / ", h("a", { href: path("#/entity", { service: of.service }) }, short(entityName({ service: of.service }), 60))]),
    h("h1", {}, name),
    body,
  );
  document.title = `mad: ${short(name, 60)}`;

  async function refresh() {
    const [states, lines] = await Promise.all([
      ask(path("v1/query/entities", { service: of.service, endpoint: of.endpoint, limit: MOST })),
      ask(path("v1/query/incident_lines", { service: of.service, endpoint: of.endpoint, limit: 10 })),
    ]);
    const all = of.metric ? states.data.filter((one) => one.metric === of.metric) : states.data;
    if (!all.length) {
      body.replaceChildren(h("div", { class: "card" }, h("p", {}, "The server does not know it. It may have had no data for long, or the name is different."), h("p", {}, h("a", { href: "#/" }, "See all services"))));
      return;
    }
    const shown = await series(isService ? drawn(all) : { ...of, endpoint: of.endpoint ?? "" });
    const open = document.activeElement?.closest("details");
    if (open && body.contains(open)) return;
    closeCharts();
    body.replaceChildren(
      isService ? "" : why(all),
      shown ? charts(shown, isService ? drawn(all) : null) : h("p", { class: "note" }, "There are no recent values to draw."),
      isService ? members(all) : "",
      past(lines),
    );
  }

  return { refresh, close: closeCharts, on: new Set(["step", "incident", "level"]) };
}

/** The entity of a service to draw: the first that is unusual, else all endpoints together. */
function drawn(states) {
  const withRequests = states.filter((one) => !one.metric);
  const one = withRequests.find((each) => each.state === "anomalous") ?? withRequests.find((each) => !each.endpoint) ?? withRequests[0];
  return one ?? states[0];
}

async function series(one) {
  try {
    const of = { service: one.service, endpoint: one.endpoint ?? "", ...(one.metric ? { metric: one.metric } : {}) };
    return await ask(`v1/query/series?${new URLSearchParams(of)}`);
  } catch (failure) {
    if (failure instanceof Failed && failure.kind === "missing") return null;
    throw failure;
  }
}

function why(states) {
  return h(
    "section",
    { class: "card" },
    states.map((one) => {
      const title = one.state === "anomalous" ? "Why it is flagged" : "Why it is not flagged";
      return [
        h("h2", {}, one.metric ? `${title}: ${entityName({ endpoint: one.metric })}` : title),
        h("p", {}, stateBadge(one.state), Number.isFinite(one.health) ? ` Health ${number(one.health)} of 100.` : ""),
        h("p", {}, sentence(one.reason)),
        h("p", { class: "hint" }, `${plural(one.points, "point")} known, the newest at ${moment(one.last_seen)} UTC.`, one.since ? ` In this state since ${moment(one.since)} UTC.` : ""),
      ];
    }),
  );
}

const sentence = (text) => `${entityName({ service: text.charAt(0).toUpperCase() + text.slice(1) })}${/[.!?]$/.test(text) ? "" : "."}`;

function charts(found, of) {
  const requests = CHARTS.map(([title, names]) => chart(found, names, { title: `${title ?? requestsTitle(found)}${of ? ` of ${short(entityName(of), 60)}` : ""}`, changes: found.changes }));
  const metrics = found.count.length ? [] : found.signals.map((one) => chart(found, [one.name], { title: entityName({ service: one.name }), changes: found.changes }));
  return h("section", { class: "chart-grid", "aria-label": "Charts" }, requests, metrics);
}

function members(states) {
  const row = (one) =>
    h("tr", {}, h("th", { scope: "row" }, h("a", { href: linkOf(one) }, one.endpoint || one.metric ? short(entityName({ endpoint: one.endpoint, metric: one.metric }), 80) : "all endpoints")), h("td", {}, stateBadge(one.state)), h("td", { class: "reason" }, sentence(one.reason)));
  return h(
    "section",
    { class: "card" },
    h("h2", {}, "Endpoints and metrics"),
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Endpoints and metrics" }, h("table", {}, h("thead", {}, h("tr", {}, ["Name", "State", "Why"].map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, states.map(row)))),
    states.length >= MOST ? h("p", { class: "hint" }, `The first ${MOST} are shown.`) : null,
  );
}

function past(lines) {
  return h(
    "section",
    { class: "card" },
    h("h2", {}, lines.total ? plural(lines.total, "incident") : "No incident"),
    h("ul", { class: "plain" }, lines.data.map((one) => h("li", {}, severityBadge(one.severity), " ", statusBadge(one), " ", h("a", { href: incidentLink(one.id) }, short(sentenceOf(one), 160)), h("small", {}, ` ${moment(one.start)}`)))),
  );
}
