// Every state of the three cards, from results as the server gives them. Each is looked at in light and dark, at 320 and 700 px.

import { writeFileSync } from "node:fs";
import { join } from "node:path";

import { inspect } from "./cards-look.mjs";
import { check } from "./conversation.mjs";
import { until } from "./server.mjs";

const PICKER = "ui://truedy/number-picker.html";
const INVENTORY = "ui://truedy/inventory.html";
const CONFIRM = "ui://truedy/confirm.html";
export const GROUND = { light: [255, 255, 255], dark: [18, 18, 18] };
const WIDTHS = [320, 700];
/** Longer than a card takes two clicks for one double click. */
export const APART = 600;

const number = (i) => `+1415555010${i}`;
const offer = (i, more) => ({ number: number(i), type: "local", region: "CA", locality: "San Francisco", monthly: "1.00", setup: "1.00", currency: "USD", features: "voice sms", ...more });
const SAME = [0, 1, 2, 3, 4, 5].map((i) => offer(i));
const MIXED = [
  offer(0, { monthly: "2.00", setup: "2.00", type: "toll_free", locality: undefined, region: undefined }),
  offer(1),
  offer(2, { number: "+442079460958", locality: "Saint-Germain-en-Laye-sur-Seine", region: "Île-de-France", monthly: "0.90", setup: "0.00", currency: "GBP", features: "voice sms mms fax" }),
  offer(3, { monthly: undefined, setup: undefined, price: "unknown", features: undefined }),
  offer(4, { monthly: "1.15" }),
];
const numbers = { "+442079460958": { shown: "+44 20 7946 0958", place: "GB" }, "+442079460123": { shown: "+44 20 7946 0123", place: "GB" }, "+13125550110": { place: "Chicago, IL" }, "+14155550123": { place: "San Francisco, CA" }, "+12125550142": { place: "New York, NY" }, "+16175550155": { place: "Boston, MA" } };
const CHEAPEST = [...MIXED.filter(({ currency }) => currency === "USD"), offer(5)];
const found = (offers, more = {}) => ({
  content: [{ type: "text", text: "Found." }],
  structuredContent: { status: "ok", offers, total: 99, next_page: 2, ...more },
  _meta: { "truedy/query": { area_code: "415" }, "truedy/offers": Object.fromEntries(offers.map((one) => [one.number, "token"])), "truedy/searched": { said: " in San Francisco, CA", wider: null }, "truedy/numbers": numbers },
});
const refused = (status, why, more = {}) => ({ isError: true, content: [], structuredContent: { status, summary: "See truedy_says and list_numbers.", ...more }, _meta: { "truedy/why": why } });
const ROWS = [
  { id: "1", number: "+13125550110", status: "pending", kind: "managed" },
  { id: "2", number: "+442079460123", status: "active", kind: "byoc" },
  { id: "3", number: "+12125550142", status: "active", kind: "managed", outbound: "Front office" },
  { id: "4", number: "+14155550123", status: "active", kind: "managed", inbound: "Front desk of the whole company, second floor" },
  { id: "5", number: "+16175550155", status: "inactive", kind: "byoc", inbound: "Front office", outbound: "Front office" },
  { id: "6", number: "+16175550156", status: "active", kind: "managed", inbound: "Sales" },
];
const listed = (rows, said = "", wider = null) => ({
  content: [],
  structuredContent: { status: "ok", numbers: rows, total: rows.length && 12, ...(rows.length ? { next_offset: 6 } : {}) },
  _meta: { "truedy/query": {}, "truedy/searched": { said, wider }, "truedy/numbers": numbers },
});
const onlyText = ({ structuredContent }) => ({ content: [{ type: "text", text: `A summary.\n${JSON.stringify(structuredContent)}` }] });
const AGENTS = { structuredContent: { status: "ok", agents: [{ name: "Sales", status: "active", inbound: ["1", "2"], outbound: [] }, { name: "Front desk", status: "active", inbound: [], outbound: [] }] }, content: [] };

/** Answers of the server by tool, for a card that calls. */
const serving = (answers) => async ({ name }) => (typeof answers[name] === "function" ? await answers[name]() : answers[name]);
const never = () => new Promise(() => {});

const second = (frame) => frame.locator("#second").click();
/** Chooses the first number that has a button, and presses the first button this often. */
const buying = (presses, answers) => async ({ window, frame }) => {
  window.serve = serving({ list_agents: AGENTS, ...answers });
  await frame.locator("input[type=radio]").first().click();
  for (let i = 0; i < presses; i += 1) {
    if (i > 0) await new Promise((resolve) => setTimeout(resolve, APART));
    await frame.locator("#first").click();
  }
};
const says = (id, text) => ({ frame }) => until(`#${id} says ${text}`, async () => (await frame.locator(`#${id}`).innerText()).includes(text));
const both = (...steps) => async (at) => {
  for (const step of steps) await step(at);
};
const bought = { structuredContent: { status: "purchased", number: number(0), number_status: "pending" }, content: [] };

