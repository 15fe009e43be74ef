import { createDataFrame, type DataFrame, DataFrameType, type Field, FieldType,
  renderLegendFormat } from "@grafana/data";

import type { Target } from "./dashboard.ts";
import type { Answer, Answered, Sample, Series } from "./prometheus.ts";

const number = (text: string) => (text === "+Inf" ? Infinity : text === "-Inf" ? -Infinity : Number(text));
const samplesOf = ({ value, values }: Series): Sample[] => values ?? (value ? [value] : []);

function seriesOf(answer: Answer): Series[] {
  if (answer.resultType === "matrix" || answer.resultType === "vector") return answer.result;
  return [{ metric: {}, value: answer.result as Sample }];
}

/** The name that Grafana's data source gives a series: by its legend, else as Prometheus writes it. */
function nameOf({ metric }: Series, { legendFormat, expr }: Target): string | undefined {
  const labels = Object.entries(metric).filter(([name]) => name !== "__name__");
  if (legendFormat === "__auto") return labels.length ? undefined : (metric.__name__ ?? expr);
  if (legendFormat) return renderLegendFormat(legendFormat, metric) || undefined;
  if (!labels.length) return metric.__name__ ?? expr;
  return `${metric.__name__ ?? ""}{${labels.map(([name, value]) => `${name}="${value}"`).join(", ")}}`;
}

const timeField = (times: number[], step?: number): Field => ({ name: "Time", type: FieldType.time, values: times,
  config: step ? { interval: step * 1000 } : {} });

function seriesFrames(series: Series[], target: Target, step?: number): DataFrame[] {
  return series.map((one) => {
    const { __name__: metricName, ...labels } = one.metric;
    const samples = samplesOf(one);
    const values: Field = { name: metricName ?? "Value", type: FieldType.number,
      labels: metricName && target.legendFormat === "__auto" ? labels : one.metric,
      values: samples.map(([, value]) => number(value)), config: { displayNameFromDS: nameOf(one, target) } };
    const times = timeField(samples.map(([time]) => time * 1000), step);
    return createDataFrame({ refId: target.refId, meta: { type: DataFrameType.TimeSeriesMulti },
      fields: [times, values] });
  });
}

/** One line a sample: time, a column a label, and the value, which is named by the ref id where tables stand together. */
function tableFrame(series: Series[], target: Target, alone: boolean): DataFrame {
  const names = [...new Set(series.flatMap(({ metric }) => Object.keys(metric)))].sort();
  const lines = series.flatMap((one) => samplesOf(one).map(([time, value]) => ({ one, time, value })));
  return createDataFrame({ refId: target.refId,
    fields: [timeField(lines.map(({ time }) => time * 1000)),
      ...names.map((name) => ({ name, type: FieldType.string, config: { filterable: true },
        values: lines.map(({ one }) => one.metric[name] ?? "") })
      ), { name: alone ? "Value" : `Value #${target.refId}`, type: FieldType.number, config: {},
      values: lines.map(({ value }) => number(value)) }] });
}

/** The buckets of a histogram, lowest first, each without what lies in the buckets below it. */
function heatmapFrame(series: Series[], target: Target, step?: number): DataFrame | undefined {
  const buckets = series.map((one) => ({ le: one.metric.le ?? "", counts: new Map(samplesOf(one)) })).filter(({ le }) =>
    !Number.isNaN(number(le))
  ).sort((a, b) => number(a.le) - number(b.le));
  if (!buckets.length) return undefined;
  const times = [...new Set(buckets.flatMap(({ counts }) => [...counts.keys()]))].sort((a, b) => a - b);
  const fields = buckets.map(({ le, counts }, index) => ({ name: le, type: FieldType.number, labels: { le }, config: {},
    values: times.map((time) => {
      const below = index ? number(buckets[index - 1].counts.get(time) ?? "0") : 0;
      const count = counts.get(time);
      return count === undefined ? null : Math.max(0, number(count) - below);
    }) })
  );
  const all = times.map((time) => time * 1000);
  const meta = { type: DataFrameType.HeatmapRows };
  return createDataFrame({ refId: target.refId, meta, fields: [timeField(all, step), ...fields] });
}

/**
 * Turns answers into frames, as Grafana's Prometheus data source does.
 *
 * @param answers with the target that each belongs to
 * @returns for the format `table` one frame an answer, for `heatmap` one with a field a bucket, else one a series;
 * times in milliseconds since 1970. A series without samples gives an empty frame.
 */
export function framesOf(answers: (Answered & { target: Target })[]): DataFrame[] {
  const tables = answers.filter(({ target }) => target.format === "table").length;
  return answers.flatMap(({ answer, step, target }) => {
    const series = seriesOf(answer);
    if (target.format === "table") return series.length ? [tableFrame(series, target, tables === 1)] : [];
    if (target.format !== "heatmap" || !step) return seriesFrames(series, target, step);
    return heatmapFrame(series, target, step) ?? [];
  });
}
