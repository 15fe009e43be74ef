import { applyFieldOverrides, cacheFieldDisplayNames, type DataFrame, displayNameOverrideProcessor,
  FieldConfigOptionsRegistry, type FieldConfigPropertyItem, type FieldConfigSource, type FieldDisplay,
  getFieldDisplayValues, type GrafanaTheme2, identityOverrideProcessor, type InterpolateFunction, MappingType,
  numberOverrideProcessor, type ReduceDataOptions, SpecialValueMatch, standardTransformers,
  standardTransformersRegistry, type ThresholdsConfig, ThresholdsMode, transformDataFrame,
  type ValueMapping } from "@grafana/data";
import { lastValueFrom } from "rxjs";

import type { Panel } from "./dashboard.ts";

standardTransformersRegistry.setInit(() =>
  [...new Map(Object.values(standardTransformers).map((one) => [one.id as string, one])).values()].map((
    transformation
  ) => ({
    id: transformation.id,
    name: transformation.name,
    imageDark: "",
    imageLight: "",
    // Only Grafana's editor uses it.
    editor: () => null,
    transformation
  }))
);

const numbers = new Set(["min", "max", "decimals"]);
/** Properties of fields that are of no panel type's own. */
const standardProperties = ["unit", "min", "max", "decimals", "displayName", "color", "thresholds", "mappings",
  "noValue", "links", "filterable", "fieldMinMax", "description"];

function property(path: string, isCustom: boolean): FieldConfigPropertyItem {
  let process = identityOverrideProcessor as FieldConfigPropertyItem["process"];
  if (path === "displayName") process = displayNameOverrideProcessor as typeof process;
  if (numbers.has(path) && !isCustom) process = numberOverrideProcessor as typeof process;
  const id = isCustom ? `custom.${path}` : path;
  const nobody = () => null;
  return { id, path, name: id, isCustom, process, shouldApply: () => true, editor: nobody, override: nobody };
}

/** The properties that a panel's field options name; Grafana's panel types each have a list of hundreds. */
function registryOf({ defaults, overrides }: FieldConfigSource): FieldConfigOptionsRegistry {
  const custom = new Set(Object.keys(defaults.custom ?? {}));
  for (const { id } of overrides.flatMap(({ properties }) => properties)) {
    if (id.startsWith("custom.")) custom.add(id.slice("custom.".length));
  }
  const items = [...standardProperties.map((path) => property(path, false)),
    ...[...custom].map((path) => property(path, true))];
  return new FieldConfigOptionsRegistry(() => items);
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

const readers: Record<string, (value: any) => unknown> = { thresholds: readThresholds, mappings: readMappings };

function readFieldConfig({ defaults, overrides }: FieldConfigSource): FieldConfigSource {
  const { thresholds, mappings } = defaults;
  return { defaults: { ...defaults, thresholds: readThresholds(thresholds), mappings: readMappings(mappings) },
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
export async function prepare(frames: DataFrame[], panel: Pick<Panel, "fieldConfig" | "transformations">,
  theme: GrafanaTheme2, timeZone: string, fill: InterpolateFunction): Promise<DataFrame[]>
{
  const steps = panel.transformations.filter(({ disabled }) => !disabled);
  const unknown = steps.find(({ id }) => !standardTransformersRegistry.getIfExists(id));
  if (unknown) throw new Error(`there is no transformation "${unknown.id}"`);
  const context = { interpolate: (text: string) => fill(text) };
  const transformed = steps.length ? await lastValueFrom(transformDataFrame(steps, frames, context)) : frames;
  const shown = applyFieldOverrides({ data: transformed, fieldConfig: readFieldConfig(panel.fieldConfig),
    fieldConfigRegistry: registryOf(panel.fieldConfig), replaceVariables: fill, theme, timeZone });
  cacheFieldDisplayNames(shown);
  return shown;
}

/** The single values of a stat or bar gauge: text, unit and colour, with Grafana's words where there is no value. */
export function singleValues(frames: DataFrame[], panel: Panel, theme: GrafanaTheme2, timeZone: string,
  fill: InterpolateFunction, sparkline = false): FieldDisplay[]
{
  const { reduceOptions } = panel.options;
  return getFieldDisplayValues({ data: frames, fieldConfig: readFieldConfig(panel.fieldConfig),
    reduceOptions: reduceOptions as ReduceDataOptions, replaceVariables: fill, sparkline, theme, timeZone });
}
