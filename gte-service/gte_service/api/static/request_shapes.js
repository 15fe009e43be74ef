// Converts between a request's JSON body and the texts of a form. A shape is one form of a task's request.
import { say } from "./words.js";

const LABELS = {
  input_text: () => [
    say("Text", "文本"),
    say("One text per line. Each line gets its own answer.", "每行一条文本；多行时逐条返回结果。"),
  ],
  candidates: () => [say("Candidates", "候选"), say("One per line.", "每行一条。")],
  labels: () => [say("Labels", "标签"), say("One per line. Leave empty to use the built-in labels.", "每行一个；留空则使用内置标签。")],
  types: () => [say("Types", "类型"), say("One per line. Leave empty to use the built-in types.", "每行一个；留空则使用内置类型。")],
  context: () => [say("Context", "上下文"), ""],
  question: () => [say("Questions", "问题"), say("One per line.", "每行一个。")],
  first: () => [say("Texts", "文本"), say("One per line.", "每行一条。")],
  second: () => [say("Compared with", "比较对象"), say("Each line with the same line of the other field.", "与另一栏的文本逐行对应。")],
};

/**
 * The shapes of a task: `[{name, title, fields, read(body), write(values)}]`. `read` gives the texts of the inputs, or
 * null where they can't show the body. A field is `{name, label, hint, kind}`: `kind` is `text`, or `lines` for one
 * text per line; `of` is the field's name in the body where it differs.
 */
export function shapesOf(task) {
  if (task.name === "qa") return [questions(task)];
  const shapes = task.fields.map((form) => plainShape(task, form));
  if (task.name === "similarity") {
    const ranked = shapes.filter((shape) => shape.fields.some((field) => field.name === "candidates"));
    return [...ranked, pairs(task)];
  }
  return shapes;
}

function plainShape(task, form) {
  const fields = Object.entries(form)
    .map(([name, schema]) => ({ name, kind: kindOf(name, schema), ...labelled(name) }))
    // Other fields can be edited as JSON only.
    .filter((field) => field.kind);
  return {
    name: fields.map((field) => field.name).join("+"),
    title: say("With candidates", "与候选比较"),
    fields,
    read(body) {
      const values = {};
      for (const [name, value] of Object.entries(body)) {
        if (name === "task_type") continue;
        const field = fields.find((candidate) => candidate.name === name);
        const text = field && asText(value, field.kind);
        if (typeof text !== "string") return null;
        values[name] = text;
      }
      return values;
    },
    write(values) {
      const body = { task_type: task.name };
      for (const { name, kind } of fields) {
        const text = values[name] || "";
        if (kind === "text") {
          if (text.trim() || name === "input_text") body[name] = text;
        } else if (name === "input_text") {
          const texts = lines(text);
          body[name] = texts.length > 1 ? texts : texts[0] || "";
        } else if (lines(text).length > 0 || name === "candidates") {
          body[name] = lines(text);
        }
      }
      return body;
    },
  };
}

function pairs(task) {
  return {
    name: "pairs",
    title: say("Pairs", "成对比较"),
    fields: ["first", "second"].map((name) => ({ name, of: "input_text", kind: "lines", ...labelled(name) })),
    read(body) {
      if (Object.keys(body).some((name) => name !== "task_type" && name !== "input_text")) return null;
      const given = body.input_text;
      if (!Array.isArray(given)) return null;
      const all = given.every(Array.isArray) ? given : [given];
      const first = all.map((pair) => pair[0]);
      const second = all.map((pair) => pair[1]);
      if (!all.every((pair) => pair.length === 2) || !isLines(first) || !isLines(second)) return null;
      return { first: first.join("\n"), second: second.join("\n") };
    },
    write(values) {
      const first = lines(values.first || "");
      const second = lines(values.second || "");
      const count = Math.max(first.length, second.length, 1);
      // A line without a partner is sent alone, and the API's error names it.
      const all = Array.from({ length: count }, (_, row) =>
        [first[row], second[row]].filter((text) => text !== undefined),
      );
      return { task_type: task.name, input_text: count > 1 ? all : all[0] };
    },
  };
}

function questions(task) {
  return {
    name: "questions",
    title: "",
    fields: [
      { name: "context", kind: "text", ...labelled("context") },
      { name: "question", kind: "lines", ...labelled("question") },
    ],
    read(body) {
      const { task_type: _, ...rest } = body;
      const names = Object.keys(rest).sort().join();
      const items =
        names === "context,question"
          ? [[rest.context, rest.question]]
          : names === "input_text"
            ? [rest.input_text].flat().map((item) => String(item).split("|"))
            : [];
      const [first] = items;
      if (!first || !items.every((item) => item.length === 2 && item[0] === first[0])) return null;
      const asked = items.map((item) => item[1]);
      return typeof first[0] === "string" && isLines(asked) ? { context: first[0], question: asked.join("\n") } : null;
    },
    write({ context = "", question = "" }) {
      const asked = lines(question);
      return asked.length > 1
        ? { task_type: task.name, input_text: asked.map((text) => `${context}|${text}`) }
        : { task_type: task.name, context, question: asked[0] || "" };
    },
  };
}

function labelled(name) {
  const [label, hint] = LABELS[name] ? LABELS[name]() : [name, ""];
  return { label, hint };
}

function kindOf(name, schema) {
  if (name === "input_text") return "lines";
  const forms = schema.anyOf || schema.oneOf || [schema];
  if (forms.some((form) => form.type === "array")) return "lines";
  return forms.some((form) => form.type === "string") ? "text" : null;
}

/** A body's value as the text of an input, or null where the input can't show it. */
function asText(value, kind) {
  if (kind === "text") return typeof value === "string" ? value : null;
  const list = typeof value === "string" ? [value] : value;
  return isLines(list) ? list.join("\n") : null;
}

function isLines(list) {
  return Array.isArray(list) && list.every((text) => typeof text === "string" && !text.includes("\n") && text.trim());
}

function lines(text) {
  return text.split("\n").filter((line) => line.trim());
}
