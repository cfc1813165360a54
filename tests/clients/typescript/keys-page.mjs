// The page on which a person enters a carrier's keys, in Chromium, reached as a client is told to: over stdio on loopback and
// over HTTP behind the caller's token. By keyboard alone, light and dark, on a small screen; nothing of it fails or comes from
// elsewhere, axe-core finds nothing serious, and the keys never pass through the client.

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { launch } from "./browser.mjs";
import { check, finish, folder } from "./conversation.mjs";
import { serveHttp } from "./server.mjs";

const [PROGRAM] = process.argv.slice(2);
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const REVISION = "2026-07-28";
const KEY = "KEY0123456789ABCDEF_hunter2hunter2";
const IMPORT = { phone_number: "+12125550143", provider_type: "twilio" };

/** What a client sends of a call, in the newest revision. */
function request(id, params) {
  const _meta = {
    "io.modelcontextprotocol/protocolVersion": REVISION,
    "io.modelcontextprotocol/clientCapabilities": { elicitation: { form: {}, url: {} } },
    "io.modelcontextprotocol/clientInfo": { name: "keys-page", version: "1.0.0" },
  };
  return { jsonrpc: "2.0", id, method: "tools/call", params: { name: "import_number", arguments: IMPORT, ...params, _meta } };
}

/** A client over stdio that keeps every byte it has sent and received. */
function overStdio(args) {
  const child = spawn(PROGRAM, ["stdio", "--sandbox", "--ephemeral", ...args], { stdio: ["pipe", "pipe", "pipe"] });
  const heard = { text: "", waiting: new Map() };
  child.stderr.on("data", (chunk) => (heard.text += chunk));
  createInterface({ input: child.stdout }).on("line", (line) => {
    heard.text += line;
    const message = JSON.parse(line);
    heard.waiting.get(message.id)?.(message);
  });
  const ended = new Promise((resolve) => child.on("exit", resolve));
  return {
    heard: () => heard.text,
    call(id, params) {
      const answer = new Promise((resolve) => heard.waiting.set(id, resolve));
      const line = JSON.stringify(request(id, params));
      heard.text += line;
      child.stdin.write(`${line}\n`);
      return answer;
    },
    async stop() {
      child.stdin.end();
      return await ended;
    },
  };
}

/** The same over HTTP. */
async function overHttp(args) {
  const server = await serveHttp(PROGRAM, folder("keys-page-http"), ["--sandbox", "--ephemeral", "--drain-seconds", "0", ...args]);
  let heard = "";
  return {
    heard: () => heard + server.said(),
    token: server.token,
    async call(id, params) {
      const body = JSON.stringify(request(id, params));
      const headers = { ...server.headers, "content-type": "application/json", accept: "application/json, text/event-stream" };
      const names = { "mcp-protocol-version": REVISION, "mcp-method": "tools/call", "mcp-name": "import_number" };
      const answer = await fetch(new URL("/mcp", server.url), { method: "POST", headers: { ...headers, ...names }, body });
      const text = await answer.text();
      heard += body + text;
      return JSON.parse(text);
    },
    stop: () => server.stop(),
  };
}

/** Fills in the page by keyboard and sends it, looking at it on the way. */
async function enter(browser, url, { colorScheme, token, name }) {
  const httpCredentials = token && { username: "anybody", password: token };
  const context = await browser.newContext({ colorScheme, viewport: { width: 320, height: 720 }, httpCredentials });
  const page = await context.newPage();
  const said = [];
  const asked = [];
  // A hint of Chromium's to password managers is no fault of a page with two keys.
  page.on("console", (message) => message.type() === "verbose" || said.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => said.push(String(error)));
  page.on("request", (one) => asked.push(one.url()));
  const answer = await page.goto(url, { waitUntil: "networkidle" });
  check("the page comes", answer.status() === 200, answer.status());
  const found = await page.evaluate(`${AXE}; axe.run(document, { resultTypes: ["violations"] })`);
  const serious = found.violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  check("axe-core finds nothing serious", serious.length === 0, serious.map(({ id, help }) => `${id}: ${help}`));
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  check("it fits 320 px", width <= 320, width);
  await page.screenshot({ path: join(scratch, `${name}-${colorScheme}.png`), fullPage: true });
  const at = () => page.evaluate(() => document.activeElement?.id || document.activeElement?.value);
  check("the first field has the focus", (await at()) === "api_key", await at());
  await page.keyboard.type(KEY);
  const stops = [];
  for (let step = 0; step < 4; step += 1) {
    await page.keyboard.press("Tab");
    stops.push(await at());
    if (stops.at(-1) === "account_sid") await page.keyboard.type("AC00000000000000000000000000000123");
    if (stops.at(-1) === "import") break;
  }
  check("Tab goes from field to field to the button", stops.join() === "account_sid,auth_token,import", stops);
  await Promise.all([page.waitForURL(url, { waitUntil: "load" }), page.keyboard.press("Enter")]);
  await page.getByRole("status").waitFor();
  const text = await page.innerText("main");
  check("it says that the keys were taken", text.includes("The keys were taken"), text);
  check("a screen reader hears it", (await page.getByRole("status").count()) === 1, text);
  const elsewhere = asked.filter((one) => new URL(one).origin !== new URL(url).origin && !one.startsWith("data:"));
  check("it says and fails nothing, and asks for nothing elsewhere", said.length === 0 && elsewhere.length === 0, { said, elsewhere });
  const again = await page.goto(url);
  check("it is good once", again.status() === 404, again.status());
  await context.close();
}

async function importBy(browser, client, options) {
  console.log(`${options.name}, ${options.colorScheme}`);
  const asked = await client.call(1, {});
  const { url } = asked.result.inputRequests.keys.params;
  check("the client is given an address", asked.result.resultType === "input_required" && url.includes("/enter/"), asked);
  await enter(browser, url, { ...options, token: client.token });
  const inputResponses = { keys: { action: "accept" } };
  const done = await client.call(2, { inputResponses, requestState: asked.result.requestState });
  check("the number is imported", done.result.structuredContent?.status === "imported", done);
  const ended = await client.stop();
  check("the program ends in order", ended === 0, ended);
  check("the key passed through neither the client nor a log", !client.heard().includes(KEY), "it did");
}

const scratch = folder("keys-page");
let browser;
try {
  browser = await launch();
  for (const colorScheme of ["light", "dark"]) {
    await importBy(browser, overStdio([]), { colorScheme, name: "stdio" });
    await importBy(browser, await overHttp([]), { colorScheme, name: "HTTP" });
  }
} catch (error) {
  check("gets through", false, String(error?.stack ?? error));
} finally {
  await browser?.close();
}
finish();
