import assert from "node:assert/strict";
import { test } from "node:test";

import { dateTime, fillAt, intervals, questionsOf, readRange } from "../../dist/cli/core.mjs";

const to = Date.parse("2026-01-31T12:00:03Z");
const rangeOf = (seconds) => readRange(`${to - seconds * 1000}`, `${to}`);
const context = (seconds, width) => {
  const moment = { choices: {}, range: rangeOf(seconds), timeZone: "utc", scrapeSeconds: 5, uid: "x" };
  return { ...moment, width, fill: fillAt(moment), fillWith: (own) => fillAt(moment, own) };
};
const target = { refId: "A", expr: "x" };

// Range in seconds, width in pixels, panel, target: step in seconds, interval, rate interval in seconds. The figures are
// those of Grafana's rule: range / points, rounded to a round interval, at least the minimum; rate: 4 scrapes at least.
const cases = [[300, 600, {}, {}, 5, "5s", 20], [1800, 600, {}, {}, 5, "5s", 20], [6 * 3600, 600, {}, {}, 30, "30s",
  35], [86400, 1000, {}, {}, 60, "1m", 65], [7 * 86400, 1000, {}, {}, 600, "10m", 605], [1800, 600, { interval: "20s" },
  {}, 20, "20s", 25], [1800, 600, { interval: ">20s" }, {}, 20, "20s", 25], [86400, 1000, { maxDataPoints: 120 }, {},
  600, "10m", 605], [1800, 600, {}, { interval: "1m" }, 60, "1m", 240], [1800, 600, {}, {
  interval: "$__rate_interval"
}, 20, "20s", 20]];
for (const [seconds, width, panel, more, step, interval, rateInterval] of cases) {
  test(`${seconds} s in ${width} px with ${JSON.stringify({ ...panel, ...more })} has steps of ${step} s`, () => {
    const found = intervals(panel, { ...target, ...more }, context(seconds, width));
    assert.deepEqual(found, { step, interval, rateInterval });
  });
}

test("a query never asks for more than 11,000 points", () => {
  const { step } = intervals({}, { ...target, interval: "1s" }, context(86400, 30000));
  assert.ok(86400 / step <= 11000, `${86400 / step} points`);
});

test("variables of time stand for the step, the range and the rate's window", () => {
  const panel = { id: 1,
    targets: [{ ...target, expr: "rate(x[$__rate_interval]) + y[${__interval}] + $__interval_ms + z[$__range]" }] };
  const [question] = questionsOf(panel, context(1800, 600), "board/1");
  assert.equal(question.expr, "rate(x[20s]) + y[5s] + 5000 + z[1800s]");
});

test("a range begins and ends on the step, an instant query asks at the end", () => {
  const panel = { id: 1, targets: [{ ...target, instant: true, range: true }] };
  const [range, instant] = questionsOf(panel, context(1800, 600), "board/1");
  assert.equal(range.start % 5, 0);
  assert.equal(range.end, Math.floor(to / 1000 / 5) * 5);
  assert.equal(instant.end, to / 1000);
  assert.equal(instant.step, undefined);
  assert.deepEqual([range.key, instant.key], ["board/1/A/range", "board/1/A/instant"]);
});

test("steps of a day begin at midnight of the range's time zone", () => {
  const there = context(14 * 86400, 14);
  there.range.to = dateTime(to).utcOffset(480);
  const [question] = questionsOf({ id: 1, targets: [target] }, there, "board/1");
  assert.equal(question.step, 86400);
  assert.equal((question.end + 8 * 3600) % 86400, 0);
});

test("a hidden or an empty target asks nothing", () => {
  const targets = [{ ...target, hide: true }, { refId: "B", expr: "" }];
  assert.deepEqual(questionsOf({ id: 1, targets }, context(1800, 600), "board/1"), []);
});

test("a range that is none is refused with words", () => {
  assert.throws(() => readRange("yesterday-ish", "now"), /is no time range/);
});
