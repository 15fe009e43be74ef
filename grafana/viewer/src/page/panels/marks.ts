import { colorManipulator, type GrafanaTheme2 } from "@grafana/data";
import type uPlot from "uplot";

import type { Mark } from "../../core/panels.ts";

const NEAR_PX = 8;

/** Draws on a plot, and nothing outside its axes. */
export function drawInside({ ctx, bbox }: uPlot, draw: () => void): void {
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  draw();
  ctx.restore();
}

/** Draws annotations over a plot: a line at each, and a field where one lasts. */
export function drawMarks(plot: uPlot, marks: Mark[], theme: GrafanaTheme2): void {
  const { ctx, bbox } = plot;
  drawInside(plot, () => {
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([5 * devicePixelRatio, 5 * devicePixelRatio]);
    for (const { time, end = time, color } of marks) {
      const [left, right] = [plot.valToPos(time, "x", true), plot.valToPos(end, "x", true)];
      ctx.strokeStyle = theme.visualization.getColorByName(color);
      ctx.fillStyle = colorManipulator.alpha(ctx.strokeStyle, 0.12);
      ctx.fillRect(left, bbox.top, right - left, bbox.height);
      // Each side by itself: the dashes of a narrow rectangle would fill each other's gaps.
      for (const x of new Set([left, right])) {
        ctx.beginPath();
        ctx.moveTo(x, bbox.top);
        ctx.lineTo(x, bbox.top + bbox.height);
        ctx.stroke();
      }
    }
  });
}

/** The marks near the pointer. */
export function marksNear(plot: uPlot, marks: Mark[]): Mark[] {
  const left = plot.cursor.left ?? -1;
  return marks.filter(({ time, end = time }) => {
    const [from, to] = [plot.valToPos(time, "x"), plot.valToPos(end, "x")];
    return left >= from - NEAR_PX && left <= to + NEAR_PX;
  });
}
