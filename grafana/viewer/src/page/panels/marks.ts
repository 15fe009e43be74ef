import type { GrafanaTheme2 } from "@grafana/data";
import type uPlot from "uplot";

import type { Mark } from "../../core/panels.ts";

const NEAR_PX = 8;

/** Draws annotations over a plot: a line at each, and a field where one lasts. */
export function drawMarks(plot: uPlot, marks: Mark[], theme: GrafanaTheme2): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  for (const { time, end, color } of marks) {
    const x = plot.valToPos(time, "x", true);
    const right = end === undefined ? x : plot.valToPos(end, "x", true);
    ctx.strokeStyle = ctx.fillStyle = theme.visualization.getColorByName(color);
    ctx.globalAlpha = 0.12;
    ctx.fillRect(x, bbox.top, right - x, bbox.height);
    ctx.globalAlpha = 1;
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([5 * devicePixelRatio, 5 * devicePixelRatio]);
    for (const at of new Set([x, right])) {
      ctx.beginPath();
      ctx.moveTo(at, bbox.top);
      ctx.lineTo(at, bbox.top + bbox.height);
      ctx.stroke();
    }
  }
  ctx.restore();
}

/** The marks near the pointer. */
export function marksNear(plot: uPlot, marks: Mark[]): Mark[] {
  const left = plot.cursor.left ?? -1;
  return marks.filter(({ time, end = time }) => {
    const [from, to] = [plot.valToPos(time, "x"), plot.valToPos(end, "x")];
    return left >= from - NEAR_PX && left <= to + NEAR_PX;
  });
}
