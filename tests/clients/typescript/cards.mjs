// The pages of MCP Apps in two hosts, in Chromium as Debian packages it: a host of our own on the official bridge, as strict
// as the specification allows, and MCP Inspector. They are used by keyboard alone, in light and dark, on 320 px; nothing is
// asked for elsewhere, and what reaches Truedy is counted. A picture of each stays in the folder.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { build } from "esbuild";

import { beyond, contrast, launch } from "./browser.mjs";
import { INFO, check, finish, folder } from "./conversation.mjs";
import { start, until } from "./server.mjs";

const [PROGRAM] = process.argv.slice(2);
const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
// What the specification has a host impose where a page declares nothing.
const POLICY =
  "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'none'";
const SHOWS = { "io.modelcontextprotocol/ui": { mimeTypes: ["text/html;profile=mcp-app"], elicitation: {} } };
const GROUND = { light: [255, 255, 255], dark: [18, 18, 18] };
const IDLE = "+13125550110";
const ANSWERED = "+14155550123";
/** Longer than a page takes two clicks for one double click. */
const APART = 600;

/** What reached the sandbox, by method and the end of the path. */
function ledger(file) {
  const sent = readFileSync(file, "utf8").trim().split("\n").map((line) => JSON.parse(line));
  return (method, ending) => sent.filter((one) => one.method === method && one.path?.endsWith(ending)).length;
}

/** Serves this on a port of its own. */
async function listening(answer) {
  const server = createServer(answer);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { origin: `http://127.0.0.1:${server.address().port}`, close: () => server.close().closeAllConnections() };
}

/** What must hold of a page in any host. `frame` is its own. */
async function inspect(frame, name, ground, { scrolls = true } = {}) {
  // axe takes a page without a ground of its own for white: what stands out from what is found out here.
  await frame.evaluate(AXE);
  const found = await frame.evaluate(() => axe.run(document, { rules: { "color-contrast": { enabled: false } } }));
  const grave = found.violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
  check(`${name}: axe finds nothing serious`, grave.length === 0 && found.passes.length > 5, grave.map(({ id, nodes }) => [id, nodes[0].html]));
  const lowest = await frame.evaluate(contrast, ground);
  check(`${name}: every text stands out from its ground (4.5 to 1)`, lowest >= 4.5, lowest);
  const wide = await frame.evaluate(beyond);
  check(`${name}: nothing reaches beyond its edge`, wide.length === 0, wide);
  const small = await frame.evaluate(() =>
    [...document.querySelectorAll("button, label.row, input[type=text]")]
      .filter((one) => one.checkVisibility())
      .map((one) => [one.outerHTML.slice(0, 60), one.getBoundingClientRect()])
      .filter(([, { width, height }]) => width < 43.9 || height < 43.9),
  );
  check(`${name}: whatever is tapped has 44 px`, small.length === 0, small);
  if (!scrolls) return;
  const size = await frame.evaluate(() => [document.documentElement.scrollHeight, innerHeight]);
  check(`${name}: it is shown whole, at most 500 px high`, size[0] <= size[1] && size[0] <= 500, size);
}

// --- a host of our own -------------------------------------------------------------------------------------------

