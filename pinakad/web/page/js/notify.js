/** Tells of a verdict outside the page, where the browser was allowed to: asked for once, by a button. */
import { h } from "./dom.js";
import { verdict } from "./words.js";

/** @param {import("./live.js").Live} live */
export function watchVerdict(live) {
  let running = "";
  offer();
  live.addEventListener("change", () => {
    const { run } = live.state;
    if (!run) return;
    if (run.phase !== "finished") running = run.id;
    else if (running === run.id) {
      running = "";
      if ("Notification" in window && Notification.permission === "granted") new Notification("pinakad", { body: verdict(run), tag: run.id });
    }
  });
}

function offer() {
  if (!("Notification" in window) || Notification.permission !== "default") return;
  const button = h("button", { type: "button", class: "plain" }, "Notify me");
  button.addEventListener("click", async () => {
    await Notification.requestPermission();
    button.remove();
  });
  document.querySelector(".top")?.append(button);
}
