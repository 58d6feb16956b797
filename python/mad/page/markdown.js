// An incident as Markdown, for chats and tickets.

import { changeWords } from "./chart.js";
import { between, count, duration, entityName, moment, share } from "./format.js";
import { counted, frontDoor } from "./findings.js";
import { titleOf } from "./incident.js";

const escaped = (text) => String(text).replace(/([\\`*_[\]<>#|])/g, "\\$1");
const list = (texts, mark = "-") => texts.map((one, place) => `${mark === "1." ? `${place + 1}.` : mark} ${escaped(one)}`);

export function markdown(found, state, actions, context, url) {
  const { explanation } = found;
  const [door, place] = [frontDoor(found), counted(found)];
  const notes = actions.map((one) => `${moment(one.written_at)} UTC ${one.who}: ${one.action} ${one.text}`.trim());
  return [
    `## ${escaped(titleOf(found))}`,
    "",
    `**${found.severity}**, ${state}. Started ${moment(found.start)} UTC, ${found.status === "resolved" ? `ended ${moment(found.end)} UTC` : "not ended"} (${duration(between(found.start, found.end))}).`,
    door.requests ? `${count(door.errors)} of ${count(door.requests)} requests${place ? ` at ${escaped(place)}` : ""} failed (${share(door.errors / door.requests)}).` : "",
    "",
    `**Root cause:** ${escaped(explanation.root_cause)}`,
    "",
    `**First failure:** ${escaped(explanation.first_failure)}`,
    "",
    "**Impact**",
    ...list(explanation.impact),
    "",
    "**Likely causes**",
    ...list(explanation.likely_causes),
    "",
    ...(explanation.log_evidence?.length ? ["**Log**", ...list(explanation.log_evidence), ""] : []),
    "**What to do next**",
    ...list(explanation.recommended_actions, "1."),
    "",
    "**Evidence**",
    ...found.ranking.culprits.flatMap((one) => [`- ${escaped(entityName({ service: one.service, endpoint: one.endpoint }))} (${share(one.score)})`, ...one.evidence.map((each) => `  - ${escaped(each.text)}`)]),
    ...(context.changes.length ? ["", "**Changes**", ...list(context.changes.map((one) => `${moment(one.at)} UTC: ${changeWords(one)}`))] : []),
    ...(notes.length ? ["", "**Activity**", ...list(notes)] : []),
    "",
    url,
  ].join("\n");
}
