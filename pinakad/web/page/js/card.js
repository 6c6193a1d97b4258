/** One node card: the fields that producers write, each with what is wrong with it beside it. */
import { fill, h } from "./dom.js";
import { KINDS, ROLES, addBond, addInterface, addSlave, isBond, pointer, removeInterface, renameBond, setAt, slavesOf, textAt, topKeys } from "./node-doc.js";

const PROPERTIES = { IP_ADDRESS: "Address", Netmask: "Netmask", gateway: "Gateway", DNS: "DNS", mtu: "MTU" };
const HINTS = /** @type {Record<string, string>} */ ({ IP_ADDRESS: "10.0.0.11", Netmask: "255.255.255.0", gateway: "10.0.0.1", DNS: "10.0.0.53", mtu: "1500" });
const MORE = { server_vip: "Server VIP", provider_cidr: "Provider network", provider_gateway: "Provider gateway", provider_startingip: "Provider first address", provider_endingip: "Provider last address", tenant_cidr: "Tenant network", tenant_gateway: "Tenant gateway", tenant_nameserver: "Tenant name server" };
let count = 0;

export class Card {
  /**
   * @param {{node: any, kind: string, from?: string}} state
   * @param {{changed: () => void, copy: (card: Card) => void, remove: (card: Card) => void}} callbacks
   */
  constructor(state, callbacks) {
    this.state = state;
    this.callbacks = callbacks;
    this.number = ++count;
    this.touched = /** @type {Set<string>} */ (new Set());
    this.showsAll = Boolean(state.from);
    this.element = h("section", { class: "card", "data-test": "card" });
    this.problems = /** @type {any[]} */ ([]);
    this.draw();
  }

  get node() {
    return this.state.node;
  }

  draw() {
    const { node, state } = this;
    this.fields = /** @type {Map<string, {input: HTMLElement|null, said: HTMLElement}>} */ (new Map());
    const titleId = `card-${this.number}`;
    this.element.setAttribute("aria-labelledby", titleId);
    this.title = h("h2", { id: titleId }, this.name());
    fill(
      this.element,
      h("div", { class: "head" }, this.title, h("div", { class: "actions" }, this.kindSelect(), this.button("Copy", () => this.callbacks.copy(this)), this.button("Remove", () => this.callbacks.remove(this), "danger"))),
      state.from && h("p", { class: "hint" }, `A correction of ${state.from}: applied, it takes that file's place.`),
      this.said(""),
      h("div", { class: "grid" }, this.field("/hostname", "Host name", "sqdn-001"), this.field("/disk", "Disks, separated by commas", "/dev/sda", textList)),
      state.kind !== "server" && this.roles(),
      this.said("/using_interfaces"),
      ...topKeys(node).map((key) => this.interface(key)),
      h("p", { class: "actions" }, this.button("+ Interface", () => this.change(() => addInterface(node, this.types()[0]))), this.button("+ Bond", () => this.change(() => addBond(node, this.types()[0])))),
      this.more(),
    );
    this.show(this.problems);
  }

  name() {
    return this.node.hostname || "New node";
  }

  types() {
    return KINDS[/** @type {keyof typeof KINDS} */ (this.state.kind)].types;
  }

  /** @param {() => void} work */
  change(work) {
    work();
    this.draw();
    this.callbacks.changed();
  }

  /** @param {string} text @param {() => void} onclick @param {string} [kind] */
  button(text, onclick, kind = "") {
    return h("button", { type: "button", class: kind, onclick, "aria-label": `${text.replace("+ ", "Add ")}: ${this.name()}` }, text);
  }

  kindSelect() {
    const options = Object.entries(KINDS).map(([kind, { name }]) => h("option", { value: kind, selected: kind === this.state.kind }, name));
    const select = /** @type {HTMLSelectElement} */ (h("select", { "aria-label": `Kind of node: ${this.name()}` }, ...options));
    select.addEventListener("change", () => this.change(() => (this.state.kind = select.value)));
    return h("div", {}, select);
  }

