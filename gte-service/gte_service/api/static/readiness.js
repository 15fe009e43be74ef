// Polls /readyz: often until the model is ready, seldom afterwards, never while the page is hidden.
import { say, translated } from "./words.js";

const WAITING_MS = 1000;
const READY_MS = 15000;
const byId = (id) => document.getElementById(id);

/** Begin to poll. `states`: the names of the states on a Chinese page. */
export function followReadiness(states) {
  let timer = 0;

  async function look() {
    clearTimeout(timer);
    let wait = WAITING_MS;
    try {
      const answer = await fetch("readyz", { cache: "no-store" });
      const now = await answer.json();
      show(now, states);
      if (now.status === "ready") wait = READY_MS;
    } catch {
      sayState("unreachable", say("", "无法连接"), say("The page tries again every second.", "页面每秒重试一次。"));
      byId("download").hidden = true;
    }
    clearTimeout(timer);
    if (!document.hidden) timer = setTimeout(look, wait);
  }

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) look();
  });
  look();
}

function show(now, states) {
  sayState(now.status, states[now.status] || "", now.status === "ready" ? "" : translated(now.detail));
  byId("revision").textContent = now.revision || "–";
  const known = now.status === "downloading" && now.total_bytes > 0;
  byId("download").hidden = !known;
  if (known) {
    const percent = Math.floor((100 * now.downloaded_bytes) / now.total_bytes);
    byId("progress").value = percent;
    byId("progress-text").textContent =
      `${percent} % · ${megabytes(now.downloaded_bytes)} / ${megabytes(now.total_bytes)} MB`;
  }
}

function sayState(id, name, detail) {
  byId("state").dataset.state = id;
  // Unchanged text is not set again: screen readers announce changes only.
  for (const [target, text] of [
    ["state-id", id],
    ["state-name", name],
    ["state-detail", detail],
  ]) {
    const place = byId(target);
    if (place && place.textContent !== text) place.textContent = text;
  }
}

function megabytes(bytes) {
  return (bytes / 1e6).toFixed(bytes < 1e8 ? 1 : 0);
}
