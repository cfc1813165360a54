// Holds the conversation of ../conversation.json through any client, and prints one line a check.
//
//   node SCRIPT PROGRAM FOLDER [stdio|http|sse]
//
// A client is a function `connect(server, person)`, where `server` is `{ command, args }` for stdio and
// `{ url, headers, sse }` otherwise, and `person`, if there is one, answers forms. It gives `{ version, tools, call, close }`.

import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

import { serveHttp } from "./server.mjs";

const [PROGRAM, SCRATCH, TRANSPORT = "stdio"] = process.argv.slice(2);
/** How the server is reached. Without sessions it can ask nobody while a call of the older eras is open. */
export const WAYS = {
  stdio: [{ way: "stdio", asks: () => true }],
  http: [
    { way: "Streamable HTTP", path: "/mcp", options: [], asks: (version) => version >= "2026-07-28" },
    { way: "Streamable HTTP with sessions", path: "/mcp", options: ["--sessions"], asks: () => true },
  ],
  sse: [{ way: "SSE", path: "/sse", sse: true, options: [], asks: () => true }],
}[TRANSPORT];
const read = (name) => JSON.parse(readFileSync(new URL(`../${name}`, import.meta.url), "utf8"));
export const STEPS = read("conversation.json");
const NUMBER = "+14155550100";
export const TOOLS = read("expected.json").tools;
export const CHANGES = ["POST /api/public/v1/telephony/numbers/purchase", "DELETE /api/public/v1/telephony/numbers/<id>"];

export const INFO = { name: "truedy-mcp-clients", version: "1.0.0" };

let passed = 0;
let failed = 0;

/** Notes one check; `seen` is printed where it does not hold. */
export function check(what, holds, seen) {
  if (holds) passed += 1;
  else failed += 1;
  console.log(holds ? `  ok      ${what}` : `  FAILED  ${what}\n          ${JSON.stringify(seen)}`);
}

/** Prints the count; the process fails if a check did. */
export function finish() {
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
}

/** Runs one part; what it throws is one check that does not hold. */
export async function part(does) {
  try {
    await does();
  } catch (error) {
    check("gets through", false, String(error?.stack ?? error));
  }
}

/** The command that serves MCP: `truedy-mcp stdio` on a sandbox, with these further arguments. */
export function serve(...args) {
  return { command: PROGRAM, args: ["stdio", "--sandbox", ...args] };
}

/** An empty folder of this name. */
export function folder(name) {
  const path = join(SCRATCH, name.replaceAll(/[^a-z0-9.]+/gi, "-"));
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path, { recursive: true });
  return path;
}

/** The user: answers each form as the step says, and remembers the forms. */
class Person {
  forms = [];

  fill = ({ message, requestedSchema }) => {
    this.forms.push({ message, fields: Object.keys(requestedSchema.properties).sort() });
    return this.answer === "decline" ? { action: "decline" } : { action: "accept", content: this.answer };
  };

  /** Whether there were so many forms, and they named the number and wanted what the answer has. */
  wasAsked(times) {
    const wanted = this.answer === "decline" ? undefined : Object.keys(this.answer ?? {}).sort();
    const right = ({ message, fields }) => message.replaceAll(" ", "").includes(NUMBER) && (!wanted || `${fields}` === `${wanted}`);
    return this.forms.length === times && this.forms.every(right);
  }
}

/**
 * The whole conversation in each of the ways; `asks` says whether the client carries questions to its user, `kept` whether
 * the sandbox of stdio must outlast a process. `era` is what reaches the server, where something between them speaks another.
 */
export async function converse(name, { version, era = version, asks, kept = false, connect }) {
  for (const how of WAYS) {
    const title = `${name}, ${version}, ${how.way}, ${asks ? "with" : "without"} elicitation`;
    console.log(title);
    const scratch = folder(title);
    const ledger = join(scratch, "ledger.jsonl");
    try {
      if (TRANSPORT === "stdio") {
        const state = kept ? ["--state-dir", scratch] : ["--ephemeral"];
        await talk(serve(...state, "--ledger", ledger), { version, asks, asked: asks, connect });
      } else {
        await talkOverHttp(how, scratch, ledger, { version, asks, asked: asks && how.asks(era), connect });
      }
      const changes = changesIn(ledger);
      check("Truedy saw one purchase and one release", `${changes}` === `${CHANGES}`, changes);
    } catch (error) {
      check("gets through the conversation", false, String(error?.stack ?? error));
    }
  }
}

/** The same with a server that is started for it and must end as it should. */
async function talkOverHttp({ path, options, sse }, scratch, ledger, conversation) {
  const args = ["--sandbox", "--ephemeral", "--ledger", ledger, "--drain-seconds", "0", ...options];
  const running = await serveHttp(PROGRAM, scratch, args);
  const server = { url: new URL(path, running.url), headers: running.headers, sse };
  try {
    const refused = await conversation.connect({ ...server, headers: {} }).then(() => "let in", String);
    check("gets nowhere without the token", /401|unauthorized|auth_required|bearer token/i.test(refused), refused);
    await talk(server, conversation);
  } finally {
    const ended = await running.stop();
    const said = running.said();
    check("the server ends in order", ended === 0, { ended, said });
    check("and logged neither trouble nor the token", !/"(WARN|ERROR)"/.test(said) && !said.includes(running.token), said);
  }
}

/** `asked` says whether questions reach the user. */
export async function talk(server, { version, asks, asked, steps = STEPS, connect }) {
  const person = asks ? new Person() : undefined;
  const client = await connect(server, person);
  check("negotiates the version", client.version === version, client.version);
  const tools = await client.tools();
  check(`lists ${TOOLS} tools`, tools.length === TOOLS, tools);
  for (const step of steps.filter((step) => asked || !step.answer || step.also_without_asking)) {
    await take(asked ? step : { ...step, answer: undefined }, client, person);
  }
  await client.close();
}

async function take(step, client, person) {
  if (person) Object.assign(person, { answer: step.answer, forms: [] });
  const result = await client.call(step.tool, step.arguments);
  const answer = result.structuredContent ?? {};
  const text = result.content?.[0]?.text ?? "";
  const json = JSON.stringify(answer);
  const answered =
    (result.isError ?? false) === (step.refused ?? false) &&
    answer.status === step.status &&
    text.startsWith(answer.summary) &&
    (!step.shows || (json.includes(step.shows) && text.includes(step.shows))) &&
    (!step.lacks || !(json + text).includes(step.lacks)) &&
    (!step.field || answer.problems?.some(({ field }) => field === step.field));
  const asked = !person || person.wasAsked(step.answer ? 1 : 0);
  check(step.what, answered && asked, { result, forms: person?.forms });
}

/** What changed something upstream, in order; where nothing was ever asked there is no ledger. */
export function changesIn(ledger) {
  return (existsSync(ledger) ? readFileSync(ledger, "utf8") : "")
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line))
    .filter(({ method, path }) => method && method !== "GET" && !path.endsWith("/search"))
    .map(({ method, path }) => `${method} ${path.replace(/[0-9a-f-]{36}$/, "<id>")}`);
}
