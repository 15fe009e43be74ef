// The page in a browser, before a real Prometheus. All queries make their own series, so any Prometheus will do:
//   PROMETHEUS_URL=http://127.0.0.1:9091 CHROMIUM=/usr/bin/chromium npm run test:page
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import puppeteer from "puppeteer-core";

import { serve } from "./serving.mjs";

const { PROMETHEUS_URL, CHROMIUM = "/usr/bin/chromium" } = process.env;
const options = { timeout: 120_000, skip: PROMETHEUS_URL ? false : "PROMETHEUS_URL names no Prometheus" };
const WAIT_MS = 20_000;
/** Half an hour that began on a multiple of ten minutes, which the made-up series repeat by. */
const to = Math.floor(Date.now() / 600_000) * 600_000;
const half = `from=${to - 1_800_000}&to=${to}`;
const dark = { red: "#f2495c", blue: "#5794f2", green: "#73bf69", grey: "#808080", yellow: "#fade2a", qa: "#e69f00",
  ner: "#56b4e9", event: "#009e73" };
const light = { red: "#e02f44", blue: "#3274d9" };

let server, browser, folder, reader;
before(async () => {
  if (!PROMETHEUS_URL) return;
  server = await serve(PROMETHEUS_URL.replace(/\/$/, ""));
  const args = ["--no-sandbox", "--disable-dev-shm-usage", "--accept-lang=en", "--force-device-scale-factor=1"];
  browser = await puppeteer.launch({ executablePath: CHROMIUM, args, defaultViewport: { width: 1400, height: 1150 } });
  reader = await browser.newPage();
  folder = mkdtempSync(join(tmpdir(), "viewer-test-"));
});
after(async () => {
  await browser?.close();
  server?.close();
  if (folder) rmSync(folder, { recursive: true });
});

/** Opens an address and waits until no panel is loading. `page.faults` gathers what the console complains of. */
async function open(address, settled = true) {
  const page = await browser.newPage();
  page.faults = [];
  page.on("console", (message) => {
    // A refused query, Prometheus away, or a container network that comes or goes on this host meanwhile.
    const refused = /status of (400|502)|ERR_NETWORK_CHANGED/.test(message.text());
    if (["error", "warn"].includes(message.type()) && !refused) page.faults.push(message.text());
  });
  page.on("pageerror", (error) => page.faults.push(error.message));
  await page.goto(address.includes(":/") ? address : server.url + address);
  if (settled) {
    await page.waitForSelector("[data-state]", { timeout: WAIT_MS });
    await page.waitForFunction("!document.querySelector('[data-state=loading]')", { timeout: WAIT_MS });
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  }
  return page;
}
const panel = (id) => `[data-panel="${id}"]`;
const textOf = (page, selector) => page.$eval(selector, (element) => element.innerText);
const states = (page) =>
  page.$$eval("[data-panel]", (all) => Object.fromEntries(all.map(({ dataset }) => [dataset.panel, dataset.state])));

/** How many pixels of a panel have each colour, and in which columns. */
async function colorsIn(page, selector) {
  const element = await page.$(selector);
  const picture = await element.screenshot({ encoding: "base64" });
  const found = await reader.evaluate(async (data) => {
    const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${data}`)).blob());
    const canvas = new OffscreenCanvas(image.width, image.height).getContext("2d");
    canvas.drawImage(image, 0, 0);
    const { data: bytes } = canvas.getImageData(0, 0, image.width, image.height);
    const colors = {};
    for (let at = 0; at < bytes.length; at += 4) {
      const color = `#${[...bytes.slice(at, at + 3)].map((part) => part.toString(16).padStart(2, "0")).join("")}`;
      const entry = (colors[color] ??= { count: 0, columns: {} });
      entry.count += 1;
      entry.columns[(at / 4) % image.width] = true;
    }
    return { colors, pixels: image.width * image.height };
  }, picture);
  return { pixels: found.pixels, count: (color) => found.colors[color]?.count ?? 0,
    columns: (color) => Object.keys(found.colors[color]?.columns ?? {}).map(Number).sort((a, b) => a - b),
    all: found.colors };
}

const partsOf = (color) => color.match(/\w\w/g).map((part) => parseInt(part, 16));

/** Tries a check of a picture until it holds: drawing and fonts come a moment after the data. */
async function eventually(check) {
  const deadline = Date.now() + WAIT_MS;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
  }
}

