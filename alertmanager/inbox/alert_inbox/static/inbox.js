// Shows times in the reader's own zone, and takes in new notifications every ten seconds without moving the page.
"use strict";

const PERIOD = 10_000;
const words = document.body.dataset;
const title = document.title;
let unseen = 0;
let lastAnswer = new Date();

function byId(id) {
  return document.getElementById(id);
}

function show(moment) {
  const two = (number) => String(number).padStart(2, "0");
  const day = [moment.getFullYear(), two(moment.getMonth() + 1), two(moment.getDate())].join("-");
  return day + " " + clock(moment);
}

function clock(moment) {
  return [moment.getHours(), moment.getMinutes(), moment.getSeconds()]
    .map((number) => String(number).padStart(2, "0"))
    .join(":");
}

// The name of the zone alone says nothing to many; the offset alone changes with the season.
function zone() {
  const name = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const minutes = -new Date().getTimezoneOffset();
  const sign = minutes < 0 ? "−" : "+";
  const hours = Math.floor(Math.abs(minutes) / 60);
  const rest = Math.abs(minutes) % 60;
  const offset = "UTC" + (minutes ? sign + hours + (rest ? ":" + String(rest).padStart(2, "0") : "") : "");
  return name && name !== "UTC" ? name + " (" + offset + ")" : offset;
}

function localise(root) {
  for (const element of root.querySelectorAll("time")) {
    const moment = new Date(element.dateTime);
    if (!Number.isNaN(moment.getTime())) {
      element.textContent = show(moment);
    }
  }
}

// The first notification that the reader still sees, unless the page is at its top, where news belongs.
function anchor() {
  if (window.scrollY <= 0) {
    return null;
  }
  return [...document.querySelectorAll("#notifications > li")].find(
    (item) => item.getBoundingClientRect().bottom > 0,
  );
}

// A notification never changes but for whom it was sent to, so those already shown stay: selection and focus survive.
function merge(fresh) {
  const list = byId("notifications");
  const freshList = fresh.getElementById("notifications");
  if (!list || !freshList) {
    // Without a change leave the page alone: the reader may be copying the command.
    if (list || freshList) {
      byId("main").replaceChildren(...fresh.getElementById("main").childNodes);
    }
    return freshList && !list ? freshList.children.length : 0;
  }
  let added = 0;
  const kept = anchor();
  const before = kept ? kept.getBoundingClientRect().top : 0;
  const wanted = [...freshList.children];
  const ids = new Set(wanted.map((item) => item.id));
  let place = list.firstElementChild;
  for (const item of wanted) {
    const known = byId(item.id);
    if (known) {
      // Whom a chat has told since.
      const [told, now] = [known.querySelector(".told"), item.querySelector(".told")];
      if (!told.isEqualNode(now)) {
        told.replaceWith(now);
      }
      place = known.nextElementSibling;
    } else {
      list.insertBefore(item, place);
      added += 1;
    }
  }
  for (const item of [...list.children]) {
    // One that the reader looks at or holds the focus in waits for the next round.
    if (!ids.has(item.id) && item !== kept && !item.contains(document.activeElement)) {
      item.remove();
    }
  }
  if (kept) {
    window.scrollBy({ top: kept.getBoundingClientRect().top - before, behavior: "instant" });
  }
  return added;
}

// Only when it changes: a screen reader reads an alarm whenever it appears. Details stay unfolded.
function takeOver(id, fresh) {
  for (const unfolded of document.querySelectorAll("#" + id + " details[open]")) {
    fresh.getElementById(unfolded.id)?.setAttribute("open", "");
  }
  if (!byId(id).isEqualNode(fresh.getElementById(id))) {
    byId(id).replaceWith(fresh.getElementById(id));
  }
}

function announce(added) {
  if (!added) {
    return;
  }
  byId("arrived").textContent = words.arrived.replace("{count}", added);
  if (document.hidden) {
    unseen += added;
    document.title = "(" + unseen + ") " + title;
  }
}

async function refresh() {
  try {
    const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(PERIOD) });
    if (!answer.ok) {
      throw new Error(String(answer.status));
    }
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    localise(fresh);
    const added = merge(fresh);
    takeOver("silent", fresh);
    takeOver("chat", fresh);
    if (byId("now") && fresh.getElementById("now")) {
      takeOver("now", fresh);
    }
    byId("stored").textContent = fresh.getElementById("stored").textContent;
    announce(added);
    lastAnswer = new Date();
    byId("stale").hidden = true;
    byId("updated").textContent = words.updated.replace("{time}", clock(lastAnswer));
  } catch {
    // Only once: a screen reader would read the same words again every ten seconds.
    if (byId("stale").hidden) {
      byId("stale").textContent = words.stale.replace("{time}", show(lastAnswer));
      byId("stale").hidden = false;
    }
  }
  setTimeout(refresh, PERIOD);
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) {
    unseen = 0;
    document.title = title;
  }
});

// The server takes the times of the form for UTC, and so does a reader without a script.
for (const input of document.querySelectorAll("input[type='datetime-local']")) {
  if (input.value) {
    const moment = new Date(input.value + "Z");
    input.value = show(moment).slice(0, 16).replace(" ", "T");
  }
}
document.querySelector("form").addEventListener("formdata", (event) => {
  for (const [name, value] of [...event.formData]) {
    if (!value) {
      event.formData.delete(name);
    } else if (name === "from" || name === "until") {
      event.formData.set(name, new Date(value).toISOString().slice(0, 16));
    }
  }
});
localise(document);
byId("zone").textContent = words.timesIn.replace("{zone}", zone());
setTimeout(refresh, PERIOD);
