// Charts over time with the expected range, flagged values, changes, and an incident as a range.

import { h } from "./dom.js";
import { clock, duration, latency, moment, number, quantity, seconds, share, signalName, visible } from "./format.js";

/** Height of a chart in pixels. */
const HEIGHT = 170;
const charts = new Set();
addEventListener("mad-theme", () => charts.forEach((one) => one.draw()));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts.forEach((one) => one.draw()));
addEventListener("resize", () => charts.forEach((one) => one.fit()));

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const AXIS = { ms: latency, share: (value) => (value === 0 ? "0 %" : share(value)), count: number, "": number };

/** Ends the charts of a view that closes. */
export function closeCharts() {
  for (const one of charts) one.plot?.destroy();
  charts.clear();
}

/**
 * A chart of one or more signals with the same unit, over the times of a series document.
 *
 * `names` are the signals; the first has its expected range. `incident` has start and end, `changes`
 * are marked with a line. The returned figure has a sentence and a table for screen readers.
 */
export function chart(series, names, { title, incident, changes = [] }) {
  const signals = names.map((name) => (name === "req_count" ? requests(series) : series.signals.find((one) => one.name === name))).filter(Boolean);
  const first = signals[0];
  if (!first?.values.some(Number.isFinite)) return null;
  const unit = first.name === "req_count" ? "count" : first.unit || unitOf(first.name);
  const shown = hidesLine(first, unit) ? { ...first, low: first.low.map(() => null), high: first.high.map(() => null) } : first;
  const holder = h("div", { class: "plot" });
  const figure = h("figure", { class: "chart" }, h("figcaption", {}, title), holder, legend(signals, shown, incident, changes), dataTable(series, signals, unit));
  const one = { figure, plot: null, draw, fit };
  holder.setAttribute("role", "img");
  holder.setAttribute("aria-label", sentence(series, first, unit, incident));

  function draw() {
    one.plot?.destroy();
    const times = series.bucket.map(seconds);
    const data = [times, ...signals.map((each) => each.values), shown.low, shown.high];
    const lines = signals.map((each, place) => ({
      label: signalName(each.name),
      stroke: colour(place ? "series-2" : "series"),
      width: place ? 1.25 : 2,
      points: { show: false },
      spanGaps: false,
    }));
    const edge = { stroke: "transparent", width: 0, points: { show: false } };
    one.plot = new globalThis.uPlot(
      {
        width: Math.max(holder.clientWidth, 260),
        height: HEIGHT,
        legend: { show: false },
        cursor: { y: false, points: { size: 7 }, drag: { x: false, y: false } },
        tzDate: (stamp) => globalThis.uPlot.tzDate(new Date(stamp * 1000), "Etc/UTC"),
        scales: { x: { time: true }, y: { range: () => [0, top(signals, shown)] } },
        series: [{}, ...lines, edge, edge],
        bands: [{ series: [lines.length + 2, lines.length + 1], fill: colour("range") }],
        axes: [
          axis({ values: (_, ticks) => ticks.map((tick) => clock(tick * 1000)), space: 70, size: 30 }),
          axis({ values: (_, ticks) => ticks.map(AXIS[unit]), size: 66, space: 36 }),
        ],
        hooks: { drawClear: [(plot) => ranges(plot, incident)], draw: [(plot) => marks(plot, series, first, changes)], setCursor: [(plot) => tip(plot, signals, unit)] },
      },
      data,
      holder,
    );
    holder.append((one.tip = h("div", { class: "tip", "aria-hidden": "true", hidden: true })));
    one.plot.tip = one.tip;
  }

  function fit() {
    one.plot?.setSize({ width: Math.max(holder.clientWidth, 260), height: HEIGHT });
  }

  charts.add(one);
  requestAnimationFrame(() => holder.isConnected && draw());
  return figure;
}

const unitOf = (name) => (name.endsWith("_ms") ? "ms" : "");
const requests = (series) => ({ name: "req_count", unit: "", values: series.count, low: series.count.map(() => null), high: series.count.map(() => null), ...series.signals.find((one) => one.name === "req_count") });

