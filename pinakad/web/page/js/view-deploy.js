/** Node cards: filled in, checked while one types, and applied. */
import { Refused, post } from "./api.js";
import { Card } from "./card.js";
import { actions, announce, clone, fill, h, setText, toast } from "./dom.js";
import { KEY, exportNodes, importNodes, stored } from "./card-store.js";
import { kindOf, newNode } from "./node-doc.js";
import { plural } from "./words.js";

const DEBOUNCE_MS = 300;

/** Show the view. Returns what ends it. @param {HTMLElement} place */
export function showDeploy(place) {
  const view = new DeployView(place);
  return () => view.end();
}

class DeployView {
  /** @param {HTMLElement} place */
  constructor(place) {
    const { root, slots } = clone("t-deploy");
    this.slots = slots;
    this.root = h("div", {}, ...root.childNodes);
    place.replaceChildren(this.root);
    this.cards = /** @type {Card[]} */ ([]);
    this.answer = /** @type {any} */ (null);
    this.sequence = 0;
    this.timer = 0;
    this.busy = false;
    this.apply = /** @type {HTMLButtonElement} */ (this.root.querySelector('[data-test="apply"]'));
    this.bind();
    const before = stored();
    for (const state of before.length ? before : [{ node: newNode("default"), kind: "default" }]) this.add(state);
    this.changed();
  }

  end() {
    clearTimeout(this.timer);
    this.sequence += 1;
  }

  bind() {
    const { confirm, import: box } = this.slots;
    actions(this.root, {
      add: () => this.added(this.add({ node: newNode(this.lastKind()), kind: this.lastKind() })),
      clear: () => this.clear(),
      export: () => exportNodes(this.nodes()),
      import: () => box.showModal(),
      "import-cancel": () => box.close(),
      "import-done": () => importNodes(box, this.slots["import-problem"], (nodes) => this.imported(nodes)),
      apply: () => this.ask(),
      stay: () => confirm.close(),
      confirm: () => this.applied(),
    });
  }

  lastKind() {
    return this.cards.at(-1)?.state.kind || "default";
  }

  /** @param {{node: any, kind: string, from?: string}} state */
  add(state) {
    const card = new Card(state, {
      changed: () => this.changed(),
      copy: (from) => {
        const node = structuredClone(from.node);
        node.hostname = "";
        this.added(this.add({ node, kind: from.state.kind }));
      },
      remove: (gone) => this.remove(gone),
    });
    this.cards.push(card);
    this.slots.cards.append(card.element);
    return card;
  }

  /** @param {Card} card */
  added(card) {
    this.changed();
    /** @type {HTMLElement|null} */ (card.element.querySelector("input"))?.focus();
  }

  /** @param {Card} card */
  remove(card) {
    this.cards = this.cards.filter((other) => other !== card);
    card.element.remove();
    this.changed();
    /** @type {HTMLElement|null} */ (this.root.querySelector('[data-test="add-card"]'))?.focus();
  }

  clear() {
    if (!window.confirm(`Remove ${plural(this.cards.length, "card")}? Nothing that is stored is touched.`)) return;
    for (const card of [...this.cards]) card.element.remove();
    this.cards = [];
    this.added(this.add({ node: newNode("default"), kind: "default" }));
  }

  nodes() {
    return this.cards.map((card) => card.node);
  }