test("every panel is drawn with data or says why not, and the console stays silent", options, async () => {
  const page = await open(`/d/features?${half}&theme=dark`);
  const expected = { 2: "drawn", 3: "drawn", 4: "drawn", 5: "drawn", 6: "drawn", 7: "drawn", 8: "drawn", 9: "drawn",
    10: "drawn", 11: "drawn", 12: "text", 13: "silent", 14: "drawn" };
  assert.deepEqual(await states(page), expected);
  const words = { 2: "5", 3: "all", 4: "no requests", 6: "1.92 s", 11: "480 ms", 12: "Task:", 13: "parse error",
    14: "no requests yet" };
  for (const [id, word] of Object.entries(words))
    assert.match(await textOf(page, panel(id)), new RegExp(word), `panel ${id}`);
  for (const id of [7, 8, 9, 10]) assert.ok(await page.$(`${panel(id)} canvas`), `panel ${id} has no drawing`);
  assert.deepEqual(page.faults, []);
  assert.doesNotMatch(await page.title(), /grafana/i);
  assert.match(await textOf(page, "footer"), /not Grafana/);
  await page.close();
});

test("the first panel is there within 4 seconds", options, async () => {
  // Other work on the machine may spoil a try, not three.
  let took = Infinity;
  for (let tries = 0; tries < 3 && took >= 4000; tries++) {
    const page = await browser.newPage();
    await page.setCacheEnabled(false);
    const start = Date.now();
    await page.goto(`${server.url}/d/features`);
    await page.waitForSelector("[data-state=drawn]", { timeout: WAIT_MS });
    took = Date.now() - start;
    await page.close();
  }
  assert.ok(took < 4000, `${took} ms`);
});

test("colours of tasks, a threshold and a mapping are those of the file, in both themes", options, async () => {
  const page = await open(`/d/features?${half}&theme=dark`);
  await eventually(async () => {
    const lines = await colorsIn(page, panel(7));
    for (const task of ["qa", "ner", "event"])
      assert.ok(lines.count(dark[task]) > 300, `${task}: ${lines.count(dark[task])} pixels`);
  });
  for (const [theme, colors] of Object.entries({ dark, light })) {
    await page.goto(`${server.url}/d/features?${half}&theme=${theme}`);
    for (const [id, color] of [[2, colors.red], [3, colors.blue]]) {
      await page.waitForSelector(`${panel(id)}[data-state=drawn]`);
      await eventually(async () => {
        const { count, pixels } = await colorsIn(page, panel(id));
        assert.ok(count(color) > pixels / 3, `${theme}, panel ${id}: ${count(color)} of ${pixels} pixels are ${color}`);
      });
    }
  }
  await page.close();
});

test("a panel without data is grey and says its words, whatever its lowest threshold", options, async () => {
  const page = await open(`/d/features?${half}&theme=dark`);
  await eventually(async () => {
    const { count, pixels } = await colorsIn(page, panel(4));
    assert.ok(count(dark.grey) > pixels / 3, `${count(dark.grey)} of ${pixels} pixels are grey`);
    assert.equal(count(dark.green), 0);
  });
  await page.close();
});

test("the words of states are dark on light colours", options, async () => {
  const page = await open(`/d/features?${half}&theme=dark`);
  await eventually(async () => {
    const { count, all } = await colorsIn(page, `${panel(10)} canvas`);
    for (const color of [dark.blue, dark.red, dark.yellow]) assert.ok(count(color) > 1000, color);
    const pixels = (isMeant) =>
      Object.entries(all).filter(([color]) => isMeant(partsOf(color))).reduce((sum, [, one]) => sum + one.count, 0);
    assert.ok(pixels((parts) => Math.max(...parts) < 20) > 50, "no black words");
    assert.equal(pixels((parts) => Math.min(...parts) > 240), 0, "white words");
  });
  await page.close();
});

test("gaps stay gaps, in the second series too", options, async () => {
  const page = await open(`/d/features?${half}&theme=dark`);
  for (const color of [dark.ner, dark.qa]) {
    const columns = await eventually(async () => {
      const drawn = await colorsIn(page, panel(8));
      assert.ok(drawn.count(color) > 300);
      return drawn.columns(color);
    });
    const jumps = columns.filter((column, index) => index && column - columns[index - 1] > 20);
    assert.equal(jumps.length, 3, `${columns.length} columns, jumps to ${jumps}`);
    const spanned = columns.length / (columns.at(-1) - columns[0] + 1);
    assert.ok(spanned > 0.45 && spanned < 0.6, `${spanned}`);
  }
  await page.close();
});

