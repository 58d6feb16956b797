// What people did about an incident, and the forms to do it.

import { ask, Failed } from "./api.js";
import { announce, h } from "./dom.js";
import { entityName, moment, visible } from "./format.js";

const WORDS = {
  acknowledge: "acknowledged it",
  resolve: "resolved it",
  mute: "muted this endpoint",
  unmute: "ended the mute of this endpoint",
  comment: "wrote",
  useful: "gave feedback: useful",
  noise: "gave feedback: noise",
  wrong_culprit: "gave feedback: wrong culprit",
};

/** The section of an incident's activity, and the buttons for the top of the page. `changed` is called
 * after a command. */
export function activity(id, { changed }) {
  const place = `v1/incidents/${encodeURIComponent(id)}`;
  let found = null;
  const list = h("ol", { class: "timeline" });
  const answers = [h("p", { class: "said", role: "status" }), h("p", { class: "said" })];
  const acknowledge = h("button", { type: "button", class: "primary", on: { click: () => run(`${place}/acknowledge`, undefined, "Acknowledged.") } }, "Acknowledge");
  const resolve = h("button", { type: "button", on: { click: () => run(`${place}/resolve`, undefined, "Resolved.") } }, "Resolve");
  const comment = h("textarea", { id: "comment", rows: 2, maxlength: 10_000, required: true });
  const minutes = h("select", { id: "mute-minutes" }, [[30, "30 minutes"], [60, "1 hour"], [240, "4 hours"], [1440, "1 day"]].map(([value, words]) => h("option", { value }, words)));
  const why = h("input", { id: "mute-reason", maxlength: 1000, placeholder: "Reason", "aria-label": "Reason of the mute" });
  const verdict = h("select", { id: "verdict" }, [["useful", "Useful"], ["noise", "Noise"], ["wrong_culprit", "Wrong culprit"]].map(([value, words]) => h("option", { value }, words)));
  const form = (act, ...content) => h("form", { class: "line", on: { submit: (event) => (event.preventDefault(), act()) } }, content);

  const element = h(
    "section",
    { class: "part card activity", "aria-labelledby": "activity-title" },
    h("h2", { id: "activity-title" }, "Activity"),
    answers[1],
    list,
    form(
      async () => (await run(`${place}/comments`, { text: comment.value.trim() }, "The comment is saved.")) && (comment.value = ""),
      h("label", { for: "comment" }, "Comment"),
      comment,
      h("button", { type: "submit" }, "Save the comment"),
    ),
    form(
      () => run("v1/mutes", { service: found.service, endpoint: found.endpoint, minutes: Number(minutes.value), reason: why.value.trim() }, `Muted: ${entityName(found)} raises no alarm in this time.`),
      h("label", { for: "mute-minutes" }, "Mute this endpoint for"),
      minutes,
      why,
      h("button", { type: "submit" }, "Mute"),
    ),
    form(
      () => run(`${place}/feedback`, { verdict: verdict.value }, "Thank you. The feedback is saved."),
      h("label", { for: "verdict" }, "Was this incident useful?"),
      verdict,
      h("button", { type: "submit" }, "Send the feedback"),
    ),
  );

  const buttons = h("div", {}, h("div", { class: "buttons" }, acknowledge, resolve), answers[0]);

  function say(text, isBad = false) {
    for (const one of answers) {
      one.className = isBad ? "said bad" : "said";
      one.textContent = text;
    }
  }

  async function run(route, body, done) {
    try {
      await ask(route, { method: "POST", body });
      say(done);
      announce(done);
      await changed();
      return true;
    } catch (failure) {
      if (!(failure instanceof Failed)) throw failure;
      say(failure.kind === "forbidden" ? `This is not allowed. ${failure.message}` : failure.message, true);
      return false;
    }
  }

  function update(next, actions, [, how]) {
    found = next;
    acknowledge.disabled = next.status !== "open";
    resolve.disabled = next.status === "resolved";
    const line = (at, who, words, text) => h("li", {}, h("small", {}, `${moment(at)} UTC `), h("b", {}, visible(who)), ` ${words}`, text ? h("blockquote", {}, visible(text)) : null);
    const ended = how.startsWith("by itself") ? [line(next.closed_at ?? next.end, "mad", `resolved it ${how}`)] : [];
    list.replaceChildren(
      line(next.opened_at, "mad", "opened it"),
      ...actions.map((one) => line(one.written_at, one.who === "anybody" ? "somebody without a token" : one.who, WORDS[one.action] ?? one.action, one.text)),
      ...ended,
    );
  }

  return { element, buttons, update };
}
