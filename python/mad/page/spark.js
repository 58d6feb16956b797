// Small lines without axes.

import { s } from "./dom.js";

/** A line of values with dots where they were flagged. `label` says it in words. */
export function sparkline(values, flagged, label, { width = 120, height = 28 } = {}) {
  const known = values.filter(Number.isFinite);
  const svg = s("svg", { class: "spark", viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label });
  if (!known.length) return svg;
  const low = Math.min(...known);
  const high = Math.max(...known);
  // a flat line is in the middle, and noise of a few per cent is not drawn as if it were a change
  const spread = Math.max(high - low, Math.abs(high) * 0.6, 1e-9);
  const middle = (high + low) / 2;
  const x = (place) => 3 + (place * (width - 6)) / Math.max(values.length - 1, 1);
  const y = (value) => height / 2 - ((value - middle) / spread) * (height - 8);
  let line = "";
  values.forEach((value, place) => {
    if (!Number.isFinite(value)) return;
    const moves = place === 0 || !Number.isFinite(values[place - 1]);
    const lonely = moves && !Number.isFinite(values[place + 1]);
    line += `${moves ? "M" : "L"}${x(place).toFixed(1)} ${y(value).toFixed(1)}${lonely ? "h.1" : ""}`;
  });
  svg.append(s("path", { d: line, class: "line" }));
  for (const place of flagged) {
    if (Number.isFinite(values[place])) svg.append(s("circle", { cx: x(place).toFixed(1), cy: y(values[place]).toFixed(1), r: 2.2, class: "dot" }));
  }
  return svg;
}
