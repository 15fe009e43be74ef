import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { createTheme, formattedValueToString, framesOf, getFieldDisplayName, marksOf, prepare, readDashboard,
  singleValues } from "../../dist/cli/core.mjs";

const recorded = JSON.parse(readFileSync(new URL("recorded/prometheus-3.5.json", import.meta.url)));
const frames = (name, target, step) =>
  framesOf([{ answer: recorded[name], step, target: { refId: "A", expr: "x", ...target } }]);
const theme = createTheme({ colors: { mode: "dark" } });
const fill = (text) => text;
const panelOf = (more) =>
  readDashboard({ panels: [{ id: 1, type: "stat", gridPos: { x: 0, y: 0, w: 1, h: 1 }, ...more }] }).rows[0].panels[0];
const number = (value, name = "x") =>
  framesOf([{ answer: { resultType: "vector", result: [{ metric: {}, value: [1, value] }] },
    target: { refId: "A", expr: name, legendFormat: name } }]);
async function texts(value, defaults, overrides = [], options = {}) {
  const panel = panelOf({ fieldConfig: { defaults, overrides }, options });
  const shown = await prepare(number(value), panel, theme, "utc", fill);
  return singleValues(shown, panel, theme, "utc", fill).map((
    { display }
  ) => [formattedValueToString(display), display.color]);
}

test("a range gives a frame a series, named by its legend, with the step as interval", () => {
  const found = frames("rates", { legendFormat: "{{task_type}} now" }, 20);
  assert.deepEqual(found.map((frame) => getFieldDisplayName(frame.fields[1], frame)), ["embedding now", "qa now"]);
  assert.equal(found[0].fields[0].config.interval, 20_000);
  assert.equal(found[0].fields[0].values[1] - found[0].fields[0].values[0], 20_000);
  assert.deepEqual(found[0].fields[1].labels, { task_type: "embedding" });
});

test("without a legend a series is named as Prometheus writes it, without labels by its expression", () => {
  const [frame] = frames("rates", {}, 20);
  assert.equal(getFieldDisplayName(frame.fields[1], frame), '{task_type="embedding"}');
  const [scalar] = frames("scalar", {});
  assert.equal(getFieldDisplayName(scalar.fields[1], scalar), "x");
  assert.deepEqual(scalar.fields[1].values, [3]);
});

test("a division of nothing by nothing is not a number and is not a zero", () => {
  assert.ok(Number.isNaN(frames("ratio", {})[0].fields[1].values[0]));
});

test("a table has a column a label in order, and its value is named by the ref id only beside others", () => {
  const [table] = frames("alerts", { format: "table" });
  const names = table.fields.map(({ name }) => name);
  assert.equal(names[0], "Time");
  assert.equal(names.at(-1), "Value");
  assert.deepEqual(names.slice(1, -1), [...names.slice(1, -1)].sort());
  assert.equal(table.length, recorded.alerts.result.length);
  const both = ["A", "B"].map((refId) => ({ answer: recorded.alerts, target: { refId, expr: "x", format: "table" } }));
  assert.deepEqual(framesOf(both).map(({ fields }) => fields.at(-1).name), ["Value #A", "Value #B"]);
});

test("cells of a heatmap are no longer cumulative: a column adds up to its largest bucket", () => {
  const [frame] = frames("buckets", { format: "heatmap" }, 20);
  const bounds = frame.fields.slice(1).map(({ name }) => (name === "+Inf" ? Infinity : Number(name)));
  assert.deepEqual(bounds, [...bounds].sort((a, b) => a - b));
  const whole = recorded.buckets.result.find(({ metric }) => metric.le === "+Inf").values;
  assert.ok(Number(whole[0][1]) > 0);
  whole.forEach(([, count], column) => {
    const sum = frame.fields.slice(1).reduce((all, field) => all + field.values[column], 0);
    assert.ok(Math.abs(sum - Number(count)) < 1e-6, `${sum} is not ${count}`);
  });
});

test("units and decimals are Grafana's", async () => {
  assert.equal((await texts("1.92", { unit: "s" }))[0][0], "1.92 s");
  assert.equal((await texts("0.0238", { unit: "percentunit" }))[0][0], "2.38%");
  assert.equal((await texts("1.23456", { unit: "reqps", decimals: 1 }))[0][0], "1.2 req/s");
});

