// The stream of incidents, newest first.

import { ask, path } from "./api.js";
import { announce, h } from "./dom.js";
import { between, count, duration, entityName, moment, plural, short } from "./format.js";
import { incidentLink, sentenceOf } from "./overview.js";
import { severityBadge, statusBadge } from "./states.js";
import { WindowedList } from "./windowed.js";

function row(one) {
  return [
    h("span", { role: "cell", class: "severity" }, severityBadge(one.severity)),
    h("span", { role: "cell", class: "state" }, statusBadge(one)),
    h("span", { role: "cell", class: "sentence" }, h("a", { href: incidentLink(one.id) }, short(sentenceOf(one), 220)), h("small", {}, one.culprit ? `Likely culprit: ${short(entityName(one.culprit), 80)}` : "No single culprit stands out", one.reached ? `. ${plural(one.reached, "other entity", "other entities")} affected` : "")),
    h("span", { role: "cell", class: "when" }, moment(one.start), h("small", {}, duration(between(one.start, one.end)))),
  ];
}

const FIELDS = ["search", "severity", "status"];

export function incidents(view, { parameters, navigate }) {
  const filter = { service: parameters.get("service") ?? "", endpoint: parameters.get("endpoint") ?? "" };
  for (const name of FIELDS) filter[name] = parameters.get(name) ?? "";
  if (parameters.get("active") === "true") filter.status = "active";
  let total = null;
  const list = new WindowedList({
    label: "Incidents, newest first",
    columns: [["Severity", "severity"], ["State", "state"], ["What happened", "sentence"], ["Started (UTC)", "when"]],
    height: () => (innerWidth < 700 ? 136 : 64),
    row,
    empty: () => (Object.values(filter).some(Boolean) ? "No incident matches the filter." : "There has been no incident. When something breaks, it appears here by itself."),
    load: async (offset, limit) => {
      const { status, ...others } = filter;
      const of = status === "active" ? { active: true } : { status };
      const answer = await ask(path("v1/query/incident_lines", { ...others, ...of, limit, offset }));
      const added = answer.total - (total ?? answer.total);
      if (added > 0) announce(`${plural(added, "new incident")}: ${sentenceOf(answer.data[0])}`);
      total = answer.total;
      return answer;
    },
  });
  list.element.classList.add("stream");
  const lead = h("p", { class: "lead" });
  const search = h("input", { type: "search", id: "incident-search", value: filter.search, placeholder: "Service or endpoint", autocomplete: "off", maxlength: 512 });
  const select = (id, label, name, options) => {
    const box = h("select", { id }, options.map(([value, words]) => h("option", { value, selected: filter[name] === value }, words)));
    box.addEventListener("change", () => set({ [name]: box.value }));
    return h("span", { class: "choice" }, h("label", { for: id }, label), box);
  };
  const chosen = ["service", "endpoint"]
    .filter((name) => filter[name])
    .map((name) => h("button", { type: "button", class: "chip", on: { click: (event) => (event.currentTarget.remove(), set({ [name]: "" })) } }, `${name} ${short(filter[name], 50)} `, h("span", { "aria-hidden": "true" }, "✕"), h("span", { class: "unseen" }, "remove this filter")));
  view.replaceChildren(
    h("h1", {}, "Incidents"),
    lead,
    h(
      "div",
      { class: "filters", role: "search" },
      h("label", { for: "incident-search" }, "Service or endpoint"),
      search,
      select("severity", "Severity", "severity", [["", "Any"], ["Critical", "Critical"], ["Warning", "Warning"]]),
      select("status", "State", "status", [["", "Any"], ["active", "Not resolved"], ["open", "Open"], ["acknowledged", "Acknowledged"], ["resolved", "Resolved"]]),
      chosen,
    ),
    list.element,
  );
  let waiting;
  search.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => set({ search: search.value.trim() }), 150);
  });

  function set(change) {
    Object.assign(filter, change);
    total = null;
    navigate(path("#/incidents", filter), { quiet: true });
    scrollTo({ top: 0 });
    refresh();
  }

  async function refresh() {
    await list.refresh();
    lead.textContent = `${plural(total, "incident")}${Object.values(filter).some(Boolean) ? " match the filter" : ""}, newest first.`;
    document.title = `mad: ${count(total)} incidents`;
  }

  return { refresh, close: () => list.close(), on: new Set(["incident"]) };
}