const ask = (schema, card) => ({ message: "Buy +1 415 555 0100 for 1.00 USD a month? It is billed every month until it is released.", requestedSchema: { type: "object", properties: schema }, _meta: card && { "truedy/card": card } });
const BUY = { buy: { type: "boolean" } };
const RELEASE = { release: { type: "boolean" }, last4: { type: "string" } };
const TO_BUY = { number: number(0), shown: "+1 415 555 0100", price: "1.00 USD a month and 1.00 USD once", place: "San Francisco, CA", releases: false, used: 0, limit: 10, monthly_after: { known: "3.25 USD", priced: 3, numbers: 13 } };
const TO_RELEASE = { number: "+14155550123", number_status: "active", kind: "managed", place: "San Francisco, CA", agents_that_fall_silent: [{ agent: "Front desk", direction: "inbound" }, { agent: "Front office", direction: "outbound" }], releases: true, used: 2, limit: 10 };
const typing = (digits, tick, press) => async ({ frame }) => {
  await frame.locator("#digits").fill(digits);
  if (tick) await frame.locator("#tick").click();
  if (press) await frame.locator("#yes").click();
};
const pressing = (id) => ({ frame }) => frame.locator(`#${id}`).click();

/** Each state: the card, its name, what it is given, and what is done. Those with a `text` must show it. */
const STATES = [
  [PICKER, "loading", { text: "Searching…" }],
  [PICKER, "one-price", { result: found(SAME), text: "$1.00/mo + $1.00 setup each" }],
  [PICKER, "prices", { result: found(CHEAPEST), text: "lowest" }],
  [PICKER, "currencies", { result: found(MIXED), text: "£0.90/mo" }],
  [PICKER, "chosen", { result: found(SAME), does: buying(0), text: "Buy for $1.00/mo + $1.00 setup" }],
  [PICKER, "confirm", { result: found(SAME), does: buying(1), text: "Confirm $1.00/mo" }],
  [PICKER, "buying", { result: found(SAME), does: both(buying(2, { buy_offer: never }), says("first", "Buying…")), text: "Buying…" }],
  [PICKER, "bought", { result: found(SAME), does: both(buying(2, { buy_offer: bought }), says("first", "Let Front desk answer it")), text: "✓ Bought +1 (415) 555-0100." }],
  [PICKER, "assigned", { result: found(SAME), does: both(buying(2, { buy_offer: bought }), says("first", "Let Front desk"), pressing("first"), says("said", "Asked")), text: "Let “Front desk” answer +1 (415) 555-0100." }],
  [PICKER, "sold-out", { result: found(MIXED), does: both(buying(2, { buy_offer: refused("upstream_rejected", "Truedy refused it.") }), says("said", "gone")), text: "sold out" }],
  [PICKER, "new-price", { result: found(SAME), does: both(buying(2, { buy_offer: { ...refused("state_changed", "", { price: "9.00 USD a month and 1.00 USD once" }), _meta: { "truedy/offers": { [number(0)]: "new" } } } }), says("said", "$9.00/mo")), text: "confirm again" }],
  [PICKER, "declined", { result: found(SAME), does: both(buying(2, { buy_offer: refused("human_declined", "You said no.") }), says("said", "You said no")), text: "Nothing was bought. You said no." }],
  [PICKER, "denied", { result: found(SAME), does: both(buying(2, { buy_offer: refused("policy_denied", "The rules of this server do not allow it. Ask whoever runs it.") }), says("said", "rules")), text: "Nothing was bought." }],
  [PICKER, "not-known", { result: found(SAME), does: both(buying(2, { buy_offer: refused("outcome_unknown", "") }), says("said", "not known")), text: "Ask in the chat before anything else." }],
  [PICKER, "error", { result: refused("rate_limited", "There were too many requests. Try again in a minute."), text: "There were too many requests." }],
  [PICKER, "empty", { result: { ...found([], { total: 0, next_page: undefined, left_out: { dearer: 12, unknown: 0 } }), _meta: { "truedy/query": {}, "truedy/searched": { said: " in Oakland, CA", wider: { label: "Search all cities", arguments: {} } } } }, text: "No number is for sale in Oakland, CA. 12 cost more than the limit." }],
  [PICKER, "wider", { result: { ...found([], { total: 0 }), _meta: { "truedy/query": {}, "truedy/searched": { said: " in Oakland, CA", wider: { label: "Search all cities", arguments: {} } } } }, does: async ({ window, frame }) => { window.serve = serving({ search_numbers: found(SAME) }); await second(frame); }, text: "1–5 of 99" }],
  [PICKER, "text-only", { result: onlyText(found(SAME)), text: "To buy one, say so in the chat.", sells: false }],
  [PICKER, "no-facts", { result: { content: [{ type: "text", text: "3 numbers, see search_numbers." }] }, text: "The result is in the chat.", sells: false }],
  [INVENTORY, "loading", { text: "Reading the list…" }],
  [INVENTORY, "list", { result: listed(ROWS), text: "1–5 of 12" }],
  [INVENTORY, "more", { result: listed(ROWS), does: async ({ window, frame }) => { window.serve = serving({ list_numbers: { structuredContent: { status: "ok", numbers: ROWS }, content: [] } }); await frame.locator("#more").click(); }, text: "6–6 of 12" }],
  [INVENTORY, "reading", { result: listed(ROWS.slice(0, 5)), does: async ({ window, frame }) => { window.serve = never; await frame.locator("#more").click(); }, text: "Reading…" }],
  [INVENTORY, "empty", { result: listed([]), text: "This account has no numbers yet." }],
  [INVENTORY, "none-fits", { result: listed([], ": pending, area code 617", { label: "Show all numbers", arguments: {} }), text: "No number fits: pending, area code 617." }],
  [INVENTORY, "error", { result: refused("upstream_unavailable", "Truedy cannot be reached. Try again in a minute."), text: "Truedy cannot be reached." }],
  [INVENTORY, "text-only", { result: onlyText(listed(ROWS)), text: "Front office answers" }],
  [CONFIRM, "nothing", { text: "Nothing to confirm" }],
  [CONFIRM, "purchase", { ask: ask(BUY, TO_BUY), text: "Buy +1 (415) 555-0100?" }],
  [CONFIRM, "purchase-plain", { ask: ask(BUY), text: "Buy the number?" }],
  [CONFIRM, "not-bought", { ask: ask(BUY, TO_BUY), does: pressing("no"), text: "Nothing was paid for +1 (415) 555-0100." }],
  [CONFIRM, "yes", { ask: ask(BUY, TO_BUY), does: pressing("yes"), text: "You said yes" }],
  [CONFIRM, "release", { ask: ask(RELEASE, TO_RELEASE), text: "3rd of 10 today" }],
  [CONFIRM, "release-wrong", { ask: ask(RELEASE, TO_RELEASE), does: typing("9999", false, true), text: "Not its last four digits." }],
  [CONFIRM, "release-unticked", { ask: ask(RELEASE, TO_RELEASE), does: typing("0123", false, true), text: "Tick it to go on." }],
  [CONFIRM, "release-ready", { ask: ask(RELEASE, TO_RELEASE), does: typing("0123", true, false), text: "Release for good" }],
  [CONFIRM, "kept", { ask: ask(RELEASE, TO_RELEASE), does: pressing("no"), text: "Kept +1 (415) 555-0123. Nothing was released." }],
];

