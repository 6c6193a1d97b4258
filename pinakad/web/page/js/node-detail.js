/** Everything about one node: how far it came, since when, and why it is not up. */
import { RUNGS, duration, moment, nowS, readable, seconds, stateChip } from "./words.js";
import { fill, h } from "./dom.js";

/**
 * Show a node.
 * @param {HTMLElement} place
 * @param {any} node
 * @param {any} reasons
 * @param {() => void} onClose
 */
export function showDetail(place, node, reasons, onClose) {
  const [kind, word] = stateChip(node.state);
  const remedy = node.state !== "up" && node.reason ? reasons.nodes[node.reason] : null;
  fill(
    place,
    h(
      "section",
      { class: "panel", "data-test": "detail", "aria-labelledby": "detail-title", tabindex: "-1" },
      h("div", { class: "head" }, h("h3", { id: "detail-title" }, node.hostname, " "), h("span", { class: `chip ${kind}` }, word), h("button", { type: "button", onclick: onClose }, "Close")),
      remedy && h("div", { class: "notice bad" }, h("p", {}, h("strong", {}, "Why it is not up: "), remedy.why), h("p", {}, h("strong", {}, "What to do: "), remedy.do)),
      node.message && h("p", {}, h("span", { class: "dim" }, "It says: "), node.message),
      h("p", { class: "dim" }, "How far a login came: steps reached are marked, the last attempt ended at the outlined one."),
      ladder(node),
      facts(node),
    ),
  );
}

/** @param {any} node */
function ladder(node) {
  const furthest = RUNGS.indexOf(node.rung), last = RUNGS.indexOf(node.last_rung);
  const step = (/** @type {string} */ rung, /** @type {number} */ place) => {
    const done = place <= furthest;
    const said = [done ? "reached" : "not reached", place === last ? "here the last attempt ended" : ""].filter(Boolean).join(", ");
    return h("li", { class: `${done ? "done" : ""} ${place === last ? "last" : ""}` }, `${done ? "✔ " : ""}${readable(rung)}`, h("span", { class: "visually-hidden" }, ` (${said})`));
  };
  return h("ol", { class: "ladder" }, ...RUNGS.map(step));
}

/** @param {any} node */
function facts(node) {
  const reasons = Object.entries(node.reasons || {}).map(([name, number]) => `${readable(name)} ${number}`).join(", ");
  const rebooted = node.rebooted === true ? `yes (${readable(node.reboot_evidence)})` : node.rebooted === false ? "no" : "not known";
  const since = node.first_attempt_at ? `${moment(node.first_attempt_at)} (${duration(nowS() - seconds(node.first_attempt_at))} ago)` : "-";
  const rows = {
    Address: `${node.address}, port ${node.port} (from ${readable(node.address_source)})`,
    File: node.file,
    Attempts: `${node.attempts ?? 0}${reasons ? `: ${reasons}` : ""}`,
    "Asked since": since,
    "Last asked": moment(node.last_attempt_at),
    "Up since": moment(node.up_at),
    Rebooted: rebooted,
    "Boot id before": node.boot_id_before || "-",
    "Boot id after": node.boot_id_after || "-",
    "Host key": node.host_key ? readable(node.host_key) : "-",
    "Names itself": node.reported_hostname || "-",
  };
  return h("dl", {}, ...Object.entries(rows).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}
