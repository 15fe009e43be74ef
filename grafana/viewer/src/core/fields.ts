import { applyFieldOverrides, cacheFieldDisplayNames, type DataFrame, displayNameOverrideProcessor,
  FieldConfigOptionsRegistry, type FieldConfigPropertyItem, type FieldConfigSource, type FieldDisplay,
  getFieldDisplayValues, type GrafanaTheme2, identityOverrideProcessor, type InterpolateFunction, MappingType,
  numberOverrideProcessor, type ReduceDataOptions, SpecialValueMatch, standardTransformers,
  standardTransformersRegistry, type ThresholdsConfig, ThresholdsMode, transformDataFrame,
  type ValueMapping } from "@grafana/data";
import { lastValueFrom } from "rxjs";

import type { Panel } from "./dashboard.ts";

type Configured = Pick<Panel, "type" | "fieldConfig">;

// Some stand there twice.
const transformations = new Map(Object.values(standardTransformers).map((one) => [one.id as string, one]));
// Only Grafana's editor uses these.
const unused = { name: "", imageDark: "", imageLight: "", editor: () => null };
standardTransformersRegistry.setInit(() =>
  [...transformations].map(([id, transformation]) => ({ ...unused, id, transformation }))
);

const processors: Record<string, unknown> = { displayName: displayNameOverrideProcessor, min: numberOverrideProcessor,
  max: numberOverrideProcessor, decimals: numberOverrideProcessor };
/** Properties of fields that are of no panel type's own. */
const standardProperties = ["unit", "min", "max", "decimals", "displayName", "color", "thresholds", "mappings",
  "noValue", "links", "filterable", "fieldMinMax", "description"];

function property(id: string): FieldConfigPropertyItem {
  const [, custom] = id.match(/^custom\.(.+)/) ?? [];
  const process = (processors[id] ?? identityOverrideProcessor) as FieldConfigPropertyItem["process"];
  const nobody = () => null;
  return { id, path: custom ?? id, name: id, isCustom: custom !== undefined, process, shouldApply: () => true,
    editor: nobody, override: nobody };
}

/** The properties that a panel's field options name; Grafana's panel types each have a list of hundreds. */
function registryOf({ defaults, overrides }: FieldConfigSource): FieldConfigOptionsRegistry {
  const custom = Object.keys(defaults.custom ?? {}).map((path) => `custom.${path}`);
  const overridden = overrides.flatMap(({ properties }) => properties.map(({ id }) => id));
  const ids = new Set([...standardProperties, ...custom, ...overridden]);
  return new FieldConfigOptionsRegistry(() => [...ids].map(property));
}

/** JSON has no -Infinity: the first threshold is null there. */
const readThresholds = (thresholds?: ThresholdsConfig): ThresholdsConfig | undefined =>
  thresholds
  && { mode: thresholds.mode ?? ThresholdsMode.Absolute,
    steps: thresholds.steps.map(({ value, color }, index) => ({ color,
      value: index === 0 ? -Infinity : Number(value) })
    ) };

/** No value is grey, unless the panel says otherwise: Grafana gives it the lowest threshold's colour, so often green. */
function readMappings(mappings: ValueMapping[] = []): ValueMapping[] {
  const color = "gray";
  const own = mappings.map((one) =>
    one.type === MappingType.SpecialValue && /null|nan/.test(one.options.match)
      ? { ...one, options: { ...one.options, result: { color, ...one.options.result } } }
      : one
  );
  const options = { match: SpecialValueMatch.NullAndNaN, result: { color } };
  return [...own, { type: MappingType.SpecialValue, options }];
}

const readers: Record<string, (value: any) => unknown> = { thresholds: readThresholds };

/** In a table, where an empty cell is no state, it has the colour that Grafana gives it. */
function readFieldConfig({ type, fieldConfig: { defaults, overrides } }: Configured): FieldConfigSource {
  const mappings = type === "table" ? defaults.mappings : readMappings(defaults.mappings);
  return { defaults: { ...defaults, thresholds: readThresholds(defaults.thresholds), mappings },
    overrides: overrides.map((override) => ({ ...override,
      properties: override.properties.map(({ id, value }) => ({ id,
        value: readers[id] ? readers[id](value) : value })
      ) })
    ) };
}

/**
 * Transforms frames, and gives each field its unit, thresholds, mappings, colours and links.
 *
 * @param frames as they come from Prometheus
 * @returns new frames
 * @throws Error when a transformation does not exist or fails
 */
export async function prepare(frames: DataFrame[], panel: Configured & Pick<Panel, "transformations">,
  theme: GrafanaTheme2, timeZone: string, fill: InterpolateFunction): Promise<DataFrame[]>
{
  const steps = panel.transformations.filter(({ disabled }) => !disabled);
  const unknown = steps.find(({ id }) => !standardTransformersRegistry.getIfExists(id));
  if (unknown) throw new Error(`there is no transformation "${unknown.id}"`);
  const context = { interpolate: (text: string) => fill(text) };
  const transformed = steps.length ? await lastValueFrom(transformDataFrame(steps, frames, context)) : frames;
  const shown = applyFieldOverrides({ data: transformed, fieldConfig: readFieldConfig(panel),
    fieldConfigRegistry: registryOf(panel.fieldConfig), replaceVariables: fill, theme, timeZone });
  cacheFieldDisplayNames(shown);
  return shown;
}

/** The single values of a stat or bar gauge: text, unit and colour, with Grafana's words where there is no value. */
export function singleValues(frames: DataFrame[], panel: Panel, theme: GrafanaTheme2, timeZone: string,
  fill: InterpolateFunction, sparkline = false): FieldDisplay[]
{
  const { reduceOptions } = panel.options;
  return getFieldDisplayValues({ data: frames, fieldConfig: readFieldConfig(panel),
    reduceOptions: reduceOptions as ReduceDataOptions, replaceVariables: fill, sparkline, theme, timeZone });
}
