import { type DataContextScopedVar, type Field, formattedValueToString, getFieldDisplayName, type InterpolateFunction,
  type ScopedVars, type TimeRange } from "@grafana/data";

/** What a variable stands for: chosen values; `all` where "All" is chosen, with the value that stands for it. */
export type Chosen = { text: string[]; value: string[]; multi: boolean; all?: boolean; allValue?: string };

export type Choices = Record<string, Chosen>;

const escapeRegex = (value: string) => value.replace(/[\\^$*+?.()|[\]{}]/g, "\\$&");

const together = (values: string[]) => (values.length > 1 ? `(${values.join("|")})` : values.join());

/** Those of Grafana's formats, `${name:format}`, that are honoured. Each takes the values and the variable's name. */
export const formats: Record<string, (values: string[], name: string) => string> = { csv: (values) => values.join(","),
  glob: (values) => (values.length > 1 ? `{${values.join(",")}}` : values.join()),
  percentencode: (values) => encodeURIComponent(formats.glob(values, "")), pipe: (values) => values.join("|"),
  queryparam: (values, name) => values.map((value) => `var-${name}=${encodeURIComponent(value)}`).join("&"),
  raw: (values) => values.join(","), regex: (values) => together(values.map(escapeRegex)),
  text: (values) => values.join(" + "), uriencode: (values) => encodeURI(formats.glob(values, "")) };

/** In PromQL: the value as it is, or for a variable of several values a regular expression within a string. */
function promqlValue(values: string[], multi: boolean): string {
  const inString = (value: string) => value.replaceAll("\\", "\\\\").replaceAll('"', '\\"');
  return multi ? together(values.map((value) => inString(escapeRegex(value)))) : inString(values.join());
}

const reference = /\$(\w+)|\[\[(\w+?)(?::(\w+))?\]\]|\$\{(\w+)((?:\.[^:^}]+|\[[^\]]+\])*)(?::([^}]+))?\}/g;

type Place = DataContextScopedVar["value"];

/** What `${__field…}`, `${__series.name}`, `${__value…}` and `${__data.fields…}` mean at a place of a frame. */
function atPlace(name: string, path: string, { field, frame, data, rowIndex, calculatedValue }: Place) {
  const display = (of: Field) => of.display?.(of.values[rowIndex ?? 0]);
  if (name === "__series" || (name === "__field" && /^\.(name|displayName)$/.test(path))) {
    return getFieldDisplayName(field, frame, data);
  }
  if (name === "__field") {
    const label = path.match(/^\.labels(?:\.(\w+)|\["?(.+?)"?\])$/);
    return label ? (field.labels?.[label[1] ?? label[2]] ?? "") : undefined;
  }
  const [, index, quoted, plain, rest] = path.match(/^\.fields(?:\[(\d+)\]|\["?(.+?)"?\]|\.([^.]+))(.*)$/) ?? [];
  const named = () => frame.fields.find((one) => (one.state?.displayName ?? one.name) === (quoted ?? plain));
  const of = name === "__value" ? field : index ? frame.fields[Number(index)] : named();
  const end = name === "__value" ? path : rest;
  const shown = name === "__value" && calculatedValue ? calculatedValue : of && display(of);
  if (!of || !shown) return "";
  if (end === ".time") return `${frame.fields.find(({ type }) => type === "time")?.values[rowIndex ?? 0] ?? ""}`;
  if (end === ".raw") return calculatedValue ? `${calculatedValue.numeric}` : `${of.values[rowIndex ?? 0]}`;
  return end === ".numeric" ? `${shown.numeric}` : end === ".text" ? shown.text : formattedValueToString(shown);
}

const inAddress = ([name, { all, value }]: [string, Chosen]) => formats.queryparam(all ? ["$__all"] : value, name);

/**
 * Makes the function that fills variables in.
 *
 * @param choices the dashboard's variables
 * @param range the time shown; `raw` as it stands in the address
 * @param own more names with their values, such as `__interval`
 * @returns fills in a text; unknown names stay as they are. In the format `promql` values are escaped for a query.
 */
export function interpolator(choices: Choices, range: TimeRange, timeZone: string,
  own: Record<string, string> = {}): InterpolateFunction
{
  const [from, to] = [range.from.valueOf(), range.to.valueOf()];
  const length = to - from;
  const builtIn: Record<string, string> = { __from: `${from}`, __to: `${to}`, __range: `${Math.round(length / 1000)}s`,
    __range_s: `${Math.round(length / 1000)}`, __range_ms: `${length}`,
    __url_time_range: `from=${range.raw.from}&to=${range.raw.to}`,
    __all_variables: Object.entries(choices).map(inAddress).join("&"), __timezone: timeZone, ...own };
  return function fill(target, scopedVars?: ScopedVars, format?: string | Function): string {
    return (target ?? "").replace(reference, (whole, plain, bracket, bracketFormat, braced, path, bracedFormat) => {
      const name: string = plain ?? bracket ?? braced;
      const wanted: string = bracedFormat ?? bracketFormat ?? (typeof format === "string" ? format : "");
      const place = scopedVars?.__dataContext?.value as Place | undefined;
      if (place && /^__(field|series|value|data)$/.test(name)) {
        const text = atPlace(name, path ?? "", place) ?? whole;
        return wanted === "uriencode" || wanted === "percentencode" ? encodeURIComponent(text) : text;
      }
      const scoped = scopedVars && Object.hasOwn(scopedVars, name) ? scopedVars[name] : undefined;
      if (scoped && name !== "__dataContext") return `${scoped.value}`;
      if (Object.hasOwn(builtIn, name)) return builtIn[name];
      const chosen = Object.hasOwn(choices, name) ? choices[name] : undefined;
      if (!chosen) return whole;
      if (chosen.all && chosen.allValue && wanted !== "text" && wanted !== "queryparam") return chosen.allValue;
      if (wanted === "text") return chosen.all ? "All" : formats.text(chosen.text, name);
      if (wanted === "queryparam") return inAddress([name, chosen]);
      if (wanted === "promql") return promqlValue(chosen.value, chosen.multi);
      return (formats[wanted] ?? formats.glob)(chosen.value, name);
    });
  };
}
