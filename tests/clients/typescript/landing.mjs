// The landing page in Chromium, as Debian packages it: nothing of it fails, nothing comes from elsewhere, it fits a small
// screen, and it can be used by keyboard. A picture of each size stays in the folder, or in DIR with --shots DIR.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

import { beyond, contrast, launch } from "./browser.mjs";
import { check, finish, folder } from "./conversation.mjs";
import { serveHttp, until } from "./server.mjs";

const [PROGRAM] = process.argv.slice(2);
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const SIZES = { phone: { width: 320, height: 640 }, tablet: { width: 768, height: 1024 }, desk: { width: 1280, height: 800 } };
const TITLE = "Truedy phone numbers: MCP server";

/** Shows the port that is used without a setting in the place of this server's own. */
function usualPort() {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) texts.currentNode.data = texts.currentNode.data.replaceAll(location.host, "127.0.0.1:8080");
}

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
  // The page's own policy lets no script in: axe comes through the debugger.
  const found = await page.evaluate(`${AXE}; axe.run(document, { resultTypes: ["violations"] })`);
  const serious = found.violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
  check("axe finds nothing serious", serious.length === 0, serious.map(({ id, nodes }) => [id, nodes[0].html]));
  check("a sandbox is told from a live account", (await page.locator(".mode").innerText()) === "Sandbox");
  check("every text stands out from its ground (4.5 to 1)", lowest >= 4.5, lowest);
  // A picture for the docs is the same each time.
  if (shots !== scratch) await page.evaluate(usualPort);
  await page.screenshot({ path: join(shots, `landing-${name}-${options.colorScheme}.png`), fullPage: true });
  writeFileSync(join(shots, `landing-${name}-${options.colorScheme}.txt`), text);
  await page.close();
}

/** By keyboard: the first stop leads past the head, each client opens its part alone, and a text is copied. */
async function keyboard(browser, url) {
  console.log("by keyboard");
  const { page } = await visit(browser, url, { viewport: SIZES.desk, permissions: ["clipboard-read", "clipboard-write"] });
  await page.keyboard.press("Tab");
  const first = await page.evaluate(() => document.activeElement.getAttribute("href"));
  check("the first stop leads to the content", first === "#content", first);
  const clients = await page.locator("details").all();
  const lost = [];
  for (const client of clients.reverse()) {
    await client.locator("summary").focus();
    await page.keyboard.press("Enter");
    const [open, text] = [await page.locator("details[open]").count(), client.locator("pre").first()];
    if (open !== 1 || !(await text.isVisible())) lost.push(await client.innerText());
  }
  check("each client opens its part, and only it", clients.length > 8 && lost.length === 0, lost);
  const box = clients.at(-1).locator(".copied");
  await box.locator("button").focus();
  await page.keyboard.press("Enter");
  const copied = await until("a copy", () => page.evaluate(() => navigator.clipboard.readText()));
  check("a text is copied as it stands", copied === (await box.locator("code").textContent()), copied);
  check("and the button says so", (await box.locator("button").innerText()) === "Copied");
  const links = await page.locator("a.button").evaluateAll((all) => all.map((one) => one.href));
  const config = JSON.parse(decodeURIComponent(links[0].split("?")[1]));
  check("the link of VS Code has this server, and no token", config.url === `${url.origin}/mcp` && config.headers.Authorization === "Bearer ${input:truedy-token}", config);
  const cursor = JSON.parse(Buffer.from(new URL(links[1]).searchParams.get("config"), "base64"));
  check("the link of Cursor has this server, and no token", cursor.url === `${url.origin}/mcp` && cursor.headers.Authorization === "Bearer ${env:TRUEDY_MCP_TOKEN}", cursor);
  await page.close();
}

const scratch = folder("landing");
const shots = process.argv.includes("--shots") ? process.argv.at(-1) : scratch;
mkdirSync(shots, { recursive: true });
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
