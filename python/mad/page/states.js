// States and severities: a shape and a word for each, so that colour is never the only sign.

import { h } from "./dom.js";

const STATES = {
  critical: ["▲", "Critical incident", "bad"],
  warning: ["◆", "Warning incident", "warn"],
  anomalous: ["◆", "Unusual", "warn"],
  silent: ["◌", "No data", "warn"],
  suppressed: ["◇", "Unusual, no alert", "mild"],
  normal: ["●", "Normal", "good"],
  too_few_requests: ["○", "Too few requests", "idle"],
  unknown: ["…", "Learning", "idle"],
  muted: ["◼", "Muted", "idle"],
  disabled: ["–", "Not watched", "idle"],
};

const SEVERITIES = { Critical: ["▲", "Critical", "bad"], Warning: ["◆", "Warning", "warn"], Info: ["●", "Info", "good"] };

const STATUSES = {
  open: ["●", "Open", "bad"],
  acknowledged: ["◐", "Acknowledged", "warn"],
  resolved: ["✓", "Resolved", "good"],
  expired: ["✓", "Expired", "good"],
  merged: ["→", "Merged", "idle"],
};

function badge([mark, words, tone], title) {
  return h("span", { class: `badge ${tone}`, title }, h("span", { class: "mark", "aria-hidden": "true" }, mark), words);
}

export const stateBadge = (state, title) => badge(STATES[state] ?? ["?", state, "idle"], title);
export const severityBadge = (severity) => badge(SEVERITIES[severity] ?? ["?", severity, "idle"]);
/** The badge of an incident: one whose services sent nothing more has expired. */
export const statusBadge = (found) => {
  const status = ["expired", "merged"].includes(found.close_reason) ? found.close_reason : found.status;
  return badge(STATUSES[status] ?? ["?", status, "idle"]);
};
export const stateWords = (state) => (STATES[state] ?? ["", state])[1];
export const STATE_NAMES = Object.keys(STATES);
