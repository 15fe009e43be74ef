import { createTheme, fieldColorModeRegistry, fieldMatchers, fieldReducers, getValueFormats,
  standardTransformersRegistry } from "@grafana/data";
import * as schemes from "d3-scale-chromatic";

import "../core/fields.ts";
import shapes from "./honoured.json";
import { compare, type Finding, known, type Rule, type Shape } from "./shapes.ts";

const named = shapes as unknown as Record<string, Shape>;
const kinds = shapes.kinds as unknown as Record<string, { options: Shape; fields: Record<string, Shape> }>;
const theme = createTheme();
const unitIds = new Set(getValueFormats().flatMap(({ submenu }) => submenu.map(({ value }) => value)));
const customUnit = /^(time|prefix|suffix|si|count|currency|bool):./;
const plainColor = /^(#[0-9a-fA-F]{3,8}|rgba?\(.+\)|hsla?\(.+\)|transparent|text)$/;
const isInterval = (text: string) => /\$/.test(text) || /^(>\s*)?\d+(ms|[smhdwMy])$/.test(text);
const isZone = (zone: string) =>
  ["", "browser", "utc"].includes(zone) || Intl.supportedValuesOf("timeZone").includes(zone);

const registers: Record<string, Rule> = {
  color: known("colour", (name) => plainColor.test(name) || theme.visualization.getColorByName(name) !== name),
  colorMode: known("colour mode", (id) => Boolean(fieldColorModeRegistry.getIfExists(id))),
  interval: known("interval", isInterval),
  matcher: known("matcher", (id) => Boolean(fieldMatchers.getIfExists(id))),
  reducer: known("reducer", (id) => Boolean(fieldReducers.getIfExists(id))),
  scheme: known("scheme", (name) => `interpolate${name}` in schemes),
  transformation: known("transformation", (id) => Boolean(standardTransformersRegistry.getIfExists(id))),
  unit: known("unit", (id) => unitIds.has(id) || customUnit.test(id)),
  zone: known("time zone", isZone)
};

const mapping: Rule = (value, path) => {
  const { type = "" } = value as { type?: string };
  const options = (shapes.mapping as Record<string, Shape>)[type] ?? "any";
  return compare(value, { type: Object.keys(shapes.mapping), options }, path, named, registers);
};

function panel(value: unknown, path: string): Finding[] {
  const { type = "" } = value as { type?: string };
  if (type === "row") return compare(value, "@row", path, named, { ...registers, panel });
  const kind = kinds[type];
  if (!kind) {
    const message = `"${type}" is no kind of panel that the viewer draws: ${Object.keys(kinds).join(", ")}`;
    return [{ path: `${path}.type`, message }];
  }
  const standard = shapes.standardFields as unknown as Record<string, Shape>;
  const custom = Object.fromEntries(Object.entries(kind.fields).map(([key, shape]) => [`custom.${key}`, shape]));
  const properties = { ...standard, ...custom };
  const within: Record<string, Rule> = { ...registers, mapping,
    fields: (one, at) => compare(one, { ...standard, custom: kind.fields }, at, named, within),
    options: (one, at) => compare(one, kind.options, at, named, within), property: (one, at) => {
      const { id = "" } = one as { id?: string };
      return compare(one, { id: "propertyId", value: properties[id] ?? "any" }, at, named, within);
    }, propertyId: known("property of fields", (id) => Object.hasOwn(properties, id)) };
  return compare(value, "@panel", path, named, within);
}

/** Compares a whole dashboard file with what the viewer honours. */
export const compareDashboard = (model: unknown): Finding[] =>
  compare(model, "@dashboard", "", named, { ...registers, panel });
