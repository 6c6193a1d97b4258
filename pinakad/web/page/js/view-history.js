/** How the deployments ended, the newest first; and what differs in two of them. */
import { call } from "./api.js";
import { actions, clone, fill, h } from "./dom.js";
import { duration, moment, outcomeChip, plural, readable, seconds, stateChip } from "./words.js";

/** @param {HTMLElement} place */
export async function showHistory(place) {
  const { root, slots } = clone("t-history");
  const wrapper = h("div", {}, ...root.childNodes);
  place.replaceChildren(wrapper);
  const chosen = /** @type {Set<string>} */ (new Set());
  const compare = /** @type {HTMLButtonElement} */ (wrapper.querySelector('[data-do="compare"]'));
  const more = /** @type {HTMLButtonElement} */ (wrapper.querySelector('[data-do="more"]'));
  let next = /** @type {string|null} */ (null);
  const load = async () => {
    const page = await call(`/deployments?limit=50${next ? `&before=${next}` : ""}`);
    next = page.next;
    more.hidden = !next;
    slots.rows.append(...page.deployments.map((/** @type {any} */ run) => row(run, pick)));
    if (!slots.rows.children.length) fill(slots.hint, "There is no deployment yet.");
  };
  const pick = (/** @type {string} */ id, /** @type {boolean} */ on) => {
    on ? chosen.add(id) : chosen.delete(id);
    compare.disabled = chosen.size !== 2;
  };
  actions(wrapper, { more: load, compare: () => (location.hash = `#/compare/${[...chosen].sort().reverse().join("/")}`) });
  await load();
}

/** @param {any} run @param {(id: string, on: boolean) => void} pick */
function row(run, pick) {
  const [kind, word] = outcomeChip(run);
  const box = /** @type {HTMLInputElement} */ (h("input", { type: "checkbox", "aria-label": `Compare ${run.id}` }));
  box.addEventListener("change", () => pick(run.id, box.checked));
  if (run.unreadable) return h("tr", { "data-test": "history-row" }, h("td", {}), h("td", {}, word), h("td", {}, run.id), h("td", {}), h("td", {}), h("td", {}, run.unreadable));
  const took = run.finished_at ? duration(seconds(run.finished_at) - seconds(run.started_at)) : "-";
  return h(
    "tr",
    { "data-test": "history-row", "data-id": run.id },
    h("td", {}, box),
    h("td", {}, h("span", { class: `chip ${kind}` }, word)),
    h("td", {}, h("a", { href: `#/history/${run.id}` }, moment(run.requested_at)), h("br"), h("span", { class: "dim mono" }, run.id)),
    h("td", {}, `${run.counts.up}/${run.counts.total}`),
    h("td", {}, took),
    h("td", {}, run.reason ? `${readable(run.reason)}: ` : "", run.message),
  );
}

/** @param {HTMLElement} place @param {string} one @param {string} other */
export async function showComparison(place, one, other) {
  const found = await call(`/deployments/${one}/compare/${other}`);
  const differs = found.nodes.filter((/** @type {any} */ node) => node.in !== "both" || node.file_changed || node.address !== node.other_address || node.state !== node.other_state);
  const heads = ["Node", found.id, found.other, "What differs"].map((name) => h("th", { scope: "col" }, name));
  const table = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Differences" }, h("table", {}, h("thead", {}, h("tr", {}, ...heads)), h("tbody", {}, ...differs.map(difference))));
  place.replaceChildren(
    h("h1", {}, "Two deployments"),
    h("p", { class: "lead" }, h("a", { href: `#/history/${found.id}` }, found.id), " beside ", h("a", { href: `#/history/${found.other}` }, found.other)),
    h("p", { class: `notice ${found.script.changed ? "warn" : ""}` }, found.script.changed ? "⚠ The script was another one." : "The script was the same."),
    h("p", { class: `notice ${found.failed_again.length ? "bad" : ""}` }, found.failed_again.length ? `✖ ${plural(found.failed_again.length, "node")} failed in both: ${found.failed_again.slice(0, 50).join(", ")}` : "No node failed in both."),
    differs.length ? table : h("p", {}, `${plural(found.nodes.length, "node")}, and none differs.`),
  );
}

/** @param {any} node */
function difference(node) {
  const cell = (/** @type {string|null} */ state, /** @type {string|null} */ reason) => (state ? h("td", {}, h("span", { class: `chip ${stateChip(state)[0]}` }, stateChip(state)[1]), reason && state !== "up" ? ` ${readable(reason)}` : "") : h("td", {}, "not there"));
  const what = [node.in === "both" && node.file_changed && "node file", node.in === "both" && node.address !== node.other_address && `address (${node.other_address} then ${node.address})`, node.in !== "both" && "only in one"];
  return h("tr", {}, h("td", {}, node.hostname), cell(node.state, node.reason), cell(node.other_state, node.other_reason), h("td", {}, what.filter(Boolean).join(", ") || "state"));
}
