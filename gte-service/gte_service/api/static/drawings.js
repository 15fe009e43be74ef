// Draws the result of one item, for each task; `item` is the item of the request that it answers.
import { bar, cosineMatrix, rankedBars } from "./bars.js";
import { element, named, score } from "./elements.js";
import { coloursOf, highlighted, legend } from "./spans.js";
import { say } from "./words.js";

const NUMBERS_SHOWN = 8;

/** The drawing of an item's result; throws a TypeError where the result doesn't have the shape of its task. */
export function drawResult(task, result, item) {
  return DRAWINGS[task](result, item);
}

/** Whether there is a drawing for a task. */
export function canDraw(task) {
  return Object.prototype.hasOwnProperty.call(DRAWINGS, task);
}

/** One drawing for all items of a batch, or null. */
export function drawTogether(task, results, texts) {
  if (task !== "embedding") return null;
  const rows = results.map((result, at) => ({ result, text: texts[at] })).filter((row) => Array.isArray(row.result));
  return rows.length > 1
    ? cosineMatrix(
        rows.map((row) => row.text),
        rows.map((row) => row.result),
      )
    : null;
}

const DRAWINGS = {
  embedding: drawVector,
  similarity: drawSimilarity,
  sentiment: drawLabels,
  classification: drawLabels,
  qa: drawAnswer,
  ner: drawEntities,
  relation: drawRelations,
  event: drawEvents,
};

function drawVector(vector) {
  const first = vector.slice(0, NUMBERS_SHOWN).map((value) => value.toFixed(4).replace("-", "−"));
  return [
    element(
      "p",
      { class: "vector" },
      element("code", {}, `[${first.join(", ")}${vector.length > NUMBERS_SHOWN ? ", …" : ""}]`),
    ),
    element(
      "p",
      { class: "quiet" },
      say(
        `${vector.length} numbers, length ${Math.hypot(...vector).toFixed(4)}`,
        `${vector.length} 维，长度 ${Math.hypot(...vector).toFixed(4)}`,
      ),
    ),
  ];
}

function drawSimilarity(result, { pair, candidates }) {
  if (result.ranking) {
    return [rankedBars(result.ranking.map((at) => ({ label: candidates[at], score: result.scores[at] })))];
  }
  return [
    element("p", { class: "value" }, element("strong", {}, score(result.score)), bar(result.score)),
    element(
      "p",
      { class: "pair" },
      element("span", { dir: "auto" }, pair[0]),
      element("span", { class: "quiet" }, " ↔ "),
      element("span", { dir: "auto" }, pair[1]),
    ),
  ];
}

function drawLabels(result, { text }) {
  return [
    element("p", { class: "text", dir: "auto" }, text),
    element(
      "p",
      { class: "value" },
      element("strong", {}, named(result.label)),
      element("span", { class: "quiet" }, say(`margin ${score(result.margin)}`, `领先第二名 ${score(result.margin)}`)),
    ),
    rankedBars(result.ranking.map((row) => ({ label: named(row.label), score: row.score }))),
  ];
}

function drawAnswer(result, { text, question }) {
  const spans = [];
  if (result.sentence)
    spans.push({ ...result.sentence, type: "sentence", quiet: true, title: say("Sentence", "所在句子") });
  if (result.found)
    spans.push({
      start: result.start,
      end: result.end,
      type: "answer",
      tag: say("answer", "答案"),
      title: `${result.start}–${result.end}`,
    });
  return [
    question && element("p", { class: "question", dir: "auto" }, question),
    element(
      "p",
      { class: "value" },
      element("strong", { dir: "auto" }, result.found ? result.answer : say("Not in the context", "上下文中没有答案")),
      element("span", { class: "number" }, score(result.score)),
    ),
    bar(result.score),
    highlighted(text, spans, coloursOf(spans.map((span) => span.type))),
  ];
}

