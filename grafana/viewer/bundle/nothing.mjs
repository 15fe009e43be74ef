// Stands in for packages that @grafana/ui imports and the viewer never runs: whatever is asked of it answers with
// itself. Nothing is an instance of it and nobody can iterate over it, or @grafana/ui would take values for its own.
const hidden = new Set(["then", Symbol.hasInstance, Symbol.iterator]);
const nothing = new Proxy(function() {}, { get(target, key) {
  if (key === Symbol.toPrimitive) return () => "";
  if (hidden.has(key)) return undefined;
  return key === "prototype" ? target.prototype : nothing;
}, apply: () => nothing, construct: () => nothing });

export default nothing;
// The names that @grafana/ui imports. The build fails and names the one that is missing.
export { nothing as Controller, nothing as enum, nothing as faro, nothing as Geometry, nothing as int,
  nothing as literal, nothing as loader, nothing as number, nothing as object, nothing as optional, nothing as record,
  nothing as string, nothing as useFieldArray, nothing as useForm, nothing as z };
