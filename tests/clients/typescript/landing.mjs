// The landing page in Chromium, as Debian packages it: nothing of it fails, nothing comes from elsewhere, it fits a small
// screen, and it can be used by keyboard. A picture of each size stays in the folder.

import { join } from "node:path";

import { beyond, contrast, launch } from "./browser.mjs";
import { check, finish, folder } from "./conversation.mjs";
import { serveHttp } from "./server.mjs";

const [PROGRAM] = process.argv.slice(2);
const SIZES = { phone: { width: 320, height: 640 }, tablet: { width: 768, height: 1024 }, desk: { width: 1280, height: 800 } };
const TITLE = "Truedy phone numbers: MCP server";

/** The page at this size, and all that was said and asked for meanwhile. */
async function visit(browser, url, options) {
  const page = await browser.newPage(options);
  const said = [];
  const asked = [];
  page.on("console", (message) => said.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => said.push(String(error)));
  page.on("requestfailed", (request) => said.push(`failed: ${request.url()}`));
  page.on("request", (request) => asked.push(request.url()));
  const answer = await page.goto(url.href, { waitUntil: "networkidle" });
  return { page, said, asked, answer };
}

async function look(browser, url, name, options) {
  console.log(`${name}, ${options.viewport.width} px, ${options.colorScheme}`);
  const { page, said, asked, answer } = await visit(browser, url, options);
  check("comes, with its title", answer.status() === 200 && (await page.title()) === TITLE, answer.status());
  check("says and fails nothing", said.length === 0, said);
  const elsewhere = asked.filter((one) => new URL(one).origin !== url.origin && !one.startsWith("data:"));
  check("asks for nothing elsewhere", asked.length > 0 && elsewhere.length === 0, asked);
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  const wide = await page.evaluate(beyond);
  check("does not scroll sideways", width <= options.viewport.width && wide.length === 0, { width, wide });
  const text = await page.innerText("body");
  check("names this very server, and no place for a value is left", text.includes(`${url.origin}/mcp`) && !text.includes("{{"), text);
  const lowest = await page.evaluate(contrast);
  check("every text stands out from its ground (4.5 to 1)", lowest >= 4.5, lowest);
  await page.screenshot({ path: join(scratch, `${name}-${options.colorScheme}.png`), fullPage: true });
  await page.close();
}

/** By keyboard: the first stop leads past the head, and each client's link to its own part. */
async function keyboard(browser, url) {
  console.log("by keyboard");
  const { page } = await visit(browser, url, { viewport: SIZES.desk });
  await page.keyboard.press("Tab");
  const first = await page.evaluate(() => document.activeElement.getAttribute("href"));
  check("the first stop leads to the content", first === "#content", first);
  const links = await page.locator("nav a").all();
  const lost = [];
  for (const link of links) {
    await link.focus();
    await page.keyboard.press("Enter");
    const target = await link.getAttribute("href");
    const seen = await page.locator(target).isVisible();
    if (!seen || !page.url().endsWith(target)) lost.push(target);
  }
  check("each link leads to its part", links.length > 0 && lost.length === 0, lost);
  await page.close();
}

const scratch = folder("landing");
const running = await serveHttp(PROGRAM, scratch, ["--sandbox", "--ephemeral", "--drain-seconds", "0"]);
const url = new URL("/", running.url);
let browser;
try {
  browser = await launch();
  for (const colorScheme of ["light", "dark"]) {
    for (const [name, viewport] of Object.entries(SIZES)) await look(browser, url, name, { viewport, colorScheme });
  }
  await keyboard(browser, url);
} catch (error) {
  check("gets through", false, String(error?.stack ?? error));
} finally {
  await browser?.close();
  const ended = await running.stop();
  check("the server ends in order", ended === 0, { ended, said: running.said() });
}
finish();
