import type { DataTransformerConfig, FieldConfigSource } from "@grafana/data";
import type * as schema from "@grafana/schema";

import { withDefaultFields, withDefaultOptions } from "./defaults.ts";

/** One question to Prometheus, as the data source's editor writes it. */
export interface Target {
  refId: string;
  expr: string;
  format?: "time_series" | "table" | "heatmap";
  hide?: boolean;
  instant?: boolean;
  interval?: string;
  legendFormat?: string;
  range?: boolean;
}

// The options of a panel differ by its type; check/honoured.json holds their shapes.
export type Options = Record<string, any>;

/** A panel with Grafana's defaults filled in. Its place is in 24 columns, and in rows of 30 pixels with 8 between. */
export type Panel = Omit<schema.Panel, "fieldConfig" | "targets" | "transformations"> & { id: number;
  gridPos: schema.GridPos; targets: Target[]; fieldConfig: FieldConfigSource; options: Options;
  transformations: DataTransformerConfig[] };

/** A heading and the panels under it; the first row of a dashboard may have no heading. */
export type Row = { id?: number; title?: string; collapsed: boolean; panels: Panel[] };

type VariableKeys = "name" | "label" | "hide" | "includeAll" | "multi" | "allValue" | "refresh" | "regex" | "sort";

export type Variable = Pick<schema.VariableModel, VariableKeys> & { type: string; query?: string | { query?: string };
  current?: { value?: string | string[] } };

/** A query whose answers are marks over time. */
export type Annotation = Pick<schema.AnnotationQuery, "name" | "enable" | "hide" | "iconColor"> & { expr?: string;
  step?: string; textFormat?: string; titleFormat?: string; useValueForTime?: boolean };

export interface Dashboard extends Required<Pick<schema.Dashboard, "uid" | "title" | "tags" | "refresh" | "timezone">> {
  time: { from: string; to: string };
  graphTooltip: number;
  rows: Row[];
  variables: Variable[];
  annotations: Annotation[];
  links: schema.DashboardLink[];
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
  return { uid: model.uid ?? "", title: model.title ?? "", tags: model.tags ?? [],
    time: model.time ?? { from: "now-6h", to: "now" }, refresh: model.refresh || "",
    timezone: model.timezone || "browser", graphTooltip: model.graphTooltip ?? 0, rows,
    variables: model.templating?.list ?? [],
    annotations: (model.annotations?.list ?? []).filter(({ expr }: Annotation) => expr), links: model.links ?? [] };
}

/** The language of a dashboard: the uid of one in Chinese says so at its end. */
export const languageOf = (uid: string): "en" | "zh" => (uid.endsWith("-zh") ? "zh" : "en");

/** All panels of a dashboard, those of collapsed rows too. */
export const panelsOf = (dashboard: Dashboard): Panel[] => dashboard.rows.flatMap(({ panels }) => panels);
