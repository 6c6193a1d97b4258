/** One deployment: the running one, live, or one of the history. */
import { call, loadReasons, post } from "./api.js";
import { announce, clone, fill, h, setText, toast } from "./dom.js";
import { Log } from "./log.js";
import { showDetail } from "./node-detail.js";
import { NodeList } from "./node-list.js";
import { clock, lead, moment, plural, readable, scriptText, verdict, warnings } from "./words.js";

export class RunView {
  /** @param {HTMLElement} place */
  constructor(place) {
    const { root, slots } = clone("t-now");
    this.slots = slots;
    place.replaceChildren(root);
    this.run = /** @type {any} */ (null);
    /** @type {{nodes: Record<string, any>, deployments: Record<string, any>}} */
    this.reasons = { nodes: {}, deployments: {} };
    this.opened = -1;
    this.list = new NodeList(slots.nodes, (node) => this.open(node));
    this.log = new Log(slots.log);
    slots.search.addEventListener("input", () => this.list.filterBy({ text: slots.search.value }));
    slots.state.addEventListener("change", () => this.list.filterBy({ state: slots.state.value, reason: "" }));
    loadReasons().then((reasons) => {
      this.reasons = reasons;
      if (this.run) this.show(this.run, this.list.nodes, this.extra);
    });
    this.extra = /** @type {any} */ ({});
  }

  /**
   * Show a deployment. `extra`: `notices` to show above, `isLive` whether it can be cancelled here.
   * @param {any} run @param {any[]} nodes @param {{notices?: Node[], isLive?: boolean}} extra
   */
  show(run, nodes, extra) {
    const other = run.id !== this.run?.id;
    this.run = run;
    this.extra = extra;
    if (other) {
      this.opened = -1;
      fill(this.slots.detail);
    }
    const said = verdict(run);
    if (this.slots.verdict.textContent !== said && extra.isLive) announce(said);
    setText(this.slots.verdict, said);
    setText(this.slots.lead, lead(run));
    this.showOnce("notices", [...(extra.notices || []), ...this.remedy(), ...this.problems()]);
    this.showCounts(run.counts);
    this.showGroups();
    this.showActions();
    this.showFacts();
    if (other || nodes !== this.list.nodes) this.list.show(nodes);
    this.slots["nodes-panel"].hidden = !run.counts.total && !nodes.length;
    if (this.opened >= 0 && nodes[this.opened] && nodes[this.opened] !== this.openedNode) this.detail(nodes[this.opened]);
    this.log.follow(run.id, run.log_size);
  }

  /** Say again what depends on the time only. */
  tick() {
    if (this.run) setText(this.slots.lead, lead(this.run));
  }

  /** Replace children only where their text differs, so that nothing that has the focus goes. @param {string} slot @param {Node[]} parts */
  showOnce(slot, parts) {
    const box = h("div", {}, ...parts);
    const place = this.slots[slot];
    if (place.firstElementChild?.textContent !== box.textContent) fill(place, box);
  }

  remedy() {
    const { run } = this;
    const found = run.outcome === "failed" && this.reasons.deployments[run.reason];
    return found ? [h("div", { class: "notice bad" }, h("p", {}, found.why), h("p", {}, h("strong", {}, "What to do: "), found.do))] : [];
  }

  problems() {
    const shown = this.run.problems.slice(0, 20).map((/** @type {any} */ problem) => {
      const where = [problem.file, problem.path].filter(Boolean).join(" ");
      const icon = problem.severity === "error" ? "✖ Error" : "⚠ Warning";
      return h("p", { class: `notice ${problem.severity === "error" ? "bad" : "warn"}` }, `${icon}${where ? ` in ${where}` : ""}: ${problem.message}${problem.value ? ` (found ${problem.value})` : ""}`);
    });
    const more = this.run.problems.length - shown.length;
    return more > 0 ? [...shown, h("p", { class: "dim" }, `and ${more} more, see the raw report`)] : shown;
  }

  /** @param {any} counts */
  showCounts(counts) {
    if (!counts.total) return fill(this.slots.counts);
    const parts = ["up", "failed", "waiting"].filter((name) => counts[name]);
    const text = ["up", "waiting", "failed"].map((name) => `${counts[name]} ${name}`).join(", ");
    if (this.slots.counts.dataset.text === text) return;
    this.slots.counts.dataset.text = text;
    const bar = h("div", { class: "meter", "aria-hidden": "true" }, ...parts.map((name) => {
      const part = h("span", { class: name });
      part.style.flexGrow = String(counts[name]);
      return part;
    }));
    fill(this.slots.counts, bar, h("p", {}, h("strong", {}, plural(counts.total, "node")), `: ${text}`));
  }