test("the pointer is shown in all panels, with the values in their order beside it", options, async () => {
  const page = await open(`/d/features?${half}`);
  const box = await (await page.$(`${panel(7)} .u-over`)).boundingBox();
  // A plot that is made anew under the pointer learns of it by the next movement.
  await eventually(async () => {
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    await page.mouse.move(box.x + box.width / 2 + 3, box.y + box.height / 2);
    const share = await page.evaluate((selector) => {
      const left = new DOMMatrix(getComputedStyle(document.querySelector(`${selector} .u-cursor-x`)).transform).m41;
      return left / document.querySelector(`${selector} .u-over`).clientWidth;
    }, panel(8));
    assert.ok(Math.abs(share - 0.5) < 0.05, `${share}`);
    assert.ok(await page.$(".tooltip tr"), "no tooltip");
  });
  const lines = await page.$$eval(".tooltip tr",
    (rows) => rows.map((row) => row.innerText.replace(/\s+/g, " ").trim()));
  assert.deepEqual(lines, ["qa 1.92 s", "ner 480 ms", "event 350 ms"]);
  await page.close();
});

test("dragging zooms, and the browser's back button takes it back", options, async () => {
  const page = await open(`/d/features?${half}`);
  const box = await (await page.$(`${panel(7)} .u-over`)).boundingBox();
  await page.mouse.move(box.x + box.width / 4, box.y + 20);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width / 2, box.y + 20, { steps: 5 });
  await page.mouse.up();
  await page.waitForFunction((old) => !location.search.includes(old), { timeout: WAIT_MS }, half);
  const zoomed = new URL(page.url()).searchParams;
  const length = Number(zoomed.get("to")) - Number(zoomed.get("from"));
  assert.ok(Math.abs(length - 450_000) < 30_000, `${length} ms`);
  await page.goBack();
  assert.ok(page.url().includes(half));
  await page.close();
});

test("a click in the legend leaves one series", options, async () => {
  const page = await open(`/d/features?${half}&theme=dark`);
  await page.$$eval(`${panel(7)} button`, (all) => all.find(({ innerText }) => innerText === "qa").click());
  await eventually(async () => {
    const lines = await colorsIn(page, panel(7));
    assert.ok(lines.count(dark.qa) > 300);
    assert.ok(lines.count(dark.ner) < 100, `${lines.count(dark.ner)} pixels of ner`);
  });
  await page.close();
});

test("what is chosen stands in the address under Grafana's names and in titles", options, async () => {
  const page = await open(`/d/features?${half}`);
  assert.match(await textOf(page, "section h2"), /State of All/);
  const choose = async (name) =>
    (await page.waitForSelector(`::-p-xpath(//*[@role="option"][contains(., "${name}")])`)).click();
  await page.click("[aria-labelledby=variable-task]");
  await choose("qa");
  await page.waitForFunction("location.search.includes('var-task=qa')");
  await page.waitForFunction("document.querySelector('section h2').innerText.includes('State of qa')", {
    timeout: WAIT_MS
  });
  await choose("ner");
  await page.waitForFunction("document.querySelector('section h2').innerText.includes('qa + ner')", {
    timeout: WAIT_MS
  });
  assert.deepEqual(new URL(page.url()).searchParams.getAll("var-task"), ["qa", "ner"]);
  await page.close();
});

test("links of values, rows and the dashboard keep time and task", options, async () => {
  const page = await open(`/d/features?${half}&var-task=ner`);
  const hrefs = await page.$$eval("a", (all) => all.map((link) => link.getAttribute("href")));
  assert.ok(hrefs.includes(`/d/other?var-task=qa&${half}`), hrefs.join("\n"));
  assert.ok(hrefs.includes(`/d/other?${half}&var-datasource=prometheus&var-task=ner`), hrefs.join("\n"));
  assert.ok(hrefs.includes(`/d/other?${half}`), hrefs.join("\n"));
  assert.ok(hrefs.includes(`/d/other?${half}&var-task=ner`), hrefs.join("\n"));
  await page.close();
});

