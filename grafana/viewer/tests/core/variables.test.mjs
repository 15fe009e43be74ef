import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { choicesOf, choose, extract, fillAt, interpolator, readRange, resolveVariables,
  sortOptions } from "../../dist/cli/core.mjs";

const recorded = JSON.parse(readFileSync(new URL("recorded/prometheus-3.5.json", import.meta.url)));
const range = { from: 1000, to: 61_000, raw: { from: "now-1m", to: "now" } };
const options = (...values) => values.map((value) => ({ text: value, value }));
const chosen = (...values) => ({ text: values, value: values, multi: true });

/** Answers as Prometheus did when it was recorded. */
const source = { async labelValues(label, selector) {
  this.asked = [label, selector];
  return recorded.tasks;
}, ask: async () => ({ answer: recorded.model }) };
const resolve = (variables, wanted = {}) => {
  const fillWith = (choices) => {
    const moment = { choices, range: readRange("now-1h", "now"), timeZone: "utc", scrapeSeconds: 5, uid: "x" };
    return (text) => fillAt(moment)(text, undefined, "promql");
  };
  return resolveVariables(variables, source, fillWith, wanted, { start: 0, end: 60 });
};

test("label_values asks for a label of the series of a selector with commas", async () => {
  const query = 'label_values(gte_task_requests_total{status="success",job="x"}, task_type)';
  const [found] = await resolve([{ name: "task", type: "query", query: { query }, includeAll: true, multi: true }]);
  assert.deepEqual(source.asked, ["task_type", 'gte_task_requests_total{status="success",job="x"}']);
  assert.deepEqual(found.options.map(({ value }) => value), recorded.tasks);
  assert.equal(found.chosen.all, true);
});

test("a variable may use those before it, escaped for a regular expression", async () => {
  await resolve([{ name: "a", type: "custom", query: "x.y,z", multi: true }, { name: "b", type: "query",
    query: 'label_values(m{a=~"$a"}, task_type)' }], { a: ["x.y", "z"] });
  assert.equal(source.asked[1], 'm{a=~"(x\\\\.y|z)"}');
});

test("query_result gives series as text, and the regular expression takes a label out", async () => {
  const [found] = await resolve([{ name: "r", type: "query", query: "query_result(gte_model_info)",
    regex: '/revision="([^"]+)"/' }]);
  assert.deepEqual(found.options.map(({ value }) => value), [recorded.model.result[0].metric.revision]);
});

test("named groups of the regular expression give text and value", () => {
  assert.deepEqual(extract(["ab=1", "cd=2", "x"], "/(?<text>\\w+)=(?<value>\\d)/"), [{ text: "ab", value: "1" }, {
    text: "cd",
    value: "2"
  }]);
});

const sorts = [[0, "b10 a2 B1"], [1, "B1 a2 b10"], [2, "b10 a2 B1"], [3, "B1 a2 b10"], [4, "b10 a2 B1"]];
for (const [sort, expected] of sorts) {
  test(`sort ${sort} gives ${expected}`, () => {
    assert.equal(sortOptions(options("b10", "a2", "B1"), sort).map(({ text }) => text).join(" "), expected);
  });
}

test("what is chosen: the address, else the file, else All, else the first", () => {
  const some = options("a", "b", "c");
  const all = { name: "v", type: "query", multi: true, includeAll: true, allValue: ".*" };
  assert.deepEqual(choose(all, some, ["b", "c"]).value, ["b", "c"]);
  assert.equal(choose(all, some, ["$__all"]).allValue, ".*");
  assert.equal(choose(all, some).all, true);
  assert.deepEqual(choose({ ...all, current: { value: ["c"] } }, some).value, ["c"]);
  assert.deepEqual(choose({ name: "v", type: "query" }, some).value, ["a"]);
  assert.deepEqual(choose({ name: "v", type: "query" }, some, ["gone"]).value, ["gone"]);
  assert.deepEqual(choose({ ...all, current: { value: ["c"] } }, []).value, ["c"]);
  assert.deepEqual(choose({ name: "v", type: "textbox", query: "k" }, []).value, ["k"]);
  assert.deepEqual(choose({ name: "v", type: "textbox", query: "k" }, [], ["other"]).value, ["other"]);
});

test("a data source variable offers the one data source", async () => {
  const [found] = await resolve([{ name: "datasource", type: "datasource", query: "prometheus" }]);
  assert.deepEqual(choicesOf([found]).datasource.value, ["prometheus"]);
});

const formats = { csv: "a.b,c", pipe: "a.b|c", regex: "(a\\.b|c)", glob: "{a.b,c}", raw: "a.b,c", text: "a.b + c",
  queryparam: "var-v=a.b&var-v=c", percentencode: "%7Ba.b%2Cc%7D" };
for (const [format, expected] of Object.entries(formats)) {
  test(`\${v:${format}} of two values is ${expected}`, () => {
    assert.equal(interpolator({ v: chosen("a.b", "c") }, range, "utc")(`\${v:${format}}`), expected);
  });
}

test("All stands for its own value, in addresses for $__all", () => {
  const v = { ...chosen("a", "b"), all: true, allValue: ".*" };
  const fill = interpolator({ v }, range, "utc");
  assert.equal(fill('x{v=~"$v"} [[v]]', undefined, "promql"), 'x{v=~".*"} .*');
  assert.equal(fill("${v:queryparam}"), "var-v=%24__all");
});

test("a link keeps time and variables", () => {
  const fill = interpolator({ v: chosen("a b") }, range, "utc");
  assert.equal(fill("/d/x?${__url_time_range}&${__all_variables}"), "/d/x?from=now-1m&to=now&var-v=a%20b");
});

test("an unknown name stays, and so does a dollar sign", () => {
  assert.equal(interpolator({}, range, "utc")("$unknown ${other} $ 5$"), "$unknown ${other} $ 5$");
  assert.equal(interpolator({}, range, "utc")("$toString"), "$toString");
});
