// Requests to the server, with a token where it needs one, and errors as plain sentences.

const KEY = "mad-token";

export function token() {
  try {
    return sessionStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}

export function setToken(text) {
  try {
    if (text) sessionStorage.setItem(KEY, text);
    else sessionStorage.removeItem(KEY);
  } catch {
    // storage is forbidden: the token is lost with the next request
  }
}

/** A request that failed. `kind` is gone, token, forbidden, missing, busy or other. */
export class Failed extends Error {
  constructor(kind, sentence) {
    super(sentence);
    this.kind = kind;
  }
}

function headers(more) {
  const bearer = token();
  return bearer ? { ...more, Authorization: `Bearer ${bearer}` } : { ...more };
}

async function failure(response) {
  const said = await response.json().catch(() => ({}));
  const message = said.message ? `${said.message[0].toUpperCase()}${said.message.slice(1)}.` : "";
  if (response.status === 401) {
    const sentence = token()
      ? "The server does not know this token. It may be wrong, or it has expired. Enter another one."
      : "This server needs a token. Ask the person who runs it for one with the scope read.";
    return new Failed("token", sentence);
  }
  if (response.status === 403) return new Failed("forbidden", `${message} ${said.hint ? `Remedy: ${said.hint}.` : ""}`);
  if (response.status === 404) return new Failed("missing", message || "There is nothing here.");
  if (response.status === 429 || response.status === 503)
    return new Failed("busy", "The server is busy. The page tries again in a moment.");
  return new Failed("other", message || `The server answered with status ${response.status}.`);
}

/** The JSON answer of a request. Throws `Failed`. */
export async function ask(path, { method = "GET", body, signal } = {}) {
  let response;
  try {
    response = await fetch(path, {
      method,
      signal,
      headers: headers(body === undefined ? {} : { "Content-Type": "application/json" }),
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failed("gone", "The server does not answer.");
  }
  if (!response.ok) throw await failure(response);
  return response.json();
}

/** A path with those parameters that have a value. */
export function path(route, parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return given.length ? `${route}?${new URLSearchParams(given)}` : route;
}

/** Reads the event stream until the page closes. It connects again by itself, and then asks for what
 * it missed. `on` has the functions event(name, data), open() and lost(failure). */
export async function follow(on) {
  let last = "";
  let pause = 500;
  for (;;) {
    try {
      const response = await fetch("v1/stream", { headers: headers(last ? { "Last-Event-ID": last } : {}) });
      if (!response.ok) throw await failure(response);
      pause = 500;
      on.open();
      for await (const event of events(response.body)) {
        if (event.id) last = event.id;
        on.event(event.name, event.data);
      }
      on.lost(new Failed("gone", "The server ended the connection."));
    } catch (error) {
      on.lost(error instanceof Failed ? error : new Failed("gone", "The server does not answer."));
    }
    await new Promise((done) => setTimeout(done, pause));
    pause = Math.min(pause * 2, 4000);
  }
}

async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const fields = Object.fromEntries(
        block.split("\n").filter((line) => !line.startsWith(":")).map((line) => line.split(/: ?(.*)/s).slice(0, 2)),
      );
      if (fields.event) yield { name: fields.event, id: fields.id, data: JSON.parse(fields.data ?? "null") };
    }
  }
}
