import { type DataFrame, dateTimeFormat, type DisplayValue, type Field, formattedValueToString, getFieldDisplayName,
  type InterpolateFunction, type ScopedVars } from "@grafana/data";

/** What a variable stands for: chosen values; `all` where "All" is chosen, with the value that stands for it. */
export interface Chosen {
  text: string[];
  value: string[];
  multi: boolean;
  all?: boolean;
  allValue?: string;
}

export type Choices = Record<string, Chosen>;

const escapeRegex = (value: string) => value.replace(/[\\^$*+?.()|[\]{}]/g, "\\$&");
const quoted = (values: string[], quote: string, escaped: string) =>
  values.map((value) => quote + value.replaceAll(quote, escaped) + quote).join(",");

/** Grafana's formats, `${name:format}`. Each takes the values and the variable's name. */
export const formats: Record<string, (values: string[], name: string) => string> = { csv: (values) => values.join(","),
  doublequote: (values) => quoted(values, '"', '\\"'),
  glob: (values) => (values.length > 1 ? `{${values.join(",")}}` : values.join()),
  json: (values) => JSON.stringify(values.length > 1 ? values : values[0]),
  percentencode: (values) => encodeURIComponent(formats.glob(values, "")), pipe: (values) => values.join("|"),
  queryparam: (values, name) => values.map((value) => `var-${name}=${encodeURIComponent(value)}`).join("&"),
  raw: (values) => values.join(","),
  regex: (values) => (values.length > 1 ? `(${values.map(escapeRegex).join("|")})` : values.map(escapeRegex).join()),
  singlequote: (values) => quoted(values, "'", "\\'"), text: (values) => values.join(" + "),
  uriencode: (values) => encodeURI(formats.glob(values, "")) };

/** In PromQL: the value as it is, or for a variable of several values a regular expression within a string. */
function promqlValue(values: string[], multi: boolean): string {
  const inString = (value: string) => value.replaceAll("\\", "\\\\").replaceAll('"', '\\"');
  if (!multi) return inString(values.join());
  const patterns = values.map((value) => inString(escapeRegex(value)));
  return patterns.length > 1 ? `(${patterns.join("|")})` : patterns.join();
}

const reference = /\$(\w+)|\[\[(\w+?)(?::(\w+))?\]\]|\$\{(\w+)((?:\.[^:^}]+|\[[^\]]+\])*)(?::([^}]+))?\}/g;

interface Place {
  field: Field;
  frame: DataFrame;
  data?: DataFrame[];
  rowIndex?: number;
  calculatedValue?: DisplayValue;
}

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
  const of = name === "__value" ? field : findField(path, frame);
  const end = name === "__value" ? path : path.replace(/^\.fields(\[.+?\]|\.[^.]+)/, "");
  const shown = name === "__value" && calculatedValue ? calculatedValue : of && display(of);
  if (!of || !shown) return "";
  if (end === ".time") return `${frame.fields.find(({ type }) => type === "time")?.values[rowIndex ?? 0] ?? ""}`;
  if (end === ".raw") return calculatedValue ? `${calculatedValue.numeric}` : `${of.values[rowIndex ?? 0]}`;
  return end === ".numeric" ? `${shown.numeric}` : end === ".text" ? shown.text : formattedValueToString(shown);
}

function findField(path: string, frame: DataFrame): Field | undefined {
  const [, index, name] = path.match(/^\.fields(?:\[(\d+)\]|\["?(.+?)"?\])/) ?? [];
  const key = name ?? path.match(/^\.fields\.([^.]+)/)?.[1];
  return index ? frame.fields[Number(index)] : frame.fields.find((f) => (f.state?.displayName ?? f.name) === key);
}

/** The parts of the address that keep time and variables, as `${__url_time_range}` and `${__all_variables}` give them. */
export function addressOf(choices: Choices, from: string, to: string): { time: string; variables: string } {
  const variables = Object.entries(choices).filter(([name]) => !name.startsWith("__")).map(([name, chosen]) =>
    formats.queryparam(chosen.all ? ["$__all"] : chosen.value, name)
  );
  return { time: `from=${from}&to=${to}`, variables: variables.join("&") };
}

/**
 * Makes the function that fills variables in.
 *
 * @param choices the dashboard's variables
 * @param range the time shown, in milliseconds since 1970; `raw` as it stands in the address
 * @param timeZone for `${__from:date}`
 * @param own more names with their values, such as `__interval`
 * @returns fills in a text; unknown names stay as they are. In the format `promql` values are escaped for a query.
 */
export function interpolator(choices: Choices, range: { from: number; to: number; raw: { from: string; to: string } },
  timeZone: string, own: Record<string, string> = {}): InterpolateFunction
{
  const address = addressOf(choices, range.raw.from, range.raw.to);
  const builtIn: Record<string, string> = { __from: `${range.from}`, __to: `${range.to}`,
    __range: `${Math.round((range.to - range.from) / 1000)}s`,
    __range_s: `${Math.round((range.to - range.from) / 1000)}`, __range_ms: `${range.to - range.from}`,
    __url_time_range: address.time, __all_variables: address.variables, __timezone: timeZone, ...own };
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
      if (Object.hasOwn(builtIn, name)) {
        if (wanted.startsWith("date") && (name === "__from" || name === "__to")) {
          const pattern = wanted.slice("date:".length);
          if (!pattern || pattern === "iso") return new Date(Number(builtIn[name])).toISOString();
          if (pattern === "seconds") return `${Math.floor(Number(builtIn[name]) / 1000)}`;
          return dateTimeFormat(Number(builtIn[name]), { format: pattern, timeZone });
        }
        return builtIn[name];
      }
      const chosen = Object.hasOwn(choices, name) ? choices[name] : undefined;
      if (!chosen) return whole;
      if (chosen.all && chosen.allValue && wanted !== "text" && wanted !== "queryparam") return chosen.allValue;
      if (wanted === "text") return chosen.all ? "All" : formats.text(chosen.text, name);
      if (wanted === "queryparam") return formats.queryparam(chosen.all ? ["$__all"] : chosen.value, name);
      if (wanted === "promql" || wanted === "") {
        return wanted ? promqlValue(chosen.value, chosen.multi) : formats.glob(chosen.value, name);
      }
      return (formats[wanted] ?? formats.glob)(chosen.value, name);
    });
  };
}
