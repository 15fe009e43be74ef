import type { FieldConfig } from "@grafana/data";
import { mergeWith } from "lodash";

import type { Options } from "./dashboard.ts";
import defaults from "./defaults.json";

const options: Options = defaults.options;
const fields: Options = defaults.fields;
const colorModes: Record<string, string> = defaults.colorModes;

/** The settings of `own` before those of `usual`; a list is taken whole. */
const filled = (usual: Options | undefined, own: Options | undefined): Options =>
  mergeWith({}, usual, own, (_, value) => (Array.isArray(value) ? value : undefined));

/** The options of a panel, with Grafana's defaults for its type. */
export const withDefaultOptions = (type: string, own: Options): Options => filled(options[type], own);

/** The settings of a panel's fields, with Grafana's defaults for its type. */
export function withDefaultFields(type: string, own: FieldConfig): FieldConfig {
  const color = { mode: colorModes[type] ?? "thresholds" };
  return { color, ...(defaults.standard as unknown as FieldConfig), ...own, custom: filled(fields[type], own.custom) };
}