  /** Keep the cards, and check them soon. */
  changed() {
    try {
      sessionStorage.setItem(KEY, JSON.stringify(this.cards.map((card) => card.state)));
    } catch {
      // a full storage: the cards are still here
    }
    this.answer = null;
    this.explain("The cards are being checked.");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.validate(), DEBOUNCE_MS);
  }

  async validate() {
    const number = ++this.sequence;
    if (!this.cards.length) return this.explain("There is no card.");
    try {
      const answer = await post("/validate", this.nodes());
      if (number === this.sequence) this.show(answer);
    } catch (error) {
      if (number === this.sequence) this.explain(`The cards could not be checked: ${/** @type {Error} */ (error).message}`);
    }
  }

  /** @param {any} answer */
  show(answer) {
    this.answer = answer;
    this.cards.forEach((card, place) => card.show(answer.problems.filter((/** @type {any} */ problem) => problem.node === place)));
    const errors = answer.problems.filter((/** @type {any} */ problem) => problem.severity === "error");
    if (!errors.length) this.slots.summary.hidden = true;
    this.preview();
    const first = errors.length ? `${plural(errors.length, "problem")} to correct first.` : "";
    this.explain(first);
  }

  /** Say why the button is disabled; "" enables it. @param {string} why */
  explain(why) {
    setText(this.slots.why, why);
    this.apply.disabled = why !== "" && !this.answer;
  }

  preview() {
    const { plan, problems } = this.answer;
    const others = problems.filter((/** @type {any} */ problem) => problem.node === null);
    const notes = others.map((/** @type {any} */ problem) => h("p", { class: `problem ${problem.severity === "error" ? "" : "warning"}` }, [problem.file, problem.message].filter(Boolean).join(": ")));
    if (!plan) return fill(this.slots.preview, h("p", { class: "dim" }, "Nothing is stored while there is something to correct."), ...notes);
    const rows = plan.map((/** @type {any} */ row) => h("tr", {}, ...[row.hostname, row.file, row.address, row.supersedes.join(", ") || "-"].map((text) => h("td", {}, text))));
    const heads = ["Node", "Stored as", "Polled at", "Takes the place of"].map((name) => h("th", { scope: "col" }, name));
    fill(this.slots.preview, h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "What would be stored" }, h("table", {}, h("thead", {}, h("tr", {}, ...heads)), h("tbody", {}, ...rows))), ...notes);
  }

  /** Ask for confirmation, or show what is wrong. */
  ask() {
    if (!this.answer || this.busy) return;
    if (!this.answer.ok) return this.summarize(this.answer.problems);
    const number = this.answer.plan.length;
    const names = this.answer.plan.slice(0, 8).map((/** @type {any} */ row) => row.hostname).join(", ");
    setText(this.slots["confirm-text"], `${plural(number, "machine")} will be configured and rebooted: ${names}${number > 8 ? ", …" : ""}.`);
    this.slots.confirm.showModal();
  }

  /** @param {any[]} problems */
  summarize(problems) {
    const errors = problems.filter((problem) => problem.severity === "error");
    const line = (/** @type {any} */ problem) => {
      const card = this.cards[problem.node];
      const key = problem.path.split("/")[2];
      const where = [card ? card.name() : problem.file || "All nodes", problem.path.startsWith("/using_interfaces/") && key];
      const text = `${where.filter(Boolean).join(", ")}: ${problem.message}`;
      if (!card) return h("li", {}, text);
      return h("li", {}, h("button", { type: "button", class: "plain", onclick: () => card.focus(problem.path) }, text));
    };
    fill(this.slots.summary, h("h2", {}, `${plural(errors.length, "problem")} to correct`), h("ul", {}, ...errors.map(line)));
    for (const card of this.cards) card.showAll();
    this.slots.summary.hidden = false;
    this.slots.summary.focus();
    announce(`${plural(errors.length, "problem")} to correct`);
  }

  async applied() {
    this.slots.confirm.close();
    this.busy = true;
    this.explain("The request is being made.");
    this.apply.disabled = true;
    try {
      const asked = await post("/deployments", { nodes: this.nodes() });
      sessionStorage.removeItem(KEY);
      document.dispatchEvent(new CustomEvent("asked", { detail: asked }));
      location.hash = "#/now";
    } catch (error) {
      const refused = /** @type {Refused} */ (error);
      if (refused.problems?.length) this.summarize(refused.problems);
      toast(refused.message);
      this.changed();
    } finally {
      this.busy = false;
    }
  }

  /** Put imported nodes into cards; empty cards go. @param {any[]} nodes */
  imported(nodes) {
    for (const card of this.cards.filter((one) => !one.node.hostname)) this.remove(card);
    for (const node of nodes) this.add({ node, kind: kindOf(node) });
    this.changed();
  }
}
