/** The running or latest deployment, and what waits behind it. */
import { fill, h } from "./dom.js";
import { RunView } from "./view-run.js";
import { clock, plural, seconds } from "./words.js";

/** A request of ours that no deployment serves yet. @type {{request_id: string, files: string[]|null}|null} */
let asked = null;
document.addEventListener("asked", (event) => {
  asked = /** @type {CustomEvent} */ (event).detail;
});

/**
 * Show the view. Returns what ends it.
 * @param {HTMLElement} place
 * @param {import("./live.js").Live} live
 */
export function showNow(place, live) {
  /** @type {RunView|null} */
  let view = null;
  const draw = () => {
    const { run, nodes, daemon } = live.state;
    if (asked && isServed(run, asked.request_id)) asked = null;
    if (!run || (asked && run.phase === "finished")) {
      view = null;
      return fill(place, ...nothing(live.state, asked));
    }
    view ??= new RunView(place);
    view.show(run, nodes, { isLive: true, notices: notices(live.state, daemon) });
  };
  const timer = setInterval(() => view?.tick(), 1000);
  live.addEventListener("change", draw);
  draw();
  return () => {
    clearInterval(timer);
    live.removeEventListener("change", draw);
  };
}

/** @param {any} run @param {string} id */
const isServed = (run, id) => ` ${run?.request.id || ""} `.includes(` ${id} `);

/** @param {import("./live.js").State} state @param {typeof asked} waiting */
function nothing({ daemon, mode }, waiting) {
  if (waiting) {
    const what = waiting.files ? plural(waiting.files.length, "node file") : "all node files";
    const text = daemon && !daemon.running ? "No daemon runs: the request waits, and nothing is lost. Start it: systemctl start pinakad." : "The request is made; the daemon takes it in a moment.";
    return [h("h1", { "data-test": "verdict" }, `Asked for the deployment of ${what}`), h("p", { class: "lead" }, text), h("p", { class: "dim" }, `Request ${waiting.request_id}`)];
  }
  const text = mode === "connecting" ? "Asking what is going on…" : "There is no deployment yet.";
  return [h("h1", { "data-test": "verdict" }, text), mode !== "connecting" && h("p", {}, h("a", { href: "#/deploy" }, "Fill in node cards"), " to make one.")];
}

/** @param {import("./live.js").State} state @param {any} daemon */
function notices(state, daemon) {
  const parts = [];
  if (daemon && !daemon.running) {
    const over = state.run.phase === "finished";
    const text = over ? "No daemon runs. Requests wait until it is started: systemctl start pinakad." : "No daemon runs: nothing is lost, and the run continues when it is started (systemctl start pinakad). A running script continues.";
    parts.push(h("p", { class: "notice warn" }, `⚠ ${text}`));
  }
  if (daemon?.daemon?.watch === "rescans") parts.push(h("p", { class: "notice warn" }, "⚠ The daemon gets no file events: it looks every few seconds instead."));
  if (daemon?.waiting || daemon?.daemon?.queued) {
    const asked = daemon.waiting?.requested_at ? ` since ${clock(daemon.waiting.requested_at)}` : "";
    parts.push(h("p", { class: "notice" }, `Another request waits${asked}; it is served right after this deployment.`));
  }
  for (const event of state.events) {
    if (seconds(event.at) >= seconds(state.run.started_at)) parts.push(h("p", { class: "notice" }, `${clock(event.at)}: ${event.text}.`));
  }
  return parts;
}
