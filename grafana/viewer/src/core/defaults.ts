import type { FieldConfig } from "@grafana/data";

import type { Options } from "./dashboard.ts";

// What Grafana takes where a file says nothing: an option of a panel type, or a setting of its fields.

const legend = { calcs: [], displayMode: "list", placement: "bottom", showLegend: true };
const tooltip = { mode: "single", sort: "none", hideZeros: false };
const reduceOptions = { calcs: ["lastNotNull"], fields: "", values: false };

const options: Record<string, Options> = {
  timeseries: { legend, tooltip },
  stat: {
    colorMode: "value",
    graphMode: "area",
    justifyMode: "auto",
    orientation: "auto",
    reduceOptions,
    textMode: "auto",
    wideLayout: true,
  },
  bargauge: {
    displayMode: "gradient",
    namePlacement: "auto",
    orientation: "auto",
    reduceOptions,
    showUnfilled: true,
    valueMode: "color",
  },
  table: { cellHeight: "sm", showHeader: true, sortBy: [] },
  heatmap: {
    cellGap: 1,
    cellValues: {},
    color: { mode: "scheme", scheme: "Oranges", scale: "exponential", exponent: 0.5, steps: 64, reverse: false },
    filterValues: { le: 1e-9 },
    legend: { show: true },
    tooltip: { mode: "single" },
    yAxis: {},
  },
  "state-timeline": { alignValue: "left", legend, mergeValues: true, rowHeight: 0.9, showValue: "auto", tooltip },
  text: { mode: "markdown", content: "" },
};

const custom: Record<string, Options> = {
  timeseries: {
    barAlignment: 0,
    drawStyle: "line",
    fillOpacity: 0,
    gradientMode: "none",
    lineInterpolation: "linear",
    lineWidth: 1,
    pointSize: 5,
    showPoints: "auto",
    spanNulls: false,
    stacking: { mode: "none", group: "A" },
    thresholdsStyle: { mode: "off" },
  },
  table: { align: "auto", cellOptions: { type: "auto" }, inspect: false },
  "state-timeline": { fillOpacity: 70, lineWidth: 0 },
};

const colorModes: Record<string, string> = { timeseries: "palette-classic", "state-timeline": "continuous-GrYlRd" };

/** The options of a panel, with the defaults of its type; one level of options within options is filled in too. */
export function withDefaultOptions(type: string, own: Options): Options {
  const filled: Options = { ...options[type], ...own };
  for (const [key, value] of Object.entries(options[type] ?? {})) {
    const given = own[key];
    if (typeof value === "object" && !Array.isArray(value) && given) filled[key] = { ...value, ...given };
  }
  return filled;
}

/** The settings of a panel's fields, with the defaults of its type. */
export function withDefaultFields(type: string, own: FieldConfig): FieldConfig {
  const steps = [
    { value: null as unknown as number, color: "green" },
    { value: 80, color: "red" },
  ];
  return {
    color: { mode: colorModes[type] ?? "thresholds" },
    mappings: [],
    thresholds: { mode: "absolute" as never, steps },
    ...own,
    custom: { ...custom[type], ...own.custom },
  };
}
