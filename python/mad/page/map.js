// A map of how an incident spread: who calls whom, and when each became unusual.

import { h, s } from "./dom.js";
import { entityLink } from "./findings.js";
import { clock, entityName, short } from "./format.js";

const WIDTH = 210;
const HEIGHT = 58;
const GAP_X = 64;
const GAP_Y = 22;
/** Between callers and those they call where these stand below, for the arrow. */
const GAP_TALL = 34;
/** Most entities in the map. */
const MOST = 12;

const key = (one) => `${one.service} ${one.endpoint}`.trim();

function nodesOf(found) {
  const nodes = new Map();
  const add = (one, at) => {
    const name = key(one);
    const known = nodes.get(name);
    if (known) known.at = [known.at, at].filter(Boolean).sort()[0];
    else if (nodes.size < MOST) nodes.set(name, { name, service: one.service, endpoint: one.endpoint, at, callers: [] });
  };
  add(found, found.start);
  for (const one of found.chain) add(one, one.at);
  for (const one of found.members) add(one, one.start);
  for (const one of found.ranking.culprits) add(one, one.onset);
  return nodes;
}

/** Draws calls only: entities of one service, or of one minute, need not call each other. */
function link(nodes, chain) {
  for (const one of chain) {
    const [from, to] = one.tie === "called_by" ? [one.to, key(one)] : [key(one), one.to];
    if (["calls", "called_by"].includes(one.tie) && nodes.has(from) && nodes.has(to) && from !== to) nodes.get(to).callers.push(from);
  }
}

/** The column of each node: callers stand left of those they call. */
function columns(nodes) {
  const depth = new Map();
  const visit = (node, path) => {
    if (depth.has(node.name)) return depth.get(node.name);
    if (path.includes(node.name)) return 0;
    const found = Math.max(-1, ...node.callers.map((name) => visit(nodes.get(name), [...path, node.name]))) + 1;
    depth.set(node.name, found);
    return found;
  };
  const found = [];
  for (const node of nodes.values()) (found[visit(node, [])] ??= []).push(node);
  return found.filter(Boolean);
}

const chunks = (all, size) => Array.from({ length: Math.ceil(all.length / size) }, (_, place) => all.slice(place * size, (place + 1) * size));

function roleOf(node, found) {
  const names = [];
  const [culprit] = found.ranking.culprits;
  if (culprit && key(culprit) === node.name) names.push("root cause");
  const first = found.chain[0] ?? found;
  if (key(first) === node.name) names.push("first failure");
  return names.join(", ") || "affected";
}

/** The map in a place of `room` pixels. */
export function propagation(found, room) {
  const nodes = nodesOf(found);
  if (nodes.size < 2) return null;
  link(nodes, found.chain);
  const levels = columns(nodes);
  // where a row has no room, callers stand above those they call; without calls there is no order
  const isTall = levels.length === 1 || levels.length * (WIDTH + GAP_X) - GAP_X > room;
  const most = Math.max(1, Math.floor((room + GAP_Y) / (WIDTH + GAP_Y)));
  const placed = isTall ? levels.flatMap((level) => chunks(level, most)) : levels;
  const widest = Math.max(...placed.map((one) => one.length));
  const across = (count) => count * (WIDTH + (isTall ? GAP_Y : GAP_X)) - (isTall ? GAP_Y : GAP_X) + 4;
  const down = (count) => count * (HEIGHT + (isTall ? GAP_TALL : GAP_Y)) - (isTall ? GAP_TALL : GAP_Y) + 4;
  const size = isTall ? [across(widest), down(placed.length)] : [across(placed.length), down(widest)];
  placed.forEach((nodesOfColumn, column) => {
    const first = isTall ? 0 : (widest - nodesOfColumn.length) / 2;
    nodesOfColumn.forEach((node, place) => {
      const [x, y] = isTall ? [place, column] : [column, first + place];
      Object.assign(node, { x: x * (WIDTH + (isTall ? GAP_Y : GAP_X)) + 2, y: y * (HEIGHT + (isTall ? GAP_TALL : GAP_Y)) + 2 });
    });
  });
  const all = [...nodes.values()];
  const arrows = all.flatMap((node) => node.callers.map((name) => arrow(nodes.get(name), node, isTall)));
  const svg = s(
    "svg",
    { viewBox: `0 0 ${size[0]} ${size[1]}`, width: size[0], height: size[1], class: "map", role: "group", "aria-label": "Entities of the incident. Arrows point from caller to called." },
    s("defs", {}, s("marker", { id: "head", viewBox: "0 0 8 8", refX: 8, refY: 4, markerWidth: 8, markerHeight: 8, orient: "auto" }, s("path", { d: "M0 0L8 4L0 8z", class: "tip-of-arrow" }))),
    arrows,
    all.map((node) => box(node, roleOf(node, found))),
  );
  const words = found.explanation.chain.length ? h("ol", { class: "sentences" }, found.explanation.chain.map((one) => h("li", {}, one))) : null;
  const hasArrows = arrows.length > 0;
  return h("div", { class: "card" }, h("h2", {}, "How it spread"), h("p", { class: "hint" }, hasArrows ? "Arrows point from the caller to the called." : "No calls between these are known."), h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Map" }, svg), words);
}

function arrow(from, to, isTall) {
  const [x1, y1, x2, y2] = [from.x + WIDTH, from.y + HEIGHT / 2, to.x, to.y + HEIGHT / 2];
  const isBack = isTall || x2 <= x1;
  const d = isBack ? `M${from.x + WIDTH / 2} ${from.y + HEIGHT}L${to.x + WIDTH / 2} ${to.y}` : `M${x1} ${y1}C${x1 + 30} ${y1} ${x2 - 30} ${y2} ${x2} ${y2}`;
  return s("path", { d, class: "arrow", "marker-end": "url(#head)" });
}

function box(node, role) {
  const kind = role.includes("root") ? "root" : role.includes("first") ? "first" : "other";
  const text = (content, y, name) => s("text", { x: node.x + 12, y: node.y + y, class: name }, content);
  return s(
    "a",
    { href: entityLink(node), "aria-label": `${entityName(node)}: ${role}, since ${clock(node.at)} UTC` },
    s("title", {}, entityName(node)),
    s("rect", { x: node.x, y: node.y, width: WIDTH, height: HEIGHT, rx: 8, class: `node ${kind}` }),
    text(short(entityName({ service: node.service }), 25), 19, "strong"),
    text(node.endpoint ? short(entityName({ endpoint: node.endpoint }), 28) : "all endpoints", 34, "soft"),
    text(`${role}, ${clock(node.at)}`, 50, kind),
  );
}
