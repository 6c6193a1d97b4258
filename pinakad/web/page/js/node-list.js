/** The nodes of a deployment, failed first. Of thousands only the rows in view are in the document. */
import { clock, readable, stateChip } from "./words.js";
import { fill, h, setText } from "./dom.js";

const ORDER = { failed: 0, waiting: 1, up: 2 };
const SPARE = 6;

export class NodeList {
  /** @param {HTMLElement} place @param {(node: any) => void} onOpen */
  constructor(place, onOpen) {
    this.onOpen = onOpen;
    this.shown = /** @type {any[]} */ ([]);
    this.rows = /** @type {Map<number, HTMLElement>} */ (new Map());
    this.filter = { text: "", state: "", reason: "" };
    this.nodes = /** @type {any[]} */ ([]);
    this.space = h("div", { role: "none" });
    this.viewport = h("div", { class: "viewport", tabindex: "0", role: "rowgroup", "aria-label": "Rows of nodes" }, this.space);
    this.head = h("div", { role: "rowgroup" }, h("div", { class: "row headrow", role: "row" }, ...["Node", "State", "Why", "Got to", "Attempts", "What it says"].map((name) => h("span", { role: "columnheader" }, name))));
    this.table = h("div", { class: "nodes", role: "table", "aria-label": "Nodes" }, this.head, this.viewport);
    this.empty = h("p", { class: "dim" });
    this.count = h("p", { class: "dim" });
    place.append(this.count, this.table, this.empty);
    this.viewport.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(this.viewport);
  }

  /** @param {any[]} nodes */
  show(nodes) {
    this.nodes = nodes;
    this.select();
  }

  /** @param {Partial<{text: string, state: string, reason: string}>} change */
  filterBy(change) {
    this.filter = { ...this.filter, ...change };
    this.viewport.scrollTop = 0;
    this.select();
  }

  select() {
    const { text, state, reason } = this.filter;
    const wanted = text.trim().toLowerCase();
    const has = (/** @type {any} */ node) =>
      (!state || node.state === state) &&
      (!reason || (node.state !== "up" && (node.reason || "not_asked") === reason)) &&
      (!wanted || node.hostname.toLowerCase().includes(wanted) || node.address.includes(wanted) || node.file.includes(wanted));
    this.shown = this.nodes.filter((node) => node && has(node)).sort(byTrouble);
    this.table.setAttribute("aria-rowcount", String(this.shown.length + 1));
    const height = this.rowHeight();
    this.space.style.height = `${this.shown.length * height}px`;
    this.viewport.style.height = `min(60vh, 30rem, ${Math.max(1, this.shown.length) * height}px)`;
    this.table.hidden = this.shown.length === 0;
    setText(this.empty, this.shown.length ? "" : this.nodes.length ? "No node is like that." : "No nodes are known yet.");
    const all = this.nodes.length;
    setText(this.count, this.shown.length === all || !all ? "" : `${this.shown.length} of ${all} nodes are shown${reason ? `: ${readable(reason)}` : ""}`);
    this.draw();
  }

  rowHeight() {
    return parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--row")) || 40;
  }

  draw() {
    const height = this.rowHeight();
    const first = Math.max(0, Math.floor(this.viewport.scrollTop / height) - SPARE);
    const last = Math.min(this.shown.length, Math.ceil((this.viewport.scrollTop + (this.viewport.clientHeight || 480)) / height) + SPARE);
    const wanted = new Set(this.shown.slice(first, last).map((node) => node.index));
    for (const [index, row] of this.rows) {
      if (!wanted.has(index) && !row.contains(document.activeElement)) {
        row.remove();
        this.rows.delete(index);
      }
    }
    for (let place = first; place < last; place++) this.put(this.shown[place], place, height);
    this.order(this.shown.slice(first, last));
  }

  /** Who reads or tabs through the rows meets them in the order in which they are seen. @param {any[]} nodes */
  order(nodes) {
    const focused = /** @type {HTMLElement|null} */ (this.space.contains(document.activeElement) ? document.activeElement : null);
    let at = this.space.firstElementChild;
    for (const node of nodes) {
      const row = this.rows.get(node.index);
      if (row === at) at = at?.nextElementSibling || null;
      else if (row) this.space.insertBefore(row, at);
    }
    if (focused && document.activeElement !== focused) focused.focus({ preventScroll: true });
  }

  /** @param {any} node @param {number} place @param {number} height */
  put(node, place, height) {
    let row = this.rows.get(node.index);
    if (!row) {
      row = h("div", { class: "row", role: "row", "data-test": "node-row", "data-node": node.hostname });
      const name = h("button", { class: "plain", type: "button", onclick: () => this.onOpen(this.nodes[node.index]) }, node.hostname);
      row.append(h("span", { role: "cell" }, name), ...Array.from({ length: 5 }, () => h("span", { role: "cell" })));
      this.rows.set(node.index, row);
      this.space.append(row);
    }
    row.style.transform = `translateY(${place * height}px)`;
    row.setAttribute("aria-rowindex", String(place + 2));
    const [kind, word] = stateChip(node.state);
    const cells = row.children;
    const chip = `${kind}/${word}`;
    if (cells[1].getAttribute("data-chip") !== chip) {
      cells[1].setAttribute("data-chip", chip);
      fill(cells[1], h("span", { class: `chip ${kind}` }, word));
    }
    const why = node.state === "up" ? `since ${clock(node.up_at)}` : readable(node.reason) || "not asked yet";
    [why, readable(node.last_rung) || "-", String(node.attempts ?? 0), node.message || ""].forEach((text, at) => {
      setText(cells[at + 2], text);
    });
  }
}

/** @param {any} one @param {any} other */
function byTrouble(one, other) {
  const state = /** @type {any} */ (ORDER);
  return state[one.state] - state[other.state] || (one.reason || "").localeCompare(other.reason || "") || one.index - other.index;
}
