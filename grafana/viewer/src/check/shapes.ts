/** What is to be said of a value at a path such as `panels[3].options.legend`. */
export interface Finding {
  path: string;
  message: string;
  /** The key is one that the viewer does not honour, rather than a value that is wrong. */
  unhonoured?: boolean;
}

export type Rule = (value: unknown, path: string) => Finding[];

/**
 * A shape as honoured.json writes it: the name of a rule; `@name` for another shape of the file; a list of values, one
 * of which it is; `each` of a list, `every` value of an object, `either` of several; else an object with known keys.
 */
export type Shape = string | unknown[] | { [key: string]: Shape };

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const wrong = (path: string, value: unknown,
  wanted: string): Finding[] => [{ path, message: `${JSON.stringify(value)?.slice(0, 80)} is not ${wanted}` }];

/** A rule for texts that a register of Grafana's knows. */
export const known = (what: string, isKnown: (id: string) => boolean): Rule => (value, path) =>
  typeof value === "string" && isKnown(value) ? [] : wrong(path, value, `a known ${what}`);

const typed = (type: string, what: string): Rule => (value, path) =>
  typeof value === type ? [] : wrong(path, value, what);

const basic: Record<string, Rule> = { any: () => [], text: typed("string", "a text"),
  number: typed("number", "a number"), flag: typed("boolean", "true or false") };

/**
 * Compares a value with a shape.
 *
 * @param named the other shapes that it may name
 * @param rules the rules that it may name, besides any, text, number and flag
 */
export function compare(value: unknown, shape: Shape, path: string, named: Record<string, Shape>,
  rules: Record<string, Rule>): Finding[]
{
  const inside = (one: unknown, of: Shape, at: string) => compare(one, of, at, named, rules);
  if (typeof shape === "string") {
    return shape[0] === "@" ? inside(value, named[shape.slice(1)], path) : (rules[shape] ?? basic[shape])(value, path);
  }
  if (Array.isArray(shape)) {
    return shape.includes(value)
      ? []
      : wrong(path, value, `one of ${shape.map((one) => JSON.stringify(one)).join(", ")}`);
  }
  if (shape.either) {
    const found = (shape.either as unknown as Shape[]).map((one) => inside(value, one, path));
    return found.some((one) => !one.length) ? [] : found.at(-1)!;
  }
  if (shape.each) {
    return Array.isArray(value)
      ? value.flatMap((one, index) => inside(one, shape.each, `${path}[${index}]`))
      : wrong(path, value, "a list");
  }
  if (!isObject(value)) return wrong(path, value, "an object");
  return Object.entries(value).flatMap(([key, one]) => {
    const at = path ? `${path}.${key}` : key;
    if (one === null || one === undefined) return [];
    const of = shape.every ?? (Object.hasOwn(shape, key) ? shape[key] : undefined);
    return of ? inside(one, of, at) : [{ path: at, message: "the viewer does not honour this key", unhonoured: true }];
  });
}
