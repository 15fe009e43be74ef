import { dateMath, dateTime, type InterpolateFunction, rangeUtil, type TimeRange } from "@grafana/data";

import type { Panel, Target } from "./dashboard.ts";
import type { Question } from "./prometheus.ts";

/** Prometheus refuses a range query of more points. */
const MAX_POINTS = 11_000;

/** A time as an address writes it: `now-30m`, milliseconds since 1970, or an ISO date. */
function parseTime(text: string, roundUp: boolean, timeZone: string) {
  if (/^\d{9,}$/.test(text)) return dateTime(Number(text));
  const zone = timeZone === "browser" ? undefined : timeZone;
  return dateMath.toDateTime(text, { roundUp, timezone: zone }) ?? dateTime(text);
}

/**
 * Reads a time range.
 *
 * @throws Error when one of the two is no time
 */
export function readRange(from: string, to: string, timeZone = "browser"): TimeRange {
  const range = { from: parseTime(from, false, timeZone), to: parseTime(to, true, timeZone), raw: { from, to } };
  if (!range.from.isValid() || !range.to.isValid()) {
    throw new Error(`"${from}" to "${to}" is no time range; write for instance now-30m and now`);
  }
  return range;
}

export interface QueryContext {
  range: TimeRange;
  /** Seconds between two scrapes: the data source's own setting. */
  scrapeSeconds: number;
  /** Width of the panel in pixels: as many points are asked for, unless the panel says otherwise. */
  width: number;
  /** Fills variables in; the third argument is the format. */
  fill: InterpolateFunction;
  /** Makes a `fill` with more names. */
  fillWith: (own: Record<string, string>) => InterpolateFunction;
}

const seconds = (interval: string) => rangeUtil.intervalToMs(interval) / 1000;
const written = (time: number) => (time % 1 ? `${Math.round(time * 1000)}ms` : `${time}s`);

/**
 * Says how far apart the points of a query lie and what its interval variables stand for, as Grafana's Prometheus data
 * source does: the panel's interval is the range divided by its points, rounded, and at least the panel's or the data
 * source's minimum; the step is that or the query's own minimum, and never more than 11,000 points.
 *
 * @returns `step` and `rateInterval` in seconds; `interval` as text
 */
export function intervals(panel: Pick<Panel, "interval" | "maxDataPoints">, target: Target, context: QueryContext) {
  const { range, scrapeSeconds, fill } = context;
  const length = range.to.valueOf() - range.from.valueOf();
  const points = panel.maxDataPoints || Math.max(1, Math.floor(context.width));
  const lowest = fill(panel.interval || "") || `${scrapeSeconds}s`;
  const asked = rangeUtil.calculateInterval(range, points, lowest.replace(/^>\s*/, "")).intervalMs / 1000;
  const minimum = (target.interval ?? "").trim();
  const byVariable = /^\$(\{)?__(rate_)?interval\}?$/.test(minimum);
  const own = minimum && !byVariable ? seconds(fill(minimum)) : 0;
  const safe = rangeUtil.roundInterval(length / MAX_POINTS) / 1000;
  const scrape = own || scrapeSeconds;
  const rateOf = (interval: number) => Math.max(interval + scrape, 4 * scrape);
  const wanted = /rate/.test(minimum) ? rateOf(asked) : Math.max(asked, own);
  const step = length / 1000 / wanted > MAX_POINTS ? safe : wanted;
  return { step, interval: rangeUtil.secondsToHms(step), rateInterval: /rate/.test(minimum) ? step : rateOf(asked) };
}

/**
 * Turns a panel's targets into questions.
 *
 * @param prefix of each question's key, which the target's ref id and kind follow: reports keep answers by it
 */
export function questionsOf(panel: Pick<Panel, "interval" | "maxDataPoints" | "targets">, context: QueryContext,
  prefix: string): (Question & { target: Target })[]
{
  const [from, to] = [context.range.from.valueOf() / 1000, context.range.to.valueOf() / 1000];
  return panel.targets.filter(({ hide, expr }) => !hide && expr).flatMap((target) => {
    const { step, interval, rateInterval } = intervals(panel, target, context);
    const expr = context.fillWith({ __interval: interval, __interval_ms: `${Math.round(step * 1000)}`,
      __rate_interval: written(rateInterval), __rate_interval_ms: `${Math.round(rateInterval * 1000)}` })(target.expr,
        undefined, "promql");
    // Points lie on multiples of the step in local time, so that days begin at midnight.
    const offset = context.range.to.utcOffset() * 60;
    const align = (time: number) => Math.floor((time + offset) / step) * step - offset;
    const key = `${prefix}/${target.refId}`;
    const instant = { key: `${key}/instant`, expr, start: from, end: to, target };
    const range = { key: `${key}/range`, expr, start: align(from), end: align(to), step, target };
    if (!target.instant) return [range];
    return target.range ? [range, instant] : [instant];
  });
}