async function ownHost(browser, ends) {
  const scratch = folder("cards");
  const file = join(scratch, "ledger.jsonl");
  const { outputFiles } = await build({ entryPoints: [here("cards-host.js")], bundle: true, write: false, format: "iife", logLevel: "silent" });
  const client = new Client(INFO, { capabilities: { elicitation: { form: {} }, extensions: SHOWS }, versionNegotiation: { mode: "auto" } });
  const args = ["stdio", "--sandbox", "--ephemeral", "--ledger", file, "--fault", "rate_limit=0", "--release-in-use"];
  await client.connect(new StdioClientTransport({ command: PROGRAM, args }));
  ends.push(() => client.close());
  // Pages come from another origin than the host, as the specification has it.
  const read = async (uri) => (await client.readResource({ uri })).contents[0];
  const pages = await listening(async (request, response) => {
    const { text } = await read(decodeURIComponent(new URL(request.url, "http://host").search.slice(1)));
    response.writeHead(200, { "content-type": "text/html; charset=utf-8", "content-security-policy": POLICY }).end(text);
  });
  const style = "body { margin: 0; } html { background: light-dark(#fff, #121212); } iframe { width: 100%; border: 0; color-scheme: inherit; }";
  const place = `<!doctype html><html lang="en"><title>Host</title><link rel="icon" href="data:,"><style>${style}</style><main id="place"></main><script>${outputFiles[0].text}</script>`;
  const host = await listening((_, response) => response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end(place));

  ends.push(host.close, pages.close);

  /** The host in a window of this width and theme; it says what is said and asked for meanwhile. */
  async function open(width, theme) {
    const page = await browser.newPage({ viewport: { width, height: 700 }, colorScheme: theme });
    const said = [];
    const asked = [];
    const calls = [];
    page.on("console", (message) => said.push(`${message.type()}: ${message.text()}`));
    page.on("pageerror", (error) => said.push(String(error)));
    page.on("request", (request) => asked.push(request.url()));
    const window = { page, said, asked, calls, change: (params) => params };
    await page.exposeFunction("serve", (method, params) => {
      calls.push(params.name);
      return client.callTool(window.change(params));
    });
    await page.goto(host.origin);
    window.show = async (uri) => {
      await page.evaluate(([address, context]) => show(address, context), [`${pages.origin}/?${encodeURIComponent(uri)}`, { theme }]);
      return page.frames().find((frame) => frame.url().startsWith(pages.origin));
    };
    window.quiet = (name) => {
      const bad = said.filter((line) => !line.startsWith("debug:"));
      const elsewhere = asked.filter((url) => ![host.origin, pages.origin].includes(new URL(url).origin) && !url.startsWith("data:"));
      check(`${name}: nothing is said, nothing is asked for elsewhere`, bad.length === 0 && elsewhere.length === 0, { bad, elsewhere });
    };
    return window;
  }
  const shot = (page, name) => page.screenshot({ path: join(scratch, `${name}.png`), fullPage: true });
  const text = (frame, id) => frame.locator(`#${id}`).innerText();
  /** Presses Tab until this has the focus. */
  const tabTo = async ({ page }, locator) => {
    for (let i = 0; i < 12; i += 1) {
      await page.keyboard.press("Tab");
      if (await locator.evaluate((one) => one === document.activeElement)) return true;
    }
    return false;
  };

  for (const theme of ["light", "dark"]) {
    for (const width of [320, 600]) {
      const name = `picker, ${theme}, ${width} px`;
      const window = await open(width, theme);
      const frame = await window.show("ui://truedy/number-picker.html");
      const input = { area_code: "415" };
      const result = await client.callTool({ name: "search_numbers", arguments: input });
      await window.page.evaluate(([input, result]) => give(input, result), [input, result]);
      await frame.locator("input[type=radio]").nth(4).waitFor();
      await frame.locator("label.row").first().click();
      await inspect(frame, name, GROUND[theme]);
      check(`${name}: five at a time, the price on the button`, (await frame.locator("input[type=radio]").count()) === 5 && /for \d+\.\d\d USD a month/.test(await text(frame, "first")), await text(frame, "first"));
      await shot(window.page, `picker-${theme}-${width}`);
      window.quiet(name);
      const shown = await frame.evaluate(() => getComputedStyle(document.body).color);
      await window.page.evaluate((theme) => change(theme), theme === "light" ? "dark" : "light");
      await until("the theme changes", async () => (await frame.evaluate(() => getComputedStyle(document.body).color)) !== shown);
      check(`${name}: it follows the host's theme`, true);
      await frame.evaluate(() => {
        const forged = { jsonrpc: "2.0", method: "ui/notifications/tool-result", params: { structuredContent: { offers: [] } } };
        postMessage(forged, "*");
        return new Promise((resolve) => addEventListener("message", () => setTimeout(resolve), { once: true }));
      });
      check(`${name}: who is not the host is not listened to`, (await frame.locator("input[type=radio]").count()) === 5, await text(frame, "count"));
      const fetched = await frame.evaluate((url) => fetch(url).then(() => "came", () => "refused"), host.origin);
      check(`${name}: a fetch from inside is refused`, fetched === "refused", fetched);
      await window.page.close();

      const list = await open(width, theme);
      const table = await list.show("ui://truedy/inventory.html");
      await list.page.evaluate(([result]) => give(undefined, result), [await client.callTool({ name: "list_numbers", arguments: { limit: 3 } })]);
      await table.locator("tbody tr").first().waitFor();
      const before = await table.locator("tbody tr").count();
      const nobody = await table.locator("tbody tr").first().innerText();
      const listed = `inventory, ${theme}, ${width} px`;
      check(`${listed}: a page of it, unused ones first`, before === 3 && (nobody.match(/nobody/g) ?? []).length === 2, nobody);
      check(`${listed}: more can be reached by keyboard`, await tabTo(list, table.locator("#more")), await text(table, "more"));
      await list.page.keyboard.press("Enter");
      await until("the rest", async () => (await text(table, "count")).startsWith("Numbers 1 to 5 of 5."));
      check(`${listed}: the rest comes by the tool itself`, list.calls.includes("list_numbers"), { calls: list.calls, count: await text(table, "count") });
      await inspect(table, listed, GROUND[theme]);
      await shot(list.page, `inventory-${theme}-${width}`);
      list.quiet(listed);
      await list.page.close();
    }
  }
  check("looking buys nothing", ledger(file)("POST", "/purchase") === 0, "a purchase");

  // By keyboard alone: choose, look at more, buy with two presses, and confirm on the card which takes the form's place.
  {
    const window = await open(320, "light");
    const { page } = window;
    const frame = await window.show("ui://truedy/number-picker.html");
    const result = await client.callTool({ name: "search_numbers", arguments: { area_code: "415", page_size: 5 } });
    // No input: some hosts give none.
    await page.evaluate(([result]) => give(undefined, result), [result]);
    await frame.locator("input[type=radio]").first().waitFor();
    const numbers = () => frame.locator(".row .number").allInnerTexts();
    const first = await numbers();
    check("keyboard: more numbers can be reached", await tabTo(window, frame.locator("#second")), await text(frame, "second"));
    await page.keyboard.press("Enter");
    await until("five more", async () => (await text(frame, "count")).startsWith("6 to 10 of "));
    const second = await numbers();
    check("keyboard: they are others, by the tool itself", second.every((one) => !first.includes(one)) && `${window.calls}` === "search_numbers", second);
    await page.keyboard.press("Shift+Tab");
    await page.keyboard.press("Space");
    const chosen = await until("a choice", async () => (await frame.locator(":checked + span .number").count()) && frame.locator(":checked + span .number").innerText());
    const looked = await until("the model is told", () => page.evaluate(() => notes[0]));
    check("keyboard: the model is told what is looked at, and that nothing is bought", looked.includes(chosen) && looked.endsWith("Nothing is bought yet."), looked);
    await tabTo(window, frame.locator("#first"));
    // The page's token is spoilt on its way, once: the server refuses, and the page lets the person confirm anew.
    let spoil = 1;
    window.change = (params) => (params.name === "buy_offer" && spoil-- > 0 ? { ...params, arguments: { ...params.arguments, confirmation_token: "forged" } } : params);
    const questions = [];
    client.setRequestHandler("elicitation/create", async ({ params }) => {
      questions.push(params);
      const other = await open(320, "dark");
      const card = await other.show(params._meta.ui.resourceUri);
      const answered = other.page.evaluate((params) => put(params), params);
      await card.locator("#yes").waitFor();
      check("card: it says that it answers questions", JSON.stringify(await other.page.evaluate(() => can)) === '{"elicitation":{}}');
      await inspect(card, "card of a purchase", GROUND.dark);
      check("card of a purchase: the price on the button", /^Buy for \d+\.\d\d USD a month/.test(await text(card, "yes")), await text(card, "yes"));
      await shot(other.page, "card-purchase");
      await tabTo(other, card.locator("#yes"));
      await other.page.keyboard.press("Space");
      const answer = await answered;
      other.quiet("card of a purchase");
      await other.page.close();
      return answer;
    });
    await page.keyboard.press("Enter");
    await until("the second step", async () => (await text(frame, "first")).startsWith("Confirm: "));
    check("keyboard: the first press buys nothing", ledger(file)("POST", "/purchase") === 0, await text(frame, "said"));
    await page.keyboard.press("Enter");
    await sleep(APART);
    check("keyboard: a press right after the first is none", !window.calls.includes("buy_offer"), window.calls);
    await page.keyboard.press("Enter");
    await until("a refusal", async () => (await text(frame, "said")).includes("confirm again"));
    check("keyboard: a spoilt token buys nothing, and the page asks anew", ledger(file)("POST", "/purchase") === 0, await text(frame, "said"));
    await shot(page, "picker-confirm");
    await sleep(APART);
    await page.keyboard.press("Enter");
    await until("it is bought", async () => (await text(frame, "said")).startsWith(`Bought ${chosen}.`));
    check("keyboard: two presses and the card are exactly one purchase", ledger(file)("POST", "/purchase") === 1 && questions.length === 1, questions.length);
    const told = await until("the model is told", () => page.evaluate(() => notes.find((note) => note.includes("has bought"))));
    check("keyboard: the model is told that it is bought", told.includes(chosen) && told.includes("status is pending"), told);
    check("keyboard: the focus stays on the page", await frame.evaluate(() => document.activeElement !== document.body), await frame.evaluate(() => document.activeElement.outerHTML));
    await inspect(frame, "picker, bought", GROUND.light);
    await shot(page, "picker-bought");
    window.quiet("picker by keyboard");
    await page.close();
  }

  // A release: other digits release nothing, nor does the right word without the tick; then a no, and then a yes.
  for (const [theme, agrees] of [["light", false], ["dark", true]]) {
    const number = agrees ? ANSWERED : IDLE;
    client.setRequestHandler("elicitation/create", async ({ params }) => {
      const other = await open(320, theme);
      const { keyboard } = other.page;
      const card = await other.show(params._meta.ui.resourceUri);
      const answered = other.page.evaluate((params) => put(params), params);
      await card.locator("#digits").waitFor();
      await inspect(card, `card of a release, ${theme}`, GROUND[theme]);
      await shot(other.page, `card-release-${theme}`);
      if (agrees) check("card of a release: it names who falls silent", (await text(card, "facts")).includes("Front desk (answers it)"), await text(card, "facts"));
      await tabTo(other, card.locator("#digits"));
      await keyboard.type("9999");
      await keyboard.press("Enter");
      check(`card of a release, ${theme}: other digits are no answer`, (await text(card, "said")).startsWith("These are not"), await text(card, "said"));
      for (let i = 0; i < 4; i += 1) await keyboard.press("Backspace");
      await keyboard.type(number.slice(-4));
      await keyboard.press("Enter");
      check(`card of a release, ${theme}: nor are the right ones without the tick`, (await text(card, "said")).startsWith("Tick"), [await text(card, "said"), await card.locator("#digits").inputValue()]);
      await keyboard.press("Space");
      await shot(other.page, `card-release-${theme}-filled`);
      check(`card of a release, ${theme}: nothing is released meanwhile`, ledger(file)("DELETE", "") === 0, "a release");
      await tabTo(other, card.locator(agrees ? "#yes" : "#no"));
      await keyboard.press("Enter");
      const answer = await answered;
      other.quiet(`card of a release, ${theme}`);
      await other.page.close();
      return answer;
    });
    const result = await client.callTool({ name: "release_number", arguments: { number_id: number, confirm: true } });
    const { status } = result.structuredContent;
    check(`card of a release, ${theme}: it is ${agrees ? "released" : "kept"}`, status === (agrees ? "released" : "human_declined"), result.structuredContent);
    check(`card of a release, ${theme}: so Truedy was ${agrees ? "told once" : "told nothing"}`, ledger(file)("DELETE", "") === Number(agrees), "another count");
  }

  // The host takes the card away: that is no answer, and nothing is done.
  {
    client.setRequestHandler("elicitation/create", async ({ params }) => {
      const other = await open(320, "light");
      const card = await other.show(params._meta.ui.resourceUri);
      const answered = other.page.evaluate((params) => put(params), params);
      await card.locator("#digits").waitFor();
      await other.page.evaluate(() => hide());
      const answer = await answered;
      await other.page.close();
      return answer;
    });
    const result = await client.callTool({ name: "release_number", arguments: { number_id: IDLE, confirm: true } });
    check("a card that is taken away releases nothing", result.structuredContent.status === "human_declined" && ledger(file)("DELETE", "") === 1, result.structuredContent);
  }
}

