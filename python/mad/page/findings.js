// The parts of an incident: facts, causes, evidence, changes, log, traces.

import { h } from "./dom.js";
import { changeWords } from "./chart.js";
import { between, capitalized, clock, count, duration, entityName, latency, moment, plural, quantity, share, short, signalName, unitOf, visible } from "./format.js";
import { incidentLink } from "./overview.js";
import { sparkline } from "./spark.js";
import { severityBadge } from "./states.js";
import { path } from "./api.js";

export const entityLink = (one) => path("#/entity", { service: one.service, endpoint: one.endpoint });

const fact = (name, ...value) => [h("dt", {}, name), h("dd", {}, value)];

/** Where the requests of an incident enter; incidents of older servers know their own entity only. */
export const frontDoor = (found) => found.front_door ?? { entities: [found], requests: found.requests, errors: found.errors, slo: found.slo };

/** The names of the front door; empty where it is the entity of the incident alone. */
export function counted(found) {
  const { entities } = frontDoor(found);
  const [first] = entities;
  if (entities.length === 1 && first.service === found.service && first.endpoint === found.endpoint) return "";
  const more = entities.length > 1 ? ` and ${entities.length - 1} more` : "";
  return `${short(entityName({ service: first.service, endpoint: first.endpoint }), 60)}${more}`;
}

export function facts(found) {
  const isOpen = found.status !== "resolved";
  const door = frontDoor(found);
  const { slo } = door;
  const place = counted(found);
  // the budget of which more is used
  const isSlow = slo?.latency?.budget_share > (slo?.errors?.budget_share ?? 0);
  const budget = isSlow ? slo.latency : slo?.errors;
  return h(
    "dl",
    { class: "facts" },
    h("div", {}, fact("Started", `${moment(found.start)} UTC`)),
    h("div", {}, fact("Ended", isOpen ? "Not yet" : `${moment(found.end)} UTC`)),
    h("div", {}, fact("Duration", duration(between(found.start, found.end)), isOpen ? " so far" : "")),
    door.requests ? h("div", {}, fact("Failed requests", h("b", {}, share(door.errors / door.requests)), h("small", {}, ` ${count(door.errors)} of ${count(door.requests)}`), place ? h("small", { class: "counted" }, ` at ${place}`) : null)) : null,
    slo?.latency?.requests ? h("div", {}, fact(`Slower than ${latency(slo.latency_ms)}`, h("b", {}, share(slo.latency.bad / slo.latency.requests)), h("small", {}, ` ${count(slo.latency.bad)} of ${count(slo.latency.requests)}`))) : null,
    budget ? h("div", {}, fact(`${isSlow ? "Latency" : "Error"} budget used`, h("b", {}, share(budget.budget_share)), h("small", {}, ` of ${slo.window_days} days`))) : null,
    h("div", {}, fact("Affected", plural(1 + found.reached, "endpoint or metric", "endpoints and metrics"))),
    h("div", {}, fact("Confidence", h("span", { title: visible(found.explanation.confidence_rule) }, found.explanation.confidence))),
  );
}

const sentences = (texts, tag = "ul") => h(tag, { class: "sentences" }, texts.map((one) => h("li", {}, visible(one))));

/** The changes shortly before a culprit, and the most frequent line of its log. */
function besides(first, { changes, log }) {
  const before = changes.filter((one) => one.service === first.service && one.at <= first.onset).slice(-2);
  const said = before.map((one) => h("p", {}, `Shortly before: ${changeWords(one)}, ${clock(one.at)} UTC.`));
  const line = log?.service === first.service ? h("p", {}, `Its log says: ${short(visible(log.sample), 160)}`) : null;
  return [said, line];
}

