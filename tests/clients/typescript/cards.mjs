// The pages of MCP Apps in two hosts, in Chromium as Debian packages it: a host of our own on the official bridge, as strict
// as the specification allows, and MCP Inspector. They are used by keyboard alone, in light and dark, on 320 px; nothing is
// asked for elsewhere, and what reaches Truedy is counted. A picture of each stays in the folder.
//
//   node cards.mjs PROGRAM FOLDER [--shots DIR]
//
// With --shots every state of every card is kept as a picture there, and MCP Inspector is left out.

import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { build } from "esbuild";

import { launch } from "./browser.mjs";
import { inspect } from "./cards-look.mjs";
import { APART, GROUND, everyState } from "./cards-states.mjs";
import { INFO, check, finish, folder } from "./conversation.mjs";
import { start, until } from "./server.mjs";

const [PROGRAM] = process.argv.slice(2);
const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const shots = process.argv.includes("--shots") ? process.argv.at(-1) : undefined;
// What the specification has a host impose where a page declares nothing.
const POLICY =
  "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'none'";
const SHOWS = { "io.modelcontextprotocol/ui": { mimeTypes: ["text/html;profile=mcp-app"], elicitation: {} } };
const IDLE = "+13125550110";
const ANSWERED = "+14155550123";
/** Nobody uses these, and each is released in one theme. */
const UNUSED = { light: IDLE, dark: "+442079460123" };
/** How people write a number of +1. */
const written = (number) => number.replace(/^\+1(\d{3})(\d{3})(\d{4})$/, "+1 ($1) $2-$3");
/** The number that a card shows. */
const e164 = (shown) => shown.replaceAll(/[^+\d]/g, "");

/** What reached the sandbox, by method and the end of the path. */
function ledger(file) {
  // Where nothing was ever asked there is none.
  const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n").filter(Boolean) : [];
  const sent = lines.map((line) => JSON.parse(line));
  return (method, ending) => sent.filter((one) => one.method === method && one.path?.endsWith(ending)).length;
}

