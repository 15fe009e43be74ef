// Connects the parts of the page: the chosen task, its request, and its answer.
import { drawOutcome, errorOf } from "./answer.js";
import { curl, predict } from "./api.js";
import { copyButton } from "./elements.js";
import { followReadiness } from "./readiness.js";
import { createRequestForm } from "./request_form.js";
import { say } from "./words.js";

const byId = (id) => document.getElementById(id);
const { tasks, states } = JSON.parse(byId("page-data").textContent);
const KEY = "gte-api-key";
const key = byId("key");
const title = document.title;
// The outcome of each task's last request, and its request in flight.
const outcomes = new Map();
const flights = new Map();
let chosen = tasks[0];

const form = createRequestForm(showCurl);

function showCurl() {
  byId("curl-text").textContent = curl(form.body(), Boolean(key && key.value));
}

function choose() {
  const name = location.hash.slice(1);
  chosen = tasks.find((task) => task.name === name) || tasks[0];
  for (const link of document.querySelectorAll("#tasks a")) {
    if (link.hash === `#${chosen.name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${chosen.title} · ${title}`;
  byId("task-title").textContent = chosen.title;
  byId("task-name").textContent = chosen.name;
  byId("task-summary").textContent = chosen.summary;
  // The other language opens at the same task.
  byId("language").hash = chosen.name;
  form.choose(chosen);
  showCurl();
  drawOutcome(byId("answer"), outcomes.get(chosen.name) || null);
  showFlight();
}

function showFlight() {
  const busy = flights.has(chosen.name);
  byId("answer-panel").setAttribute("aria-busy", String(busy));
  byId("send").textContent = busy ? say("Sending…", "发送中……") : say("Send", "发送");
}

async function send() {
  const { name } = chosen;
  if (key && /[^\x20-\x7e]/.test(key.value)) {
    byId("form-note").textContent = say(
      "The API key has characters that are not allowed in a header.",
      "API 密钥中含有请求头不允许的字符。",
    );
    key.focus();
    return;
  }
  byId("form-note").textContent = "";
  if (flights.has(name)) flights.get(name).abort();
  const flight = new AbortController();
  flights.set(name, flight);
  showFlight();
  let outcome;
  try {
    outcome = await predict(form.body(), key ? key.value.trim() : "", flight.signal);
  } catch {
    // Aborted: a newer request of this task has taken its place.
    return;
  }
  flights.delete(name);
  outcomes.set(name, outcome);
  if (chosen.name !== name) return;
  showFlight();
  byId("answer-status").textContent = drawOutcome(byId("answer"), outcome);
  form.markWrong(outcome.status === 200 ? null : errorOf(outcome).field);
  if (key) key.setAttribute("aria-invalid", String(outcome.status === 401));
  showAnswer();
}

function showAnswer() {
  const place = byId("answer-panel");
  // Below the form on a narrow screen, an answer could arrive unseen.
  if (place.getBoundingClientRect().top < window.innerHeight * 0.75) return;
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  place.scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "start" });
}

byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});
byId("form").addEventListener("keydown", (event) => {
  // While an input method is composing, Enter is its own.
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing) {
    event.preventDefault();
    send();
  }
});
if (key) {
  key.value = sessionStorage.getItem(KEY) || "";
  key.addEventListener("input", () => {
    sessionStorage.setItem(KEY, key.value.trim());
    showCurl();
  });
}
if (/Mac|iPhone|iPad/.test(navigator.platform)) byId("shortcut").textContent = "⌘ + Enter";
byId("curl")
  .querySelector("pre")
  .prepend(copyButton("curl", () => byId("curl-text").textContent));
window.addEventListener("hashchange", choose);
choose();
followReadiness(states);
