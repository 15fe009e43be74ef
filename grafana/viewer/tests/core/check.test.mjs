import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { checkAnswers, checkFiles, QueryError, readRange } from "../../dist/cli/core.mjs";

const recorded = JSON.parse(readFileSync(new URL("recorded/prometheus-3.5.json", import.meta.url)));
const file = fileURLToPath(new URL("board.json", import.meta.url));
const board = () => JSON.parse(readFileSync(file, "utf8"));
const errorsOf = (model) => checkFiles([{ file: "board.json", model }]).filter(({ level }) => level === "error");
const panel = (model, title) => model.panels.find((one) => one.title === title);

test("a right file has no errors", () => assert.deepEqual(errorsOf(board()), []));

// Each mistake, and a part of what the check must say of it.
const mistakes = {
  "a unit that does not exist": [(m) => (panel(m, "Rate").fieldConfig.defaults.unit = "secnds"),
    'defaults.unit: "secnds"'],
  "a reducer": [(m) => (panel(m, "Now").options.reduceOptions.calcs = ["lastNotNil"]), "a known reducer"],
  "a reducer of a legend": [(m) => (panel(m, "Rate").options.legend.calcs = ["maxx"]), "legend.calcs[0]"],
  "a transformation": [(m) => (panel(m, "Alerts").transformations[0].id = "organise"), "a known transformation"],
  "a matcher": [(m) => (panel(m, "Alerts").fieldConfig.overrides[0].matcher.id = "byNam"), "a known matcher"],
  "a colour": [(m) => (panel(m, "Now").fieldConfig.defaults.thresholds.steps[0].color = "gren"), "a known colour"],
  "a colour of a mapping": [
    (m) => (panel(m, "Alerts").fieldConfig.overrides[0].properties[1].value[0].options.firing.color = "rde"),
    "a known colour"
  ],
  "a colour mode": [(m) => (panel(m, "Rate").fieldConfig.defaults.color.mode = "palette-clasic"),
    "a known colour mode"],
  "a kind of panel": [(m) => (panel(m, "Alerts").type = "tabel"), "no kind of panel"],
  "a value of an option": [(m) => (panel(m, "Rate").options.tooltip.mode = "mult"), '"mult" is not one of'],
  "a value of a setting of fields": [(m) => (panel(m, "Rate").fieldConfig.defaults.custom.drawStyle = "lines"),
    '"lines" is not one of'],
  "a number as a text": [(m) => (panel(m, "Rate").fieldConfig.defaults.min = "0"), "a number"],
  "a misspelt key of a panel": [(m) => (panel(m, "Rate").titel = "x"), "titel: the viewer does not honour"],
  "a misspelt option": [(m) => (panel(m, "Now").options.colourMode = "value"), "options.colourMode"],
  "a misspelt setting of fields": [(m) => (panel(m, "Rate").fieldConfig.defaults.custom.lineWith = 2),
    "custom.lineWith"],
  "an override of a setting that is none": [
    (m) => (panel(m, "Alerts").fieldConfig.overrides[0].properties[0].id = "custom.width2"),
    "a known property"
  ],
  "a key that the viewer does not honour": [(m) => (panel(m, "Rate").timeFrom = "1h"),
    "timeFrom: the viewer does not honour"],
  "a variable that does not exist": [(m) => (panel(m, "Rate").targets[0].expr = 'x{t=~"$task"}'), 'no variable "task"'],
  "a format of a variable": [(m) => (panel(m, "Rate").targets[0].expr = "x{t=~'${__range:jsn}'}"), 'no format "jsn"'],
  "a kind of variable": [(m) => (m.templating.list[0].type = "qery"), '"qery" is not one of'],
  "a refresh of a variable": [(m) => (m.templating.list[0].refresh = 7), "7 is not one of"],
  "a format of a query": [(m) => (panel(m, "Alerts").targets[0].format = "tabel"), '"tabel" is not one of'],
  "a minimum interval": [(m) => (panel(m, "Rate").interval = "20 sec"), "a known interval"],
  "a scheme of a heatmap": [(m) => (panel(m, "Spread").options.color.scheme = "Orangess"), "a known scheme"],
  "a time zone": [(m) => (m.timezone = "Asia/Shangai"), "a known time zone"],
  "an id twice": [(m) => (m.panels[1].id = m.panels[2].id), "two panels have the id"],
  "no uid": [(m) => delete m.uid, "uid"]
};
for (const [name, [plant, expected]] of Object.entries(mistakes)) {
  test(`${name} is found`, () => {
    const model = board();
    plant(model);
    const errors = errorsOf(model);
    assert.equal(errors.length, 1, JSON.stringify(errors));
    assert.match(`${errors[0].path}: ${errors[0].message}`, new RegExp(expected.replace(/[.[\]?*"]/g, "\\$&")));
  });
}

test("two files with one uid, and a file of another kind, are found", () => {
  const found = checkFiles([{ file: "a", model: board() }, { file: "b", model: board() }]);
  assert.match(found.map(({ message }) => message).join(), /is that of a too/);
  assert.equal(checkFiles([{ file: "c", model: { elements: {} } }])[0].fatal, true);
});

const asked = (answers) => ({ labelValues: async () => recorded.tasks, async ask({ expr, step }) {
  const key = Object.keys(answers).find((part) => expr.includes(part));
  if (answers[key] instanceof Error) throw answers[key];
  return { answer: answers[key], step };
} });
const good = { "rate(": recorded.rates, ALERTS: recorded.alerts, "max(": recorded.scalar, bucket: recorded.buckets };
const nothing = { resultType: "vector", result: [] };
const check = (answers, change = () => {}) => {
  const model = board();
  change(model);
  return checkAnswers("board.json", model, asked({ ...good, ...answers }), readRange("now-5m", "now"), 5);
};

test("the words, units and colours of stats and tables are shown", async () => {
  const { problems, shown } = await check({});
  assert.deepEqual(problems, []);
  assert.deepEqual(shown.find((one) => one.panel === "Now").lines, ["max: 3 s[#F2495C]"]);
  const table = shown.find((one) => one.panel === "Alerts").lines;
  assert.equal(table[0], "alertname | alertstate");
  assert.ok(table.some((line) => /firing\[#F2495C\]/.test(line)), table.join());
});

test("a refused query, a broken transformation, an empty panel and an idle override are found", async () => {
  const said = async (...given) =>
    (await check(...given)).problems.map(({ path, message, level }) => `${level} ${path}: ${message}`);
  assert.deepEqual(await said({ "rate(": new QueryError("parse error") }), ['error panel "Rate": parse error']);
  assert.deepEqual(await said({ "rate(": nothing }), ['error panel "Rate": has no data']);
  assert.deepEqual(await said({ ALERTS: nothing }), ['note panel "Alerts": has no data and says "none"']);
  assert.match((await said({}, (m) => (panel(m, "Alerts").fieldConfig.overrides[0].matcher.options = "state"))).join(),
    /error panel "Alerts": its override for byName "state" meets nothing/);
  assert.match((await said({}, (m) => (panel(m, "Alerts").transformations[0] = { id: "nope" }))).join(),
    /no transformation "nope"/);
});

const run = (...given) =>
  spawnSync(process.execPath, [fileURLToPath(new URL("../../dist/cli/check.mjs", import.meta.url)), ...given], {
    encoding: "utf8"
  });

test("the exit status tells good, wrong usage and no answer apart", () => {
  assert.equal(run(file).status, 0);
  assert.equal(run().status, 2);
  assert.equal(run("--no-such-option", file).status, 2);
  assert.equal(run("no-such-file.json").status, 2);
  const away = run("--prometheus", "http://127.0.0.1:9", file);
  assert.equal(away.status, 3);
  assert.match(away.stderr, /does not answer/);
});
