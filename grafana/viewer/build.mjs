// Builds dist/: the page (public/) and the command lines (cli/). Run `npm ci --ignore-scripts --omit=dev` first.
// `node build.mjs --tests` also builds what the tests load.
import { build } from "esbuild";
import { copyFileSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { licencePage } from "./bundle/licences.mjs";
import { applyPatch, patches } from "./bundle/patches.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const modules = resolve(here, "node_modules");
const nothing = resolve(here, "bundle/nothing.mjs");
const unused = ["monaco-editor", "@monaco-editor/react", "@grafana/faro-web-sdk", "react-hook-form", "zod", "jquery"];
const iconFolder = resolve(modules, "@grafana/ui/dist/public/img/icons");
const trademark = "mono/grafana.svg";

/** The icons of @grafana/ui by their path, without the trademark, and one that the package lacks mirrored. */
function icons() {
  const found = {};
  for (const path of globSync("**/*.svg", { cwd: iconFolder }).sort()) {
    const svg = readFileSync(resolve(iconFolder, path), "utf8");
    const viewBox = svg.match(/viewBox="([^"]+)"/)?.[1] ?? "0 0 24 24";
    if (path !== trademark) found[path] = { viewBox, shape: svg.replace(/^[^]*?<svg[^>]*>|<\/svg>\s*$/g, "") };
  }
  const right = found["unicons/angle-double-right.svg"];
  found["unicons/angle-double-left.svg"] = { ...right,
    shape: `<g transform="matrix(-1 0 0 1 24 0)">${right.shape}</g>` };
  return found;
}

const applied = new Set();
const parts = { name: "parts", setup({ onResolve, onLoad }) {
  onResolve({ filter: /^ol(\/|$)/ }, () => ({ path: nothing }));
  onResolve({ filter: /^viewer:icons$/ }, () => ({ path: "icons", namespace: "viewer" }));
  onLoad({ filter: /.*/, namespace: "viewer" }, () => ({ contents: JSON.stringify(icons()), loader: "json" }));
  onLoad({ filter: /@grafana\/(data|ui)\/dist\/esm\/.*\.mjs$/ }, ({ path }) => {
    const patch = patches.find(({ file }) => path === resolve(modules, file));
    if (!patch) return undefined;
    applied.add(patch);
    return { contents: applyPatch(readFileSync(path, "utf8"), patch), loader: "js" };
  });
} };

const common = { absWorkingDir: here,
  alias: { ...Object.fromEntries(unused.map((name) => [name, nothing])),
    "moment-timezone": "moment-timezone/builds/moment-timezone-with-data-10-year-range.js",
    "react-inlinesvg": resolve(here, "bundle/icon.mjs") }, bundle: true,
  define: { "process.env.NODE_ENV": '"production"' }, jsx: "automatic", legalComments: "none", logLevel: "warning",
  metafile: true, minify: true, plugins: [parts], target: "es2022" };

// What @grafana/data expects of a browser, for Node.
const browser = `
import { createRequire } from "node:module";
const require = createRequire(import.meta.url);
globalThis.window = globalThis;
globalThis.location ??= new URL("http://127.0.0.1/");
globalThis.localStorage ??= { getItem: () => null, setItem() {}, removeItem() {} };
Object.defineProperty(globalThis, "navigator", { value: { languages: ["en"], language: "en", userAgent: "node", platform: "" } });
`;

rmSync(resolve(here, "dist"), { recursive: true, force: true });
mkdirSync(resolve(here, "dist/public"), { recursive: true });
const page = await build({
  ...common,
  entryPoints: { viewer: "src/page/main.tsx" },
  // i18next would print an advertisement.
  banner: { js: "globalThis.__i18next_supportNoticeShown = true;" },
  assetNames: "fonts/[name]",
  loader: { ".woff2": "file" },
  format: "iife",
  outdir: "dist/public"
});
const programs = { check: "src/check/main.ts", report: "src/report/main.ts" };
const node = await build({ ...common,
  entryPoints: process.argv.includes("--tests") ? { ...programs, core: "tests/core/core.ts" } : programs,
  banner: { js: browser }, format: "esm", outdir: "dist/cli", outExtension: { ".js": ".mjs" }, platform: "node" });
const missed = patches.filter((patch) => !applied.has(patch));
if (missed.length)
  throw new Error(`nothing was patched in ${missed.map(({ file }) => file).join(", ")}: has it moved?`);
copyFileSync(resolve(here, "src/page/index.html"), resolve(here, "dist/public/index.html"));
const bundled = [page, node].flatMap(({ metafile }) => Object.values(metafile.outputs)).flatMap(({ inputs }) =>
  Object.entries(inputs).filter(([, { bytesInOutput }]) => bytesInOutput > 0)
);
writeFileSync(resolve(here, "dist/public/licences.html"), licencePage(bundled.map(([file]) => file), here));