test("viewPanel shows one panel, as an alert's link asks", options, async () => {
  for (const wanted of ["7", "panel-7"]) {
    const page = await open(`/d/features/any-name?${half}&viewPanel=${wanted}`);
    assert.deepEqual(Object.keys(await states(page)), ["7"]);
    assert.ok((await (await page.$(panel(7))).boundingBox()).height > 600);
    await page.$$eval("button", (all) => all.find(({ innerText }) => innerText === "All panels").click());
    await page.waitForSelector(panel(2));
    await page.close();
  }
});

test("a collapsed row asks nothing until it is opened", options, async () => {
  const page = await open(`/d/features?${half}`);
  assert.equal(await page.$(panel(16)), null);
  await page.$$eval("h2 button", (all) => all.find(({ innerText }) => innerText === "Later").click());
  await page.waitForSelector(`${panel(16)}[data-state=drawn]`);
  assert.match(await textOf(page, panel(16)), /7/);
  await page.close();
});

test("nothing is cut off from 390 to 1920 pixels, in both themes", options, async () => {
  for (const [width, theme] of [[390, "dark"], [768, "light"], [1024, "dark"], [1920, "light"]]) {
    const page = await open(`/d/features?${half}&theme=${theme}`);
    await page.setViewport({ width, height: 1000 });
    await page.waitForFunction((wide) => innerWidth === wide, {}, width);
    // Panels follow the window a moment later.
    await eventually(async () => {
      const overflow = await page.evaluate(() => document.scrollingElement.scrollWidth - innerWidth);
      assert.ok(overflow <= 0, `${overflow} px too wide at ${width}`);
    });
    const boxes = await page.$$eval("[data-panel]", (all) => all.map((one) => one.getBoundingClientRect().toJSON()));
    for (const [index, box] of boxes.entries()) {
      assert.ok(box.left >= 0 && box.right <= width && box.width > 100 && box.height > 60, JSON.stringify(box));
      const next = boxes[index + 1];
      if (width < 700 && next) assert.ok(next.top >= box.bottom, "panels overlap");
    }
    assert.deepEqual(page.faults, []);
    await page.close();
  }
});

test("the list leads to each dashboard, in the reader's language", options, async () => {
  const page = await open("/dashboards", false);
  await page.waitForSelector("li a");
  const titles = () => page.$$eval("li a", (all) => all.map(({ innerText }) => innerText));
  assert.deepEqual(await titles(), ["Features", "Other board", "中文"]);
  assert.match(await textOf(page, "li [role=alert]"), /broken.json: it is not JSON/);
  await page.evaluateOnNewDocument(() => Object.defineProperty(navigator, "languages", { get: () => ["zh-CN", "en"] }));
  await page.reload();
  await page.waitForSelector("li a");
  assert.equal(await textOf(page, "h1"), "仪表盘");
  assert.match(await textOf(page, "footer"), /不是 Grafana/);
  assert.equal(await page.$eval("html", ({ lang }) => lang), "zh");
  assert.deepEqual(await titles(), ["中文", "Features", "Other board"]);
  assert.match(await textOf(page, "li"), /zh · gte-zh/);
  await page.close();
});

test("the page speaks the language of its dashboard, the pickers too", options, async () => {
  const page = await open("/d/features-zh");
  assert.equal(await page.$eval("html", ({ lang }) => lang), "zh");
  assert.match(await textOf(page, "header"), /仪表盘[^]*最近 30 分钟/);
  await page.click("button[aria-label*='当前时间范围']");
  await page.waitForSelector("#TimePickerContent");
  const picker = await textOf(page, "#TimePickerContent");
  assert.match(picker, /绝对时间范围[^]*应用时间范围/);
  assert.match(picker, /最近 5 分钟/);
  assert.doesNotMatch(picker, /Last|Apply|From|range/i);
  assert.deepEqual(page.faults, []);
  await page.close();
});

