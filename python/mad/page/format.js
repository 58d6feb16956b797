// Numbers, times and names as text. Times are UTC, as in the sentences of the server.

const DASH = "–";
const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu;

/** Text with control and bidirectional characters written as escapes. */
export function visible(text) {
  return String(text ?? "").replace(HIDDEN, (one) => `\\u{${one.codePointAt(0).toString(16)}}`);
}

/** `payments /pay` for a record with service, endpoint and metric. */
export function entityName(one) {
  return [one.service, one.endpoint, one.metric].filter(Boolean).map(visible).join(" ") || "unknown";
}

/** A text with its middle left out where it is longer than a limit. */
export function short(text, limit) {
  if (text.length <= limit) return text;
  const head = Math.floor(((limit - 1) * 2) / 3);
  return `${text.slice(0, head)}…${text.slice(text.length - (limit - 1 - head))}`;
}

/** A number with three significant digits and separated thousands. */
export function number(value) {
  if (!Number.isFinite(value)) return DASH;
  if (value !== 0 && (Math.abs(value) >= 1e15 || Math.abs(value) < 1e-6)) return value.toExponential(2);
  const digits = Math.abs(value) >= 1000 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 3 };
  return value.toLocaleString("en-US", digits);
}

/** A whole number with separated thousands. */
export const count = (value) => (Number.isFinite(value) ? Math.round(value).toLocaleString("en-US") : DASH);

/** `1 incident`, `2 incidents`. */
export const plural = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;

/** `12.4 %`. */
export const share = (value) => (Number.isFinite(value) ? `${number(value * 100)} %` : DASH);

/** `182 ms`, from 10 seconds on `12.3 s`. */
export function latency(ms) {
  if (!Number.isFinite(ms)) return DASH;
  return ms >= 10_000 ? `${number(ms / 1000)} s` : `${number(ms)} ms`;
}

/** A value of a signal with its unit. */
export function quantity(value, unit) {
  if (unit === "share") return share(value);
  return unit === "ms" ? latency(value) : number(value);
}

/** The unit of a signal by its name. */
export function unitOf(name) {
  if (name.startsWith(LINES)) return "";
  if (name.endsWith("_ms")) return "ms";
  return name.endsWith("_rate") || name.endsWith("_share") ? "share" : "";
}

/** A text with a capital letter at its start. */
export const capitalized = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** The beginning of the signals that count the lines of a log template. */
const LINES = "log_lines: ";

/** `median latency` for `p50_latency_ms`; a metric keeps its name. */
export function signalName(name) {
  const known = {
    p50_latency_ms: "median latency",
    p95_latency_ms: "95th-percentile latency",
    p99_latency_ms: "99th-percentile latency",
    error_rate: "error rate",
    client_error_rate: "client error rate",
    req_count: "number of requests",
    slow_share: "share of slow requests",
    network_gap_ms: "network time of calls",
    missing_spans: "number of missing spans",
    log_errors: "number of error log lines",
    log_warnings: "number of warning log lines",
    log_new_errors: "number of lines of new error templates",
    silence: "silence",
  };
  const template = name.startsWith(LINES) ? name.slice(LINES.length) : null;
  return known[name] ?? (template === null ? visible(name) : `number of lines ${visible(template)}`);
}

const two = (value) => String(value).padStart(2, "0");
const parsed = (time) => (time ? new Date(time) : null);

/** `10:18`. */
export function clock(time) {
  const at = parsed(time);
  return at ? `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}` : DASH;
}

/** `2026-01-06 10:18`. */
export function moment(time) {
  const at = parsed(time);
  return at ? `${at.getUTCFullYear()}-${two(at.getUTCMonth() + 1)}-${two(at.getUTCDate())} ${clock(time)}` : DASH;
}

/** `2 h 5 min`, `9 min`, `40 s`. */
export function duration(seconds) {
  if (!Number.isFinite(seconds) || seconds < 0) return DASH;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** Seconds between two times. */
export const between = (start, end) => (parsed(end) - parsed(start)) / 1000;

/** A time as an element. */
export const seconds = (time) => parsed(time).getTime() / 1000;
