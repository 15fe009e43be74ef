import { VisibilityMode } from "@grafana/schema";
import { AxisPlacement, ScaleDirection, ScaleOrientation, TooltipPlugin2, UPlotChart, UPlotConfigBuilder,
  useTheme2 } from "@grafana/ui";
import { type ReactNode, useMemo, useRef } from "react";
import type uPlot from "uplot";

import type { DrawingProps } from "../PanelView.tsx";
import { setTimes } from "../Toolbar.tsx";
import { drawInside, drawMarks } from "./marks.ts";
import { SYNC_SCOPE } from "./TimeSeriesPanel.tsx";

const LINE_PX = 14;

interface Props extends DrawingProps {
  /** Names of the rows, from below. */
  rows: string[];
  /** Where a name stands: in the middle of its row, or at its upper end. */
  labels: "middle" | "top";
  draw: (plot: uPlot) => void;
  /** What stands beside the pointer, in a row at a time in milliseconds since 1970. */
  tooltip: (row: number, time: number) => ReactNode;
}

/** A plot of rows over time, with the time axis, pointer and zoom that all panels share. The caller draws the rows. */
export function TimeRows({ rows, labels, draw, tooltip, panel, shown, marks, graphTooltip, width, height }: Props) {
  const theme = useTheme2();
  const now = useRef({ draw, marks, range: shown.range });
  now.current = { draw, marks, range: shown.range };
  const named = JSON.stringify(rows);
  const config = useMemo(() => {
    const builder = new UPlotConfigBuilder(shown.timeZone);
    const { Horizontal, Vertical } = ScaleOrientation;
    builder.addScale({ scaleKey: "x", isTime: true, orientation: Horizontal, direction: ScaleDirection.Right,
      range: () => [now.current.range.from.valueOf(), now.current.range.to.valueOf()] });
    builder.addScale({ scaleKey: "y", orientation: Vertical, direction: ScaleDirection.Up,
      range: () => [0, rows.length] });
    builder.addAxis({ scaleKey: "x", isTime: true, placement: AxisPlacement.Bottom, timeZone: shown.timeZone, theme });
    const offset = labels === "top" ? 1 : 0.5;
    builder.addAxis({ scaleKey: "y", placement: AxisPlacement.Left, splits: rows.map((_, index) => index + offset),
      values: (plot) => {
        // Names that would lie on each other are left out, from above.
        const every = Math.ceil((LINE_PX * rows.length * devicePixelRatio) / plot.bbox.height);
        return rows.map((name, index) => ((rows.length - 1 - index) % every ? "" : name));
      }, grid: { show: false }, ticks: { show: false }, theme });
    builder.addSeries({ scaleKey: "y", theme, pathBuilder: () => null, showPoints: VisibilityMode.Never, show: true });
    builder.setCursor({ points: { show: false },
      ...(graphTooltip ? { sync: { key: SYNC_SCOPE, scales: ["x", null] } } : {}) });
    builder.addHook("draw", (plot) => {
      drawInside(plot, () => now.current.draw(plot));
      drawMarks(plot, now.current.marks, theme);
    });
    builder.scaleKeys = ["x", "y"];
    return builder;
  }, [named, labels, theme, shown.timeZone, graphTooltip]);
  // Only the rows are drawn: new data, whatever it is, makes the plot draw them anew.
  const data: uPlot.AlignedData = [[shown.range.from.valueOf(), shown.range.to.valueOf()], [0, 0]];
  return (<UPlotChart config={config} data={data} width={width} height={height}>
    {panel.options.tooltip.mode !== "none"
      && (<TooltipPlugin2 config={config} hoverMode={1 as never} syncMode={graphTooltip} syncScope={SYNC_SCOPE}
        queryZoom={(zoom) => setTimes(zoom.from, zoom.to)}
        render={(plot, _indexes, _series, _pinned, _dismiss, _range, viaSync) => {
          const { left = -1, top = -1 } = plot.cursor;
          return viaSync ? null : tooltip(Math.floor(plot.posToVal(top, "y")), plot.posToVal(left, "x"));
        }} />)}
  </UPlotChart>);
}
