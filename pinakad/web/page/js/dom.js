/** Small tools for the document. Texts only ever become text nodes: nothing that a node or a file says is markup. */

/**
 * Make an element. Attributes: `on*` are listeners, `class`, `data-*` and others are set as they are, false is left out.
 * @param {string} tag
 * @param {Record<string, any>} [attributes]
 * @param {...(Node|string|number|null|undefined|false)} children
 * @returns {HTMLElement}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false).map(asNode));
  return element;
}

/** @param {any} child */
const asNode = (child) => (child instanceof Node ? child : document.createTextNode(String(child)));

/**
 * Clone a template of the page; return its content and its slots by name.
 * @param {string} id
 * @returns {{root: DocumentFragment, slots: Record<string, any>}}
 */
export function clone(id) {
  const template = /** @type {HTMLTemplateElement} */ (document.getElementById(id));
  const root = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
  /** @type {Record<string, any>} */
  const slots = {};
  for (const element of root.querySelectorAll("[data-slot]")) slots[element.getAttribute("data-slot") || ""] = element;
  return { root, slots };
}

/**
 * Call a function for clicks on the elements with `data-do`, by its value.
 * @param {EventTarget} root
 * @param {Record<string, (button: HTMLElement) => void>} actions
 */
export function actions(root, actions) {
  root.addEventListener("click", (event) => {
    const button = /** @type {HTMLElement|null} */ (/** @type {Element} */ (event.target).closest("[data-do]"));
    const name = button?.dataset.do;
    if (button && name && actions[name]) actions[name](button);
  });
}

/** Say something to a screen reader, politely, and only where it is new. @param {string} text */
export function announce(text) {
  const place = /** @type {HTMLElement} */ (document.getElementById("announcer"));
  if (place.textContent !== text) place.textContent = text;
}

/** Show why something did not work, for a while. @param {string} text */
export function toast(text) {
  const box = h("div", { class: "toast", role: "alert" }, text);
  box.append(" ", h("button", { class: "plain", type: "button", onclick: () => box.remove() }, "Close"));
  document.getElementById("toasts")?.append(box);
  setTimeout(() => box.remove(), 15000);
}

/** Replace an element's children. @param {Element} element @param {...any} children */
export function fill(element, ...children) {
  element.replaceChildren(...children.filter((child) => child !== null && child !== undefined && child !== false).map(asNode));
}

/** Set a text where it differs: the document is not touched otherwise. @param {Element} element @param {string} text */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
