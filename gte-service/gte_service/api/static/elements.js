// Builds elements. Data only ever becomes text nodes and attributes, never markup.
import { chineseName, say } from "./words.js";

/** An element with attributes and children; empty children are left out. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true && !key.startsWith("aria-")) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, String(value));
  }
  made.append(...children.flat().filter(Boolean));
  return made;
}

/** An id of the API, followed by its Chinese name if it has one. */
export function named(id) {
  const name = chineseName(id);
  return element("span", { class: "named" }, String(id), name && element("span", { class: "quiet" }, ` ${name}`));
}

/** A button that copies the value of `text()`; `what` names it for screen readers. */
export function copyButton(what, text) {
  const label = say("Copy", "复制");
  const button = element("button", { type: "button", class: "plain copy", "aria-label": `${label}: ${what}` }, label);
  button.addEventListener("click", async () => {
    button.textContent = (await copied(text())) ? say("Copied", "已复制") : say("Select and copy", "已选中，请手动复制");
    setTimeout(() => (button.textContent = label), 2000);
  });
  return button;
}

async function copied(text) {
  // Browsers give no clipboard to pages from plain HTTP, except pages of this machine.
  if (navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // Refused: try the older method below.
    }
  }
  const before = document.activeElement;
  const area = element("textarea", { class: "unseen", "aria-hidden": true, tabindex: -1 });
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (before) before.focus();
  return done;
}

/** A score with three decimals; a dash for a value that is not a number. */
export function score(value) {
  return typeof value === "number" ? value.toFixed(3).replace("-", "−") : "–";
}

/** Milliseconds with three significant digits. */
export function milliseconds(value) {
  return `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ms`;
}
