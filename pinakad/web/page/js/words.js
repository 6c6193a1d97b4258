/** Durations, times, and the sentences of a deployment. */

export const RUNGS = ["connect", "banner", "host_key", "login", "command", "identity", "reboot", "ready", "stable"];

/** @param {number} seconds */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 90) return `${whole} s`;
  const minutes = Math.round(whole / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** @param {string|null|undefined} text */
export const seconds = (text) => (text ? Date.parse(text) / 1000 : NaN);
export const nowS = () => Date.now() / 1000;

/** @param {string|null|undefined} text */
export const clock = (text) => (text ? new Date(text).toLocaleTimeString([], { hour12: false }) : "-");

/** @param {string|null|undefined} text */
export const moment = (text) => (text ? new Date(text).toLocaleString([], { hour12: false }) : "-");

/** @param {number} number @param {string} one @param {string} [many] */
export const plural = (number, one, many = `${one}s`) => `${number} ${number === 1 ? one : many}`;

/** Name a reason or a state as a person would. @param {string|null|undefined} code */
export const readable = (code) => (code || "").replaceAll("_", " ");

/** Return the number of warnings of a deployment. @param {any} run */
export const warnings = (run) => run.problems.filter((/** @type {any} */ problem) => problem.severity === "warning").length;

/**
 * Return the verdict or the phase in one sentence.
 * @param {any} run
 */
export function verdict(run) {
  const { up, total } = run.counts;
  if (run.phase === "finished") {
    const count = warnings(run);
    const more = count ? ` with ${plural(count, "warning")}` : "";
    if (run.outcome === "completed") return `Completed${more}: ${run.message}`;
    if (run.outcome === "cancelled") return `Cancelled: ${run.message}`;
    return `Failed (${readable(run.reason)}): ${run.message}`;
  }
  if (run.cancel_asked) return "Cancelling: the script is being ended";
  if (run.phase === "polling") return `Polling: ${up} of ${plural(total, "node")} up`;
  if (run.phase === "waiting") return `Waiting for ${plural(total, "node")} to reboot`;
  if (run.phase === "validating") return "Validating the node files";
  if (run.phase === "launching") return "Launching the deployment script";
  return "Finishing: the verdict is being written";
}

/**
 * Return what is being waited for, and for how long still.
 * @param {any} run
 */
export function lead(run) {
  const started = seconds(run.started_at);
  if (run.phase === "finished") {
    return `It took ${duration(seconds(run.finished_at) - started)} and ended ${moment(run.finished_at)}.`;
  }
  const plan = run.schedule;
  const since = `running for ${duration(nowS() - started)}`;
  if (run.phase === "waiting" && plan) return `Polling begins in ${duration(seconds(plan.begins_at) - nowS())}; ${since}.`;
  if (run.phase === "polling" && plan) {
    const number = Math.max(0, Math.floor((nowS() - seconds(plan.begins_at)) / plan.interval_s) + 1);
    if (!plan.ends_at) return `The script still runs, and polling goes on until it ends (attempt ${number}); ${since}.`;
    const left = duration(seconds(plan.ends_at) - nowS());
    return `Attempt ${Math.min(number, plan.attempts)} of ${plan.attempts}, ${left} left; ${since}.`;
  }
  return `${since[0].toUpperCase()}${since.slice(1)}.`;
}

/**
 * Return the state of the script in words.
 * @param {any} script
 */
export function scriptText(script) {
  if (!script) return "not started";
  const took = script.finished_at ? ` after ${duration(seconds(script.finished_at) - seconds(script.started_at))}` : "";
  if (script.state === "running") return `running since ${clock(script.started_at)}, pid ${script.pid}`;
  if (script.state !== "exited") return readable(script.state);
  if (script.adopted) return `ended with a status that is not known${took}`;
  return script.signal === null ? `exited with status ${script.exit_code}${took}` : `ended by signal ${script.signal}${took}`;
}

/** Return colour class, icon and word of an outcome or a phase. @param {any} run */
export function outcomeChip(run) {
  if (run.outcome === "completed") return ["good", "✔ completed"];
  if (run.outcome === "failed") return ["bad", "✖ failed"];
  if (run.outcome === "cancelled") return ["warn", "⊘ cancelled"];
  return ["wait", `… ${run.phase || "unreadable"}`];
}

/** Return colour class, icon and word of a node's state. @param {string} state */
export function stateChip(state) {
  if (state === "up") return ["good", "✔ up"];
  if (state === "failed") return ["bad", "✖ failed"];
  return ["wait", "… waiting"];
}
