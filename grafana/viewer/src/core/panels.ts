import type { DataFrame, GrafanaTheme2, InterpolateFunction, TimeRange } from "@grafana/data";

import type { Annotation, Dashboard, Panel } from "./dashboard.ts";
import { prepare } from "./fields.ts";
import { framesOf } from "./frames.ts";
import { type Choices, interpolator } from "./interpolation.ts";
import type { Series, Source } from "./prometheus.ts";
import { type QueryContext, questionsOf, readRange } from "./queries.ts";
import { choicesOf, type Resolved, resolveVariables } from "./variables.ts";

/** What all panels of a dashboard share at one moment. */
export interface Moment {
  uid: string;
  range: TimeRange;
  timeZone: string;
  choices: Choices;
  scrapeSeconds: number;
  source: Source;
}

/** The function that fills variables in at a moment, with more names where `own` has some. */
export const fillAt = ({ choices, range, timeZone }: Moment, own?: Record<string, string>): InterpolateFunction =>
  interpolator(choices, range, timeZone, own);

/** Finds a dashboard's variables at a time. */
export function variablesAt(dashboard: Dashboard, moment: Omit<Moment, "choices">,
  wanted: Record<string, string[]>): Promise<Resolved[]>
{
  const { range, source } = moment;
  const times = { start: Math.floor(range.from.valueOf() / 1000), end: Math.ceil(range.to.valueOf() / 1000) };
  const fillWith = (choices: Choices) => {
    const fill = fillAt({ ...moment, choices });
    return (text: string) => fill(text, undefined, "promql");
  };
  return resolveVariables(dashboard.variables, source, fillWith, wanted, times);
}

/** Pixels of a column of the grid on a common screen. */
const COLUMN = 75;

/** How wide a panel is, in pixels, where no screen says it; the steps of its queries depend on it. */
export const usualWidth = ({ gridPos }: Panel): number => gridPos.w * COLUMN;

const contextAt = (moment: Moment, width: number): QueryContext => ({ ...moment, width, fill: fillAt(moment),
  fillWith: (own) => fillAt(moment, own) });

/** Answers as frames, before transformations. */
export type RawAnswers = { frames: DataFrame[]; warnings: string[] };

/**
 * Asks what a panel shows, and prepares the answers.
 *
 * @param width of the panel in pixels
 * @throws QueryError, PrometheusAway, or an Error from a transformation
 */
export async function askPanel(panel: Panel, moment: Moment, width: number, signal?: AbortSignal): Promise<RawAnswers> {
  const questions = questionsOf(panel, contextAt(moment, width), `${moment.uid}/${panel.id}`);
  const answers = await Promise.all(
    questions.map(async ({ target, ...question }) => ({ target, ...(await moment.source.ask(question, signal)) }))
  );
  return { frames: framesOf(answers), warnings: answers.flatMap(({ answer }) => answer.warnings ?? []) };
}

/** The frames of a panel as it draws them; see `prepare`. */
export function preparePanel(raw: RawAnswers, panel: Panel, moment: Moment, theme: GrafanaTheme2) {
  return prepare(raw.frames, panel, theme, moment.timeZone, fillAt(moment));
}

/** A mark over the time of all panels. `time` in milliseconds since 1970. */
export interface Mark {
  time: number;
  end?: number;
  title: string;
  text: string;
  color: string;
  source: string;
}

const MAX_MARKS = 200;

/** Each run of non-zero samples is a mark; with `useValueForTime` each sample's value is the time of one. */
export function marksOf(annotation: Annotation, series: Series[], step: number, fill: InterpolateFunction): Mark[] {
  const color = annotation.iconColor ?? "red";
  return series.flatMap(({ metric, values = [] }) => {
    const words = (format?: string) =>
      fill((format ?? "").replace(/\{\{\s*(\w+)\s*\}\}/g, (_, label: string) => metric[label] ?? ""));
    const mark = { title: words(annotation.titleFormat), text: words(annotation.textFormat), color,
      source: annotation.name };
    if (annotation.useValueForTime) {
      const times = new Set(values.map(([, value]) => Math.floor(Number(value))));
      return [...times].map((time) => ({ ...mark, time }));
    }
    const marks: Mark[] = [];
    for (const [seconds, value] of values) {
      if (!Number(value)) continue;
      const last = marks.at(-1);
      if (last && seconds * 1000 - (last.end ?? last.time) <= step * 1000 + 1) last.end = seconds * 1000;
      else marks.push({ ...mark, time: seconds * 1000 });
    }
    return marks;
  });
}

/** Asks for the marks of those annotations that are switched on. */
export async function askMarks(annotations: Annotation[], moment: Moment): Promise<Mark[]> {
  const [from, to] = [moment.range.from.valueOf(), moment.range.to.valueOf()];
  const context = contextAt(moment, 1000);
  const asked = annotations.map(async (annotation) => {
    const interval = annotation.step || "1m";
    const targets = [{ refId: annotation.name, expr: annotation.expr ?? "", interval }];
    const [question] = questionsOf({ interval, targets }, context, `${moment.uid}/annotation`);
    const { answer, step = 60 } = await moment.source.ask(question);
    return answer.resultType === "matrix" ? marksOf(annotation, answer.result, step, context.fill) : [];
  });
  const marks = (await Promise.all(asked)).flat();
  return marks.filter(({ time, end = time }) => end >= from && time <= to).slice(0, MAX_MARKS);
}

export { choicesOf, readRange };