export function roles(found, context) {
  const { explanation, ranking } = found;
  const box = (title, kind, ...content) => h("div", { class: `card role ${kind}` }, h("h2", {}, title), content);
  const [first] = ranking.culprits;
  const isOne = first && found.affected.length > 1 && found.affected.every((name) => `${name} `.startsWith(`${first.service} `));
  const certainty =
    ranking.abstained || !first
      ? "No single culprit stands out."
      : `${isOne ? `All that is affected belongs to ${short(visible(first.service), 50)}. ` : ""}${share(first.score)} of the evidence points to it.`;
  return h(
    "div",
    { class: "roles-grid" },
    box("Root cause", "root", h("p", { class: "say" }, visible(explanation.root_cause || "Not known.")), first && !ranking.abstained ? besides(first, context) : null, h("p", { class: "hint" }, certainty), first ? h("p", {}, h("a", { href: entityLink(first) }, `See ${short(entityName({ service: first.service, endpoint: first.endpoint }), 50)}`)) : null),
    box("First failure", "first", h("p", { class: "say" }, visible(explanation.first_failure || "Not known."))),
    box("Impact", "impact", explanation.impact.length ? sentences(explanation.impact.slice(0, 4)) : h("p", {}, "No request of it is known, so that its users are not known either."), explanation.impact.length > 4 ? h("details", {}, h("summary", {}, "More about the impact"), sentences(explanation.impact.slice(4))) : null),
  );
}

export function next({ explanation }) {
  return h("div", { class: "card" }, h("h2", {}, "What to do next"), sentences(explanation.recommended_actions, "ol"));
}

export function explanation({ explanation }) {
  return h(
    "div",
    { class: "card" },
    h("h2", {}, "Likely causes"),
    explanation.likely_causes.length ? sentences(explanation.likely_causes) : h("p", {}, "Not known."),
    h("h2", {}, "Why it was flagged"),
    sentences(explanation.why_flagged),
    explanation.log_evidence?.length ? [h("h2", {}, "Log"), sentences(explanation.log_evidence)] : null,
    h("details", {}, h("summary", {}, "Severity and confidence"), sentences(explanation.severity_evidence), h("p", { class: "hint" }, visible(explanation.confidence_rule))),
  );
}

/** Evidence by culprit, one line for each signal, and the checks without a finding. */
export function evidence(found, values) {
  const { ranking, explanation } = found;
  const isOf = (culprit) => (one) => one.service === culprit.service && one.endpoint === culprit.endpoint;
  const table = (culprit, place) => {
    // the ranking counts the rows of its look-back window, the incident counts all
    const rows = Math.max(culprit.rows, [found, ...found.members].find(isOf(culprit))?.rows ?? 0);
    const of = values.find(isOf(culprit))?.values ?? {};
    return h(
      "div",
      { class: "culprit" },
      h("h3", {}, `${place + 1}. `, h("a", { href: entityLink(culprit) }, short(entityName({ service: culprit.service, endpoint: culprit.endpoint }), 80)), " ", severityBadge(culprit.severity)),
      h("p", { class: "hint" }, `${share(culprit.score)} of the evidence, unusual since ${clock(culprit.onset)} UTC, ${plural(rows, "flagged row")}.`),
      h("table", { class: "evidence" }, h("caption", { class: "unseen" }, `Evidence against ${entityName(culprit)}`), h("tbody", {}, culprit.evidence.map((one) => row(one, of[one.signal] ?? [], rows > culprit.rows)))),
    );
  };
  return h(
    "div",
    { class: "card" },
    h("h2", {}, ranking.culprits.length > 1 ? "Evidence, the likeliest culprit first" : "Evidence"),
    ranking.culprits.length ? ranking.culprits.map(table) : h("p", {}, "No entity stands out as the culprit."),
    h("h3", {}, "Checked, nothing found"),
    sentences(explanation.checks),
  );
}

/** The requests of the culprit by version and by host, those with most failures first; null where they
 * are not known or come from one only. */
