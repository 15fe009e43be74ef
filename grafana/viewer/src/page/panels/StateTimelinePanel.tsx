import { applyNullInsertThreshold, colorManipulator, type DataFrame, type DisplayValue, FieldColorModeId, FieldType,
  formattedValueToString, getFieldDisplayName } from "@grafana/data";
import { LegendDisplayMode, useTheme2, VizLegend } from "@grafana/ui";
import { useMemo } from "react";
import type uPlot from "uplot";

import type { DrawingProps } from "../PanelView.tsx";
import { TimeRows } from "./TimeRows.tsx";
import { Tooltip } from "./Tooltip.tsx";

const LEGEND_HEIGHT = 32;
const PAD = 4;
/** Of text to its ground, by WCAG 2 level AA; the library's own is 3, which leaves white on yellow and blue. */
const LEAST_CONTRAST = 4.5;

type Span = { from: number; to: number; state: DisplayValue; text: string };

/**
 * The states of each series in their order; a gap ends a state, and equal neighbours become one where that is asked. As in
 * Grafana, numbers that are coloured by thresholds are equal between two of these.
 */
export function spansOf(frames: DataFrame[], merge: boolean, to: number): { name: string; spans: Span[] }[] {
  return frames.flatMap((frame) => {
    const copy = { ...frame, fields: frame.fields.map((field) => ({ ...field })) };
    const filled = applyNullInsertThreshold({ frame: copy });
    const time = filled.fields.find(({ type }) => type === FieldType.time);
    if (!time) return [];
    const times = time.values as number[];
    const step = time.config.interval ?? 0;
    return filled.fields.filter((field) => field !== time && !field.config.custom?.hideFrom?.viz).map((field) => {
      const spans: Span[] = [];
      const byThreshold = field.type === FieldType.number && field.config.color?.mode === FieldColorModeId.Thresholds;
      field.values.forEach((value, index) => {
        if (value == null || Number.isNaN(value)) return;
        const state = field.display!(value);
        const text = formattedValueToString(state);
        const end = Math.min(to, times[index + 1] ?? times[index] + step);
        const last = spans.at(-1);
        if (merge && last && last.to === times[index] && last.state.color === state.color
          && (byThreshold || last.text === text))
          last.to = end;
        else spans.push({ from: times[index], to: end, state, text });
      });
      return { name: getFieldDisplayName(field, frame, frames), spans };
    });
  });
}

/** A row a series, coloured by its state over time. */
export function StateTimelinePanel(props: DrawingProps) {
  const theme = useTheme2();
  const { panel, frames, shown, height } = props;
  const { options } = panel;
  const { fillOpacity } = panel.fieldConfig.defaults.custom;
  const end = shown.range.to.valueOf();
  const rows = useMemo(() => spansOf(frames, options.mergeValues, end).reverse(), [frames, options, end]);
  function draw(plot: uPlot) {
    const { ctx } = plot;
    ctx.font = `${12 * devicePixelRatio}px ${theme.typography.fontFamily}`;
    ctx.textBaseline = "middle";
    ctx.textAlign = options.alignValue;
    rows.forEach(({ spans }, row) => {
      const [top, bottom] = [plot.valToPos(row + 1, "y", true), plot.valToPos(row, "y", true)];
      const margin = ((bottom - top) * (1 - options.rowHeight)) / 2;
      for (const { from, to, state, text } of spans) {
        // On whole pixels, or seams would show between neighbours.
        const [left, right] = [from, to].map((time) => Math.round(plot.valToPos(time, "x", true)));
        const color = colorManipulator.alpha(state.color ?? theme.colors.text.disabled, fillOpacity / 100);
        ctx.fillStyle = color;
        ctx.fillRect(left, top + margin, Math.max(1, right - left), bottom - top - 2 * margin);
        const fits = ctx.measureText(text).width + 2 * PAD < right - left;
        if (options.showValue === "never" || (options.showValue === "auto" && !fits)) continue;
        ctx.fillStyle = theme.colors.getContrastText(color, LEAST_CONTRAST);
        const x = { left: left + PAD, center: (left + right) / 2, right: right - PAD }[options.alignValue as "left"];
        ctx.fillText(text, x, (top + bottom) / 2);
      }
    });
  }
  function tooltip(row: number, time: number) {
    const series = rows[row];
    const span = series?.spans.find(({ from, to }) => time >= from && time < to);
    if (!span) return null;
    return (<Tooltip time={span.from} timeZone={shown.timeZone}
      lines={[{ color: span.state.color, label: series.name, value: span.text }]} />);
  }
  const states = new Map(rows.flatMap(({ spans }) => spans.map(({ text, state }) => [text, state.color] as const)));
  const legend = [...states].map(([label, color]) => ({ label, color, yAxis: 1 }));
  return (<>
    <TimeRows {...props} height={options.legend.showLegend ? height - LEGEND_HEIGHT : height}
      rows={rows.map(({ name }) => name)} labels="middle" draw={draw} tooltip={tooltip} />
    {options.legend.showLegend
      && (<VizLegend items={legend} placement="bottom" displayMode={LegendDisplayMode.List} readonly />)}
  </>);
}
