import type { TimeRange } from "@grafana/data";

import { type Options, panelsOf, readDashboard } from "../core/dashboard.ts";
import type { Frozen } from "../core/frozen.ts";
import { askMarks, askPanel, choicesOf, usualWidth, variablesAt } from "../core/panels.ts";
import { QueryError, type Question, type Source } from "../core/prometheus.ts";
import { ALL } from "../core/variables.ts";

/**
 * Asks everything that dashboards show, and keeps the answers. A query that Prometheus refuses is kept as its error.
 *
 * @param wanted values of variables by their name
 * @throws PrometheusAway
 */
export async function freeze(boards: Options[], source: Source, range: TimeRange, wanted: Record<string, string[]>,
  scrapeSeconds: number): Promise<Frozen>
{
  const answers: Frozen["answers"] = {};
  const errors: Frozen["errors"] = {};
  const choices: Frozen["choices"] = {};
  const labels = new Set<string>();
  const keeping: Source = { ...source, async ask(question: Question) {
    try {
      const answered = await source.ask(question);
      answers[question.key] = answered;
      const { answer } = answered;
      const series = answer.resultType === "matrix" || answer.resultType === "vector" ? answer.result : [];
      for (const { metric } of series) for (const label of Object.keys(metric)) labels.add(label);
      return answered;
    } catch (error) {
      if (error instanceof QueryError) errors[question.key] = error.message;
      throw error;
    }
  } };
  // What one panel can't have does not keep the others from being written.
  const passing = (error: unknown) => {
    if (!(error instanceof QueryError)) throw error;
  };
  for (const board of boards) {
    const dashboard = readDashboard(board);
    const start = { uid: dashboard.uid, range, timeZone: "utc", scrapeSeconds, source: keeping };
    const resolved = await variablesAt(dashboard, { ...start, source }, wanted);
    choices[dashboard.uid] = Object.fromEntries(
      resolved.map(({ variable, chosen }) => [variable.name, chosen.all ? [ALL] : chosen.value])
    );
    const moment = { ...start, choices: choicesOf(resolved) };
    for (const panel of panelsOf(dashboard)) await askPanel(panel, moment, usualWidth(panel)).catch(passing);
    await askMarks(dashboard.annotations.filter(({ enable }) => enable), moment).catch(passing);
  }
  const [from, to] = [range.from.valueOf(), range.to.valueOf()];
  return { from, to, boards, answers, errors, choices, labels: [...labels].sort(), scrapeSeconds };
}
