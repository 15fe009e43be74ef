// Draws numbers: ranked bars, a matrix of cosines, and the phases of a request.
import { element, milliseconds, named, score } from "./elements.js";
import { say } from "./words.js";

// A larger table can't be read at a glance; the raw JSON has all vectors.
const MATRIX_TEXTS = 12;
const PHASE_HUES = { tokenize: 6, queue: 7, inference: 0, postprocess: 4 };

/** A bar from 0 to 1; negative values have no length. */
export function bar(share) {
  const fill = element("span", { class: "fill" });
  // Through the object model: the page's policy allows no style attributes.
  fill.style.width = `${100 * Math.min(1, Math.max(0, share || 0))}%`;
  return element("span", { class: "track", "aria-hidden": true }, fill);
}

/** Ranked rows `[{label, score}]`, the best first; a label is a node or a text. */
export function rankedBars(rows) {
  return element(
    "ol",
    { class: "bars" },
    rows.map((row) =>
      element(
        "li",
        {},
        element("span", { class: "label", dir: "auto" }, row.label),
        bar(row.score),
        element("span", { class: "number" }, score(row.score)),
      ),
    ),
  );
}

/** The cosines between texts, as a table. Vectors have length 1. */
export function cosineMatrix(texts, vectors) {
  const count = Math.min(vectors.length, MATRIX_TEXTS);
  const cosines = vectors.slice(0, count).map((row) => vectors.slice(0, count).map((column) => dot(row, column)));
  const between = cosines.flatMap((row, at) => row.filter((_, column) => column !== at));
  const least = Math.min(...between);
  const range = Math.max(...between) - least || 1;
  const head = element(
    "tr",
    {},
    element("td", {}),
    cosines.map((_, column) => element("th", { scope: "col" }, String(column + 1))),
  );
  const rows = cosines.map((row, at) =>
    element(
      "tr",
      {},
      element(
        "th",
        { scope: "row" },
        element("span", { class: "quiet" }, `${at + 1} `),
        element("span", { dir: "auto" }, texts[at]),
      ),
      row.map((cosine, column) => {
        const cell = element("td", { class: column === at ? "same" : "heat" }, score(cosine));
        // Relative to the least and greatest of this table: GTE's cosines are all high.
        if (column !== at) cell.style.setProperty("--heat", ((cosine - least) / range).toFixed(3));
        return cell;
      }),
    ),
  );
  const title = say("Cosines between the texts", "两两余弦相似度");
  return element(
    "div",
    { class: "matrix" },
    element("h4", {}, title),
    element(
      "div",
      { class: "scroll", tabindex: 0, role: "region", "aria-label": title },
      element("table", {}, element("thead", {}, head), element("tbody", {}, rows)),
    ),
    vectors.length > count &&
      element(
        "p",
        { class: "hint" },
        say(`The first ${count} of ${vectors.length} texts.`, `共 ${vectors.length} 条文本，只显示前 ${count} 条。`),
      ),
  );
}

/** One stacked bar for the phases of a request, relative to its total in ms; time outside the phases stays empty. */
export function phaseBar(phases, total) {
  const length =
    Math.max(
      total,
      phases.reduce((sum, phase) => sum + phase.ms, 0),
    ) || 1;
  const hue = (name) => `hue-${PHASE_HUES[name] === undefined ? 5 : PHASE_HUES[name]}`;
  return element(
    "div",
    { class: "phases" },
    element(
      "div",
      { class: "stack", "aria-hidden": true },
      phases.map(({ name, ms }) => {
        const part = element("span", { class: hue(name) });
        part.style.width = `${(100 * ms) / length}%`;
        return part;
      }),
    ),
    element(
      "ul",
      { class: "legend" },
      phases.map(({ name, ms }) =>
        element(
          "li",
          {},
          element("span", { class: `swatch ${hue(name)}`, "aria-hidden": true }),
          named(name),
          " ",
          element("span", { class: "number" }, milliseconds(ms)),
        ),
      ),
    ),
  );
}

function dot(vector, other) {
  return vector.reduce((sum, value, at) => sum + value * other[at], 0);
}
