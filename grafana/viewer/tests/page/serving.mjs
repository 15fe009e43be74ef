// A server for the page alone: its files and made-up dashboards, with the headers of the real one, before a real
// Prometheus that can be made to go away.
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";

const built = new URL("../../dist/public/", import.meta.url);
const boards = readdirSync(new URL("boards/", import.meta.url)).map((name) =>
  JSON.parse(readFileSync(new URL(`boards/${name}`, import.meta.url)))
);
const types = { html: "text/html", js: "text/javascript", css: "text/css", woff2: "font/woff2" };
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='; "
  + "img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const summaryOf = ({ uid, title, tags }) => ({ uid, title, tags, folder: uid.endsWith("-zh") ? "zh" : "en",
  file: `${uid}.json` });

/** @returns {Promise<{ url: string, away: boolean, queries: number, close: () => void }>} */
export async function serve(prometheus) {
  const state = { away: false, queries: 0 };
  const server = createServer(async (request, response) => {
    const { pathname, search } = new URL(request.url, "http://here");
    const send = (status, type, body) => {
      const caching = pathname.startsWith("/public/") ? "max-age=3600" : "no-store";
      response.writeHead(status, { "Content-Type": type, "Content-Security-Policy": policy, "Cache-Control": caching });
      response.end(body);
    };
    const json = (value, status = 200) => send(status, "application/json", JSON.stringify(value));
    if (pathname.startsWith("/api/datasource/")) {
      state.queries += 1;
      if (state.away) return json({ status: "error", error: "no connection" }, 502);
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      const body = request.method === "POST" ? Buffer.concat(chunks) : undefined;
      const headers = body && { "Content-Type": request.headers["content-type"] };
      const path = pathname.replace("/api/datasource", "/api/v1") + search;
      const answer = await fetch(prometheus + path, { method: request.method, body, headers });
      return send(answer.status, "application/json", Buffer.from(await answer.arrayBuffer()));
    }
    if (pathname === "/api/settings")
      return json({ scrape_interval: "5s", links: { prometheus: "http://prometheus.example", inbox: "" } });
    if (pathname === "/api/boards") {
      const broken = { uid: "", title: "", tags: [], file: "broken.json", error: "it is not JSON" };
      return json([...boards.map(summaryOf), broken]);
    }
    if (pathname.startsWith("/api/boards/")) return json(boards.find(({ uid }) => uid === pathname.split("/")[3]));
    const file = pathname.startsWith("/public/") ? pathname.slice("/public/".length) : "index.html";
    return send(200, types[file.split(".").pop()], readFileSync(new URL(file, built)));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return Object.assign(state, { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() });
}
