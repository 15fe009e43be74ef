import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";

import { runCommand } from "../check/commandLine.ts";
import { httpSource } from "../core/prometheus.ts";
import { readRange } from "../core/queries.ts";
import { freeze } from "./freeze.ts";
import { onePage } from "./onePage.ts";

const usage = `Usage: node report.mjs --prometheus URL --from TIME --to TIME [--var NAME=VALUE]… [--result RUN.json]
                       [--scrape SECONDS] --out FILE DASHBOARD…

Writes dashboards with their data into one HTML file that opens from disk without a network. A time is for instance
now-1h, 2026-01-31T12:00:00Z or milliseconds since 1970. --result takes what the load test writes with --json.

Exit status: 0 written, 2 wrong usage, 3 Prometheus does not answer.`;

await runCommand(usage, async () => {
  const { values, positionals } = parseArgs({ allowPositionals: true,
    options: { prometheus: { type: "string" }, from: { type: "string" }, to: { type: "string" },
      var: { type: "string", multiple: true, default: [] }, result: { type: "string" },
      scrape: { type: "string", default: "5" }, out: { type: "string" } } });
  const { prometheus, from, to, out } = values;
  if (!prometheus || !from || !to || !out) throw new Error("--prometheus, --from, --to and --out are needed");
  if (!positionals.length) throw new Error("no dashboard is named");
  const wanted: Record<string, string[]> = {};
  for (const one of values.var) {
    const [name, ...value] = one.split("=");
    (wanted[name] ??= []).push(value.join("="));
  }
  const json = (file: string) => JSON.parse(readFileSync(file, "utf8"));
  const source = httpSource(`${prometheus.replace(/\/$/, "")}/api/v1`);
  const frozen = await freeze(positionals.map(json), source, readRange(from, to), wanted, Number(values.scrape));
  const page = onePage({ ...frozen, run: values.result ? json(values.result) : undefined });
  writeFileSync(out, page);
  const size = (Buffer.byteLength(page) / 1e6).toFixed(1);
  const refused = Object.keys(frozen.errors).length;
  console.log(
    `${out}: ${size} MB, ${Object.keys(frozen.answers).length} answers${refused ? `, ${refused} refused` : ""}`
  );
  console.log(`It holds the labels ${frozen.labels.join(", ")}: read it before you pass it on.`);
  return 0;
});
