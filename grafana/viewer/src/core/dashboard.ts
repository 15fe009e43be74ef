import type { DataLink, DataTransformerConfig, FieldConfigSource } from "@grafana/data";

import { withDefaultFields, withDefaultOptions } from "./defaults.ts";

/** A place on the grid: `w` and `x` in 24 columns, `h` and `y` in rows of 30 pixels with 8 between. */
export interface GridPos {
  h: number;
  w: number;
  x: number;
  y: number;
}

/** One question to Prometheus, as the data source's editor writes it. */
export interface Target {
  refId: string;
  expr: string;
  format?: "time_series" | "table" | "heatmap";
  hide?: boolean;
  instant?: boolean;
  interval?: string;
  intervalFactor?: number;
  legendFormat?: string;
  range?: boolean;
}

// The options of a panel differ by its type; check/honoured.ts holds their shapes.
export type Options = Record<string, any>;

export interface Panel {
  id: number;
  type: string;
  title?: string;
  description?: string;
  gridPos: GridPos;
  targets: Target[];
  fieldConfig: FieldConfigSource;
  options: Options;
  transformations: DataTransformerConfig[];
  interval?: string;
  links?: DataLink[];
  maxDataPoints?: number;
  transparent?: boolean;
}

/** A heading and the panels under it; the first row of a dashboard may have no heading. */
export interface Row {
  id?: number;
  title?: string;
  collapsed: boolean;
  panels: Panel[];
}

export interface Variable {
  name: string;
  type: string;
  label?: string;
  allValue?: string;
  auto?: boolean;
  current?: { text?: string | string[]; value?: string | string[] };
  hide?: number;
  includeAll?: boolean;
  multi?: boolean;
  options?: { text: string; value: string }[];
  query?: string | { query?: string };
  refresh?: number;
  regex?: string;
  skipUrlSync?: boolean;
  sort?: number;
}

export interface Annotation {
  name: string;
  enable: boolean;
  expr?: string;
  hide?: boolean;
  iconColor?: string;
  step?: string;
  tagKeys?: string;
  textFormat?: string;
  titleFormat?: string;
  useValueForTime?: boolean;
}

/** A link at the top of a dashboard: to an address, or to the dashboards with some tags. */
export interface DashboardLink {
  title: string;
  type: "link" | "dashboards";
  asDropdown?: boolean;
  includeVars?: boolean;
  keepTime?: boolean;
  tags?: string[];
  targetBlank?: boolean;
  tooltip?: string;
  url?: string;
}

export interface Dashboard {
  uid: string;
  title: string;
  description: string;
  tags: string[];
  time: { from: string; to: string };
  refresh: string;
  timezone: string;
  graphTooltip: number;
  rows: Row[];
  variables: Variable[];
  annotations: Annotation[];
  links: DashboardLink[];
}

function readPanel(model: Options): Panel {
  const { defaults = {}, overrides = [] } = model.fieldConfig ?? {};
  return { ...model, targets: model.targets ?? [], transformations: model.transformations ?? [],
    options: withDefaultOptions(model.type, model.options ?? {}),
    fieldConfig: { defaults: withDefaultFields(model.type, defaults), overrides } } as Panel;
}

/**
 * Reads a dashboard file.
 *
 * @param model the file's JSON: Grafana's classic model
 * @returns panels sorted into rows, with Grafana's defaults for what the file leaves out
 * @throws when the file is of another kind, for instance of schema v2
 */
export function readDashboard(model: Options): Dashboard {
  if (!model || typeof model !== "object" || !Array.isArray(model.panels)) {
    throw new Error("not a dashboard of Grafana's classic model: it has no list of panels");
  }
  const rows: Row[] = [];
  const byPlace = [...model.panels].sort((a, b) => a.gridPos.y - b.gridPos.y || a.gridPos.x - b.gridPos.x);
  for (const panel of byPlace) {
    if (panel.type === "row") {
      const { id, title, collapsed = false, panels = [] } = panel;
      rows.push({ id, title, collapsed, panels: panels.map(readPanel) });
    } else {
      if (!rows.length) rows.push({ collapsed: false, panels: [] });
      rows.at(-1)!.panels.push(readPanel(panel));
    }
  }
  return { uid: model.uid ?? "", title: model.title ?? "", description: model.description ?? "", tags: model.tags ?? [],
    time: model.time ?? { from: "now-6h", to: "now" }, refresh: model.refresh || "",
    timezone: model.timezone || "browser", graphTooltip: model.graphTooltip ?? 0, rows,
    variables: model.templating?.list ?? [],
    annotations: (model.annotations?.list ?? []).filter(({ expr }: Annotation) => expr), links: model.links ?? [] };
}

/** All panels of a dashboard, those of collapsed rows too. */
export const panelsOf = (dashboard: Dashboard): Panel[] => dashboard.rows.flatMap(({ panels }) => panels);
