import { stringToJsRegex } from "@grafana/data";

import type { Variable } from "./dashboard.ts";
import type { Choices, Chosen } from "./interpolation.ts";
import { QueryError, type Source } from "./prometheus.ts";

export type Option = { text: string; value: string };

/** A variable with what can be chosen, and what is. */
export type Resolved = { variable: Variable; options: Option[]; chosen: Chosen };

export const ALL = "$__all";

/** What a query of a variable asks for. Times in seconds since 1970. */
async function ask(query: string, source: Source, fill: (text: string) => string, start: number, end: number) {
  const filled = fill(query).trim();
  const [, name, rest] = filled.match(/^(label_values|query_result)\(([^]*)\)$/) ?? [];
  if (name === "label_values") {
    const comma = rest.lastIndexOf(",");
    const label = rest.slice(comma + 1).trim();
    return source.labelValues(label, comma < 0 ? undefined : rest.slice(0, comma).trim(), start, end);
  }
  if (!name) throw new QueryError(`"${filled}" is not a variable's query: write label_values(…) or query_result(…)`);
  const { answer } = await source.ask({ key: `variable/${rest}`, expr: rest, start, end });
  if (answer.resultType !== "vector") return [`${(answer.result as [number, string])[1]}`];
  return answer.result.map(({ metric: { __name__ = "", ...labels }, value = [0, ""] }) => {
    const inner = Object.entries(labels).map(([label, text]) => `${label}="${text}"`);
    return `${__name__}{${inner.join(",")}} ${value[1]} ${value[0] * 1000}`;
  });
}

/** What a variable's regular expression takes out of each text: its groups `text` and `value`, the first, or the text. */
export function extract(texts: string[], regex: string): Option[] {
  if (!regex) return texts.map((text) => ({ text, value: text }));
  const pattern = stringToJsRegex(regex);
  return texts.flatMap((one) => {
    const matches = pattern.global
      ? [...one.matchAll(pattern)]
      : [one.match(pattern)].filter((match) => match !== null);
    return matches.map((match) => {
      const { text = match.groups?.value, value = match.groups?.text } = match.groups ?? {};
      const first = match[1] ?? match[0];
      return { text: text ?? first, value: value ?? first };
    });
  });
}

const number = (text: string) => Number(text.match(/-?\d+(\.\d+)?/)?.[0] ?? NaN);
const orders: ((a: string, b: string) => number)[] = [(a, b) => (a < b ? -1 : a > b ? 1 : 0),
  (a, b) => (number(a) || 0) - (number(b) || 0)];

/** Sorts as Grafana's setting says: 0 not at all, 1 and 2 by letters up and down, 3 and 4 by numbers. */
export function sortOptions(options: Option[], sort = 0): Option[] {
  if (!sort) return options;
  const order = orders[Math.floor((sort - 1) / 2)];
  const direction = sort % 2 ? 1 : -1;
  return [...options].sort((a, b) => direction * order(a.text, b.text));
}

/** Options of a list as an editor types it: `a, b : c`, where the part before ` : ` is shown. A comma is kept by `\,`. */
function listed(query: string): Option[] {
  const parts = query.match(/(?:\\,|[^,])+/g) ?? [];
  return parts.map((part) => {
    const [text, value = text] = part.replaceAll("\\,", ",").trim().split(/\s+:\s+/);
    return { text, value };
  });
}

/**
 * Decides what is chosen.
 *
 * @param wanted values from the address; else the file's own, where they still exist, else All, else the first
 */
export function choose(variable: Variable, options: Option[], wanted?: string[]): Chosen {
  const multi = Boolean(variable.multi || variable.includeAll);
  if (variable.type === "textbox") {
    const value = [wanted ?? variable.current?.value ?? variable.query ?? ""].flat().join();
    return { text: [value], value: [value], multi: false };
  }
  const saved = [variable.current?.value ?? []].flat();
  const found = (values: string[]) =>
    values.flatMap((one) => options.find(({ value, text }) => value === one || text === one) ?? []);
  const isAll = (values: string[]) => Boolean(variable.includeAll) && (values.includes(ALL) || values.includes("All"));
  const asked = wanted?.length ? wanted : saved;
  const picked = found(asked);
  // A value that stands in the address and not in the options is kept, as Grafana does: its series may come back.
  const foreign = wanted?.length || !options.length ? asked.map((value) => ({ text: value, value })) : [];
  const some = picked.length ? picked : foreign;
  const all = isAll(asked) || (!some.length && Boolean(variable.includeAll));
  const taken = all ? options : some.length ? some.slice(0, variable.multi ? Infinity : 1) : options.slice(0, 1);
  return { text: taken.map(({ text }) => text), value: taken.map(({ value }) => value), multi,
    ...(all && { all: true, allValue: variable.allValue || undefined }) };
}

/**
 * Finds what each variable can be and is, in their order, so that one may use those before it.
 *
 * @param fillWith makes a function that fills the variables found so far into a text
 * @param wanted values by name, from the address
 * @throws QueryError or PrometheusAway
 */
export async function resolveVariables(variables: Variable[], source: Source,
  fillWith: (choices: Choices) => (text: string) => string, wanted: Record<string, string[]>,
  range: { start: number; end: number }): Promise<Resolved[]>
{
  const resolved: Resolved[] = [];
  for (const variable of variables) {
    const choices = choicesOf(resolved);
    const query = typeof variable.query === "object" ? (variable.query.query ?? "") : (variable.query ?? "");
    let options: Option[] = [];
    if (variable.type === "query") {
      const texts = await ask(query, source, fillWith(choices), range.start, range.end);
      const unique = new Map(extract(texts, fillWith(choices)(variable.regex ?? "")).map((one) => [one.value, one]));
      options = sortOptions([...unique.values()].filter(({ value }) => value !== ""), variable.sort);
    } else if (variable.type === "datasource") {
      options = [{ text: "Prometheus", value: "prometheus" }];
    } else if (variable.type === "custom") {
      options = listed(fillWith(choices)(query));
    }
    resolved.push(resolve(variable, options, wanted[variable.name]));
  }
  return resolved;
}

/** A variable with what is chosen of its options. */
export const resolve = (variable: Variable, options: Option[], wanted?: string[]): Resolved => ({ variable, options,
  chosen: choose(variable, options, wanted) });

export const choicesOf = (resolved: Resolved[]): Choices =>
  Object.fromEntries(resolved.map(({ variable, chosen }) => [variable.name, chosen]));