/** Serves this on a port of its own. */
async function listening(answer) {
  const server = createServer(answer);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { origin: `http://127.0.0.1:${server.address().port}`, close: () => server.close().closeAllConnections() };
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
    window.serve = (params) => client.callTool(window.change(params));
    await page.exposeFunction("serve", (method, params) => {
      calls.push(params.name);
      return window.serve(params);
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

  if (shots) mkdirSync(shots, { recursive: true });
  await everyState(open, shots);
  if (shots) return;

  for (const theme of ["light", "dark"]) {
    for (const width of [320]) {
      const name = `picker, ${theme}, ${width} px`;
      const window = await open(width, theme);
      const frame = await window.show("ui://truedy/number-picker.html");
      const input = { area_code: "415" };
      const result = await client.callTool({ name: "search_numbers", arguments: input });
      await window.page.evaluate(([input, result]) => give(input, result), [input, result]);
      await frame.locator("input[type=radio]").nth(4).waitFor();
      await frame.locator("label.row").first().click();
      await inspect(frame, name, GROUND[theme]);
      check(`${name}: five at a time, the price on the button`, (await frame.locator("input[type=radio]").count()) === 5 && /^Buy for \$\d+\.\d\d\/mo/.test(await text(frame, "first")), await text(frame, "first"));
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
      await table.locator("li.row").first().waitFor();
      const before = await table.locator("li.row").count();
      const nobody = await table.locator("li.row").first().innerText();
      const listed = `inventory, ${theme}, ${width} px`;
      check(`${listed}: a page of it, unused ones first`, before === 3 && (nobody.match(/nobody/g) ?? []).length === 2, nobody);
      check(`${listed}: more can be reached by keyboard`, await tabTo(list, table.locator("#more")), await text(table, "more"));
      await list.page.keyboard.press("Enter");
      await until("the rest", async () => (await text(table, "count")).startsWith("1–5 of 12."));
      check(`${listed}: the rest comes by the tool itself`, list.calls.includes("list_numbers"), { calls: list.calls, count: await text(table, "count") });
      await inspect(table, listed, GROUND[theme]);
      await shot(list.page, `inventory-${theme}-${width}`);
      list.quiet(listed);
      await list.page.close();
    }
  }
  check("looking buys nothing", ledger(file)("POST", "/purchase") === 0, "a purchase");

  // By keyboard alone: choose, look at more, buy with two presses, and confirm on the card which takes the form's place.
  for (const [theme, opposite] of [["light", "dark"], ["dark", "light"]]) {
    const before = ledger(file)("POST", "/purchase");
    const window = await open(320, theme);
    const { page } = window;
    const frame = await window.show("ui://truedy/number-picker.html");
    const result = await client.callTool({ name: "search_numbers", arguments: { area_code: "415", page_size: 5 } });
    // No input: some hosts give none.
    await page.evaluate(([result]) => give(undefined, result), [result]);
    await frame.locator("input[type=radio]").first().waitFor();
    const numbers = () => frame.locator(".row .number").allInnerTexts();
    const first = await numbers();
    check(`keyboard, ${theme}: more numbers can be reached`, await tabTo(window, frame.locator("#second")), await text(frame, "second"));
    await page.keyboard.press("Enter");
    await until("five more", async () => (await text(frame, "count")).startsWith("6–10 of "));
    const second = await numbers();
    check(`keyboard, ${theme}: they are others, by the tool itself`, second.every((one) => !first.includes(one)) && `${window.calls}` === "search_numbers", second);
    await page.keyboard.press("Shift+Tab");
    await page.keyboard.press("Space");
    const shown = await until("a choice", async () => (await frame.locator(":checked + span .number").count()) && frame.locator(":checked + span .number").innerText());
    const chosen = e164(shown);
    check(`keyboard, ${theme}: the number is written for people`, shown === written(chosen) && shown !== chosen, shown);
    const looked = await until("the model is told", () => page.evaluate(() => notes[0]));
    check(`keyboard, ${theme}: the model is told what is looked at, and that nothing is bought`, looked.includes(chosen) && looked.endsWith("Nothing is bought yet."), looked);
    await tabTo(window, frame.locator("#first"));
    // The page's token is spoilt on its way, once: the server refuses, and the page lets the person confirm anew.
    let spoil = 1;
    window.change = (params) => (params.name === "buy_offer" && spoil-- > 0 ? { ...params, arguments: { ...params.arguments, confirmation_token: "forged" } } : params);
    const questions = [];
    client.setRequestHandler("elicitation/create", async ({ params }) => {
      questions.push(params);
      const other = await open(320, opposite);
      const card = await other.show(params._meta.ui.resourceUri);
      const answered = other.page.evaluate((params) => put(params), params);
      await card.locator("#yes").waitFor();
      check("card: it says that it answers questions", JSON.stringify(await other.page.evaluate(() => can)) === '{"elicitation":{}}');
      await inspect(card, `card of a purchase, ${opposite}`, GROUND[opposite]);
      check(`card of a purchase, ${opposite}: the price on the button`, /^Buy for \$\d+\.\d\d\/mo/.test(await text(card, "yes")), await text(card, "yes"));
      await shot(other.page, `card-purchase-${opposite}`);
      await tabTo(other, card.locator("#yes"));
      await other.page.keyboard.press("Space");
      const answer = await answered;
      other.quiet(`card of a purchase, ${opposite}`);
      await other.page.close();
      return answer;
    });
    await page.keyboard.press("Enter");
    await until("the second step", async () => (await text(frame, "first")).startsWith("Confirm "));
    check(`keyboard, ${theme}: the first press buys nothing`, ledger(file)("POST", "/purchase") === before, await text(frame, "said"));
    await page.keyboard.press("Enter");
    await sleep(APART);
    check(`keyboard, ${theme}: a press right after the first is none`, !window.calls.includes("buy_offer"), window.calls);
    await page.keyboard.press("Enter");
    await until("a refusal", async () => (await text(frame, "said")).includes("confirm again to buy"));
    check(`keyboard, ${theme}: a spoilt token buys nothing, and the page asks anew`, ledger(file)("POST", "/purchase") === before, await text(frame, "said"));
    await shot(page, `picker-confirm-${theme}`);
    await sleep(APART);
    await page.keyboard.press("Enter");
    await until("it is bought", async () => (await text(frame, "said")).startsWith(`✓ Bought ${shown}.`));
    check(`keyboard, ${theme}: two presses and the card are exactly one purchase`, ledger(file)("POST", "/purchase") === before + 1 && questions.length === 1, questions.length);
    const told = await until("the model is told", () => page.evaluate(() => notes.find((note) => note.includes("has bought"))));
    check(`keyboard, ${theme}: the model is told that it is bought`, told.includes(chosen) && told.includes("status is pending"), told);
    await until("an agent is offered", async () => (await text(frame, "first")) === "Let Front desk answer it");
    check(`keyboard, ${theme}: the focus stays on the page`, await frame.evaluate(() => document.activeElement !== document.body), await frame.evaluate(() => document.activeElement.outerHTML));
    await inspect(frame, `picker, bought, ${theme}`, GROUND[theme]);
    await shot(page, `picker-bought-${theme}`);
    window.quiet(`picker by keyboard, ${theme}`);
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
      check(`card of a release, ${theme}: other digits are no answer`, (await text(card, "said")).startsWith("Not its last four"), await text(card, "said"));
      for (let i = 0; i < 4; i += 1) await keyboard.press("Backspace");
      await keyboard.type(number.slice(-4));
      await keyboard.press("Enter");
      check(`card of a release, ${theme}: nor are the right ones without the tick`, (await text(card, "unticked")).startsWith("Tick"), [await text(card, "unticked"), await card.locator("#digits").inputValue()]);
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

/** Inspector before a server of its own, and nothing but keys for either. */
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

  /** Inspector, connected, in a window of this theme; with the page of an app where one is named. */
  async function open(colorScheme, openApp, args) {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, colorScheme });
    const said = [];
    const asked = [];
    page.on("pageerror", (error) => said.push(String(error)));
    // What Inspector itself cannot load is no matter of ours; a page that tried to would be stopped by its policy.
    page.on("console", (message) => message.type() === "error" && !message.text().startsWith("Failed to load") && said.push(message.text()));
    // What is not asked for by Inspector's own window is asked for by a page of ours, but for the frame around each.
    page.on("request", (request) => {
      const { port, protocol } = new URL(request.url());
      const own = request.isNavigationRequest() ? [at.port, env.MCP_SANDBOX_PORT].includes(port) : request.frame() === page.mainFrame();
      if (!own && protocol !== "data:") asked.push(request.url());
    });
    const link = new URL(at);
    const app = openApp && { openApp, appArgs: Buffer.from(JSON.stringify(args)).toString("base64url"), autoOpen: token };
    for (const [key, value] of Object.entries({ serverUrl: url, transport: "http", autoConnect: token, ...app })) link.searchParams.set(key, value);
    await page.goto(link.href);
    if (app) await page.locator('[data-app-status="ready"]').waitFor();
    return {
      page,
      /** The page of ours that has this. */
      frameWith: (selector) =>
        until(`a frame with ${selector}`, async () => {
          for (const frame of page.frames()) if (await frame.locator(selector).first().isVisible().catch(() => false)) return frame;
        }),
      shot: (name) => page.screenshot({ path: join(scratch, `${name}-${colorScheme}.png`) }),
      async end(name) {
        check(`${name}: no error in the console, nothing is asked for`, said.length === 0 && asked.length === 0, { said, asked });
        await page.close();
      },
    };
  }

  const bought = () => ledger(file)("POST", "/purchase");
  const released = () => ledger(file)("DELETE", "");
  try {
    for (const theme of ["light", "dark"]) {
      await purchaseInInspector({ open, bought }, theme);
      await inventoryInInspector({ open }, theme);
      await releaseInInspector({ open, released }, theme, UNUSED[theme]);
    }
    check("Inspector: in all two were bought and two released", bought() === 2 && released() === 2, [bought(), released()]);
  } finally {
    await shown.stop();
    check("the server ends in order", (await server.stop()) === 0, server.said());
  }
}

/** What is behind a page: the first ground among those of what it stands in. */
async function groundOf(frame) {
  const around = await frame.parentFrame().frameElement();
  return await around.evaluate((element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor.match(/[\d.]+/g).map(Number);
      if (color.length < 4 || color[3] === 1) return color.slice(0, 3);
    }
    return undefined;
  });
}

