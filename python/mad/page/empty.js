// What to do when the server has no data yet.

import { h } from "./dom.js";

/** The address under which the page was opened, for commands to copy. */
const address = () => location.href.split("#")[0].replace(/\/$/, "");

export function emptyStore() {
  const at = address();
  return [
    h(
      "div",
      { class: "card empty" },
      h("h2", {}, "No data has arrived yet"),
      h("p", {}, "Send requests, spans, metrics or logs to this server. This page fills by itself as soon as the first minute closes."),
      h("h3", {}, "Send a file of requests"),
      h("pre", { tabindex: "0" }, `curl -s ${at}/v1/ingest/requests -H 'Content-Type: text/csv' --data-binary @requests.csv`),
      h("h3", {}, "Point OpenTelemetry at it"),
      h("pre", { tabindex: "0" }, `OTEL_EXPORTER_OTLP_ENDPOINT=${at}`),
      h("h3", {}, "Or look at a demo shop with a failure"),
      h("pre", { tabindex: "0" }, "mad serve --demo"),
    ),
  ];
}
