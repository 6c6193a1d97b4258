/** Calls of the interface. */

export const API = "/api/v1";

/** A call that was refused: `code` for programs, `message` for people, `problems` of nodes. */
export class Refused extends Error {
  /** @param {number} status @param {any} document */
  constructor(status, document) {
    super(document?.message || `the server answered with status ${status}`);
    this.status = status;
    this.code = document?.error || "";
    this.problems = document?.problems || [];
  }
}

/** @type {() => void} */
let signedOut = () => {};

/** Call a function where a call is refused for want of a token. @param {() => void} callback */
export function onSignedOut(callback) {
  signedOut = callback;
}

/**
 * Make a call and return its JSON document, null where there is none. Throws Refused, and TypeError without a network.
 * @param {string} path
 * @param {{method?: string, body?: any, signal?: AbortSignal}} [options]
 */
export async function call(path, { method = "GET", body, signal } = {}) {
  const headers = /** @type {Record<string, string>} */ (body === undefined ? {} : { "Content-Type": "application/json" });
  const text = body === undefined ? undefined : JSON.stringify(body);
  const response = await fetch(API + path, { method, headers, body: text, signal, credentials: "same-origin" });
  if (response.status === 204) return null;
  const document = await response.json().catch(() => null);
  if (response.ok) return document;
  if (response.status === 401 && document?.error === "no_token") signedOut();
  throw new Refused(response.status, document);
}

/** @param {string} path @param {any} [body] */
export const post = (path, body = {}) => call(path, { method: "POST", body });

/** @type {Promise<any>|null} */
let reasons = null;

/** Return why it is so and what to do, for every reason; loaded once. */
export function loadReasons() {
  reasons ??= call("/reasons").catch(() => {
    reasons = null;
    return { nodes: {}, deployments: {} };
  });
  return reasons;
}

/**
 * Read bytes of the script's output as text. Returns null at the end of what is there.
 * @param {string} id
 * @param {number} from
 */
export async function logBytes(id, from) {
  const headers = { Range: `bytes=${from}-` };
  const response = await fetch(`${API}/deployments/${id}/log`, { headers, credentials: "same-origin" });
  if (response.status === 416) return null;
  if (!response.ok) throw new Refused(response.status, await response.json().catch(() => null));
  return new Uint8Array(await response.arrayBuffer());
}