  /** Make the place where problems at a path are told. @param {string} path @param {HTMLElement|null} [input] */
  said(path, input = null) {
    const said = h("p", { class: "problem", id: `said-${this.number}-${this.fields?.size}`, "data-test": "problem", "data-for": path });
    this.fields?.set(path, { input, said });
    return said;
  }

  /**
   * Make a field. `parse` turns its text into the value.
   * @param {string} path @param {string} label @param {string} [hint] @param {(text: string) => any} [parse]
   */
  field(path, label, hint = "", parse = (text) => text) {
    const id = `field-${this.number}-${this.fields?.size}`;
    const input = /** @type {HTMLInputElement} */ (h("input", { id, "data-path": path, value: textAt(this.node, path), placeholder: hint, autocomplete: "off", spellcheck: "false", autocapitalize: "off" }));
    input.addEventListener("input", () => this.take(path, parse(input.value.trim())));
    input.addEventListener("blur", () => this.left(path));
    return h("div", {}, h("label", { for: id }, label), input, this.said(path, input));
  }

  /** @param {string} path @param {any} value */
  take(path, value) {
    this.touched.add(path);
    const bond = path.match(/^\/using_interfaces\/(bond[0-9]+)\/interface_name$/i);
    if (bond) renameBond(this.node, bond[1], value);
    else setAt(this.node, path, value);
    if (path === "/hostname" && this.title) this.title.textContent = this.name();
    this.callbacks.changed();
  }

  /** A field that somebody has left empty is told of. @param {string} path */
  left(path) {
    if (this.touched.has(path)) return;
    this.touched.add(path);
    this.show(this.problems);
  }

  roles() {
    const roles = new Set(this.node.roles || []);
    const known = [...new Set([...ROLES, ...roles])];
    const box = (/** @type {string} */ role) => {
      const input = /** @type {HTMLInputElement} */ (h("input", { type: "checkbox", checked: roles.has(role), value: role }));
      input.addEventListener("change", () => {
        input.checked ? roles.add(role) : roles.delete(role);
        this.take("/roles", known.filter((name) => roles.has(name)));
      });
      return h("label", {}, input, role);
    };
    return h("fieldset", { "data-path": "/roles" }, h("legend", {}, "Roles"), h("div", { class: "checks" }, ...known.map(box)), this.said("/roles"));
  }

  /** @param {string} key */
  interface(key) {
    const { node } = this;
    const at = (/** @type {string[]} */ ...keys) => pointer("using_interfaces", key, ...keys);
    const item = node.using_interfaces[key];
    const flat = !item.Properties && "ip" in item;
    const properties = Object.entries(PROPERTIES).map(([name, label]) => this.field(flat && name === "IP_ADDRESS" ? at("ip") : at("Properties", name), label, HINTS[name]));
    const remove = h("button", { type: "button", class: "plain", onclick: () => this.change(() => removeInterface(node, key)), "aria-label": `Remove ${key}: ${this.name()}` }, isBond(key) ? "Remove this bond" : "Remove this interface");
    return h(
      "fieldset",
      { "data-path": at() },
      h("legend", {}, isBond(key) ? `Bond (${key})` : `Interface (${key})`),
      this.said(at()),
      h("div", { class: "grid" }, this.field(at("interface_name"), "Name", isBond(key) ? "bond1" : "eno1"), this.type(key), this.field(at("vlan_id"), "VLAN", "none"), ...properties, this.strayBond(key)),
      isBond(key) ? this.slaves(key) : null,
      remove,
    );
  }

  /** A slave whose bond is not there: its bond can be corrected. @param {string} key */
  strayBond(key) {
    const path = pointer("using_interfaces", key, "Bond_Interface_Name");
    return textAt(this.node, pointer("using_interfaces", key, "Bond_Slave")).toUpperCase() === "YES" ? this.field(path, "Slave of the bond", "bond1") : null;
  }