  showGroups() {
    const groups = Object.entries(this.run.reasons);
    this.showOnce("groups", groups.map(([reason, number]) => {
      const remedy = this.reasons.nodes[reason];
      const text = reason === "not_asked" ? "They have not been asked yet." : remedy ? `${remedy.why} ${remedy.do}` : "";
      const pick = h("button", { type: "button", class: "plain", onclick: () => this.list.filterBy({ reason, state: "" }) }, "Show them");
      return h("div", { class: "group", "data-test": "reason-group", "data-reason": reason }, h("strong", {}, `${number} ${readable(reason)}`), h("span", { class: "text dim" }, text), pick);
    }));
  }

  showActions() {
    const { run, extra } = this;
    const running = run.phase !== "finished";
    const failed = run.counts.total - run.counts.up;
    const key = `${run.id}/${running}/${run.cancel_asked}/${failed}/${extra.isLive}/${this.asking}`;
    if (this.slots.actions.dataset.key === key) return;
    this.slots.actions.dataset.key = key;
    const raw = h("a", { href: `/api/v1/deployments/${run.id}`, target: "_blank", rel: "noopener" }, "Raw report");
    if (running) {
      const word = run.cancel_asked || this.asking ? "Cancelling…" : "Cancel";
      const cancel = h("button", { type: "button", class: "danger", "data-test": "cancel", onclick: () => this.cancel() }, word);
      return fill(this.slots.actions, extra.isLive && cancel, raw);
    }
    const some = failed > 0 && run.outcome !== "completed";
    const retry = h("button", { type: "button", class: "primary", "data-test": "retry", onclick: () => this.retry("failed") }, `Retry the ${plural(failed, "node")} that failed`);
    const again = h("button", { type: "button", "data-test": "again", onclick: () => this.retry("all") }, "Deploy all of it again");
    fill(this.slots.actions, some && retry, run.counts.total > 0 && again, raw);
  }

  async cancel() {
    const { run } = this;
    if (!run.cancel_asked && !window.confirm(`Cancel deployment ${run.id}? The script is ended; nodes that reboot already are left alone.`)) return;
    this.asking = true;
    this.showActions();
    try {
      await post(`/deployments/${run.id}/cancel`);
    } catch (error) {
      toast(/** @type {Error} */ (error).message);
    } finally {
      this.asking = false;
    }
  }

  /** @param {"failed"|"all"} which */
  async retry(which) {
    try {
      const asked = await post("/deployments", { retry: which, of: this.run.id });
      document.dispatchEvent(new CustomEvent("asked", { detail: asked }));
      location.hash = "#/now";
    } catch (error) {
      toast(/** @type {Error} */ (error).message);
    }
  }

  showFacts() {
    const { run } = this;
    const rows = {
      Id: run.id,
      Requested: `${moment(run.requested_at)}${run.request.id ? `, as ${run.request.id}` : ""}`,
      Controller: `${run.host}, pinakad ${run.version}`,
      Script: scriptText(run.script),
      "Polling began": clock(run.polling_at),
      Warnings: String(warnings(run)),
      Superseded: run.superseded.length ? plural(run.superseded.length, "file") : "none",
    };
    this.showOnce("facts", Object.entries(rows).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
  }

  /** @param {any} node */
  open(node) {
    this.opened = node.index;
    this.detail(node);
    /** @type {HTMLElement} */ (this.slots.detail.firstElementChild).focus();
  }

  /** @param {any} node */
  detail(node) {
    this.openedNode = node;
    showDetail(this.slots.detail, node, this.reasons, () => {
      this.opened = -1;
      fill(this.slots.detail);
      this.list.viewport.focus();
    });
  }
}

/** Load a deployment of the history and show it. @param {HTMLElement} place @param {string} id */
export async function showPast(place, id) {
  const view = new RunView(place);
  const [run, { nodes }] = await Promise.all([call(`/deployments/${id}/summary`), call(`/deployments/${id}/nodes?limit=100000&brief`)]);
  const all = new Array(nodes.length);
  for (const node of nodes) all[node.index] = node;
  view.show(run, all, { isLive: false });
}
