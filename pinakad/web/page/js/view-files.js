/** The node files that lie there: which count, which are superseded, what is wrong. */
import { call, post } from "./api.js";
import { actions, clone, fill, h, toast } from "./dom.js";
import { openStored } from "./card-store.js";
import { plural } from "./words.js";

/** @param {HTMLElement} place */
export async function showFiles(place) {
  const { root, slots } = clone("t-files");
  const wrapper = h("div", {}, ...root.childNodes);
  place.replaceChildren(wrapper);
  const load = async () => {
    const { folder, nodes, problems } = await call("/nodes");
    const counting = nodes.filter((/** @type {any} */ node) => node.counts);
    fill(slots.lead, nodes.length ? `${plural(counting.length, "node")} in ${plural(nodes.length, "file")} in ` : "No node file lies in ", h("code", {}, folder), ".");
    fill(slots.problems, ...problems.map(said));
    fill(slots.rows, ...nodes.map((/** @type {any} */ node) => row(node, load)));
    const all = /** @type {HTMLButtonElement} */ (wrapper.querySelector('[data-do="all"]'));
    all.disabled = !counting.length;
    all.onclick = () => deploy(counting.length);
  };
  actions(wrapper, {});
  await load();
}

/** @param {number} number */
async function deploy(number) {
  if (!window.confirm(`Deploy all ${plural(number, "node")}? These machines will be configured and rebooted.`)) return;
  try {
    const asked = await post("/deployments", {});
    document.dispatchEvent(new CustomEvent("asked", { detail: asked }));
    location.hash = "#/now";
  } catch (error) {
    toast(/** @type {Error} */ (error).message);
  }
}

/** @param {any} node @param {() => Promise<void>} reload */
function row(node, reload) {
  const errors = node.problems.filter((/** @type {any} */ problem) => problem.severity === "error").length;
  const chip = !node.counts ? ["wait", `superseded by ${node.superseded_by}`] : errors ? ["bad", `✖ ${plural(errors, "problem")}`] : ["good", "✔ counts"];
  const name = node.hostname || node.file;
  const edit = h("button", { type: "button", onclick: () => openStored(node.file).catch((error) => toast(error.message)), "aria-label": `Open ${node.file} in a card` }, "Correct");
  const retire = h("button", { type: "button", class: "danger", onclick: () => aside(node, reload), "aria-label": `Retire ${node.file}` }, "Retire");
  return h(
    "tr",
    { "data-test": "file-row", "data-file": node.file },
    h("td", {}, node.file),
    h("td", {}, name),
    h("td", {}, node.address || "-"),
    h("td", {}, node.roles.join(", ") || "-"),
    h("td", {}, h("span", { class: `chip ${chip[0]}` }, chip[1]), ...node.problems.slice(0, 5).map(said)),
    h("td", {}, h("div", { class: "actions" }, edit, retire)),
  );
}

/** @param {any} problem */
const said = (problem) => h("p", { class: `problem ${problem.severity === "error" ? "" : "warning"}` }, [problem.path, problem.message].filter(Boolean).join(": "));

/** @param {any} node @param {() => Promise<void>} reload */
async function aside(node, reload) {
  const name = node.counts && node.hostname ? node.hostname : node.file;
  if (!window.confirm(`Move the files of ${name} aside? The machine is then no part of later deployments.`)) return;
  try {
    await post(`/nodes/${encodeURIComponent(name)}/retire`);
  } catch (error) {
    toast(/** @type {Error} */ (error).message);
  }
  await reload();
}