export function served(found) {
  const [first] = found.ranking.culprits;
  const of = [found, ...found.members].find((one) => one.service === first?.service && one.endpoint === first?.endpoint);
  const tables = ["version", "host"].map((kind) => {
    const all = (of?.subsets ?? []).filter((one) => one.kind === kind);
    if (all.length < 2) return null;
    const worst = all.toSorted((a, b) => b.errors - a.errors || (b.typical_latency_ms ?? 0) - (a.typical_latency_ms ?? 0));
    const line = (one) => h("tr", {}, h("th", { scope: "row" }, short(visible(one.name), 60)), h("td", {}, count(one.requests)), h("td", {}, `${count(one.errors)} (${share(one.errors / one.requests)})`), h("td", {}, latency(one.typical_latency_ms ?? NaN)));
    const heads = [capitalized(kind), "Requests", "Failed", "Typical latency"].map((name) => h("th", { scope: "col" }, name));
    const more = all.length > 8 ? h("p", { class: "hint" }, `${plural(all.length - 8, `more ${kind}`)} not shown.`) : null;
    return [h("table", { class: "served" }, h("caption", { class: "unseen" }, `Requests by ${kind}`), h("thead", {}, h("tr", {}, heads)), h("tbody", {}, worst.slice(0, 8).map(line))), more];
  });
  if (!tables.some(Boolean)) return null;
  return h("div", { class: "card" }, h("h2", {}, "Who served its requests"), h("p", { class: "hint" }, `The flagged rows of ${short(entityName({ service: first.service, endpoint: first.endpoint }), 80)}.`), tables);
}

/** One signal; of `isCut` rows the number is that of the look-back window, and is left out. */
function row(one, values, isCut) {
  const text = one.text ?? `${quantity(one.value, unitOf(one.signal))}, expected ${quantity(one.expected, unitOf(one.signal))}`;
  const unit = unitOf(one.signal);
  const label = `${signalName(one.signal)} before and during the incident, at most ${quantity(one.value, unit)}`;
  const flagged = values.map((value, place) => (value === one.value ? place : -1)).filter((place) => place >= 0);
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, signalName(one.signal)),
    h("td", { class: "trend" }, values.length > 1 ? sparkline(values, flagged.slice(0, 1), label, { width: 150 }) : null),
    h("td", {}, visible(isCut ? text.replace(/, flagged in [\d,]+ rows?$/, "") : text)),
  );
}

export function changesList(changes) {
  return h(
    "div",
    { class: "card" },
    h("h2", {}, "Changes"),
    changes.length
      ? h("ol", { class: "sentences" }, changes.map((one) => h("li", {}, `${moment(one.at)} UTC: ${changeWords(one)}`)))
      : h("p", { class: "hint" }, "No deploy, flag or other change is known in the 30 minutes before it or during it."),
  );
}

export function logs(log) {
  if (!log) return null;
  return h("div", { class: "card" }, h("h2", {}, "Most frequent log message"), h("p", { class: "hint" }, `${count(log.lines)} of ${plural(log.of, "warning and error", "warnings and errors")} of ${log.service ? short(visible(log.service), 60) : "its services"} around the incident, the first at ${clock(log.first)} UTC.`), h("pre", { class: "wrap" }, visible(log.pattern)), log.sample === log.pattern ? null : h("p", { class: "hint" }, `Such as: ${short(visible(log.sample), 300)}`));
}

export function traces(found) {
  if (!found.total_traces) return null;
  const trace = (one) =>
    h("li", {}, h("code", {}, short(visible(one.trace_id), 60)), `: failed first in ${visible(one.root_endpoint)}`, one.root_status ? ` with ${visible(one.root_status)}` : "", one.affected_chain.length > 1 ? h("small", {}, ` ${one.affected_chain.map(visible).join(" → ")}`) : null);
  return h("div", { class: "card" }, h("h2", {}, plural(found.total_traces, "failed trace")), h("ul", { class: "sentences" }, found.sample_traces.map(trace)));
}

export function similar(found) {
  return h(
    "div",
    { class: "card" },
    h("h2", {}, "Similar past incidents"),
    found.similar.length
      ? h("ul", { class: "plain" }, found.similar.map((one) => h("li", {}, severityBadge(one.severity), " ", h("a", { href: incidentLink(one.id) }, `${moment(one.start)} UTC`), h("small", {}, `, ${duration(between(one.start, one.end))}`))))
      : h("p", { class: "hint" }, "No earlier incident has the same pattern."),
  );
}
