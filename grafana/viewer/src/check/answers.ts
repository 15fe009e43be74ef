import { createTheme, type DataFrame, type Field, fieldMatchers, formattedValueToString, getFieldDisplayName,
  sortDataFrame, type TimeRange } from "@grafana/data";

import { type Options, type Panel, panelsOf, readDashboard } from "../core/dashboard.ts";
import { singleValues } from "../core/fields.ts";
import { askPanel, choicesOf, fillAt, type Moment, preparePanel, usualWidth, variablesAt } from "../core/panels.ts";
import { PrometheusAway, type Source } from "../core/prometheus.ts";
import type { Problem } from "./files.ts";

/** The words of one panel as a reader sees them: each value with its unit, and its colour in brackets. */
export type Shown = { dashboard: string; panel: string; lines: string[] };

const theme = createTheme({ colors: { mode: "dark" } });

const colored = (text: string, color?: string) => (color ? `${text}[${color}]` : text);

function cellOf(field: Field, row: number): string {
  const shown = field.display?.(field.values[row]);
  if (!shown) return `${field.values[row]}`;
  const coloring = /^color/.test(field.config.custom?.cellOptions?.type ?? "");
  return colored(formattedValueToString(shown), coloring ? shown.color : undefined);
}

/** A table as text: sorted as the panel says, hidden columns left out. */
export function tableLines(frame: DataFrame, panel: Panel): string[] {
  const by = panel.options.sortBy?.[0] as { displayName: string; desc?: boolean } | undefined;
  const column = by ? frame.fields.findIndex((field) => getFieldDisplayName(field, frame) === by.displayName) : -1;
  const sorted = column < 0 ? frame : sortDataFrame(frame, column, by?.desc);
  const fields = sorted.fields.filter(({ config }) => !config.custom?.hideFrom?.viz);
  const rows = Array.from({ length: sorted.length }, (_, row) => fields.map((field) => cellOf(field, row)).join(" | "));
  return [fields.map((field) => getFieldDisplayName(field, sorted)).join(" | "), ...rows];
}

function linesOf(frames: DataFrame[], panel: Panel, moment: Moment): string[] {
  if (panel.type === "table") return frames.flatMap((frame) => tableLines(frame, panel));
  if (panel.type !== "stat" && panel.type !== "bargauge") return [];
  return singleValues(frames, panel, theme, moment.timeZone, fillAt(moment)).map(({ display }) =>
    colored([display.title, formattedValueToString(display)].filter(Boolean).join(": "), display.color)
  );
}

/** The matchers of a panel's overrides that meet none of its fields: not those that only name a colour, or rename it. */
const idleMatchers = (frames: DataFrame[], panel: Panel) =>
  panel.fieldConfig.overrides.filter(({ matcher: { id, options }, properties }) => {
    const named = properties.find((property) => property.id === "displayName")?.value;
    const match = fieldMatchers.getIfExists(id)?.get(options);
    if (properties.every((property) => property.id === "color" || property.id === "displayName")) return !match;
    return !match
      || !frames.some((frame) =>
        frame.fields.some((field) => match(field, frame, frames) || getFieldDisplayName(field, frame, frames) === named)
      );
  }).map(({ matcher }) => matcher);

/**
 * Asks what every panel of a dashboard shows.
 *
 * @returns queries and transformations that fail, panels without data and overrides that meet nothing (notes where the
 * panel has words for it, or a part of its queries found nothing), and the words of stats, bar gauges and tables
 * @throws PrometheusAway
 */
export async function checkAnswers(file: string, model: Options, source: Source, range: TimeRange,
  scrapeSeconds: number)
{
  const dashboard = readDashboard(model);
  const problems: Problem[] = [];
  const shown: Shown[] = [];
  const start = { uid: dashboard.uid, range, timeZone: "utc", scrapeSeconds, source };
  const add = (path: string, message: string, level: Problem["level"] = "error") =>
    problems.push({ file, path, message, level });
  const attempt = async <T>(path: string, what: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await what();
    } catch (error) {
      if (error instanceof PrometheusAway) throw error;
      add(path, (error as Error).message);
      return undefined;
    }
  };
  const resolved = await attempt("variables", () => variablesAt(dashboard, start, {}));
  if (!resolved) return { problems, shown };
  for (const { variable, options } of resolved) {
    const query = typeof variable.query === "object" ? variable.query.query : variable.query;
    // An expression may rightly find nothing, a label may not.
    const level = query?.startsWith("query_result") ? "note" : "error";
    if (variable.type === "query" && !options.length)
      add(`variable "${variable.name}"`, "has nothing to choose", level);
  }
  const moment: Moment = { ...start, choices: choicesOf(resolved) };
  for (const panel of panelsOf(dashboard)) {
    if (!panel.targets.length) continue;
    const path = `panel "${panel.title}"`;
    const raw = await attempt(path, () => askPanel(panel, moment, usualWidth(panel)));
    if (!raw) continue;
    for (const warning of new Set(raw.warnings)) add(path, `Prometheus warns: ${warning}`);
    const frames = await attempt(path, () => preparePanel(raw, panel, moment, theme));
    if (!frames) continue;
    const answered = new Set(raw.frames.filter(({ length }) => length).map(({ refId }) => refId));
    const silent = panel.targets.filter(({ refId, hide }) => !hide && !answered.has(refId)).map(({ refId }) => refId);
    if (!answered.size) {
      const words = panel.fieldConfig.defaults.noValue;
      add(path, words ? `has no data and says "${words}"` : "has no data", words ? "note" : "error");
    } else {
      for (const { id, options } of idleMatchers(frames, panel)) {
        const why = silent.length ? `; ${silent.join(", ")} found no data` : "";
        add(path, `its override for ${id} ${JSON.stringify(options)} meets nothing${why}`,
          silent.length ? "note" : "error");
      }
    }
    const lines = linesOf(frames, panel, moment);
    if (lines.length) shown.push({ dashboard: dashboard.uid, panel: panel.title ?? "", lines });
  }
  return { problems, shown };
}
