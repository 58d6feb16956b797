// The page of one incident: what broke, since when, who is affected, why, and what to do.

import { activity } from "./activity.js";
import { ask } from "./api.js";
import { chart, closeCharts, requestsTitle } from "./chart.js";
import { announce, h } from "./dom.js";
import { changesList, evidence, explanation, facts, logs, next, roles, served, similar, traces } from "./findings.js";
import { capitalized, clock, entityName, short, signalName, visible } from "./format.js";
import { propagation } from "./map.js";
import { markdown } from "./markdown.js";
import { incidentLink } from "./overview.js";
import { severityBadge, statusBadge } from "./states.js";

/** The sentence of the incident: the first of the summary, without the times, which stand below. */
export function titleOf(found) {
  const [first] = found.explanation.summary.split(/, \d{4}-\d\d-\d\d \d\d:\d\d|, since \d{4}-\d\d-\d\d|\.\s/);
  return visible(first).replace(/\.$/, "");
}

const ENDINGS = { quiet: "nothing was unusual any more", expired: "no service of it sent data any more" };

/** The state in a word, and how it came about. */
export function stateOf(found, actions) {
  if (found.status !== "resolved") return [found.status, ""];
  if (found.merged_into) return ["merged", "into another incident, as one fault"];
  const by = actions.findLast((one) => one.action === "resolve");
  if (by) return ["resolved", `by ${visible(by.who)}`];
  const ending = ENDINGS[found.close_reason];
  return [found.close_reason === "expired" ? "expired" : "resolved", ending ? `by itself: ${ending}` : ""];
}

export function incident(view, { name, reload }) {
  const place = `v1/query/incidents/${encodeURIComponent(name)}`;
  const known = new Map();
  const slots = {};
  const slot = (key, label) => (slots[key] = h("section", { class: `part ${key}`, "aria-label": label }));
  const forms = activity(name, { changed: reload });
  let latest = null;
  forms.buttons.firstChild.append(
    copyButton("Copy as Markdown", () => markdown(...latest, location.href)),
    copyButton("Copy link", () => location.href),
  );
  const article = h(
    "article",
    {},
    slot("summary", "Summary"),
    forms.buttons,
    slot("roles", "Cause, first failure and impact"),
    h(
      "div",
      { class: "two" },
      h("div", {}, slot("charts", "Charts"), slot("map", "How it spread"), slot("evidence", "Evidence"), slot("served", "Versions and hosts")),
      h("div", {}, slot("next", "What to do next"), slot("why", "Explanation"), slot("changes", "Changes"), slot("log", "Log"), slot("traces", "Traces"), forms.element, slot("similar", "Similar incidents")),
    ),
  );

  /** Draws a part again when what it shows has changed, so that nothing flickers and no focus is lost. */
  function part(key, data, draw) {
    const text = JSON.stringify(data);
    if (known.get(key) === text) return;
    known.set(key, text);
    const drawn = draw();
    slots[key].hidden = drawn === null;
    slots[key].replaceChildren(...[drawn].flat().filter(Boolean));
  }

  async function refresh() {
    const [found, context, actions] = await Promise.all([ask(place), ask(`${place}/context`), ask(`${place}/activity`)]);
    if (!article.isConnected) view.replaceChildren(article);
    const state = stateOf(found, actions.data);
    document.title = `${found.severity}: ${short(titleOf(found), 80)}`;
    latest = [found, state[0], actions.data, context];
    const { series, history, notes, ...one } = found;
    part("summary", [one, state], () => head(found, state));
    part("roles", [one, context.changes, context.log], () => roles(found, context));
    part("charts", [series, context.changes], () => charts(found, context.changes));
    part("map", [one.chain, one.members, one.ranking.culprits], () => propagation(found, slots.map.clientWidth - 40));
    part("evidence", [one.ranking, one.explanation.checks, context.evidence], () => evidence(found, context.evidence));
    part("served", [one.subsets, one.members, one.ranking.culprits], () => served(found));
    part("next", one.explanation, () => next(found));
    part("why", one.explanation, () => explanation(found));
    part("changes", context.changes, () => changesList(context.changes));
    part("log", context.log, () => logs(context.log));
    part("traces", context.traces, () => traces(context.traces));
    part("similar", one.similar, () => similar(found));
    forms.update(found, actions.data, state);
  }

  return { refresh, close: closeCharts, on: new Set(["incident"]) };
}

function head(found, [, by]) {
  return [
    h("nav", { class: "crumbs", "aria-label": "Path" }, h("a", { href: "#/incidents" }, "Incidents"), ` / ${visible(found.id)}`),
    h("h1", {}, titleOf(found)),
    h("p", { class: "badges" }, severityBadge(found.severity), statusBadge(found), by ? h("span", { class: "hint" }, by) : null, found.merged_into ? h("a", { href: incidentLink(found.merged_into) }, "See that incident") : null, found.flapping ? h("span", { class: "hint" }, "It comes and goes.") : null),
    facts(found),
  ];
}

function copyButton(words, text) {
  const button = h("button", { type: "button" }, words);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text());
      announce("Copied.");
      button.textContent = "Copied";
    } catch {
      // without a secure connection the browser forbids it: the text is selected for copying by hand
      const field = h("textarea", { class: "copy", readonly: true, "aria-label": "Text to copy" });
      field.value = text();
      button.after(field);
      field.select();
      button.textContent = "Copy the selected text";
    }
    setTimeout(() => (button.textContent = words), 2500);
  });
  return button;
}

function charts(found, changes) {
  closeCharts();
  const { series } = found;
  if (!series) return h("p", { class: "note" }, "The rows of this incident are no longer kept.");
  const range = { incident: found, changes };
  const drawn = series.count.length
    ? [
        chart(series, ["p95_latency_ms", "p50_latency_ms"], { title: "Latency", ...range }),
        chart(series, ["error_rate"], { title: "Error rate", ...range }),
        ...["client_error_rate", "slow_share"].filter((name) => found.signals.includes(name)).map((name) => chart(series, [name], { title: capitalized(signalName(name)), ...range })),
        found.signals.includes("req_count") ? chart(series, ["req_count"], { title: requestsTitle(series), ...range }) : null,
      ]
    : series.signals.map((one) => chart(series, [one.name], { title: visible(one.name), ...range }));
  return [h("h2", {}, `What happened in ${short(entityName(found), 80)}, around ${clock(found.start)} UTC`), ...drawn];
}