test("a threshold colours from its value up; the first is below all", async () => {
  const thresholds = { mode: "absolute", steps: [{ value: null, color: "green" }, { value: 2, color: "red" }] };
  assert.equal((await texts("-5", { thresholds }))[0][1], "#73BF69");
  assert.equal((await texts("1.99", { thresholds }))[0][1], "#73BF69");
  assert.equal((await texts("2", { thresholds }))[0][1], "#F2495C");
});

test("the first threshold is below all numbers, so that no line is drawn at zero", async () => {
  const thresholds = { mode: "absolute", steps: [{ value: null, color: "green" }, { value: 2, color: "red" }] };
  const panel = panelOf({
    fieldConfig: { defaults: { thresholds },
      overrides: [{ matcher: { id: "byName", options: "x" }, properties: [{ id: "thresholds", value: thresholds }] }] }
  });
  const [{ fields }] = await prepare(number("1"), panel, theme, "utc", fill);
  assert.equal(fields[1].config.thresholds.steps[0].value, -Infinity);
});

test("a mapping gives its word and colour", async () => {
  const mappings = [{ type: "value", options: { 1: { text: "all", color: "blue", index: 0 } } }];
  assert.deepEqual(await texts("1", { mappings }), [["all", "#5794F2"]]);
});

test("an override by ref id beats the default", async () => {
  const overrides = [{ matcher: { id: "byFrameRefID", options: "A" },
    properties: [{ id: "color", value: { mode: "fixed", fixedColor: "orange" } }] }];
  assert.equal((await texts("1", { color: { mode: "fixed", fixedColor: "green" } }, overrides))[0][1], "#FF9830");
});

test("a panel without an answer says its own words, in grey unless its mapping names a colour", async () => {
  const steps = [{ value: null, color: "green" }];
  const special = (match, result) => [{ type: "special", options: { match, result } }];
  const valueOf = async (mappings, answers = []) => {
    const panel = panelOf({ fieldConfig: { defaults: { noValue: "no requests", thresholds: { steps }, mappings } } });
    const frames = await prepare(framesOf(answers), panel, theme, "utc", fill);
    const [{ display }] = singleValues(frames, panel, theme, "utc", fill);
    return [display.text, display.color];
  };
  assert.deepEqual(await valueOf(), ["no requests", "#808080"]);
  assert.deepEqual(await valueOf(special("null", { text: "none" })), ["none", "#808080"]);
  assert.deepEqual(await valueOf(special("null+nan", { color: "red" })), ["no requests", "#F2495C"]);
  const nan = { resultType: "vector", result: [{ metric: {}, value: [1, "NaN"] }] };
  assert.equal((await valueOf([], [{ answer: nan, target: { refId: "A", expr: "x" } }]))[1], "#808080");
});

test("organize and joinByField are Grafana's, and an unknown transformation is an error", async () => {
  const answers = [recorded.rates, recorded.rates].map((answer, index) => ({
    answer: { resultType: "vector",
      result: answer.result.map(({ metric, values }) => ({ metric, value: values[index] })) },
    target: { refId: "AB"[index], expr: "x", format: "table" }
  }));
  const organize = { id: "organize",
    options: { excludeByName: { "Time 1": true, "Time 2": true }, indexByName: {},
      renameByName: { "Value #A": "now", "Value #B": "then" } } };
  const panel = panelOf({ type: "table",
    transformations: [{ id: "joinByField", options: { byField: "task_type", mode: "outerTabular" } }, organize] });
  const [table] = await prepare(framesOf(answers), panel, theme, "utc", fill);
  assert.deepEqual(table.fields.map((field) => getFieldDisplayName(field, table)), ["task_type", "now", "then"]);
  assert.deepEqual(table.fields[0].values, ["embedding", "qa"]);
  await assert.rejects(prepare([], panelOf({ transformations: [{ id: "merg" }] }), theme, "utc", fill),
    /no transformation "merg"/);
});

test("runs of samples are one mark each; a value can be the time", () => {
  const series = [{ metric: { revision: "b1" }, values: [[60, "1"], [120, "1"], [300, "1"], [360, "0"]] }];
  const annotation = { name: "model", enable: true, titleFormat: "now {{revision}}", iconColor: "purple" };
  const marks = marksOf(annotation, series, 60, fill);
  assert.deepEqual(marks.map(({ time, end, title }) => [time, end, title]), [[60_000, 120_000, "now b1"], [300_000,
    undefined, "now b1"]]);
  const times = marksOf({ ...annotation, useValueForTime: true }, [{ metric: {},
    values: [[60, "5000"], [120, "5000"]] }], 60, fill);
  assert.deepEqual(times.map(({ time }) => time), [5000]);
});
