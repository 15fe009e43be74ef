// Formats the sources as dprint.json says; `--check` writes nothing, names the files that differ, and ends with 1.
import { createContext } from "@dprint/formatter";
import { getPath } from "@dprint/typescript";
import { globSync, readFileSync, writeFileSync } from "node:fs";

const { typescript, includes, ...general } = JSON.parse(readFileSync("dprint.json", "utf8"));
const formatter = createContext(general);
formatter.addPlugin(readFileSync(getPath()), typescript);
const check = process.argv.includes("--check");
for (const filePath of globSync(includes)) {
  const fileText = readFileSync(filePath, "utf8");
  const formatted = formatter.formatText({ filePath, fileText });
  if (formatted === fileText) continue;
  console.log(filePath);
  if (check) process.exitCode = 1;
  else writeFileSync(filePath, formatted);
}
