/** Where the nodes of the cards come from and go to: this tab's storage, files, and stored node files. */
import { call } from "./api.js";
import { h, setText } from "./dom.js";
import { kindOf, nodesIn } from "./node-doc.js";

export const KEY = "pinakad-cards";

/** Return the cards of this tab, which survive a reload. @returns {{node: any, kind: string, from?: string}[]} */
export function stored() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) || "[]");
  } catch {
    return [];
  }
}

/** Put a node into a card, before the view is shown. @param {any} node @param {string} [from] the file that it is a correction of */
function putIntoCard(node, from) {
  const [copy] = nodesIn(structuredClone(node));
  const cards = stored().filter((card) => card.from !== from || !from).filter((card) => card.node.hostname || Object.keys(card.node.using_interfaces).length > 1);
  sessionStorage.setItem(KEY, JSON.stringify([...cards, { node: copy, kind: kindOf(copy), from }]));
}

/** Open a stored node file in a card. @param {string} file */
export async function openStored(file) {
  putIntoCard(await call(`/nodes/${encodeURIComponent(file)}`), file);
  location.hash = "#/deploy";
}

/** Give the nodes to the browser as a file. @param {any[]} nodes */
export function exportNodes(nodes) {
  const url = URL.createObjectURL(new Blob([JSON.stringify(nodes, null, 1) + "\n"], { type: "application/json" }));
  h("a", { href: url, download: "nodes.json" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/**
 * Read the files and the text of the import dialog.
 * @param {HTMLDialogElement} box @param {Element} problem @param {(nodes: any[]) => void} take
 */
export async function importNodes(box, problem, take) {
  const files = /** @type {HTMLInputElement} */ (box.querySelector("input[type=file]"));
  const text = /** @type {HTMLTextAreaElement} */ (box.querySelector("textarea"));
  try {
    const texts = [...(await Promise.all([...(files.files || [])].map((file) => file.text()))), text.value].filter((part) => part.trim());
    if (!texts.length) throw new Error("Choose a file, or paste a document.");
    take(texts.flatMap((part) => nodesIn(JSON.parse(part))));
    files.value = text.value = "";
    setText(problem, "");
    box.close();
  } catch (error) {
    setText(problem, `Cannot import it: ${/** @type {Error} */ (error).message}`);
  }
}