/** Axe takes a second for a state: a run asks it of a third of them, which changes with the day; TRUEDY_TEST_WHOLE asks all. */
const isOfToday = (index) => Boolean(process.env.TRUEDY_TEST_WHOLE) || index % 3 === Math.floor(Date.now() / 86_400_000) % 3;

/** Looks at each state in both themes and widths. `open` opens the host; a picture of each goes to `shots`. */
export async function everyState(open, shots) {
  // At once, since some states wait for the card.
  const windows = ["light", "dark"].flatMap((theme) => WIDTHS.map((width) => ({ theme, width })));
  await Promise.all(windows.map((look) => statesIn(open, look, shots)));
}

async function statesIn(open, { theme, width }, shots) {
  const window = await open(width, theme);
  for (const [index, [uri, state, { result, ask, does, text, sells }]] of STATES.entries()) {
    const card = uri.split("/").at(-1).replace(".html", "");
    const name = `${card}-${state}-${theme}-${width}`;
    const frame = await window.show(uri);
    if (result) await window.page.evaluate(([given]) => give(undefined, given), [result]);
    if (ask) await window.page.evaluate((params) => void put(params).catch(() => {}), ask);
    if (ask) await frame.locator("#yes").waitFor();
    await does?.({ window, frame });
    const seen = () => frame.evaluate(() => document.body.innerText.replaceAll(/\n+/g, "\n"));
    const shows = await until(name, async () => (await seen()).includes(text)).catch(() => false);
    if (!shows) check(`${name}: it shows “${text}”`, false, await seen());
    if (sells === false) check(`${name}: nothing is offered for sale`, (await frame.locator("#first:visible, input:visible").count()) === 0, await seen());
    await frame.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
    await inspect(frame, name, GROUND[theme], { byAxe: theme === "light" && isOfToday(index) });
    if (!shots) continue;
    await window.page.locator("iframe").screenshot({ path: join(shots, `${name}.png`) });
    writeFileSync(join(shots, `${name}.txt`), await seen());
  }
  window.quiet(`states, ${theme}, ${width} px`);
  await window.page.close();
}
