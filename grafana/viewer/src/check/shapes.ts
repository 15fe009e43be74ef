/** What a rule has to say of a value at a path such as `panels[3].options.legend`. */
export interface Finding {
  path: string;
  message: string;
  /** The key is one that the viewer does not honour, rather than a value that is wrong. */
  unhonoured?: boolean;
}

export type Rule = (value: unknown, path: string) => Finding[];

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const wrong = (path: string, value: unknown, wanted: string): Finding[] => [
  { path, message: `${JSON.stringify(value)?.slice(0, 80)} is not ${wanted}` },
];

export const text: Rule = (value, path) => (typeof value === "string" ? [] : wrong(path, value, "a text"));
export const number: Rule = (value, path) => (typeof value === "number" ? [] : wrong(path, value, "a number"));
export const flag: Rule = (value, path) => (typeof value === "boolean" ? [] : wrong(path, value, "true or false"));
export const anything: Rule = () => [];

export const oneOf =
  (...values: unknown[]): Rule =>
  (value, path) =>
    values.includes(value) ? [] : wrong(path, value, `one of ${values.map((one) => JSON.stringify(one)).join(", ")}`);

/** A text that a register of Grafana's knows. */
export const known =
  (what: string, isKnown: (id: string) => boolean): Rule =>
  (value, path) =>
    typeof value === "string" && isKnown(value) ? [] : wrong(path, value, `a known ${what}`);

export const either =
  (...rules: Rule[]): Rule =>
  (value, path) =>
    rules.some((rule) => !rule(value, path).length) ? [] : rules.at(-1)!(value, path);

export const list =
  (rule: Rule): Rule =>
  (value, path) =>
    Array.isArray(value) ? value.flatMap((one, index) => rule(one, `${path}[${index}]`)) : wrong(path, value, "a list");

/** An object whose keys are names that the file chooses. */
export const map =
  (rule: Rule): Rule =>
  (value, path) =>
    isObject(value)
      ? Object.entries(value).flatMap(([key, one]) => rule(one, `${path}[${JSON.stringify(key)}]`))
      : wrong(path, value, "an object");

/** An object of known keys. A key that is not among them is one that the viewer does not honour. */
export const keys =
  (rules: Record<string, Rule>): Rule =>
  (value, path) =>
    isObject(value)
      ? Object.entries(value).flatMap(([key, one]) => {
          const at = path ? `${path}.${key}` : key;
          if (one === null || one === undefined) return [];
          return Object.hasOwn(rules, key)
            ? rules[key](one, at)
            : [{ path: at, message: "the viewer does not honour this key", unhonoured: true }];
        })
      : wrong(path, value, "an object");
