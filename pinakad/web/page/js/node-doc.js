/**
 * The document of one node, as producers write it, and its parts by JSON Pointer (RFC 6901). Unknown keys are kept.
 * @typedef {Record<string, any>} NodeDocument
 */

export const KINDS = {
  default: { name: "Cloud, default layout", types: ["Primary", "Secondary"] },
  segregated: { name: "Cloud, segregated layout", types: ["Mgmt", "VXLAN", "Storage", "External_Traffic"] },
  server: { name: "Server virtualization", types: ["Primary", "Secondary"] },
};
export const ROLES = ["Control", "Compute", "Storage", "Monitoring"];
const EMPTY = { IP_ADDRESS: "", Netmask: "", DNS: "", gateway: "", mtu: "1500" };
const NONE = ["", "NULL", "N/A"];

/** @param {string} kind @returns {NodeDocument} */
export function newNode(kind) {
  const types = kind === "segregated" ? ["Mgmt", "VXLAN"] : ["Primary"];
  const node = /** @type {NodeDocument} */ ({ using_interfaces: {}, hostname: "", disk: [], roles: [] });
  for (const type of types) addInterface(node, type);
  return node;
}

/** Return the next free key: the `0` is a literal prefix, so that the tenth is interface_010. @param {NodeDocument} node @param {string} prefix */
function freeKey(node, prefix) {
  const numbers = Object.keys(node.using_interfaces).filter((key) => key.startsWith(prefix)).map((key) => Number(key.slice(prefix.length)));
  return `${prefix}${Math.max(0, ...numbers.filter(Number.isFinite)) + 1}`;
}

/** @param {NodeDocument} node @param {string} type */
export function addInterface(node, type) {
  node.using_interfaces[freeKey(node, "interface_0")] = { interface_name: "", type: [type], vlan_id: "", Bond_Slave: "NO", Properties: { ...EMPTY } };
}

/** @param {NodeDocument} node @param {string} type */
export function addBond(node, type) {
  const key = freeKey(node, "bond");
  node.using_interfaces[key] = { interface_name: key, type: [type], vlan_id: "", Properties: { ...EMPTY } };
  addSlave(node, key);
  addSlave(node, key);
}

/** @param {NodeDocument} node @param {string} bond the key of the bond */
export function addSlave(node, bond) {
  const { interface_name: name, type } = node.using_interfaces[bond];
  node.using_interfaces[freeKey(node, "interface_0")] = { interface_name: "", type, vlan_id: "", Bond_Slave: "YES", Bond_Interface_Name: name };
}

/** @param {NodeDocument} node @param {string} key */
export function removeInterface(node, key) {
  if (isBond(key)) for (const slave of slavesOf(node, key)) delete node.using_interfaces[slave];
  delete node.using_interfaces[key];
}

/** @param {string} key */
export const isBond = (key) => /^bond[0-9]+$/i.test(key);

/** @param {any} item */
export const isSlave = (item) => String(item?.Bond_Slave || "").toUpperCase() === "YES";

/** @param {NodeDocument} node @param {string} bond */
export function slavesOf(node, bond) {
  const name = node.using_interfaces[bond]?.interface_name;
  return Object.keys(node.using_interfaces).filter((key) => isSlave(node.using_interfaces[key]) && node.using_interfaces[key].Bond_Interface_Name === name);
}

/** Return the keys that have a place of their own in the form: slaves stand with their bond. @param {NodeDocument} node */
export function topKeys(node) {
  const all = Object.keys(node.using_interfaces);
  const placed = new Set(all.filter(isBond).flatMap((bond) => slavesOf(node, bond)));
  return all.filter((key) => !placed.has(key));
}

/** @param {...string} keys */
export const pointer = (...keys) => keys.map((key) => `/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");

/** @param {string} path */
const keysOf = (path) => path.split("/").slice(1).map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));

/** Return the text at a place, "" for none. @param {NodeDocument} node @param {string} path */
export function textAt(node, path) {
  let value = /** @type {any} */ (node);
  for (const key of keysOf(path)) value = value?.[key];
  if (Array.isArray(value)) return value.map((item) => (typeof item === "string" ? item : JSON.stringify(item))).join(", ");
  return value === undefined || value === null || NONE.includes(String(value).toUpperCase()) ? "" : String(value);
}

/** Set the value at a place. @param {NodeDocument} node @param {string} path @param {any} value */
export function setAt(node, path, value) {
  const keys = keysOf(path);
  const last = keys.pop() || "";
  let place = /** @type {any} */ (node);
  for (const key of keys) place = place[key] ??= {};
  place[last] = value;
}

/** Rename a bond: its slaves name it, too. @param {NodeDocument} node @param {string} bond @param {string} name */
export function renameBond(node, bond, name) {
  for (const slave of slavesOf(node, bond)) node.using_interfaces[slave].Bond_Interface_Name = name;
  node.using_interfaces[bond].interface_name = name;
}

/** Guess the kind of a node that was imported or opened. @param {NodeDocument} node */
export function kindOf(node) {
  const types = Object.values(node.using_interfaces || {}).flatMap((item) => item?.type || []).map((type) => String(type).toLowerCase());
  if (types.some((type) => /mgmt|management|vxlan/.test(type))) return "segregated";
  return node.roles?.length || !node.server_vip ? "default" : "server";
}

/**
 * Return the nodes of a document: one, a list, or an object keyed by address. Throws Error where there is none.
 * @param {any} value
 * @returns {NodeDocument[]}
 */
export function nodesIn(value) {
  const looks = (/** @type {any} */ item) => item && typeof item === "object" && !Array.isArray(item);
  const list = Array.isArray(value) ? value : looks(value) && !("using_interfaces" in value || "hostname" in value) ? Object.values(value) : [value];
  if (!list.length || !list.every(looks)) throw new Error("This is no node, list of nodes or object of nodes.");
  return list.map((item) => ({ ...item, using_interfaces: looks(item.using_interfaces) ? item.using_interfaces : {} }));
}