const hasFocus = (locator) => locator.evaluate((one) => document.hasFocus() && one === document.activeElement);

/** Presses Tab until this has the focus, from wherever it is; of a group of radio buttons, whichever gets it. */
async function tabbed(page, locator, most) {
  for (let i = 0; i < most; i += 1) {
    await page.keyboard.press("Tab");
    if (await hasFocus(locator)) return true;
  }
  return false;
}

/** From Inspector's first control to a page of its middle there are some ten others. */
const INTO = 40;
/** Controls of a page of ours. */
const WITHIN = 6;

/** Puts the focus on the first control of a card: Inspector's dialog keeps Tab to itself, and lets it into no frame. */
async function intoCard(card, first) {
  await card.locator(first).focus();
  check(`Inspector: ${first} of the card has the focus`, await hasFocus(card.locator(first)));
}

async function purchaseInInspector({ open, bought }, theme) {
  const name = `Inspector, picker, ${theme}`;
  const before = bought();
  const { page, frameWith, shot, end } = await open(theme, "search_numbers", { area_code: "415" });
  const { keyboard } = page;
  const frame = await frameWith("input[type=radio]");
  const said = () => frame.locator("#said").innerText();
  check(`${name}: Tab leads from Inspector into the page`, await tabbed(page, frame.locator("input[type=radio]").first(), INTO), await page.evaluate(() => document.activeElement.outerHTML));
  await keyboard.press("ArrowDown");
  const shown = await frame.locator(":checked + span .number").innerText();
  check(`${name}: an arrow chooses the second number`, shown === (await frame.locator(".row .number").nth(1).innerText()), shown);
  await inspect(frame, name, await groundOf(frame), { whole: false });
  await shot("search_numbers");
  check(`${name}: Tab leads on to the button`, await tabbed(page, frame.locator("#first"), WITHIN), await frame.locator("#first").innerText());
  await keyboard.press("Enter");
  await until("the second step", async () => (await frame.locator("#first").innerText()).startsWith("Confirm "));
  check(`${name}: the first press buys nothing`, bought() === before, await said());
  await sleep(APART);
  await keyboard.press("Enter");
  // The person is asked as well, and on the card: Inspector shows it in the place of its own form.
  const card = await frameWith("#yes");
  const asked = `Inspector, card of a purchase, ${theme}`;
  await inspect(card, asked, await groundOf(card), { whole: false });
  check(`${asked}: it names the number and the price`, (await card.locator("#title").innerText()) === `Buy ${shown}?` && /^Buy for \$\d+\.\d\d\/mo/.test(await card.locator("#yes").innerText()), await card.locator("#facts").innerText());
  check(`${asked}: nothing is bought before the person's word`, bought() === before, "a purchase");
  await shot("card-purchase");
  await intoCard(card, "#yes");
  await keyboard.press("Space");
  await until("it is bought", async () => (await said()).startsWith(`✓ Bought ${shown}.`));
  check(`${name}: two presses and the card are exactly one purchase`, bought() === before + 1, "another count");
  await shot("bought");
  await end(name);
}

