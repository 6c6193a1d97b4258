/** What the script prints: from the first byte, and then whatever follows. Nothing in it can do anything to the page. */
import { API, logBytes } from "./api.js";
import { fill, h, setText } from "./dom.js";

const KEPT = 2_000_000;
// CSI and OSC sequences, and every control character but tab and new line (ECMA-48)
const HARMFUL = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-Z\\-_])|[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

export class Log {
  /** @param {HTMLElement} place */
  constructor(place) {
    this.text = h("pre", { class: "log", "data-test": "log", tabindex: "0", role: "region", "aria-label": "The script's output" });
    this.note = h("p", { class: "dim" });
    this.place = place;
    fill(place, this.note, this.text);
    this.id = this.content = "";
    this.read = this.size = 0;
    this.loading = this.dropped = false;
    this.decoder = new TextDecoder();
    this.follow("", null);
  }

  /** Follow the output of a deployment, which has `size` bytes now. @param {string} id @param {number|null} size */
  follow(id, size) {
    if (id !== this.id) {
      this.id = id;
      this.read = this.size = 0;
      this.dropped = false;
      this.decoder = new TextDecoder();
      this.content = "";
      fill(this.text);
      this.text.hidden = true;
    }
    if (!size) setText(this.note, size === null ? "There is no output: the script was not started, or prints nothing here." : "The script has printed nothing so far.");
    else {
      this.size = size;
      if (size > this.read) this.load();
    }
  }

  async load() {
    if (this.loading) return;
    this.loading = true;
    const id = this.id;
    try {
      while (id === this.id && this.read < this.size) {
        const bytes = await logBytes(id, this.read);
        if (id !== this.id || !bytes?.length) break;
        this.read += bytes.length;
        this.add(this.decoder.decode(bytes, { stream: true }));
      }
    } catch (error) {
      if (id === this.id) setText(this.note, /** @type {Error} */ (error).message);
    } finally {
      this.loading = false;
      if (id !== this.id && this.read < this.size) this.load();
    }
  }

  /** @param {string} piece */
  add(piece) {
    const atEnd = this.text.scrollHeight - this.text.scrollTop - this.text.clientHeight < 40;
    this.content += piece.replaceAll("\r\n", "\n");
    if (this.content.length > KEPT) {
      this.content = this.content.slice(-KEPT);
      this.dropped = true;
    }
    this.text.hidden = false;
    this.text.textContent = this.content.replace(HARMFUL, "");
    const whole = h("a", { href: `${API}/deployments/${this.id}/log`, target: "_blank", rel: "noopener" }, "the whole output");
    fill(this.note, this.dropped ? "The end of it; " : "", whole);
    if (atEnd) this.text.scrollTop = this.text.scrollHeight;
  }
}
