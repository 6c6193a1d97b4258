/** The page: signs in, shows the view that the address names, and keeps badge, title and notifications right. */
import { call, onSignedOut, post } from "./api.js";
import { clone, fill, h, setText } from "./dom.js";
import { Live } from "./live.js";
import { watchVerdict } from "./notify.js";
import { showDeploy } from "./view-deploy.js";
import { showFiles } from "./view-files.js";
import { showComparison, showHistory } from "./view-history.js";
import { showNow } from "./view-now.js";
import { showPast } from "./view-run.js";
import { clock } from "./words.js";

const main = /** @type {HTMLElement} */ (document.getElementById("main"));
const live = new Live();
let end = () => {};
let signedIn = false;
let drawn = 0;
let first = "now";

/** @type {Record<string, (place: HTMLElement, parts: string[]) => any>} */
const VIEWS = {
  deploy: (place) => showDeploy(place),
  now: (place) => showNow(place, live),
  history: (place, [id]) => (id ? showPast(place, id) : showHistory(place)),
  compare: (place, [one, other]) => showComparison(place, one, other),
  nodes: (place) => showFiles(place),
};

async function show() {
  if (!signedIn) return;
  const [, name = "", ...parts] = location.hash.split("/").map(decodeURIComponent);
  const view = VIEWS[name] ? name : first;
  const number = ++drawn;
  end();
  end = () => {};
  for (const link of document.querySelectorAll("nav a")) {
    const here = link.getAttribute("data-view") === (view === "compare" ? "history" : view);
    here ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current");
  }
  const place = h("div");
  main.replaceChildren(place);
  try {
    const found = await VIEWS[view](place, parts);
    if (typeof found === "function") number === drawn ? (end = found) : found();
  } catch (error) {
    if (number === drawn && signedIn) fill(place, h("h1", {}, "This cannot be shown"), h("p", { class: "notice bad" }, /** @type {Error} */ (error).message));
  }
}

function signIn() {
  if (!signedIn && document.querySelector('[data-test="sign-in"]')) return;
  signedIn = false;
  live.stop();
  end();
  end = () => {};
  const { root } = clone("t-sign-in");
  main.replaceChildren(root);
  const form = /** @type {HTMLFormElement} */ (main.querySelector("form"));
  const field = /** @type {HTMLInputElement} */ (form.querySelector("input"));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await post("/session", { token: field.value.trim() });
      await begin();
    } catch (error) {
      setText(/** @type {HTMLElement} */ (document.getElementById("sign-in-problem")), /** @type {Error} */ (error).message);
    }
  });
  field.focus();
}

async function begin() {
  const { host } = await call("/session");
  setText(/** @type {HTMLElement} */ (document.getElementById("host")), host);
  const { deployment } = await call("/status");
  first = deployment && deployment.phase !== "finished" ? "now" : "deploy";
  signedIn = true;
  live.restart();
  await show();
}

function showAge() {
  const { mode, asOf, run } = live.state;
  const badge = /** @type {HTMLElement} */ (document.getElementById("live"));
  const words = { live: "live", connecting: "connecting", polling: `as of ${clock(asOf)} (asked every 5 s)`, stale: `as of ${clock(asOf)} (reconnecting)` };
  badge.dataset.state = mode === "live" ? "live" : "stale";
  setText(/** @type {HTMLElement} */ (document.getElementById("live-text")), signedIn ? words[mode] : "signed out");
  const progress = run && run.phase !== "finished" ? `(${run.counts.up}/${run.counts.total}) ${run.phase} - ` : "";
  const over = run?.phase === "finished" ? `${run.outcome} - ` : "";
  document.title = `${progress || over}pinakad`;
}

/** The token in the address is taken out of it at once: it must not stay in the history. */
async function tokenFromAddress() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return;
  history.replaceState(null, "", location.pathname);
  await post("/session", { token }).catch(() => {});
}

onSignedOut(signIn);
live.addEventListener("change", showAge);
watchVerdict(live);
window.addEventListener("hashchange", show);
live.start();
await tokenFromAddress();
await begin().catch((error) => {
  if (error.code !== "no_token") fill(main, h("h1", {}, "The service does not answer"), h("p", { class: "notice bad" }, error.message), h("button", { type: "button", onclick: () => location.reload() }, "Try again"));
});