async function inventoryInInspector({ open }, theme) {
  const name = `Inspector, inventory, ${theme}`;
  const { page, frameWith, shot, end } = await open(theme, "list_numbers", { limit: 3 });
  const frame = await frameWith("li.row");
  const count = () => frame.locator("#count").innerText();
  check(`${name}: a page of it`, (await frame.locator("li.row").count()) === 3 && (await count()).startsWith("1–3 of 13."), await count());
  check(`${name}: Tab leads from Inspector to its button`, await tabbed(page, frame.locator("#more"), INTO), await count());
  await page.keyboard.press("Enter");
  await until("the rest", async () => (await count()).startsWith("1–5 of 13."));
  check(`${name}: the rest comes by the tool itself`, (await frame.locator("li.row").count()) === 5, await count());
  await inspect(frame, name, await groundOf(frame), { whole: false });
  await shot("list_numbers");
  await end(name);
}

/** A release, which has no page but the card: other digits release nothing, and the right ones do so once. */
async function releaseInInspector({ open, released }, theme, number) {
  const name = `Inspector, card of a release, ${theme}`;
  const before = released();
  const { page, frameWith, shot, end } = await open(theme);
  const { keyboard } = page;
  await page.getByRole("radio", { name: "Tools" }).press("Space");
  await page.getByRole("button", { name: "release_number" }).press("Enter");
  await page.getByRole("textbox", { name: "number_id" }).focus();
  await keyboard.type(number);
  await page.getByRole("checkbox", { name: "confirm" }).press("Space");
  const card = async () => {
    await page.getByRole("button", { name: "Execute Tool" }).press("Enter");
    const card = await frameWith("#digits");
    await intoCard(card, "#digits");
    return card;
  };
  const answered = (status) => until(`Inspector shows ${status}`, async () => (await page.locator("body").innerText()).includes(`"status":"${status}"`));

  const first = await card();
  await inspect(first, name, await groundOf(first), { whole: false });
  await shot("card-release");
  await keyboard.type("9999");
  await keyboard.press("Tab");
  await keyboard.press("Space");
  await keyboard.press("Tab");
  await keyboard.press("Enter");
  const said = await first.locator("#said").innerText();
  check(`${name}: it says that other digits are not the last four`, said === "Not its last four digits.", said);
  check(`${name}: and leads back to them`, await hasFocus(first.locator("#digits")), said);
  check(`${name}: they release nothing`, released() === before, "a release");
  await shot("card-release-wrong");
  check(`${name}: Tab leads on to a no`, await tabbed(page, first.locator("#no"), WITHIN), said);
  await keyboard.press("Enter");
  await answered("human_declined");
  check(`${name}: a no releases nothing`, released() === before, "a release");
  // The form comes back as it was filled in.
  await page.getByRole("button", { name: "Close results" }).press("Enter");

  const second = await card();
  await keyboard.type(number.slice(-4));
  await keyboard.press("Tab");
  check(`${name}: Tab leads on to the tick`, await hasFocus(second.locator("#tick")), "elsewhere");
  await keyboard.press("Space");
  await keyboard.press("Tab");
  check(`${name}: nothing is released before the person's word`, released() === before, "a release");
  await keyboard.press("Enter");
  await answered("released");
  check(`${name}: the right digits release it, once`, released() === before + 1, "another count");
  await shot("released");
  await end(name);
}

let browser;
const ends = [];
try {
  browser = await launch();
  console.log("a host of our own");
  await ownHost(browser, ends);
  if (!shots) {
    console.log("MCP Inspector");
    await inspector(browser);
  }
} catch (error) {
  check("gets through", false, String(error?.stack ?? error));
} finally {
  await browser?.close();
  for (const end of ends) await end();
}
finish();
