import { type DataFrame, formattedValueToString, getValueFormat, type GrafanaTheme2 } from "@grafana/data";
import { useTheme2 } from "@grafana/ui";
import * as schemes from "d3-scale-chromatic";
import { useMemo } from "react";
import type uPlot from "uplot";

import type { Options } from "../../core/dashboard.ts";
import type { DrawingProps } from "../PanelView.tsx";
import { TimeRows } from "./TimeRows.tsx";
import { Tooltip } from "./Tooltip.tsx";

const LEGEND_HEIGHT = 36;

/** Colours from few to many. A scheme is turned round on dark, so that many stands out against the ground. */
function paletteOf({ scheme, exponent, steps }: Options, theme: GrafanaTheme2): string[] {
  const color = (schemes as unknown as Record<string, (share: number) => string>)[`interpolate${scheme}`];
  return Array.from({ length: steps }, (_, index) => {
    const share = (index / (steps - 1)) ** exponent;
    return color(theme.isDark ? 1 - share : share);
  });
}

/** The cells of a frame with a field a bucket: counts by bound, then by time. Those not above the filter are left out. */
function cellsOf(frame: DataFrame, { filterValues }: Options) {
  const [time, ...buckets] = frame.fields;
  const counts = buckets.map(({ values }): (number | null)[] =>
    values.map((count) => (count > filterValues.le ? count : null))
  );
  const all = counts.flat().filter((count) => count !== null);
  const times: number[] = time.values;
  return { bounds: buckets.map(({ name }) => name), times, counts, step: time.config.interval ?? 60_000,
    least: Math.min(...all), most: Math.max(...all) };
}

/** How many requests took how long: a column a step, a row a bucket, the darker or brighter the more. */
export function HeatmapPanel(props: DrawingProps) {
  const theme = useTheme2();
  const { frames, shown, height, panel: { options } } = props;
  const palette = useMemo(() => paletteOf(options.color, theme), [options, theme]);
  const { bounds, times, counts, step, least, most } = useMemo(() => cellsOf(frames[0], options), [frames, options]);
  const boundText = (bound: string) =>
    bound === "+Inf"
      ? "+Inf"
      : formattedValueToString(getValueFormat(options.yAxis.unit)(Number(bound), options.yAxis.decimals));
  const countText = (count: number) => {
    const { unit = "short", decimals } = options.cellValues;
    return formattedValueToString(getValueFormat(unit)(count, decimals));
  };
  const colorOf = (count: number) => {
    const share = most > least ? (count - least) / (most - least) : 1;
    return palette[Math.round(share * (palette.length - 1))];
  };
  function draw(plot: uPlot) {
    const gap = options.cellGap * devicePixelRatio;
    counts.forEach((row, bucket) => {
      const [top, bottom] = [plot.valToPos(bucket + 1, "y", true), plot.valToPos(bucket, "y", true)];
      row.forEach((count, index) => {
        if (count === null) return;
        // A count is of the step that ends at its time.
        const [left, right] = [plot.valToPos(times[index] - step, "x", true), plot.valToPos(times[index], "x", true)];
        plot.ctx.fillStyle = colorOf(count);
        plot.ctx.fillRect(left, top, Math.max(1, right - left - gap), Math.max(1, bottom - top - gap));
      });
    });
  }
  function tooltip(bucket: number, time: number) {
    const index = times.findIndex((end) => time > end - step && time <= end);
    if (!bounds[bucket] || index < 0) return null;
    const count = counts[bucket][index];
    const below = bucket ? boundText(bounds[bucket - 1]) : "0";
    const label = `${below} – ${boundText(bounds[bucket])}`;
    const line = { label, value: countText(count ?? 0), color: count === null ? undefined : colorOf(count) };
    return <Tooltip time={times[index]} timeZone={shown.timeZone} lines={[line]} />;
  }
  const hasLegend = options.legend.show && Number.isFinite(most);
  return (<>
    <TimeRows {...props} height={hasLegend ? height - LEGEND_HEIGHT : height} rows={bounds.map(boundText)} labels="top"
      draw={draw} tooltip={tooltip} />
    {hasLegend && (<div className="scale">
      {countText(least)}
      <span style={{ background: `linear-gradient(to right, ${palette.join(", ")})` }} />
      {countText(most)}
    </div>)}
  </>);
}