  /** @param {string} key */
  type(key) {
    const path = pointer("using_interfaces", key, "type");
    const now = textAt(this.node, path);
    const id = `field-${this.number}-${this.fields?.size}`;
    const known = [...new Set([...this.types(), now])].filter(Boolean);
    const select = /** @type {HTMLSelectElement} */ (h("select", { id, "data-path": path }, ...known.map((name) => h("option", { value: name, selected: name === now }, name.replaceAll("_", " ")))));
    select.addEventListener("change", () => this.take(path, textList(select.value)));
    return h("div", {}, h("label", { for: id }, "Type"), select, this.said(path, select));
  }

  /** @param {string} bond */
  slaves(bond) {
    const { node } = this;
    const row = (/** @type {string} */ key, /** @type {number} */ place) => {
      const remove = h("button", { type: "button", class: "plain", onclick: () => this.change(() => removeInterface(node, key)), "aria-label": `Remove slave ${place + 1} of ${bond}: ${this.name()}` }, "Remove");
      return h("div", { class: "slave" }, this.field(pointer("using_interfaces", key, "interface_name"), `Slave ${place + 1}`, "eno1"), this.said(pointer("using_interfaces", key)), remove);
    };
    const add = h("button", { type: "button", onclick: () => this.change(() => addSlave(node, bond)), "aria-label": `Add a slave to ${bond}: ${this.name()}` }, "+ Slave");
    return h("div", { class: "slaves" }, ...slavesOf(node, bond).map(row), h("div", {}, add));
  }

  more() {
    const open = Object.keys(MORE).some((name) => textAt(this.node, pointer(name))) || this.state.kind === "server";
    const fields = Object.entries(MORE).map(([name, label]) => this.field(pointer(name), label));
    return h("details", { open }, h("summary", {}, "VIP, provider and tenant networks"), h("div", { class: "grid" }, ...fields));
  }

  /** Show problems beside their fields; return those that have none. @param {any[]} problems */
  show(problems) {
    this.problems = problems;
    const texts = /** @type {Map<string, any[]>} */ (new Map());
    for (const problem of problems) {
      let path = problem.path;
      while (path && !this.fields?.has(path)) path = path.slice(0, path.lastIndexOf("/"));
      if (!this.showsAll && this.isUntouched(path)) continue;
      texts.set(path, [...(texts.get(path) || []), problem]);
    }
    for (const [path, { input, said }] of this.fields || []) {
      const here = texts.get(path) || [];
      const wrong = here.some((problem) => problem.severity === "error");
      said.textContent = here.map((problem) => problem.message).join("; ");
      said.classList.toggle("warning", here.length > 0 && !wrong);
      if (!input) continue;
      input.toggleAttribute("aria-invalid", false);
      if (wrong) input.setAttribute("aria-invalid", "true");
      here.length ? input.setAttribute("aria-describedby", said.id) : input.removeAttribute("aria-describedby");
    }
  }

  /** An empty field is no mistake before somebody was there, or applies. @param {string} path */
  isUntouched(path) {
    const input = /** @type {HTMLInputElement|null|undefined} */ (this.fields?.get(path)?.input);
    if (input) return !this.touched.has(path) && !input.value;
    return this.touched.size === 0;
  }

  /** From now on every problem is shown. */
  showAll() {
    this.showsAll = true;
    this.show(this.problems);
  }

  /** Focus the field of a problem. @param {string} path */
  focus(path) {
    while (path && !this.fields?.get(path)?.input) path = path.slice(0, path.lastIndexOf("/"));
    const field = this.fields?.get(path)?.input || this.element.querySelector("input");
    /** @type {HTMLElement} */ (field).focus();
  }
}

/** @param {string} text */
const textList = (text) => text.split(",").map((item) => item.trim()).filter(Boolean);