test("while Prometheus is away the last figures stay, greyed, and it comes back by itself", options, async () => {
  const page = await open(`/d/features?theme=dark`);
  server.away = true;
  await page.click("[data-testid*=RefreshPicker], button[aria-label*=efresh]");
  await page.waitForSelector(".banner", { timeout: WAIT_MS });
  assert.match(await textOf(page, ".banner"), /not answered since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d/);
  assert.equal((await page.$$(".banner")).length, 1);
  const found = await states(page);
  assert.deepEqual([2, 3, 7, 9, 11].map((id) => found[id]), Array(5).fill("stale"));
  assert.match(await textOf(page, panel(2)), /5/);
  for (const id of [2, 3, 4, 7]) {
    const { all } = await colorsIn(page, panel(id));
    const colored = Object.entries(all).filter(([color, { count }]) => {
      const parts = partsOf(color);
      return count > 20 && Math.max(...parts) - Math.min(...parts) > 24;
    });
    assert.deepEqual(colored.map(([color]) => color), [], `panel ${id} is not grey`);
  }
  server.away = false;
  await page.waitForFunction("!document.querySelector('.banner')", { timeout: WAIT_MS });
  await page.waitForFunction("!document.querySelector('[data-state=stale]')", { timeout: WAIT_MS });
  await eventually(async () => assert.ok((await colorsIn(page, panel(2))).count(dark.red) > 1000));
  assert.deepEqual(page.faults, []);
  await page.close();
});

test("a page that never had an answer says so, and nothing is green", options, async () => {
  server.away = true;
  const page = await open(`/d/features?theme=dark&refresh=1s`, false);
  await page.waitForSelector(".banner", { timeout: WAIT_MS });
  await page.waitForFunction((selector) => /No answer/.test(document.querySelector(selector)?.innerText), {}, panel(4));
  assert.equal((await colorsIn(page, panel(4))).count(dark.green), 0);
  server.away = false;
  await page.waitForSelector(`${panel(4)}[data-state=drawn]`, { timeout: WAIT_MS });
  await page.close();
});

test("100 refreshes leave no more nodes than there were", options, async () => {
  const page = await browser.newPage();
  await page.evaluateOnNewDocument(() => {
    const ask = globalThis.fetch;
    globalThis.asked = globalThis.pending = 0;
    globalThis.fetch = (...given) => {
      asked += 1;
      pending += 1;
      return ask(...given).finally(() => (pending -= 1));
    };
  });
  await page.goto(`${server.url}/d/features?theme=dark`);
  await page.waitForFunction("globalThis.pending === 0 && document.querySelector('[data-state=drawn]')");
  const refresh = (times) =>
    page.evaluate(async (wanted, patience) => {
      const frame = () => new Promise(requestAnimationFrame);
      const button = document.querySelector("[data-testid*=RefreshPicker], button[aria-label*=efresh]");
      for (let index = 0; index < wanted; index++) {
        const [before, deadline] = [asked, Date.now() + patience];
        button.click();
        while (asked === before || pending) {
          if (Date.now() > deadline) throw new Error(`refresh ${index}: ${asked - before} queries, ${pending} open`);
          await frame();
        }
        // The answers are read and drawn within the next two.
        await frame();
        await frame();
      }
    }, times, WAIT_MS);
  const nodes = async () => {
    const client = await page.createCDPSession();
    await client.send("HeapProfiler.collectGarbage");
    const { nodes: count } = await client.send("Memory.getDOMCounters");
    return count;
  };
  await refresh(5);
  const first = await nodes();
  const queries = server.queries;
  await refresh(100);
  assert.ok(server.queries - queries >= 1000, `${server.queries - queries} queries`);
  const last = await nodes();
  assert.ok(last < first * 1.1, `${first} nodes became ${last}`);
  await page.close();
});

test("a report opens from disk without a network, and says which labels it holds", options, async () => {
  const file = join(folder, "report.html");
  const cli = fileURLToPath(new URL("../../dist/cli/report.mjs", import.meta.url));
  const board = fileURLToPath(new URL("boards/features.json", import.meta.url));
  const times = ["--from", `${to - 1_800_000}`, "--to", `${to}`, "--var", "task=qa"];
  const made = spawnSync(process.execPath, [cli, "--prometheus", PROMETHEUS_URL, ...times, "--out", file, board], {
    encoding: "utf8"
  });
  assert.equal(made.status, 0, made.stderr);
  const page = await open(`file://${file}`);
  assert.equal((await states(page))[7], "drawn");
  assert.match(await textOf(page, "#viewer"), /holds the labels le, name, task/);
  assert.match(await textOf(page, "#viewer"), /Task: qa/);
  await eventually(async () => assert.ok((await colorsIn(page, panel(7))).count(dark.qa) > 300));
  const gone = await page.evaluate((url) => fetch(url).then(() => "reached", () => "refused"), server.url);
  assert.equal(gone, "refused");
  assert.deepEqual(page.faults.filter((fault) => !fault.includes(server.url)), []);
  await page.close();
});