function drawEntities(result, { text }) {
  const { entities } = result;
  const types = entities.map((entity) => entity.type);
  const colours = coloursOf(types);
  return [
    highlighted(text, entities.map(titled), colours),
    ...(entities.length
      ? [legend(types, colours), entityTable(entities, colours)]
      : [nothing(say("No entities found.", "未识别到实体。"))]),
  ];
}

function drawRelations(result, { text }) {
  const { entities, relations } = result;
  const types = entities.map((entity) => entity.type);
  const colours = coloursOf([
    ...types,
    ...relations.flatMap((relation) => [relation.subject.type, relation.object.type]),
  ]);
  return [
    highlighted(text, entities.map(titled), colours),
    entities.length > 0 && legend(types, colours),
    relations.length
      ? element(
          "ul",
          { class: "relations" },
          relations.map((relation) =>
            element(
              "li",
              {},
              part(relation.subject, colours),
              element("span", { class: "arrow" }, "→ ", named(relation.relation), " →"),
              part(relation.object, colours),
              element("span", { class: "number" }, score(relation.score)),
            ),
          ),
        )
      : nothing(say("No relations found.", "未抽取到关系。")),
  ];
}

function drawEvents(result, { text }) {
  const { events } = result;
  if (!events.length) return [highlighted(text, [], new Map()), nothing(say("No events found.", "未抽取到事件。"))];
  return events.map((event) => {
    const roles = event.arguments.map((argument) => argument.role);
    const colours = coloursOf(["trigger", ...roles]);
    const spans = [
      { ...event.trigger, type: "trigger", title: `${event.type} ${event.trigger.start}–${event.trigger.end}` },
      ...event.arguments.map((argument) => ({ ...titled(argument), type: argument.role })),
    ];
    return element(
      "div",
      { class: "event" },
      element(
        "p",
        { class: "value" },
        element("strong", {}, named(event.type)),
        element("span", { class: "number" }, score(event.score)),
      ),
      highlighted(text, spans, colours),
      element(
        "dl",
        { class: "roles" },
        element("div", {}, element("dt", {}, named("trigger")), element("dd", {}, event.trigger.text)),
        event.arguments.map((argument) =>
          element(
            "div",
            {},
            element("dt", {}, named(argument.role)),
            element(
              "dd",
              {},
              element("span", { dir: "auto" }, argument.text),
              argument.type && element("span", { class: "quiet" }, " ", named(argument.type)),
            ),
          ),
        ),
      ),
    );
  });
}

function entityTable(entities, colours) {
  return element(
    "table",
    { class: "entities" },
    element(
      "thead",
      {},
      element(
        "tr",
        {},
        [say("Text", "文本"), say("Type", "类型"), say("Offset", "位置"), say("Score", "得分")].map((title, at) =>
          element("th", { scope: "col", class: at > 1 && "number" }, title),
        ),
      ),
    ),
    element(
      "tbody",
      {},
      entities.map((entity) =>
        element(
          "tr",
          {},
          element("td", { dir: "auto" }, entity.text),
          element(
            "td",
            {},
            element(
              "span",
              { class: "type" },
              element("span", { class: `swatch hue-${colours.get(entity.type)}`, "aria-hidden": true }),
              named(entity.type),
            ),
          ),
          element("td", { class: "number" }, `${entity.start}–${entity.end}`),
          element("td", { class: "number" }, score(entity.score)),
        ),
      ),
    ),
  );
}

function part(entity, colours) {
  return element(
    "span",
    { class: `part hue-${colours.get(entity.type)}`, dir: "auto", title: `${entity.start}–${entity.end}` },
    entity.text,
  );
}

function titled(span) {
  const known = typeof span.score === "number" ? ` · ${score(span.score)}` : "";
  return { ...span, title: `${span.type || span.role} ${span.start}–${span.end}${known}` };
}

function nothing(text) {
  return element("p", { class: "quiet" }, text);
}
