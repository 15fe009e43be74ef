import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";

import { httpSource } from "../core/prometheus.ts";
import { readRange } from "../core/queries.ts";
import { checkAnswers, type Shown } from "./answers.ts";
import { runCommand } from "./commandLine.ts";
import { checkFiles, type Problem } from "./files.ts";

const usage = `Usage: node check.mjs [--prometheus URL] [--from now-30m] [--to now] [--scrape SECONDS] [--json] FILE…

Checks dashboard files: unknown units, reducers, transformations, matchers, colours, variables and kinds, and every key
that the viewer does not honour. With --prometheus it also asks every query and prints the words, units and colours
of stats, bar gauges and tables.

Exit status: 0 good, 1 problems, 2 wrong usage, 3 Prometheus does not answer.`;

await runCommand(usage, async () => {
  const { values, positionals } = parseArgs({ allowPositionals: true,
    options: { prometheus: { type: "string" }, from: { type: "string", default: "now-30m" },
      to: { type: "string", default: "now" }, scrape: { type: "string", default: "5" },
      json: { type: "boolean", default: false } } });
  if (!positionals.length) throw new Error("no file is named");
  const files = positionals.map((file) => ({ file, model: JSON.parse(readFileSync(file, "utf8")) }));
  const problems: Problem[] = checkFiles(files);
  const shown: Shown[] = [];
  if (values.prometheus && !problems.some(({ fatal }) => fatal)) {
    const source = httpSource(`${values.prometheus.replace(/\/$/, "")}/api/v1`);
    const range = readRange(values.from, values.to);
    for (const { file, model } of files) {
      const found = await checkAnswers(file, model, source, range, Number(values.scrape));
      problems.push(...found.problems);
      shown.push(...found.shown);
    }
  }
  const errors = problems.filter(({ level }) => level === "error").length;
  if (values.json) {
    console.log(JSON.stringify({ problems, shown }, null, 2));
    return errors ? 1 : 0;
  }
  for (const { dashboard, panel, lines } of shown)
    console.log([`${dashboard}: ${panel}`, ...lines.map((line) => `  ${line}`)].join("\n"));
  for (const { file, path, message, level } of problems) console.log(`${file}: ${level}: ${path}: ${message}`);
  console.log(`${files.length} files, ${errors} errors, ${problems.length - errors} notes`);
  return errors ? 1 : 0;
});