function axis(more) {
  return { stroke: colour("soft"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif", ...more };
}

/** `Requests per minute`, or per another step. */
export const requestsTitle = (series) => `Requests per ${series.step_seconds === 60 ? "minute" : duration(series.step_seconds)}`;

/** Whether most expected ranges of a share end above 25 %: with few requests nearly every rate is possible. */
function hidesLine(one, unit) {
  const ends = one.high.filter(Number.isFinite);
  return unit === "share" && 2 * ends.filter((end) => end > 0.25).length > ends.length;
}

/** The top of the axis: the values, and as much of the range as does not flatten them. */
function top(signals, first) {
  const values = Math.max(...signals.flatMap((one) => one.values.filter(Number.isFinite)), 0);
  const high = first.high.filter(Number.isFinite).sort((one, other) => one - other);
  const typical = high[Math.floor(high.length / 2)] ?? 0;
  const expected = Math.min(high.at(-1) ?? 0, Math.max(values * 1.25, typical));
  return (Math.max(values, expected) || 1) * 1.08;
}

function ranges(plot, incident) {
  if (!incident) return;
  const { ctx, bbox } = plot;
  const left = Math.max(plot.valToPos(seconds(incident.start), "x", true), bbox.left);
  const right = Math.min(plot.valToPos(seconds(incident.end), "x", true), bbox.left + bbox.width);
  ctx.save();
  ctx.fillStyle = colour("incident");
  ctx.fillRect(left, bbox.top, Math.max(right - left, 2), bbox.height);
  ctx.restore();
}

function marks(plot, series, first, changes) {
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio;
  ctx.save();
  ctx.fillStyle = colour("bad");
  series.flagged.forEach((isFlagged, place) => {
    const value = first.values[place];
    // the row was flagged, perhaps because of another signal
    const isUsual = value >= first.low[place] && value <= first.high[place] && Number.isFinite(first.high[place]);
    if (!isFlagged || isUsual || !Number.isFinite(value)) return;
    ctx.beginPath();
    ctx.arc(plot.valToPos(seconds(series.bucket[place]), "x", true), plot.valToPos(value, "y", true), 3 * ratio, 0, 7);
    ctx.fill();
  });
  ctx.strokeStyle = colour("marker");
  ctx.fillStyle = colour("marker");
  ctx.lineWidth = 1.5 * ratio;
  ctx.font = `${11 * ratio}px system-ui, sans-serif`;
  ctx.textAlign = "left";
  ctx.textBaseline = "alphabetic";
  changes.forEach((one, number) => {
    const x = plot.valToPos(seconds(one.at), "x", true);
    if (x < bbox.left || x > bbox.left + bbox.width) return;
    ctx.setLineDash([4 * ratio, 3 * ratio]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.fillText(String(number + 1), x + 3 * ratio, bbox.top + 11 * ratio);
  });
  ctx.restore();
}

function tip(plot, signals, unit) {
  const place = plot.cursor.idx;
  if (!plot.tip) return;
  plot.tip.hidden = place === null || plot.cursor.left < 0;
  if (plot.tip.hidden) return;
  const [low, high] = plot.data.slice(-2).map((one) => one[place]);
  const lines = signals.map((one) => `${signalName(one.name)} ${quantity(one.values[place], unit)}`);
  if (Number.isFinite(high)) lines.push(`expected ${quantity(low, unit)} to ${quantity(high, unit)}`);
  plot.tip.replaceChildren(h("b", {}, `${clock(plot.data[0][place] * 1000)} UTC`), ...lines.map((line) => h("span", {}, line)));
  const isRight = plot.cursor.left > plot.over.clientWidth / 2;
  plot.tip.style.left = isRight ? "auto" : `${plot.cursor.left + 80}px`;
  plot.tip.style.right = isRight ? `${plot.over.clientWidth - plot.cursor.left + 20}px` : "auto";
}

/** `1 deploy v2.14.0 of payments at 10:58`. */
export const changeWords = (one) => visible([one.kind, one.name, one.version].filter(Boolean).join(" ")) + (one.service ? ` of ${visible(one.service)}` : "");

function legend(signals, first, incident, changes) {
  const hasRange = first.high.some(Number.isFinite);
  return h(
    "ul",
    { class: "legend" },
    signals.map((one, place) => h("li", {}, h("i", { class: place ? "key second" : "key" }), signalName(one.name))),
    hasRange ? h("li", {}, h("i", { class: "key range" }), "expected range") : null,
    incident ? h("li", {}, h("i", { class: "key incident" }), "incident") : null,
    changes.map((one, number) => h("li", {}, h("i", { class: "key change" }), `${number + 1}: ${changeWords(one)}, ${clock(one.at)}`)),
  );
}

function sentence(series, first, unit, incident) {
  const known = first.values.filter(Number.isFinite);
  const flagged = series.flagged.filter(Boolean).length;
  const during = incident ? ` The incident lasts from ${clock(incident.start)} to ${clock(incident.end)} UTC.` : "";
  return `${signalName(first.name)} from ${moment(series.bucket[0])} to ${clock(series.bucket.at(-1))} UTC: ${quantity(Math.min(...known), unit)} to ${quantity(Math.max(...known), unit)}, ${flagged} of ${series.flagged.length} values flagged.${during}`;
}

/** The same values as a table, filled when it is opened. */
function dataTable(series, signals, unit) {
  const details = h("details", { class: "data" }, h("summary", {}, "Values as a table"));
  details.addEventListener("toggle", () => {
    if (!details.open || details.children.length > 1) return;
    const head = h("tr", {}, h("th", { scope: "col" }, "Time (UTC)"), signals.map((one) => h("th", { scope: "col" }, signalName(one.name))), h("th", { scope: "col" }, "Flagged"));
    const rows = series.bucket.map((time, place) =>
      h("tr", {}, h("th", { scope: "row" }, moment(time)), signals.map((one) => h("td", {}, quantity(one.values[place] ?? NaN, unit))), h("td", {}, series.flagged[place] ? "yes" : "")),
    );
    details.append(h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Values" }, h("table", {}, h("thead", {}, head), h("tbody", {}, rows))));
  });
  return details;
}
