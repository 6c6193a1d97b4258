/**
 * What is going on, kept up to date by the event stream, and honest about its age.
 *
 * The law: nodes belong to one deployment. After `reset` they are forgotten and fetched anew; an event of another
 * deployment is dropped. Where the stream fails twice, the status is asked for every few seconds instead.
 */
import { API, call } from "./api.js";

const POLL_MS = 5000, RETRY_MS = 30000, STALE_MS = 25000;

/** @typedef {{daemon: any, run: any, nodes: any[], complete: boolean, mode: "connecting"|"live"|"polling"|"stale", asOf: string, events: {at: string, text: string}[]}} State */

export class Live extends EventTarget {
  /** @type {State} */
  state = { daemon: null, run: null, nodes: [], complete: false, mode: "connecting", asOf: "", events: [] };
  /** @type {EventSource|null} */
  #source = null;
  #failures = 0;
  #poll = 0;
  #retry = 0;
  #heardMs = 0;
  #waiting = /** @type {any[]} */ ([]);
  #fetching = "";
  #wanted = false;

  /** Listen from now on; `restart` opens the stream. */
  start() {
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#close() : this.#wanted && this.#open()));
    setInterval(() => this.#checkAge(), 5000);
  }

  /** Begin anew, as after a sign-in. */
  restart() {
    this.#close();
    this.#failures = 0;
    this.#wanted = true;
    this.#open();
  }

  stop() {
    this.#wanted = false;
    this.#close();
    this.#set({ mode: "stale" });
  }

  #open() {
    if (this.#source || document.hidden) return;
    const source = new EventSource(`${API}/events`);
    this.#source = source;
    /** @param {string} kind @param {(data: any) => void} take */
    const on = (kind, take) =>
      source.addEventListener(kind, (event) => {
        if (source !== this.#source) return;
        this.#heard();
        take(JSON.parse(/** @type {MessageEvent} */ (event).data));
      });
    on("daemon", (daemon) => this.#takeDaemon(daemon));
    on("deployment", (run) => this.#takeRun(run));
    on("reset", ({ deployment }) => this.#reset(deployment));
    on("nodes", ({ deployment, nodes }) => this.#takeNodes(deployment, nodes));
    on("log", ({ deployment, size }) => this.#takeLog(deployment, size));
    source.onopen = () => this.#heard();
    source.onerror = () => this.#failed(source);
  }

  #close() {
    this.#source?.close();
    this.#source = null;
    clearInterval(this.#poll);
    clearTimeout(this.#retry);
    this.#poll = this.#retry = 0;
    if (document.hidden) this.#set({ mode: "stale" });
  }

  #heard() {
    this.#failures = 0;
    this.#heardMs = Date.now();
    clearInterval(this.#poll);
    this.#poll = 0;
    this.#set({ mode: "live", asOf: new Date().toISOString() });
  }

  /** @param {EventSource} source */
  #failed(source) {
    if (source !== this.#source) return;
    this.#failures += 1;
    this.#set({ mode: this.#poll ? "polling" : "stale" });
    if (source.readyState !== EventSource.CLOSED && this.#failures < 2) return;
    source.close();
    this.#source = null;
    if (!this.#poll) {
      this.#poll = setInterval(() => this.#ask(), POLL_MS);
      this.#ask();
    }
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#open(), this.#failures <= 4 ? 2000 : RETRY_MS);
  }

  async #ask() {
    try {
      const { deployment, ...daemon } = await call("/status");
      this.#takeDaemon(daemon);
      const other = deployment?.id !== this.state.run?.id;
      this.#takeRun(deployment);
      if (deployment && (other || this.#poll)) await this.#reset(deployment.id);
      if (this.#poll) this.#set({ mode: "polling", asOf: daemon.as_of });
    } catch {
      if (this.#poll) this.#set({ mode: "stale" });
    }
  }

  #checkAge() {
    if (this.state.mode === "live" && Date.now() - this.#heardMs > STALE_MS) {
      this.#source?.close();
      this.#source = null;
      this.#set({ mode: "stale" });
      this.#open();
    }
  }

  /** @param {any} daemon */
  #takeDaemon(daemon) {
    const before = this.state.daemon;
    if (before && daemon.daemon && before.daemon?.started_at !== daemon.daemon.started_at && (before.daemon || !before.running)) {
      this.#note(daemon.daemon.started_at, "the daemon was started again; what runs continues");
    }
    this.#set({ daemon });
  }

  /** @param {any} run */
  #takeRun(run) {
    if (run?.id !== this.state.run?.id) this.#forget();
    this.#set({ run });
  }

  #forget() {
    this.#waiting = [];
    this.#fetching = "";
    this.#set({ nodes: [], complete: false, events: [] });
  }

  /** @param {string|null} id */
  async #reset(id) {
    const mark = `${id}/${Math.random()}`;
    this.#fetching = mark;
    this.#waiting = [];
    if (!id) return this.#forget();
    try {
      const { nodes } = await call(`/deployments/${id}/nodes?limit=100000&brief`);
      if (this.#fetching !== mark || this.state.run?.id !== id) return;
      const all = new Array(nodes.length);
      for (const node of nodes) all[node.index] = node;
      this.#fetching = "";
      this.#set({ nodes: merged(all, this.#waiting), complete: true });
      this.#waiting = [];
    } catch {
      if (this.#fetching === mark) this.#fetching = "";
    }
  }

  /** @param {string} id @param {any[]} nodes */
  #takeNodes(id, nodes) {
    if (id !== this.state.run?.id) return;
    if (this.#fetching || !this.state.complete) this.#waiting.push(...nodes);
    else this.#set({ nodes: merged(this.state.nodes, nodes) });
  }

  /** @param {string} id @param {number} size */
  #takeLog(id, size) {
    if (id === this.state.run?.id) this.#set({ run: { ...this.state.run, log_size: size } });
  }

  /** @param {string} at @param {string} text */
  #note(at, text) {
    this.#set({ events: [...this.state.events.slice(-9), { at, text }] });
  }

  /** @param {Partial<State>} change */
  #set(change) {
    this.state = { ...this.state, ...change };
    this.dispatchEvent(new CustomEvent("change", { detail: Object.keys(change) }));
  }
}

/**
 * Put changed nodes in their places; one with fewer attempts is older than what is known.
 * @param {any[]} nodes
 * @param {any[]} changed
 */
function merged(nodes, changed) {
  if (!changed.length) return nodes;
  const all = nodes.slice();
  for (const node of changed) {
    if (!all[node.index] || (node.attempts ?? 0) >= (all[node.index].attempts ?? 0)) all[node.index] = node;
  }
  return all;
}
