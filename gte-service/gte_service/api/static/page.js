// Follows /readyz: often while the model is on its way, seldom once it is ready.
"use strict";
const state = document.getElementById("state");
const bar = document.getElementById("progress");

async function follow() {
  let wait = 2000;
  try {
    const answer = await fetch("/readyz", { cache: "no-store" });
    const now = await answer.json();
    state.textContent = `${now.status}: ${now.detail}`;
    state.dataset.state = now.status;
    document.getElementById("revision").textContent = now.revision || "–";
    bar.hidden = now.status !== "downloading" || !now.total_bytes;
    bar.value = now.total_bytes ? (100 * now.downloaded_bytes) / now.total_bytes : 0;
    if (now.status === "ready") wait = 10000;
  } catch {
    state.textContent = "unreachable";
    state.dataset.state = "failed";
  }
  setTimeout(follow, wait);
}
follow();
