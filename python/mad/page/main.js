// Starts the page: routes, connection, colours and token.

import { ask, Failed, follow, setToken, token } from "./api.js";
import { announce, focusView, h } from "./dom.js";
import { entity } from "./entity.js";
import { clock } from "./format.js";
import { incident } from "./incident.js";
import { incidents } from "./incidents.js";
import { overview } from "./overview.js";

const ROUTES = [
  [/^\/?$/, overview, "services"],
  [/^\/incidents\/?$/, incidents, "incidents"],
  [/^\/incidents\/([^/]+)$/, incident, "incidents"],
  [/^\/entity$/, entity, "services"],
];
/** Milliseconds after which the view is loaded again even when no event came. */
const AT_LEAST_EVERY = 30_000;

const view = document.getElementById("view");
const banner = document.getElementById("banner");
let current = null;
let newest = null;

function navigate(hash, { quiet = false } = {}) {
  if (!quiet) location.hash = hash;
  else history.replaceState(null, "", hash);
}

function show() {
  const [route, query] = location.hash.replace(/^#/, "").split(/\?(.*)/s);
  const found = ROUTES.map(([pattern, start, name]) => [pattern.exec(route), start, name]).find(([match]) => match);
  current?.close?.();
  current = null;
  for (const link of document.querySelectorAll("[data-view]")) {
    if (link.dataset.view === found?.[2]) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (!found) {
    view.replaceChildren(h("h1", {}, "This page does not exist"), h("p", {}, h("a", { href: "#/" }, "See all services")));
    return;
  }
  const name = found[0][1] ? decodeURIComponent(found[0][1]) : "";
  current = found[1](view, { parameters: new URLSearchParams(query), name, navigate, reload: () => load() });
  load().then(() => current?.loaded?.());
  scrollTo({ top: 0 });
}

/** Loads the view again. Loads that are asked for meanwhile are one more. */
let loading = null;
let again = false;
function load() {
  if (loading) {
    again = true;
    return loading;
  }
  const of = current;
  loading = Promise.resolve(of?.refresh())
    .then(() => banner.dataset.kind === "gone" || clear(), (failure) => (of === current ? fail(failure) : undefined))
    .finally(() => {
      loading = null;
      view.querySelector(".loading")?.remove();
      if (again) {
        again = false;
        load();
      }
    });
  return loading;
}

function clear() {
  banner.hidden = true;
  delete banner.dataset.kind;
}

function fail(failure) {
  if (!(failure instanceof Failed)) {
    console.error(failure);
    return;
  }
  if (failure.kind === "token") {
    askForToken(failure.message);
    return;
  }
  banner.dataset.kind = failure.kind;
  const since = newest ? ` What you see was judged up to ${clock(newest)} UTC.` : "";
  banner.textContent =
    failure.kind === "gone" ? `${failure.message} The page shows what it last knew and connects again by itself.${since}` : failure.message;
  banner.hidden = false;
}

const dialog = document.getElementById("token-dialog");
function askForToken(sentence) {
  document.getElementById("token").hidden = false;
  if (dialog.open) {
    dialog.querySelector("p").textContent = sentence;
    return;
  }
  const field = h("input", { type: "password", id: "token-field", autocomplete: "off", required: true, "aria-describedby": "token-why" });
  const form = h(
    "form",
    { on: { submit: (event) => {
      event.preventDefault();
      setToken(field.value.trim());
      dialog.close();
      clear();
      load();
    } } },
    h("h2", { id: "token-title" }, "Token"),
    h("p", { id: "token-why" }, sentence),
    h("label", { for: "token-field" }, "Token"),
    field,
    h("p", { class: "hint" }, "It stays in this tab and is forgotten when you close it."),
    h("div", { class: "buttons" }, h("button", { type: "submit", class: "primary" }, "Use this token"), token() ? h("button", { type: "button", on: { click: () => (setToken(""), dialog.close(), load()) } }, "Forget the token") : null),
  );
  dialog.replaceChildren(form);
  dialog.showModal();
  field.focus();
}
document.getElementById("token").addEventListener("click", () => askForToken("Enter a token with the scope read to look, or with the scope admin to acknowledge, resolve, mute and comment."));

document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = isDark ? "light" : "dark";
  try {
    localStorage.setItem("mad-theme", root.dataset.theme);
  } catch {
    // storage is forbidden: the choice lasts until the page closes
  }
  dispatchEvent(new Event("mad-theme"));
});

function connection(state, words) {
  document.getElementById("connection").dataset.state = state;
  document.getElementById("connection-text").textContent = words;
}

let isLost = false;
follow({
  open() {
    connection("live", newest ? `Live, data up to ${clock(newest)} UTC` : "Live");
    if (!isLost) return;
    isLost = false;
    clear();
    announce("The server answers again.");
    load();
  },
  event(name, data) {
    if (name === "step") {
      newest = data.watermark;
      connection("live", `Live, data up to ${clock(newest)} UTC`);
    }
    if (current?.on?.has(name)) load();
  },
  lost(failure) {
    if (failure.kind === "token") {
      connection("lost", "Needs a token");
      return;
    }
    connection("lost", "Not connected");
    isLost = true;
    if (failure.kind === "gone") fail(failure);
  },
});
setInterval(() => document.visibilityState === "visible" && load(), AT_LEAST_EVERY);

const minutes = -new Date().getTimezoneOffset();
if (minutes) {
  const hours = `${minutes < 0 ? "-" : "+"}${String(Math.floor(Math.abs(minutes) / 60)).padStart(2, "0")}:${String(Math.abs(minutes) % 60).padStart(2, "0")}`;
  document.getElementById("zone").textContent = `Times are in UTC. Your clock is UTC${hours}.`;
}

addEventListener("hashchange", () => {
  show();
  focusView();
});
if (token()) document.getElementById("token").hidden = false;
show();
ask("health").then((health) => {
  newest ??= health.watermark;
  if (newest && document.getElementById("connection").dataset.state === "live") connection("live", `Live, data up to ${clock(newest)} UTC`);
}, () => undefined);
