import { type Options, panelsOf, readDashboard } from "../core/dashboard.ts";
import { formats } from "../core/interpolation.ts";
import exceptions from "./exceptions.json";
import { compareDashboard } from "./honoured.ts";
import type { Finding } from "./shapes.ts";

export interface Problem {
  file: string;
  path: string;
  message: string;
  /** A note does not fail the check. */
  level: "error" | "note";
  /** The file can't be read at all. */
  fatal?: boolean;
}

/** Names that Grafana fills in itself, wherever a variable may stand. */
const builtIn =
  /^(__(all|interval|rate_interval|range|range_s|range_ms|interval_ms|rate_interval_ms|from|to|timezone|url_time_range|all_variables|field|series|value|data|cell_\d+)|\d+)$/;

/** Every text of a part of the file, with its path. */
function textsOf(value: unknown, path: string): [string, string][] {
  if (typeof value === "string") return [[path, value]];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, one]) =>
    textsOf(one, Array.isArray(value) ? `${path}[${key}]` : path ? `${path}.${key}` : key)
  );
}

function unknownVariables(model: Options): Finding[] {
  const names = new Set((model.templating?.list ?? []).map(({ name }: Options) => name));
  // A dollar sign in a regular expression is an end, not a variable.
  const texts = textsOf(model, "").filter(([path]) => !/(regex|pattern|renamePattern)$/i.test(path));
  const wrongIn = (text: string) =>
    [...text.matchAll(/\$\{(\w+)[^}:]*(?::(\w+))?|\$(\w+)|\[\[(\w+)/g)].flatMap(
      ([, braced, format, plain, bracket]) => {
        const name = braced ?? plain ?? bracket;
        if (!builtIn.test(name) && !names.has(name)) return [`there is no variable "${name}"`];
        return format && !Object.hasOwn(formats, format) ? [`the viewer knows no format "${format}"`] : [];
      }
    );
  return texts.flatMap(([path, text]) => wrongIn(text).map((message) => ({ path, message })));
}

function checkFile(file: string, model: Options): Problem[] {
  const error = (path: string, message: string): Problem => ({ file, path, message, level: "error" });
  try {
    const panels = panelsOf(readDashboard(model));
    const ids = panels.map(({ id }) => id);
    const twice = ids.filter((id, index) => ids.indexOf(id) !== index);
    const general = /\[[^\]]*\]/g;
    const excepted = (path: string) =>
      Object.hasOwn(exceptions, path.replace(general, "[]").replace("panels[].panels[]", "panels[]"));
    const found = compareDashboard(model).filter(({ path, unhonoured }) => !unhonoured || !excepted(path));
    if (!model.uid) found.push({ path: "uid", message: "is missing: links can't lead here" });
    found.push(...twice.map((id) => ({ path: "panels", message: `two panels have the id ${id}` })));
    found.push(...unknownVariables(model));
    return found.map(({ path, message }) => error(named(path, model), message));
  } catch (problem) {
    return [{ ...error("", (problem as Error).message), fatal: true }];
  }
}

/** A path with the title of its panel, which people know, instead of its place. */
function named(path: string, model: Options): string {
  const [whole, index] = path.match(/^panels\[(\d+)\]/) ?? [];
  const title = index && model.panels[Number(index)]?.title;
  return title ? `panel "${title}"${path.slice(whole!.length)}` : path;
}

/** Checks what can be seen without any data. */
export function checkFiles(files: { file: string; model: Options }[]): Problem[] {
  const problems = files.flatMap(({ file, model }) => checkFile(file, model));
  const seen = new Map<string, string>();
  for (const { file, model } of files) {
    const other = seen.get(model.uid);
    if (model.uid && other) problems.push({ file, path: "uid", message: `is that of ${other} too`, level: "error" });
    seen.set(model.uid, file);
  }
  return problems;
}
