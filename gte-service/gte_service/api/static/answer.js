// Draws the outcome of a request: the result item by item, the time by phase, the raw JSON; or the error.
import { phaseBar } from "./bars.js";
import { canDraw, drawResult, drawTogether } from "./drawings.js";
import { copyButton, element, milliseconds } from "./elements.js";
import { parsed } from "./api.js";
import { say, translated } from "./words.js";

// Longer JSON makes a browser slow; the copy button copies all of it.
const RAW_SHOWN = 200_000;

/** Show an outcome of `predict` in an element; null before the first request. Returns a one-line description. */
export function drawOutcome(place, outcome) {
  if (!outcome) {
    place.replaceChildren(
      element("p", { class: "empty" }, say("Send the request to see the answer here.", "发送请求后，结果会显示在这里。")),
    );
    return "";
  }
  const { status, body } = outcome;
  if (status === 200 && body && "result" in body) {
    place.replaceChildren(summary(outcome, body.elapsed_ms), ...drawing(outcome), ...time(outcome), raw(outcome));
    return say(`Answered in ${milliseconds(body.elapsed_ms)}.`, `已返回结果，耗时 ${milliseconds(body.elapsed_ms)}。`);
  }
  const error = errorOf(outcome);
  place.replaceChildren(...(status ? [summary(outcome)] : []), errorCard(error), ...(outcome.text ? [raw(outcome)] : []));
  return say(`Error: ${error.message}`, `错误：${error.message}`);
}

/** The error of an outcome: the API's own in the page's language, or a description of the failure. */
export function errorOf({ status, body, text }) {
  if (body && body.error) return shown(body.error);
  if (!status) {
    return {
      code: "unreachable",
      message: say(
        "The service can't be reached. Is it running, and is the network there?",
        "无法连接到服务，请确认服务正在运行、网络正常。",
      ),
    };
  }
  return {
    code: `HTTP ${status}`,
    message:
      say(
        "This answer is not from the service; a proxy may have answered: ",
        "响应不是由本服务返回的，可能来自中间的代理：",
      ) + text.slice(0, 200),
  };
}

function shown(error) {
  return { ...error, message: translated(error.message, error.code) };
}

function summary({ status, requestId, body }, elapsed) {
  const id = requestId || (body && body.request_id);
  return element(
    "dl",
    { class: "summary" },
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
        element("dt", {}, say("Time", "耗时")),
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
  const request = parsed(sent) || {};
  const { task_type: task, result } = body;
  // A task without a drawing of its own.
  if (!canDraw(task)) return [element("pre", { class: "result", tabindex: 0 }, shortened(indented(result, "")))];
  const single = !Array.isArray(result) || typeof result[0] === "number";
  if (single) return [itemDrawing(task, result, itemOf(task, request, null))];
  const items = result.map((_, at) => itemOf(task, request, at));
  return [
    drawTogether(
      task,
      result,
      items.map((item) => item.text),
    ),
    element(
      "ol",
      { class: "items" },
      result.map((part, at) => element("li", {}, itemTitle(task, items[at]), itemDrawing(task, part, items[at]))),
    ),
  ].filter(Boolean);
}

/** The item of a request at an index of its list; `at` null: the only item. */
function itemOf(task, request, at) {
  const input = at === null ? request.input_text : (request.input_text || [])[at];
  if (task === "similarity" && Array.isArray(input)) return { text: "", pair: input };
  if (task === "qa") return questionOf(request, input);
  return { text: typeof input === "string" ? input : JSON.stringify(input), candidates: request.candidates };
}

function questionOf(request, input) {
  if (typeof request.context === "string") return { text: request.context, question: request.question || input };
  const cut = String(input).search(String(input).includes("|") ? /\|/ : /｜/);
  return { text: String(input).slice(0, cut), question: String(input).slice(cut + 1) };
}

/** The text above an item's drawing, where the drawing itself doesn't show it. */
function itemTitle(task, item) {
  const shown = task === "embedding" || (task === "similarity" && !item.pair);
  return shown && element("p", { class: "text item-text", dir: "auto" }, item.text);
}

function itemDrawing(task, result, item) {
  const drawn = element("div", { class: `drawing ${task}` });
  if (result && result.error) {
    drawn.append(errorCard(shown(result.error)));
    return drawn;
  }
  try {
    drawn.append(...drawResult(task, result, item).filter(Boolean));
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    drawn.append(
      element(
        "p",
        { class: "quiet" },
        say(
          "The page can't draw this result; see the raw JSON.",
          "页面无法展示这个结果，请查看原始 JSON。",
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
        say("Time by phase", "耗时分布"),
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
    place.append(shortened(all));
  });
  return details;
}

/** The beginning of a text that is too long to show. */
function shortened(text) {
  if (text.length <= RAW_SHOWN) return text;
  return text.slice(0, RAW_SHOWN) + say("\n… shortened; the copy button copies all of it", "\n……内容过长，此处已截断；点击复制按钮可复制全部内容");
}

/** JSON with one field per line, and each list of numbers on one line. */
function indented(value, margin) {
  const inner = `${margin}  `;
  if (Array.isArray(value)) {
    if (value.every((item) => typeof item === "number")) return `[${value.join(", ")}]`;
    return `[\n${value.map((item) => inner + indented(item, inner)).join(",\n")}\n${margin}]`;
  }
  if (typeof value === "object" && value !== null) {
    const rows = Object.entries(value).map(([key, item]) => `${inner}${JSON.stringify(key)}: ${indented(item, inner)}`);
    return rows.length ? `{\n${rows.join(",\n")}\n${margin}}` : "{}";
  }
  return JSON.stringify(value);
}
