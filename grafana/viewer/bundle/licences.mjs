import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const escapeHtml = (text) => text.replace(/[&<>]/g, (sign) => `&#${sign.charCodeAt(0)};`);

/** @returns {string | undefined} the folder of the package that a bundled file belongs to */
function packageOf(file) {
  return file.match(/^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//)?.[1];
}

/**
 * Makes the page that lists everything in the bundle that other people wrote.
 *
 * @param {string[]} files what esbuild put into the bundles, relative to `root`
 * @param {string} root the project's folder
 * @returns {string} HTML without scripts or styles: name, version, licence, and the licence's text
 * @throws {Error} when a package names no licence and has no licence file
 */
export function licencePage(files, root) {
  const folders = [...new Set(files.map(packageOf).filter(Boolean))].sort();
  const entries = folders.map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8"));
    const file = readdirSync(join(root, folder)).find((entry) => /^(licen[cs]e|copying)/i.test(entry));
    if (!license && !file) throw new Error(`${name} ${version} names no licence; leave it out of the bundle`);
    const text = file ? readFileSync(join(root, folder, file), "utf8") : license;
    const title = `${name} ${version}: ${typeof license === "string" ? license : "see its text"}`;
    return `<details><summary>${escapeHtml(title)}</summary><pre>${escapeHtml(text)}</pre></details>`;
  });
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Licences</title></head><body>
<h1>Licences</h1>
<p>This viewer is free software under the Apache License 2.0. It contains ${entries.length} packages by others.</p>
${entries.join("\n")}
</body></html>
`;
}
