// A long list of which only the visible rows are in the document. Rows are loaded page by page.

import { h } from "./dom.js";

const PAGE = 50;
const SPARE = 6;
/** Milliseconds without scrolling after which missing pages are loaded, and after which a failed load
 * is tried again. */
const SETTLED = 60;
const AGAIN = 1500;

export class WindowedList {
  /** `load(offset, limit)` gives `{ total, data }`; `row(item, place)` gives the content of a row, the
   * first link of which takes the focus. `height` is the height of a row in pixels. */
  constructor({ label, columns, load, row, height, empty }) {
    this.load = load;
    this.row = row;
    this.height = height;
    this.empty = empty;
    this.total = 0;
    this.pages = new Map();
    this.loading = new Map();
    this.shown = new Map();
    this.generation = 0;
    this.body = h("div", { class: "rows", role: "rowgroup" });
    const heads = columns.map(([name, kind]) => h("span", { role: "columnheader", class: kind }, name));
    this.element = h(
      "div",
      { class: "list", role: "table", "aria-label": label, on: { keydown: (event) => this.#key(event) } },
      h("div", { role: "rowgroup", class: "head" }, h("div", { role: "row", class: "row" }, heads)),
      this.body,
    );
    this.note = h("p", { class: "note", hidden: true });
    this.element.append(this.note);
    this.redraw = () => {
      this.frame ??= requestAnimationFrame(() => {
        this.frame = undefined;
        this.draw();
      });
    };
    addEventListener("scroll", this.redraw, { passive: true });
    addEventListener("resize", this.redraw, { passive: true });
  }

  close() {
    removeEventListener("scroll", this.redraw);
    removeEventListener("resize", this.redraw);
    clearTimeout(this.settling);
    this.generation += 1;
  }

  /** Loads the visible pages again; the old rows stay until the new ones are there. */
  async refresh() {
    this.generation += 1;
    this.loading.clear();
    const wanted = new Set(this.#range().map((place) => Math.floor(place / PAGE)));
    if (!wanted.size) wanted.add(0);
    for (const page of this.pages.keys()) if (!wanted.has(page)) this.pages.delete(page);
    await Promise.all([...wanted].map((page) => this.#load(page)));
    this.draw();
  }

  #range() {
    const height = this.height();
    const top = this.body.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(-top / height) - SPARE);
    const last = Math.min(this.total, Math.ceil((innerHeight - top) / height) + SPARE);
    return Array.from({ length: Math.max(0, last - first) }, (_, place) => first + place);
  }

  async #load(page) {
    if (this.loading.has(page)) return this.loading.get(page);
    const generation = this.generation;
    const done = this.load(page * PAGE, PAGE).then((answer) => {
      if (generation !== this.generation) return;
      this.loading.delete(page);
      this.pages.set(page, answer.data);
      this.total = answer.total;
      // pages far from the visible ones are forgotten, so that the memory does not grow
      for (const known of this.pages.keys()) if (Math.abs(known - page) > 20) this.pages.delete(known);
    });
    this.loading.set(page, done);
    return done;
  }

  #loadAll(pages) {
    const loads = [...pages].map((page) => this.#load(page));
    Promise.all(loads).then(this.redraw, () => {
      for (const page of pages) this.loading.delete(page);
      this.settling = setTimeout(this.redraw, AGAIN);
    });
  }

  draw() {
    const height = this.height();
    this.body.style.height = `${this.total * height}px`;
    this.element.setAttribute("aria-rowcount", this.total + 1);
    this.note.hidden = this.total > 0;
    if (!this.total) this.note.textContent = this.empty();
    const range = this.#range();
    const wanted = new Set(range);
    for (const [place, known] of this.shown) {
      if (wanted.has(place)) continue;
      known.element.remove();
      this.shown.delete(place);
    }
    const missing = new Set();
    for (const place of range) {
      const page = Math.floor(place / PAGE);
      const item = this.pages.get(page)?.[place % PAGE];
      if (item) this.#show(place, item, height);
      else if (!this.pages.has(page)) missing.add(page);
    }
    this.element.setAttribute("aria-busy", String(missing.size > 0));
    clearTimeout(this.settling);
    if (missing.size) this.settling = setTimeout(() => this.#loadAll(missing), SETTLED);
    if (this.pending !== undefined) this.#focus(this.pending);
  }

  #show(place, item, height) {
    const text = JSON.stringify(item);
    const known = this.shown.get(place);
    if (known?.text === text && known.height === height) return;
    const isFocused = known?.element.contains(document.activeElement);
    const element = h("div", { role: "row", class: "row", "aria-rowindex": place + 2 }, this.row(item, place));
    element.style.top = `${place * height}px`;
    element.style.height = `${height}px`;
    element.dataset.place = place;
    if (known) known.element.replaceWith(element);
    else this.#insert(place, element);
    this.shown.set(place, { element, text, height });
    if (isFocused) element.querySelector("a")?.focus({ preventScroll: true });
  }

  /** Keeps the order of the document equal to the order of the list, for readers and the Tab key. */
  #insert(place, element) {
    const after = [...this.body.children].find((one) => Number(one.dataset.place) > place);
    this.body.insertBefore(element, after ?? null);
  }

  #key(event) {
    const row = event.target.closest("[data-place]");
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity };
    if (!row || !(event.key in steps)) return;
    event.preventDefault();
    const place = Math.min(this.total - 1, Math.max(0, Number(row.dataset.place) + steps[event.key]));
    this.#focus(place);
  }

  #focus(place) {
    this.pending = place;
    const height = this.height();
    const top = this.body.getBoundingClientRect().top + place * height;
    if (top < 90 || top + height > innerHeight - 10) scrollBy({ top: top - innerHeight / 2 });
    const link = this.shown.get(place)?.element.querySelector("a");
    if (!link) {
      this.redraw();
      return;
    }
    this.pending = undefined;
    link.focus({ preventScroll: true });
  }
}
