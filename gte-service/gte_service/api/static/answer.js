// Draws what became of a request: the result item by item, where the time went, the raw JSON; or what went wrong.
import { phaseBar } from "./bars.js";
import { canDraw, drawResult, drawTogether } from "./drawings.js";
import { copyButton, element, milliseconds } from "./elements.js";
import { parsed } from "./api.js";
import { say } from "./words.js";

// More of it makes a browser slow; the copy button gives all of it.
const RAW_SHOWN = 200_000;

/** Show an outcome of `predict` in an element; `outcome` null: nothing was sent yet. Returns it in one line. */
export function drawOutcome(place, outcome) {
  if (!outcome) {
    place.replaceChildren(
      element("p", { class: "empty" }, say("Send the request to see the answer here.", "发送请求后，在这里显示回答。")),
    );
    return "";
  }
  const { status, body } = outcome;
  if (status === 200 && body && "result" in body) {
    place.replaceChildren(facts(outcome, body.elapsed_ms), ...drawing(outcome), ...time(outcome), raw(outcome));
    return say(`Answered in ${milliseconds(body.elapsed_ms)}.`, `已回答，用时 ${milliseconds(body.elapsed_ms)}。`);
  }
  const error = errorOf(outcome);
  place.replaceChildren(...(status ? [facts(outcome)] : []), errorCard(error), ...(outcome.text ? [raw(outcome)] : []));
  return say(`Error: ${error.message}`, `错误：${error.message}`);
}

/** The error of an outcome, with what the API says about it. */
export function errorOf({ status, body, text }) {
  if (body && body.error) return body.error;
  if (!status) {
    return {
      code: "unreachable",
      message: say(
        "The service can't be reached. Is it running, and is the network there?",
        "无法连接服务。请确认服务在运行，网络可用。",
      ),
    };
  }
  return {
    code: `HTTP ${status}`,
    message:
      say(
        "The answer is not what this service sends; something in between answered: ",
        "回答不是本服务的格式，可能来自中间的代理：",
      ) + text.slice(0, 200),
  };
}

function facts({ status, requestId, body }, elapsed) {
  const id = requestId || (body && body.request_id);
  return element(
    "dl",
    { class: "facts" },
    element(
      "div",
      {},
      element("dt", {}, "HTTP"),
      element("dd", {}, element("span", { class: status === 200 ? "good" : "bad" }, String(status))),
    ),
    typeof elapsed === "number" &&
      element(
        "div",
        {},
        element("dt", {}, say("Time", "用时")),
        element("dd", { id: "elapsed" }, milliseconds(elapsed)),
      ),
    id &&
      element(
        "div",
        {},
        element("dt", {}, say("Request id", "请求编号")),
        element(
          "dd",
          {},
          element("code", { id: "request-id" }, id),
          copyButton(say("request id", "请求编号"), () => id),
        ),
      ),
  );
}

function drawing({ sent, body }) {
  const asked = parsed(sent) || {};
  const { task_type: task, result } = body;
  if (!canDraw(task)) return [];
  const single = !Array.isArray(result) || typeof result[0] === "number";
  if (single) return [itemDrawing(task, result, askedOf(task, asked, null))];
  const texts = result.map((_, at) => askedOf(task, asked, at));
  return [
    drawTogether(
      task,
      result,
      texts.map((one) => one.text),
    ),
    element(
      "ol",
      { class: "items" },
      result.map((one, at) => element("li", {}, itemTitle(task, texts[at]), itemDrawing(task, one, texts[at]))),
    ),
  ].filter(Boolean);
}

/** What the client asked about: the whole input, or the item at a place in a list. */
function askedOf(task, asked, at) {
  const input = at === null ? asked.input_text : (asked.input_text || [])[at];
  if (task === "similarity" && Array.isArray(input)) return { text: "", pair: input };
  if (task === "qa") return questionOf(asked, input);
  return { text: typeof input === "string" ? input : JSON.stringify(input), candidates: asked.candidates };
}

function questionOf(asked, input) {
  if (typeof asked.context === "string") return { text: asked.context, question: asked.question || input };
  const cut = String(input).lastIndexOf("|");
  return { text: String(input).slice(0, cut), question: String(input).slice(cut + 1) };
}

/** The text above an item's drawing, where the drawing itself doesn't show it. */
function itemTitle(task, asked) {
  const shown = task === "embedding" || (task === "similarity" && !asked.pair);
  return shown && element("p", { class: "text item-text", dir: "auto" }, asked.text);
}

function itemDrawing(task, result, asked) {
  const drawn = element("div", { class: `drawing ${task}` });
  if (result && result.error) {
    drawn.append(errorCard(result.error));
    return drawn;
  }
  try {
    drawn.append(...drawResult(task, result, asked).filter(Boolean));
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    drawn.append(
      element(
        "p",
        { class: "quiet" },
        say(
          "This result has a shape that the page can't draw; see the raw JSON.",
          "页面无法绘制这个结果，请看原始 JSON。",
        ),
      ),
    );
  }
  return drawn;
}

function time({ phases, body }) {
  if (!phases.length) return [];
  return [
    element(
      "section",
      { class: "time", "aria-labelledby": "time-title" },
      element(
        "h3",
        { id: "time-title" },
        say("Where the time went", "时间分布"),
        " ",
        element("span", { class: "quiet" }, milliseconds(body.elapsed_ms)),
      ),
      phaseBar(phases, body.elapsed_ms),
    ),
  ];
}

function errorCard(error) {
  const row = (title, value) =>
    value && element("div", {}, element("dt", {}, title), element("dd", {}, element("code", {}, String(value))));
  return element(
    "div",
    { class: "error" },
    element("p", { class: "message" }, element("strong", {}, say("Error", "错误")), " ", error.message),
    element("dl", {}, row(say("Code", "代码"), error.code), row(say("Field", "字段"), error.field)),
  );
}

function raw({ text, body }) {
  const place = element("code", {});
  const details = element(
    "details",
    { class: "raw" },
    element("summary", {}, say("Raw JSON", "原始 JSON")),
    element(
      "pre",
      { tabindex: 0 },
      copyButton(say("raw JSON", "原始 JSON"), () => text),
      place,
    ),
  );
  details.addEventListener("toggle", () => {
    if (!details.open || place.firstChild) return;
    const all = body === null ? text : indented(body, "");
    place.append(
      all.slice(0, RAW_SHOWN),
      all.length > RAW_SHOWN ? say("\n… cut here; copy gives all of it", "\n……此处截断；复制可得到全部") : "",
    );
  });
  return details;
}

/** JSON with one field a line, and lists of numbers on one line each. */
function indented(value, margin) {
  const inner = `${margin}  `;
  if (Array.isArray(value)) {
    if (value.every((one) => typeof one === "number")) return `[${value.join(", ")}]`;
    return `[\n${value.map((one) => inner + indented(one, inner)).join(",\n")}\n${margin}]`;
  }
  if (typeof value === "object" && value !== null) {
    const rows = Object.entries(value).map(([key, one]) => `${inner}${JSON.stringify(key)}: ${indented(one, inner)}`);
    return rows.length ? `{\n${rows.join(",\n")}\n${margin}}` : "{}";
  }
  return JSON.stringify(value);
}
