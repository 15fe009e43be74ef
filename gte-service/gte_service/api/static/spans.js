// Draws a text with highlighted parts. Offsets count Unicode code points, end exclusive, as the API's do.
import { element, named } from "./elements.js";

// Known types have the same colour in every answer; others take the next colour.
const KNOWN = ["person", "place", "organization", "event", "product", "work", "time", "quantity"];
const ALSO = { trigger: 3, subject: 0, object: 2, answer: 1, sentence: 7 };
const COLOURS = 8;

/** A colour's number for each type, in order of first appearance. */
export function coloursOf(types) {
  const colours = new Map();
  let next = 0;
  for (const type of types) {
    if (colours.has(type)) continue;
    const known = KNOWN.includes(type) ? KNOWN.indexOf(type) : ALSO[type];
    colours.set(type, known === undefined ? next++ % COLOURS : known);
  }
  return colours;
}

/**
 * The text as a paragraph. Spans that overlap lie in lanes: the first is filled, the others are underlined, each lower.
 * `spans`: `[{start, end, type, title, tag, quiet}]`; a quiet span is only underlined and has no tag;
 * the tag is the type by default.
 */
export function highlighted(text, spans, colours) {
  const points = Array.from(text);
  const placed = inLanes(spans.filter((span) => isWithin(span, points.length)));
  const bounds = [...new Set([0, points.length, ...placed.flatMap((span) => [span.start, span.end])])].sort(
    (a, b) => a - b,
  );
  const paragraph = element("p", { class: "text", dir: "auto" });
  bounds.slice(1).forEach((end, at) => {
    const start = bounds[at];
    const covering = placed.filter((span) => span.start <= start && span.end >= end);
    paragraph.append(
      wrapped(points.slice(start, end).join(""), covering, colours, (span) => [
        span.start === start && "first",
        span.end === end && "last",
      ]),
    );
    for (const span of placed.filter((candidate) => candidate.end === end && !candidate.quiet)) {
      const tag = element("span", { class: `tag hue-${colours.get(span.type)}` }, span.tag || span.type);
      // Inside the spans that continue, so that their filling has no gap.
      paragraph.append(
        wrapped(
          tag,
          placed.filter((other) => other.start < end && other.end > end),
          colours,
          () => [],
        ),
      );
    }
  });
  return paragraph;
}

/** The colour of each type, and how often the type occurs. */
export function legend(types, colours) {
  const counts = new Map();
  for (const type of types) counts.set(type, (counts.get(type) || 0) + 1);
  return element(
    "ul",
    { class: "legend" },
    [...counts].map(([type, count]) =>
      element(
        "li",
        {},
        element("span", { class: `swatch hue-${colours.get(type)}`, "aria-hidden": true }),
        named(type),
        element("span", { class: "quiet" }, ` ${count}`),
      ),
    ),
  );
}

/** A piece inside the marks that cover it, with the lowest lane outermost so that underlines are above the filling. */
function wrapped(piece, covering, colours, classes) {
  return [...covering]
    .sort((a, b) => b.lane - a.lane)
    .reduce(
      (inner, span) =>
        element(
          "mark",
          {
            class: [
              `hue-${colours.get(span.type)}`,
              span.quiet && "quiet-span",
              span.lane && `lane lane-${Math.min(span.lane, 3)}`,
              ...classes(span),
            ]
              .filter(Boolean)
              .join(" "),
            title: span.title,
            "data-type": span.type,
          },
          inner,
        ),
      piece,
    );
}

function isWithin({ start, end }, length) {
  return Number.isInteger(start) && Number.isInteger(end) && start >= 0 && start < end && end <= length;
}

function inLanes(spans) {
  const ends = [];
  // Of spans with the same start the longer comes first: nested spans are below the span that contains them.
  return [...spans]
    .sort((a, b) => a.start - b.start || b.end - a.end)
    .map((span) => {
      let lane = ends.findIndex((end) => end <= span.start);
      if (lane < 0) lane = ends.length;
      ends[lane] = span.end;
      return { ...span, lane };
    });
}
