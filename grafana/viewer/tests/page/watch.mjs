// Opens a dashboard and says when a panel's text has certain words: node watch.mjs URL PANEL WORDS SECONDS
// Prints "open" once the panel is drawn, then the seconds since 1970 at which the words were there.
import puppeteer from "puppeteer-core";

const [url, panel, words, seconds] = process.argv.slice(2);
const args = ["--no-sandbox", "--disable-dev-shm-usage", "--accept-lang=en"];
const browser = await puppeteer.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args });
try {
  const page = await browser.newPage();
  await page.goto(url);
  const selector = `[data-panel="${panel}"]:not([data-state=loading])`;
  await page.waitForSelector(selector, { timeout: 60_000 });
  console.log("open");
  const has = (where, text) => document.querySelector(where)?.innerText.includes(text);
  await page.waitForFunction(has, { timeout: Number(seconds) * 1000, polling: 200 }, selector, words);
  console.log(Date.now() / 1000);
} finally {
  await browser.close();
}
