import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

import { languageOf } from "../core/dashboard.ts";
import type { Frozen } from "../core/frozen.ts";

/** Where the build put the page: beside the command line's own folder. */
const page = (file: string) => new URL(`../public/${file}`, import.meta.url);

const hash = (text: string) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

/** The page's style with its fonts in it. */
function styleWithFonts(): string {
  return readFileSync(page("viewer.css"), "utf8").replace(/url\("?(\.\/fonts\/[^")]+)"?\)/g, (_, file: string) => {
    return `url(data:font/woff2;base64,${readFileSync(page(file)).toString("base64")})`;
  });
}

/**
 * Makes one HTML file of the page and what it shows. Its security policy allows its own script and style and no network.
 */
export function onePage(frozen: Frozen): string {
  const script = readFileSync(page("viewer.js"), "utf8").replaceAll("</script", "<\\/script");
  const style = styleWithFonts();
  const policy = [
    "default-src 'none'",
    `script-src ${hash(script)}`,
    // The hash of the empty text is for the element that the page fills rule by rule.
    `style-src ${hash(style)} ${hash("")}`,
    "img-src data:",
    "font-src data:",
    "connect-src 'none'",
    "base-uri 'none'",
    "form-action 'none'"
  ].join("; ");
  const titles = frozen.boards.map(({ title }) => title).join(", ");
  const day = new Date(frozen.from).toISOString().slice(0, 16);
  return `<!doctype html>
<html lang="${frozen.boards.every(({ uid }) => languageOf(uid) === "zh") ? "zh" : "en"}"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${`${titles} · ${day}`.replace(/[&<]/g, (sign) => `&#${sign.charCodeAt(0)};`)}</title>
<link rel="icon" href="data:,"><style>${style}</style></head>
<body><div id="viewer"></div>
<script type="application/json" id="frozen">${JSON.stringify(frozen).replaceAll("<", "\\u003c")}</script>
<script>${script}</script></body></html>
`;
}
