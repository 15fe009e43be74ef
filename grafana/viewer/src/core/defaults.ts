import type { FieldConfig } from "@grafana/data";

import type { Options } from "./dashboard.ts";
import defaults from "./defaults.json";

const of = (part: Record<string, Options>, type: string): Options => part[type] ?? {};

/** The options of a panel, with Grafana's defaults for its type; one level of options within options is filled in too. */
export function withDefaultOptions(type: string, own: Options): Options {
  const filled: Options = { ...of(defaults.options, type), ...own };
  for (const [key, value] of Object.entries(of(defaults.options, type))) {
    if (typeof value === "object" && !Array.isArray(value) && own[key]) filled[key] = { ...value, ...own[key] };
  }
  return filled;
}

/** The settings of a panel's fields, with Grafana's defaults for its type. */
export function withDefaultFields(type: string, own: FieldConfig): FieldConfig {
  const mode = (defaults.colorModes as Record<string, string>)[type] ?? "thresholds";
  const custom = { ...of(defaults.fields, type), ...own.custom };
  return { color: { mode }, ...(defaults.standard as unknown as FieldConfig), ...own, custom };
}
