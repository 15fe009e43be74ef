import {
  createTheme,
  fieldColorModeRegistry,
  fieldMatchers,
  fieldReducers,
  getValueFormats,
  rangeUtil,
  standardTransformersRegistry,
} from "@grafana/data";

import { standardProperties } from "../core/fields.ts";
import { anything, either, flag, keys, known, list, map, number, oneOf, text, type Rule } from "./shapes.ts";

// Every key of a dashboard file that the viewer honours, and the values that each can have. What is not in here fails the
// check, unless exceptions.ts gives a reason why it may stand in a file all the same.

const theme = createTheme();
const unitIds = new Set(getValueFormats().flatMap(({ submenu }) => submenu.map(({ value }) => value)));
const customUnit = /^(time|prefix|suffix|si|count|currency|bool):./;
const plainColor = /^(#[0-9a-fA-F]{3,8}|rgba?\(.+\)|hsla?\(.+\)|transparent|text)$/;

const unit = known("unit", (id) => unitIds.has(id) || customUnit.test(id));
const reducer = known("reducer", (id) => Boolean(fieldReducers.getIfExists(id)) || /^p\d{1,2}$/.test(id));
export const color = known(
  "colour",
  (name) => plainColor.test(name) || theme.visualization.getColorByName(name) !== name,
);
const colorMode = known("colour mode", (id) => Boolean(fieldColorModeRegistry.getIfExists(id)));
const interval = known(
  "interval",
  (one) => /\$/.test(one) || rangeUtil.isValidTimeSpan(`now-${one.replace(/^>\s*/, "")}`),
);
const dataSource = either(text, keys({ type: oneOf("prometheus"), uid: text }));

const link = keys({ title: text, url: text, targetBlank: flag });
const thresholds = keys({
  mode: oneOf("absolute", "percentage"),
  steps: list(keys({ value: either(number, oneOf(null)), color })),
});
const shown = keys({ text, color, index: number, icon: anything });
const mapping: Rule = (value, path) => {
  const special = oneOf("true", "false", "null", "nan", "null+nan", "empty");
  const rules: Record<string, Rule> = {
    value: map(shown),
    range: keys({ from: number, to: number, result: shown }),
    regex: keys({ pattern: text, result: shown }),
    special: keys({ match: special, result: shown }),
  };
  const type = (value as { type?: string }).type ?? "";
  return keys({ type: oneOf(...Object.keys(rules)), options: rules[type] ?? anything })(value, path);
};
const hideFrom = keys({ legend: flag, tooltip: flag, viz: flag });
const stacking = keys({ mode: oneOf("none", "normal", "percent"), group: either(text, flag) });
const colorSetting = keys({ mode: colorMode, fixedColor: color, seriesBy: oneOf("last", "min", "max") });

const standard: Record<string, Rule> = {
  unit,
  min: number,
  max: number,
  decimals: number,
  displayName: text,
  color: colorSetting,
  thresholds,
  mappings: list(mapping),
  noValue: text,
  links: list(link),
  filterable: flag,
  fieldMinMax: flag,
  description: text,
};
for (const property of standardProperties) if (!standard[property]) throw new Error(`no rule for ${property}`);

const graphFields: Record<string, Rule> = {
  drawStyle: oneOf("line", "bars", "points"),
  lineInterpolation: oneOf("linear", "smooth", "stepBefore", "stepAfter"),
  lineWidth: number,
  lineStyle: keys({ fill: oneOf("solid", "dash", "dot", "square"), dash: list(number) }),
  fillOpacity: number,
  fillBelowTo: text,
  gradientMode: oneOf("none", "opacity", "hue", "scheme"),
  showPoints: oneOf("auto", "never", "always"),
  pointSize: number,
  spanNulls: either(flag, number),
  stacking,
  thresholdsStyle: keys({ mode: oneOf("off", "line", "dashed", "area", "line+area", "dashed+area", "series") }),
  transform: oneOf("constant", "negative-Y"),
  axisPlacement: oneOf("auto", "left", "right", "hidden", "top", "bottom"),
  axisLabel: text,
  axisWidth: number,
  axisSoftMin: number,
  axisSoftMax: number,
  axisCenteredZero: flag,
  axisBorderShow: flag,
  axisGridShow: flag,
  axisColorMode: oneOf("text", "series"),
  scaleDistribution: keys({ type: oneOf("linear", "log", "symlog"), log: number, linearThreshold: number }),
  barAlignment: oneOf(-1, 0, 1),
  barWidthFactor: number,
  barMaxWidth: number,
  hideFrom,
};
const cellTypes = [
  "auto",
  "color-text",
  "color-background",
  "gauge",
  "json-view",
  "sparkline",
  "data-links",
  "pill",
  "markdown",
];
const cell = keys({
  type: oneOf(...cellTypes),
  mode: oneOf("basic", "gradient", "lcd"),
  applyToRow: flag,
  wrapText: flag,
  valueDisplayMode: oneOf("color", "text", "hidden"),
});
const tableFields: Record<string, Rule> = {
  align: oneOf("auto", "left", "center", "right"),
  cellOptions: cell,
  filterable: flag,
  hideFrom,
  hideHeader: flag,
  inspect: flag,
  minWidth: number,
  width: number,
  wrapText: flag,
  wrapHeaderText: flag,
};

const legend = keys({
  calcs: list(reducer),
  displayMode: oneOf("list", "table"),
  placement: oneOf("bottom", "right"),
  showLegend: flag,
  sortBy: text,
  sortDesc: flag,
  width: number,
});
const tooltip = keys({ mode: oneOf("single", "multi", "none"), sort: oneOf("none", "asc", "desc"), hideZeros: flag });
const reduceOptions = keys({ calcs: list(reducer), fields: text, values: flag, limit: number });
const orientation = oneOf("auto", "horizontal", "vertical");
const textSize = keys({ titleSize: number, valueSize: number });

/** What each kind of panel has: its options, and its own settings of fields. */
export const panelKinds: Record<string, { options: Record<string, Rule>; fields: Record<string, Rule> }> = {
  timeseries: { options: { legend, tooltip }, fields: graphFields },
  stat: {
    options: {
      colorMode: oneOf("none", "value", "background", "background_solid"),
      graphMode: oneOf("none", "area", "line"),
      justifyMode: oneOf("auto", "center"),
      orientation,
      reduceOptions,
      text: textSize,
      textMode: oneOf("auto", "value", "value_and_name", "name", "none"),
      wideLayout: flag,
    },
    fields: {},
  },
  bargauge: {
    options: {
      displayMode: oneOf("basic", "gradient", "lcd"),
      namePlacement: oneOf("auto", "top", "left", "hidden"),
      orientation,
      reduceOptions,
      showUnfilled: flag,
      text: textSize,
      valueMode: oneOf("color", "text", "hidden"),
    },
    fields: {},
  },
  table: {
    options: {
      cellHeight: oneOf("sm", "md", "lg"),
      showHeader: flag,
      sortBy: list(keys({ displayName: text, desc: flag })),
      enablePagination: flag,
      frozenColumns: keys({ left: number }),
    },
    fields: tableFields,
  },
  heatmap: {
    options: {
      calculate: oneOf(false),
      cellGap: number,
      cellValues: keys({ unit, decimals: number }),
      color: keys({
        mode: oneOf("scheme"),
        scheme: known("scheme", (name) => /^[A-Z][A-Za-z]+$/.test(name)),
        scale: oneOf("exponential", "linear"),
        exponent: number,
        steps: number,
        reverse: flag,
        min: number,
        max: number,
      }),
      filterValues: keys({ le: number, ge: number }),
      legend: keys({ show: flag }),
      rowsFrame: keys({ layout: oneOf("auto", "le") }),
      showValue: oneOf("never"),
      tooltip: keys({ mode: oneOf("single", "none"), yHistogram: anything }),
      yAxis: keys({ axisPlacement: oneOf("left"), unit, decimals: number, reverse: flag }),
    },
    fields: { hideFrom },
  },
  "state-timeline": {
    options: {
      legend,
      mergeValues: flag,
      rowHeight: number,
      showValue: oneOf("auto", "always", "never"),
      tooltip,
      alignValue: oneOf("left", "center", "right"),
    },
    fields: { fillOpacity: number, lineWidth: number, hideFrom, spanNulls: either(flag, number) },
  },
  text: { options: { mode: oneOf("markdown", "html", "code"), content: text }, fields: {} },
};

const target = keys({
  datasource: dataSource,
  expr: text,
  format: oneOf("time_series", "table", "heatmap"),
  hide: flag,
  instant: flag,
  interval,
  intervalFactor: number,
  legendFormat: text,
  range: flag,
  refId: text,
});
const matcher = keys({
  id: known("matcher", (id) => Boolean(fieldMatchers.getIfExists(id))),
  options: anything,
});
const transformation = keys({
  id: known("transformation", (id) => Boolean(standardTransformersRegistry.getIfExists(id))),
  disabled: flag,
  options: anything,
  filter: anything,
});
const gridPos = keys({ h: number, w: number, x: number, y: number });

function fieldConfig(fields: Record<string, Rule>): Rule {
  const property: Rule = (value, path) => {
    const { id = "" } = value as { id?: string };
    const rules = {
      ...standard,
      ...Object.fromEntries(Object.entries(fields).map(([key, rule]) => [`custom.${key}`, rule])),
    };
    return keys({ id: known("property of fields", (one) => Object.hasOwn(rules, one)), value: rules[id] ?? anything })(
      value,
      path,
    );
  };
  return keys({
    defaults: keys({ ...standard, custom: keys(fields) }),
    overrides: list(keys({ matcher, properties: list(property) })),
  });
}

const row = (value: unknown, path: string) =>
  keys({
    id: number,
    type: oneOf("row"),
    title: text,
    collapsed: flag,
    gridPos,
    panels: list(panel),
    datasource: dataSource,
  })(value, path);

function panel(value: unknown, path: string): ReturnType<Rule> {
  const { type = "" } = value as { type?: string };
  if (type === "row") return row(value, path);
  const { options, fields } = panelKinds[type] ?? { options: {}, fields: {} };
  if (!panelKinds[type]) {
    return [
      {
        path: `${path}.type`,
        message: `"${type}" is no kind of panel that the viewer draws: ${Object.keys(panelKinds).join(", ")}`,
      },
    ];
  }
  return keys({
    id: number,
    type: text,
    title: text,
    description: text,
    datasource: dataSource,
    gridPos,
    interval,
    links: list(link),
    maxDataPoints: number,
    targets: list(target),
    fieldConfig: fieldConfig(fields),
    options: keys(options),
    transformations: list(transformation),
    transparent: flag,
  })(value, path);
}

const variable = keys({
  name: text,
  type: oneOf("query", "custom", "datasource", "interval", "textbox", "constant"),
  label: text,
  datasource: dataSource,
  query: either(text, keys({ query: text, refId: text })),
  current: keys({ text: anything, value: anything, selected: flag }),
  options: anything,
  multi: flag,
  includeAll: flag,
  allValue: text,
  hide: oneOf(0, 1, 2),
  refresh: oneOf(0, 1, 2),
  regex: text,
  sort: oneOf(0, 1, 2, 3, 4, 5, 6, 7, 8),
  skipUrlSync: flag,
});
const annotation = keys({
  name: text,
  datasource: dataSource,
  enable: flag,
  hide: flag,
  expr: text,
  iconColor: color,
  step: interval,
  titleFormat: text,
  textFormat: text,
  useValueForTime: flag,
});

/** The whole of a dashboard file. */
export const dashboardRule = keys({
  uid: text,
  title: text,
  description: text,
  tags: list(text),
  timezone: known(
    "time zone",
    (zone) => ["", "browser", "utc"].includes(zone) || Intl.supportedValuesOf("timeZone").includes(zone),
  ),
  refresh: either(oneOf("", false), interval),
  time: keys({ from: text, to: text }),
  graphTooltip: oneOf(0, 1, 2),
  templating: keys({ list: list(variable) }),
  annotations: keys({ list: list(annotation) }),
  links: list(
    keys({
      title: text,
      type: oneOf("link", "dashboards"),
      url: text,
      tags: list(text),
      asDropdown: flag,
      includeVars: flag,
      keepTime: flag,
      targetBlank: flag,
      tooltip: text,
      icon: anything,
    }),
  ),
  panels: list(panel),
});