// --- MCP Inspector -----------------------------------------------------------------------------------------------

async function inspector(browser) {
  const scratch = folder("cards-inspector");
  const file = join(scratch, "ledger.jsonl");
  const served = ["http", "--listen", "127.0.0.1:0", "--no-auth-loopback", "--sessions", "--sandbox", "--ephemeral", "--ledger", file, "--fault", "rate_limit=0", "--drain-seconds", "0"];
  const server = await start(PROGRAM, served, join(scratch, "server.log"));
  const url = await server.says(/listening on (\S+\/mcp)\n/);
  const free = async () => {
    const one = await listening(() => {});
    one.close();
    return new URL(one.origin).port;
  };
  const env = { ...process.env, HOME: scratch, CLIENT_PORT: await free(), MCP_SANDBOX_PORT: await free(), MCP_AUTO_OPEN_ENABLED: "false", MCP_INSPECTOR_SECRET_STORE: "memory" };
  const shown = await start(process.execPath, [here("node_modules/.bin/mcp-inspector")], join(scratch, "inspector.log"), env);
  const at = new URL(await shown.says(/(http:\S+MCP_INSPECTOR_API_TOKEN=\w+)/));
  const token = at.searchParams.get("MCP_INSPECTOR_API_TOKEN");
  try {
    for (const colorScheme of ["light", "dark"]) {
      for (const [tool, args, ready] of [["search_numbers", { area_code: "415" }, "input[type=radio]"], ["list_numbers", {}, "tbody tr"]]) {
        const name = `Inspector, ${tool}, ${colorScheme}`;
        const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, colorScheme });
        const bad = [];
        page.on("pageerror", (error) => bad.push(String(error)));
        // What Inspector itself cannot load is no matter of ours; a page that tried to would be stopped by its policy.
        page.on("console", (message) => message.type() === "error" && !message.text().startsWith("Failed to load") && bad.push(message.text()));
        const link = new URL(at);
        const appArgs = Buffer.from(JSON.stringify(args)).toString("base64url");
        for (const [key, value] of Object.entries({ serverUrl: url, transport: "http", autoConnect: token, openApp: tool, appArgs, autoOpen: token })) link.searchParams.set(key, value);
        await page.goto(link.href);
        await page.locator('[data-app-status="ready"]').waitFor();
        /** The page whose frame has this. */
        const frameWith = (selector) =>
          until(`a frame with ${selector}`, async () => {
            for (const frame of page.frames()) if (await frame.locator(selector).first().isVisible().catch(() => false)) return frame;
          });
        const frame = await frameWith(ready);
        const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor.match(/[\d.]+/g).slice(0, 3).map(Number));
        await inspect(frame, name, ground, { scrolls: false });
        await page.screenshot({ path: join(scratch, `${tool}-${colorScheme}.png`) });
        if (tool === "search_numbers" && colorScheme === "dark") {
          await frame.locator("label.row").nth(1).click();
          const number = await frame.locator(":checked + span .number").innerText();
          await frame.locator("#first").click();
          await sleep(APART);
          await frame.locator("#first").click();
          // The person is asked as well, and on the card: Inspector shows it in the place of its own form.
          const card = await frameWith("#yes");
          await inspect(card, "Inspector, card", ground, { scrolls: false });
          await page.screenshot({ path: join(scratch, "card.png") });
          check(`${name}: nothing is bought before the person's word`, ledger(file)("POST", "/purchase") === 0, "a purchase");
          await card.locator("#yes").click();
          await until("it is bought", async () => (await frame.locator("#said").innerText()).startsWith(`Bought ${number}.`));
          check(`${name}: two clicks and the card are exactly one purchase`, ledger(file)("POST", "/purchase") === 1, "another count");
          await page.screenshot({ path: join(scratch, "bought.png") });
        }
        check(`${name}: no error in the console`, bad.length === 0, bad);
        await page.close();
      }
    }
  } finally {
    await shown.stop();
    check("the server ends in order", (await server.stop()) === 0, server.said());
  }
}

let browser;
const ends = [];
try {
  browser = await launch();
  console.log("a host of our own");
  await ownHost(browser, ends);
  console.log("MCP Inspector");
  await inspector(browser);
} catch (error) {
  check("gets through", false, String(error?.stack ?? error));
} finally {
  await browser?.close();
  for (const end of ends) await end();
}
finish();
